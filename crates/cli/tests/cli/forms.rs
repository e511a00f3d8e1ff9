//! `edit` and `install` at a real terminal: a pair of pseudo terminals, keys in, the screen out.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::home::Home;

/// The program at a terminal of 100 columns and 30 rows.
struct Terminal {
    ours: File,
    program: Child,
    seen: String,
}

impl Terminal {
    fn run(home: &Home, args: &[&str]) -> Terminal {
        // Closed in the programs other tests start meanwhile, which would keep the terminal open.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).expect("a terminal");
        grantpt(&ours).expect("granted");
        unlockpt(&ours).expect("unlocked");
        let name = ptsname(&ours, Vec::new()).expect("named");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs: OwnedFd = rustix::fs::open(&*name, flags, Mode::empty()).expect("opened");
        let size = Winsize {
            ws_row: 30,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&theirs, size).expect("sized");
        let stdio = || Stdio::from(theirs.try_clone().expect("another"));
        let program = home
            .command(args)
            .env("TERM", "xterm")
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .expect("started");
        Terminal {
            ours: File::from(ours),
            program,
            seen: String::new(),
        }
    }

    /// Reads until the screen has shown `text`; what came before is forgotten.
    fn shows(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        while !self.seen.contains(text) {
            let count = self.ours.read(&mut bytes).unwrap_or(0);
            assert!(count > 0, "`{text}` never showed: {}", self.seen);
            self.seen
                .push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        self.seen.clear();
    }

    fn press(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).expect("taken");
    }

    fn code(mut self) -> Option<i32> {
        // What it says last must be read, or it waits; a terminal whose other end is gone fails to read.
        let mut rest = Vec::new();
        let mut bytes = [0; 4096];
        while let Ok(count) = self.ours.read(&mut bytes)
            && count > 0
        {
            rest.extend_from_slice(&bytes[..count]);
        }
        self.program.wait().expect("ended").code()
    }
}

const WEB: &str = "# mine\n[service.web]\ncommand = [\"/bin/true\"] # does nothing\n";

#[test]
fn a_definition_is_changed_in_a_form() {
    let home = Home::new();
    let file = home.write("web.toml", WEB);
    let mut terminal = Terminal::run(&home, &["edit", "web", "--file", "web.toml"]);
    terminal.shows("Program, arguments");
    terminal.press("\t");
    terminal.shows("Description");
    terminal.press("Serves\r");
    // The title says so once it is set.
    terminal.shows("not saved");
    terminal.press("\x13");
    assert_eq!(terminal.code(), Some(0));
    let text = fs::read_to_string(file).expect("read");
    assert!(text.starts_with(WEB), "{text}");
    assert!(text.contains("description = \"Serves\""), "{text}");
}

#[test]
fn what_is_left_unsaved_changes_nothing() {
    let home = Home::new();
    let file = home.write("web.toml", WEB);
    let mut terminal = Terminal::run(&home, &["edit", "web", "--file", "web.toml"]);
    terminal.shows("Program, arguments");
    terminal.press("\x03");
    assert_eq!(terminal.code(), Some(0));
    assert_eq!(fs::read_to_string(file).expect("read"), WEB);
}

#[test]
fn a_service_is_installed_from_a_form() {
    let home = Home::new();
    let mut terminal = Terminal::run(&home, &["install", "--dry-run"]);
    terminal.shows("a new service");
    terminal.press("web\r");
    terminal.shows("not saved");
    terminal.press("\x1b[B");
    terminal.shows("command:");
    terminal.press("/bin/true\r");
    // The keys for choosing are back once it is set.
    terminal.shows("Del default");
    terminal.press("\x13");
    terminal.shows("[service.web]");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let home = Home::new();
    let said = home.run(&["install"]);
    assert_eq!(said.code, 2);
    assert_eq!(
        said.err,
        "error: no service is named\n  try: aplomb install NAME PROGRAM\n"
    );
}
