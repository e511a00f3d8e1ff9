//! `wine`: what runs on Windows, run under Wine.
//!
//! What is missing (Wine, the cross compiler, the Rust target, Go) is installed. Everything lies in a prefix of its own
//! below `target/wine`, and the only processes ended are those of that prefix. What Wine cannot show is run on a real
//! Windows by `.github/workflows/windows.yml`, under the same names.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const TARGET: &str = "x86_64-pc-windows-gnu";
/// What is built with what it needs may take this long on a machine that has built nothing yet.
const TO_BUILD: Duration = Duration::from_secs(20 * 60);
/// No group of tests takes a quarter of it.
const TO_RUN: Duration = Duration::from_secs(4 * 60);
const PAUSE: Duration = Duration::from_millis(100);

/// Debian's packages, and the program by which each is known to be there.
const PACKAGES: [(&str, &str); 3] = [
    ("/usr/lib/wine/wine64", "wine64"),
    ("/usr/bin/x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64"),
    ("/usr/bin/go", "golang-go"),
];

/// The groups of tests, as arguments of `cargo test`.
const GROUPS: [&[&str]; 5] = [
    &[
        "--package",
        "aplomb-platform",
        "--lib",
        "--test",
        "contract",
    ],
    &["--package", "aplomb-logs", "--lib"],
    &["--package", "aplomb", "--bins", "--test", "windows"],
    &[
        "--package",
        "aplomb-lifecycle",
        "--features",
        "http",
        "--lib",
        "--test",
        "e2e",
    ],
    &["--package", "aplomb-engine", "--lib"],
];

/// Left to a real Windows: under Wine a removed file that somebody has open keeps its name until it is closed; and
/// stories of thousands of file operations take minutes there.
const SKIPPED: [&str; 6] = [
    "what_somebody_removes_during_compression_stays_removed_and_what_is_left_stays",
    "a_removed_directory_comes_back",
    "a_torn_line_whose_file_is_gone_counts_as_lost",
    "following_loses_and_doubles_no_line",
    "every_line_is_kept_once_in_order_or_counted_as_lost",
    "stored_bytes_do_not_depend_on_how_the_pipe_cut_them",
];

/// What is looked at by clippy as it is for Windows.
const LINTED: [&str; 10] = [
    "clippy",
    "--locked",
    "--quiet",
    "--no-deps",
    "--package",
    "aplomb-platform",
    "--lib",
    "--tests",
    "--",
    "-Dwarnings",
];

/// Rust's standard library asks this for random bytes; Wine 8 has no such library.
const PRIMITIVES: &str = "#include <windows.h>\n\
    BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);\n\
    __declspec(dllexport) BOOL ProcessPrng(PBYTE to, SIZE_T count) { return SystemFunction036(to, (ULONG)count); }\n";

/// Settings without which tests differ from a Windows of today: no screen, version 10, no debugger at a crash.
const REGISTRY: [[&str; 3]; 3] = [
    [r"HKCU\Software\Wine\Drivers", "Graphics", "null"],
    [r"HKCU\Software\Wine", "Version", "win10"],
    [
        r"HKLM\Software\Microsoft\Windows NT\CurrentVersion\AeDebug",
        "Debugger",
        "false",
    ],
];

/// Runs all groups; the words after the verb are handed to the tests as filters.
pub(crate) fn run() -> Result<(), String> {
    obtain()?;
    let prefix = Prefix::ready()?;
    let filters: Vec<String> = env::args().skip(2).collect();
    prefix.cargo(&LINTED, TO_BUILD)?;
    for group in GROUPS {
        let build = [&["test", "--locked", "--no-run", "--quiet"], group].concat();
        prefix.cargo(&build, TO_BUILD)?;
    }
    let mut failed = Vec::new();
    for group in GROUPS {
        let filters = filters.iter().map(String::as_str);
        let skips: &[&str] = if group.contains(&"aplomb-logs") {
            &SKIPPED
        } else {
            &[]
        };
        let words: Vec<&str> = ["test", "--locked"]
            .into_iter()
            .chain(group.iter().copied())
            .chain(["--"])
            .chain(filters)
            .chain(skips.iter().flat_map(|name| ["--skip", *name]))
            .collect();
        if let Err(why) = prefix.cargo(&words, TO_RUN) {
            failed.push(why);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("; "))
    }
}

fn obtain() -> Result<(), String> {
    let missing = PACKAGES
        .iter()
        .filter(|(program, _)| !Path::new(program).exists());
    let missing: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        let mut install = Command::new("apt-get");
        install
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive");
        super::corpus::quietly(&mut install)?;
    }
    let installed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output()
        .map_err(|why| format!("cannot run rustup: {why}"))?;
    if String::from_utf8_lossy(&installed.stdout).contains(TARGET) {
        return Ok(());
    }
    super::corpus::quietly(Command::new("rustup").args(["target", "add", TARGET]))
}

/// A Windows of our own.
struct Prefix {
    path: PathBuf,
}

impl Prefix {
    /// The prefix, made where it is missing.
    fn ready() -> Result<Prefix, String> {
        let root = env::current_dir().map_err(|why| format!("cannot tell where we are: {why}"))?;
        let root = root.join("target/wine");
        let prefix = Prefix {
            path: root.join("prefix"),
        };
        let library = root.join("bcryptprimitives.dll");
        if !library.exists() {
            fs::create_dir_all(&root).map_err(|why| format!("cannot make {root:?}: {why}"))?;
            let source = root.join("bcryptprimitives.c");
            fs::write(&source, PRIMITIVES).map_err(|why| format!("cannot write: {why}"))?;
            super::corpus::quietly(
                Command::new("x86_64-w64-mingw32-gcc")
                    .args(["-shared", "-s", "-o"])
                    .args([&library, &source])
                    .arg("-ladvapi32"),
            )?;
        }
        let there = prefix
            .path
            .join("drive_c/windows/system32/bcryptprimitives.dll");
        if !there.exists() {
            prefix.wine(&["wineboot.exe", "--init"])?;
            for [key, name, value] in REGISTRY {
                prefix.wine(&["reg", "add", key, "/v", name, "/d", value, "/f"])?;
            }
            // Last, so that a prefix left half made is made again.
            fs::copy(&library, &there).map_err(|why| format!("cannot copy to {there:?}: {why}"))?;
        }
        let go = root.join("notify.exe");
        if !go.exists() {
            super::corpus::quietly(
                Command::new("go")
                    .args(["build", "-o"])
                    .args([&go, Path::new("crates/cli/tests/windows/notify.go")])
                    .envs([("GOOS", "windows"), ("GOARCH", "amd64")]),
            )?;
        }
        Ok(prefix)
    }

    fn wine(&self, words: &[&str]) -> Result<(), String> {
        let mut wine = Command::new(PACKAGES[0].0);
        self.settle(&mut wine).args(words);
        let child = wine.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.wait(child, TO_RUN, &words.join(" "))
    }

    fn cargo(&self, words: &[&str], limit: Duration) -> Result<(), String> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let runner = format!(
            "CARGO_TARGET_{}_RUNNER",
            TARGET.replace('-', "_").to_uppercase()
        );
        self.settle(&mut cargo)
            .env(runner, PACKAGES[0].0)
            .args(words.first())
            .args(["--target", TARGET])
            .args(words.iter().skip(1));
        self.wait(cargo.spawn(), limit, &words.join(" "))
    }

    /// As programs in the prefix see it.
    fn go_program(&self) -> String {
        let path = self.path.with_file_name("notify.exe");
        format!("Z:{}", path.display()).replace('/', "\\")
    }

    /// The environment in which Wine finds this prefix and says nothing of its own.
    fn settle<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("WINEPREFIX", &self.path)
            .env("APLOMB_GO_PROGRAM", self.go_program())
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree=;mshtml=")
            .env_remove("DISPLAY")
    }

    fn wait(
        &self,
        child: std::io::Result<Child>,
        limit: Duration,
        what: &str,
    ) -> Result<(), String> {
        let mut child = child.map_err(|why| format!("cannot run `{what}`: {why}"))?;
        let until = Instant::now() + limit;
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("`{what}` failed: {status}")),
                Ok(None) if Instant::now() < until => sleep(PAUSE),
                Ok(None) | Err(_) => {
                    // Our own child; what it has begun is ended with the prefix.
                    let _ = child.kill();
                    let _ = child.wait();
                    self.end();
                    return Err(format!("`{what}` took longer than {} s", limit.as_secs()));
                }
            }
        }
    }

    /// Ends every process of this prefix, and none else.
    fn end(&self) {
        let mut server = Command::new("wineserver");
        let _ = self.settle(&mut server).arg("--kill").status();
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        self.end();
    }
}
