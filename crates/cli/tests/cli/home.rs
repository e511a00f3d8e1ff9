//! A home with nothing in it, and the program running there.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Nothing of the machine's user reaches the program from here.
pub(crate) struct Home {
    directory: TempDir,
}

/// What the program said and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Home {
        Home {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("control.sock")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    /// The program, ready to be started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aplomb"));
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path())
            .env("APLOMB_SOCKET", self.socket())
            .env("TZ", "UTC")
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// The same as an ordinary user, whoever runs the tests: root's definitions are the machine's.
    pub(crate) fn command_as_user(&self, args: &[&str]) -> Command {
        const NOBODY: u32 = 65_534;
        let mut command = self.command(args);
        if rustix::process::geteuid().is_root() {
            chown(self.path(), Some(NOBODY), Some(NOBODY)).expect("given away");
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Runs the program to its end as an ordinary user.
    pub(crate) fn run_as_user(&self, args: &[&str]) -> Said {
        self.said(self.command_as_user(args).output().expect("runs"))
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.said(self.command(args).output().expect("runs"))
    }

    /// What it said, with the home's path replaced by `HOME`.
    pub(crate) fn said(&self, output: Output) -> Said {
        let text = |bytes: Vec<u8>| {
            let home = self.path().to_str().expect("UTF-8").to_owned();
            String::from_utf8(bytes)
                .expect("UTF-8")
                .replace(&home, "HOME")
        };
        Said {
            code: output.status.code().expect("ended by itself"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}
