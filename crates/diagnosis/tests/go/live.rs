//! The living program, compiled as it may be deployed; where no Go toolchain is installed the recordings must do.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aplomb_diagnosis::go::{self, GoBudget, GoView};
use aplomb_diagnosis::linux::{self, ProcessMemory};

use super::expected::assert_as_expected;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn view(program: &Path) -> GoView {
    let child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut running = Running(child);
    let mut line = [0; 6];
    running
        .0
        .stdout
        .as_mut()
        .expect("piped")
        .read_exact(&mut line)
        .expect("it says `ready`");
    let pid = running.0.id();
    let memory = ProcessMemory::open(pid).expect("its memory");
    let mappings = linux::mappings(pid).expect("its mappings");
    go::read(&memory, &mappings, GoBudget::default()).expect("a Go program")
}

#[test]
fn living_programs_are_read_however_they_were_built() {
    if Command::new("go").arg("version").output().is_err() {
        println!("no Go toolchain here: only recorded programs are read");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go/programs/waits.go");
    for flags in [
        &[][..],
        &["-ldflags=-s -w"],
        &["-buildmode=pie"],
        &["-gcflags=-N -l"],
    ] {
        let program = directory.path().join("waits");
        let output = Command::new("go")
            .arg("build")
            .args(flags)
            .arg("-o")
            .arg(&program)
            .arg(&source)
            .env("GOCACHE", directory.path().join("cache"))
            .env("GOFLAGS", "")
            .env("GO111MODULE", "off")
            .output()
            .expect("go build");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_as_expected(&view(&program));
    }
}
