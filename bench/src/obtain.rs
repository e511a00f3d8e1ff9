//! Where the competitors come from: PATH, else their registry, into a directory of our own.
//!
//! The system is left as it is: Debian packages are unpacked, not installed, so that none of their
//! services starts; Python, Node and Rust programs get a directory each. Only s6 must be installed,
//! because its programs call each other by absolute path. What is there from an earlier run is used
//! again; `target/bench/peers` may be deleted at any time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::files;
use crate::trouble::{Outcome, Trouble};

/// The programs of one competitor.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tools {
    /// Where its programs are looked for, in order.
    pub(crate) directories: Vec<PathBuf>,
    /// What they need in the environment besides what everybody gets.
    pub(crate) environment: Vec<(String, String)>,
    /// As its registry counts.
    pub(crate) version: String,
}

impl Tools {
    /// The program's path; its bare name where it is nowhere, so that the launch fails and says so.
    pub(crate) fn path(&self, program: &str) -> String {
        find(&self.directories, program)
            .unwrap_or_else(|| program.into())
            .to_string_lossy()
            .into_owned()
    }

    /// With its directories in front of the system's in PATH: s6 and runit start each other by name.
    fn with_search_path(mut self) -> Tools {
        let places: Vec<String> = self
            .directories
            .iter()
            .map(|directory| directory.display().to_string())
            .chain([SYSTEM_PATH.to_owned()])
            .collect();
        self.environment.push(("PATH".into(), places.join(":")));
        self
    }
}

pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Gets programs, once each.
#[derive(Debug)]
pub(crate) struct Shop {
    directory: PathBuf,
    aplomb: PathBuf,
    got: RefCell<BTreeMap<String, Tools>>,
}

impl Shop {
    pub(crate) fn new(directory: &Path, aplomb: &Path) -> Shop {
        Shop {
            directory: directory.to_owned(),
            aplomb: aplomb.to_owned(),
            got: RefCell::default(),
        }
    }

    /// A Debian package whose programs only work where they were built for: installed into the system
    /// if its `program` is not on PATH. For packages that bring no service of their own.
    pub(crate) fn installed(&self, package: &str, program: &str) -> Outcome<Tools> {
        if on_path(program).is_none() {
            announce(package, "Debian, into the system");
            run(
                "apt-get",
                &[
                    "install",
                    "--yes",
                    "--quiet",
                    "--no-install-recommends",
                    package,
                ],
            )?;
        }
        self.debian(package, program)
    }

    /// A Debian package: the installed one if its `program` is on PATH, else unpacked with what it depends on.
    pub(crate) fn debian(&self, package: &str, program: &str) -> Outcome<Tools> {
        self.once(package, || {
            if let Some(directory) = on_path(program) {
                let query = ["-W", "-f", "${Version}", package];
                let version = said("dpkg-query", &query).unwrap_or_else(|_| "on PATH".into());
                return Ok(Tools {
                    directories: vec![directory],
                    environment: Vec::new(),
                    version,
                });
            }
            let root = self.directory.join("debian").join(package);
            if !root.join("usr").exists() {
                announce(package, "Debian");
                unpack(package, &root)?;
            }
            let architecture = said("gcc", &["-print-multiarch"])?;
            let libraries = ["lib", "usr/lib"]
                .map(|place| root.join(place).join(&architecture).display().to_string());
            let mut environment = Vec::new();
            if !libraries.iter().all(|place| !Path::new(place).exists()) {
                environment.push(("LD_LIBRARY_PATH".into(), libraries.join(":")));
            }
            Ok(Tools {
                directories: ["usr/bin", "bin", "usr/sbin", "sbin"]
                    .map(|place| root.join(place))
                    .to_vec(),
                environment,
                version: fs::read_to_string(root.join("version"))
                    .map_err(|why| Trouble::at(root.join("version"), why))?,
            }
            .with_search_path())
        })
    }

    /// A program of PyPI, in a virtual environment.
    pub(crate) fn python(&self, package: &str, program: &str) -> Outcome<Tools> {
        self.once(package, || {
            let root = self.directory.join("python").join(package);
            let bin = root.join("bin");
            if !bin.join(program).exists() {
                announce(package, "PyPI");
                run("python3", &["-m", "venv", &display(&root)])?;
                run(&display(&bin.join("pip")), &["install", "--quiet", package])?;
            }
            let listed = said(&display(&bin.join("pip")), &["list", "--format=freeze"])?;
            Ok(Tools {
                version: frozen_version(&listed, package).unwrap_or("unknown").into(),
                directories: vec![bin],
                environment: Vec::new(),
            })
        })
    }

    /// A program of npm.
    pub(crate) fn node(&self, package: &str) -> Outcome<Tools> {
        self.once(package, || {
            let root = self.directory.join("node").join(package);
            let bin = root.join("node_modules/.bin");
            if !bin.join(package).exists() {
                announce(package, "npm");
                run(
                    "npm",
                    &["install", "--silent", "--prefix", &display(&root), package],
                )?;
            }
            let version = said(
                "npm",
                &[
                    "list",
                    "--prefix",
                    &display(&root),
                    "--parseable",
                    "--long",
                    package,
                ],
            )?;
            let node = on_path("node").ok_or_else(|| missing("node is not on PATH"))?;
            Ok(Tools {
                version: version.rsplit(['@', ':']).next().unwrap_or_default().into(),
                directories: vec![bin, node],
                environment: Vec::new(),
            }
            .with_search_path())
        })
    }

    /// A program of crates.io, built in release.
    pub(crate) fn cargo(&self, package: &str) -> Outcome<Tools> {
        self.once(package, || {
            let root = self.directory.join("cargo").join(package);
            let bin = root.join("bin");
            if !bin.join(package).exists() {
                announce(package, "crates.io (this builds it)");
                run(
                    "cargo",
                    &[
                        "install",
                        "--quiet",
                        "--locked",
                        "--root",
                        &display(&root),
                        package,
                    ],
                )?;
            }
            let listed = said("cargo", &["install", "--list", "--root", &display(&root)])?;
            Ok(Tools {
                version: listed_version(&listed, package).unwrap_or("unknown").into(),
                directories: vec![bin],
                environment: Vec::new(),
            })
        })
    }

    /// A program that is measured only where it is installed; `otherwise` says why it is not fetched.
    pub(crate) fn path(&self, program: &str, otherwise: &str) -> Outcome<Tools> {
        let directory = on_path(program).ok_or_else(|| missing(otherwise))?;
        let version = said(&display(&directory.join(program)), &["--version"])?;
        Ok(Tools {
            directories: vec![directory],
            environment: Vec::new(),
            version: version
                .lines()
                .next()
                .and_then(|line| line.split(' ').next_back())
                .unwrap_or_default()
                .trim_end_matches('.')
                .into(),
        })
    }

    /// The system's own systemd, where it is installed, whether it runs or not.
    pub(crate) fn systemd(&self) -> Outcome<Tools> {
        let init = Path::new("/lib/systemd/systemd");
        if !init.exists() {
            return Err(missing("not installed"));
        }
        let version = said(&display(init), &["--version"])?;
        Ok(Tools {
            version: version.split_whitespace().nth(1).unwrap_or_default().into(),
            ..Tools::default()
        })
    }

    /// The binary under test.
    pub(crate) fn aplomb(&self) -> Outcome<Tools> {
        let program = &self.aplomb;
        let Some(directory) = program.parent().filter(|_| program.is_file()) else {
            return Err(missing(&format!("`{}` is not there", program.display())));
        };
        let version = said(&display(program), &["--version"])?;
        Ok(Tools {
            version: version.split(' ').next_back().unwrap_or_default().into(),
            directories: vec![directory.to_owned()],
            environment: Vec::new(),
        })
    }

    fn once(&self, name: &str, get: impl FnOnce() -> Outcome<Tools>) -> Outcome<Tools> {
        if let Some(tools) = self.got.borrow().get(name) {
            return Ok(tools.clone());
        }
        let tools = get()?;
        self.got.borrow_mut().insert(name.into(), tools.clone());
        Ok(tools)
    }
}

/// Unpacks a package and those it depends on that the system lacks; leaves its version in `version`.
fn unpack(package: &str, root: &Path) -> Outcome<()> {
    let archives = root.join("archives");
    fs::create_dir_all(&archives).map_err(|why| Trouble::at(&archives, why))?;
    let mut download = Command::new("apt-get");
    download
        .args(["-o", "APT::Sandbox::User=root", "--quiet", "download"])
        .args(needed(package)?)
        .current_dir(&archives);
    finish(download)?;
    for archive in files::below(&archives)? {
        run(
            "dpkg-deb",
            &["--extract", &display(&archive), &display(root)],
        )?;
        if said("dpkg-deb", &["--field", &display(&archive), "Package"])? == package {
            let version = said("dpkg-deb", &["--field", &display(&archive), "Version"])?;
            fs::write(root.join("version"), version)?;
        }
    }
    fs::remove_dir_all(&archives)?;
    Ok(())
}

/// The package and all it depends on, less what is installed.
fn needed(package: &str) -> Outcome<Vec<String>> {
    let tree = said(
        "apt-cache",
        &[
            "depends",
            "--recurse",
            "--no-recommends",
            "--no-suggests",
            "--no-conflicts",
            "--no-breaks",
            "--no-replaces",
            "--no-enhances",
            package,
        ],
    )?;
    let installed = said("dpkg-query", &["-W", "-f", "${Package}\n"])?;
    Ok(missing_packages(&tree, &installed, package))
}

/// Packages stand at the start of their line, what they depend on below them; virtual ones in `<>`.
fn missing_packages(tree: &str, installed: &str, package: &str) -> Vec<String> {
    tree.lines()
        .filter(|line| !line.starts_with([' ', '<', '|']) && !line.is_empty())
        .filter(|line| *line == package || !installed.lines().any(|have| have == *line))
        .map(str::to_owned)
        .collect()
}

fn frozen_version<'a>(listed: &'a str, package: &str) -> Option<&'a str> {
    listed
        .lines()
        .find_map(|line| line.strip_prefix(package)?.strip_prefix("=="))
}

/// Of the line `NAME vVERSION:` that cargo lists for each package.
fn listed_version<'a>(listed: &'a str, package: &str) -> Option<&'a str> {
    listed.lines().find_map(|line| {
        let version = line.strip_prefix(package)?.strip_prefix(" v")?;
        version.strip_suffix(':')
    })
}

fn find(directories: &[PathBuf], program: &str) -> Option<PathBuf> {
    directories
        .iter()
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).find(|directory| directory.join(program).is_file())
}

fn announce(package: &str, registry: &str) {
    eprintln!("fetching {package} from {registry}");
}

fn missing(why: &str) -> Trouble {
    Trouble::Unavailable(why.into())
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> Outcome<()> {
    let mut command = Command::new(program);
    command.args(arguments);
    finish(command).map(|_| ())
}

/// What it prints, without the last line end.
pub(crate) fn said(program: &str, arguments: &[&str]) -> Outcome<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    finish(command)
}

fn finish(mut command: Command) -> Outcome<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|why| Trouble::at(&program, why))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().into());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(Trouble::Failed {
        program,
        said: complaint.lines().last().unwrap_or_default().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_system_lacks_is_fetched() {
        let tree = "s6\n  Depends: libc6\n  Depends: libs6\nlibc6\n  Depends: <x>\nlibs6\n<x>\n";
        let needed = missing_packages(tree, "libc6\ntini\n", "s6");
        assert_eq!(needed, ["s6", "libs6"]);
    }

    #[test]
    fn the_version_is_the_named_packages() {
        let listed = "pip==23.0\ncircus-web==1\ncircus==0.19.0\n";
        assert_eq!(frozen_version(listed, "circus"), Some("0.19.0"));
        assert_eq!(frozen_version(listed, "supervisor"), None);
        let listed = "horust-extra v2:\n    x\nhorust v0.1.14:\n    horust\n";
        assert_eq!(listed_version(listed, "horust"), Some("0.1.14"));
    }
}
