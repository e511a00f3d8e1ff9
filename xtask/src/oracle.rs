//! `oracle`: our reading of units beside systemd's own.
//!
//! Debian's systemd is started as the first process of private namespaces, sees only the units of the corpus and our
//! probes, and is asked what it makes of them. Nothing of the machine's own is touched: mounts, processes, network and
//! host name are private, and all of it ends with the one child we hold. Not part of `test`: it needs root, the
//! network, and a kernel that allows namespaces.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How often, and how long apart, systemd is asked whether it is up.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(200);

/// What the first process of the namespaces does; its argument is the directory of units.
const START: &str = r#"set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/lock
mount --bind "$1" /usr/lib/systemd/system
mount -t tmpfs tmpfs /etc/systemd/system
exec env -i container=private PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
    --system --unit=oracle.target --log-level=crit --log-target=console --show-status=no
"#;

/// Compares, prints, and writes the table of keys.
pub(crate) fn run() -> Result<(), String> {
    if !Path::new("/lib/systemd/systemd").exists() {
        super::corpus::quietly(
            Command::new("apt-get").args(["install", "--yes", "--quiet", "systemd"]),
        )?;
    }
    let corpus = super::corpus::fetched()?;
    let root = PathBuf::from("target/corpus/oracle");
    let units = root.join("units");
    conformance(&["gather", &text(&corpus), &text(&units)])?;
    let shown = root.join("shown");
    let system = System::start(&units)?;
    let answer = system.show(&units, &shown);
    drop(system);
    answer?;
    conformance(&[
        "oracle",
        &text(&units),
        &text(&shown),
        "docs/systemd-keys.md",
    ])
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn conformance(args: &[&str]) -> Result<(), String> {
    let mut all = vec![
        "run",
        "--quiet",
        "--package=aplomb-units",
        "--example=conformance",
        "--",
    ];
    all.extend(args);
    super::cargo(&all)
}

/// A systemd of our own; gone, with all it began, when dropped.
struct System {
    child: Child,
    /// Its process id as seen from here.
    first: String,
}

impl System {
    fn start(units: &Path) -> Result<System, String> {
        let units = fs::canonicalize(units).map_err(|why| why.to_string())?;
        let mut child = Command::new("unshare")
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--uts",
                "--ipc",
                "--net",
                "sh",
                "-c",
                START,
                "sh",
            ])
            .arg(units)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| format!("cannot run unshare: {why}"))?;
        for _ in 0..TRIES {
            sleep(PAUSE);
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!(
                    "systemd did not start in private namespaces ({status}); it needs root"
                ));
            }
            let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()))
                .unwrap_or_default();
            let Some(first) = children.split_whitespace().next() else {
                continue;
            };
            if inside(first)
                .args(["systemctl", "show", "--property=Version"])
                .output()
                .is_ok_and(|it| it.status.success())
            {
                let first = first.to_owned();
                return Ok(System { child, first });
            }
        }
        let _ = child.kill();
        Err("systemd did not answer in private namespaces".to_owned())
    }

    /// What `systemctl show` says about every unit that was gathered, into a file.
    fn show(&self, units: &Path, to: &Path) -> Result<(), String> {
        let names =
            fs::read_to_string(units.with_extension("names")).map_err(|why| why.to_string())?;
        let file = fs::File::create(to).map_err(|why| why.to_string())?;
        let status = inside(&self.first)
            .args(["systemctl", "show", "--all", "--"])
            .args(names.lines())
            .stdout(file)
            .status()
            .map_err(|why| format!("cannot run nsenter: {why}"))?;
        match status.success() {
            true => Ok(()),
            false => Err("`systemctl show` failed".to_owned()),
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // The namespace's first process dies with `unshare`, and everything in it with that one.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command in the mounts and processes of another process.
fn inside(process: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", process, "--mount", "--pid", "--"]);
    command
}
