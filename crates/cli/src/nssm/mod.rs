//! NSSM's command line: the same verbs, texts, exit codes and registry, so that scripts and people need not learn anew.
//!
//! Pure but for the two traits of `host::scm`: what is said is collected in a [`Reply`], and `verb/nssm.rs` prints it.
//! Where NSSM's behaviour is a defect ours differs; `docs/nssm.md` is the list, and `cargo xtask wine-oracle` checks
//! that it is complete. The service host that runs programs is not here.

mod affinity;
mod control;
mod dump;
mod edit;
mod environment;
mod exit_action;
mod hook;
mod install;
mod list;
mod native;
mod number;
mod output;
mod setting;
#[cfg(test)]
mod tests;
mod text;

use crate::host::scm::{Refused, System, Which, reason};

pub(crate) use output::{Encoding, encode};

/// What came of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u8,
    /// For standard output, lines ended with LF only.
    pub(crate) out: String,
    /// For standard error.
    pub(crate) err: String,
}

/// As whom we were called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invoked {
    /// What a shell would write before the verb: `nssm`, `C:\tools\nssm.exe`, `aplomb nssm`.
    pub(crate) words: Vec<String>,
    /// The command line a service is given so that it is hosted by us.
    pub(crate) image: String,
}

/// What one command line does.
pub(crate) fn run(args: &[String], invoked: &Invoked, system: &mut System) -> Reply {
    let mut session = Session {
        system,
        invoked,
        out: String::new(),
        err: String::new(),
    };
    let code = match session.verb(args) {
        Ok(()) => 0,
        Err(Ended(code)) => code,
    };
    Reply {
        code,
        out: session.out,
        err: session.err,
    }
}

/// Ended with this exit code, its reason already told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ended(u8);

type Done<T = ()> = Result<T, Ended>;

/// One command line being carried out.
struct Session<'a> {
    system: &'a mut System,
    invoked: &'a Invoked,
    out: String,
    err: String,
}

impl Session<'_> {
    fn verb(&mut self, args: &[String]) -> Done {
        let Some((verb, rest)) = args.split_first() else {
            return self.usage();
        };
        if is_version(verb) {
            self.out.push_str(text::VERSION);
            return Ok(());
        }
        match verb.to_ascii_lowercase().as_str() {
            "start" => self.start(rest),
            "stop" => self.stop(rest),
            "restart" => {
                self.stop(rest)?;
                self.start(rest)
            }
            "pause" => self.pause(rest),
            "continue" => self.resume(rest),
            "rotate" => self.rotate(rest),
            "status" => self.status(rest).map(|_| ()),
            "statuscode" => self.status_code(rest),
            "install" => self.install(rest),
            "remove" => self.remove(rest),
            "get" => self.get(rest),
            "set" => self.set(rest),
            "reset" | "unset" => self.reset(rest),
            "dump" => self.dump(rest),
            "list" => self.list(rest),
            "edit" if !rest.is_empty() => self.no_window(),
            "processes" => self.processes(rest),
            _ => self.usage(),
        }
    }

    fn usage<T>(&mut self) -> Done<T> {
        self.complain(text::USAGE);
        Err(Ended(1))
    }

    /// What NSSM opens a window for.
    fn no_window<T>(&mut self) -> Done<T> {
        self.complain(text::NO_WINDOW);
        Err(Ended(1))
    }

    /// A message on standard output; its lines end with CR LF, as those of the message table.
    fn tell(&mut self, message: &str) {
        self.out.push_str(&lines(message));
    }

    /// A message on standard error.
    fn complain(&mut self, message: &str) {
        self.err.push_str(&lines(message));
    }

    /// A plain line on standard error: what a message has below it.
    fn item(&mut self, line: &str) {
        self.err.push_str(line);
        self.err.push('\n');
    }

    fn words(&self, code: u32) -> String {
        self.system.manager.words(code)
    }

    /// The service of this key, or with this display name; told if there is none.
    fn find(&mut self, name: &str) -> Result<String, Refused> {
        match self.system.manager.canonical(name) {
            Ok(found) => return Ok(found),
            Err(refused) if refused.code == reason::SERVICE_NOT_FOUND => {}
            Err(refused) => {
                self.complain_of_opening(refused);
                return Err(refused);
            }
        }
        let listed = self.system.manager.list(Which::All);
        match listed {
            Ok(services) => {
                let shown = |service: &&crate::host::scm::Listed| {
                    service.display.to_lowercase() == name.to_lowercase()
                };
                if let Some(service) = services.iter().find(shown) {
                    return Ok(service.name.clone());
                }
                let refused = Refused {
                    call: "OpenService",
                    code: reason::SERVICE_NOT_FOUND,
                };
                self.complain_of_opening(refused);
                Err(refused)
            }
            Err(refused) => {
                let why = self.words(refused.code);
                self.complain(&text::enumerated_not(&why));
                Err(refused)
            }
        }
    }

    fn complain_of_opening(&mut self, refused: Refused) {
        let why = self.words(refused.code);
        let message = if refused.call == "OpenSCManager" {
            text::OPEN_MANAGER.to_owned()
        } else {
            text::opened_not(&why)
        };
        self.complain(&message);
    }

    /// As [`Session::find`], and the end of the verb if there is none: 2 without a manager, 3 without the service.
    fn found(&mut self, name: &str) -> Done<String> {
        self.find(name).map_err(|refused| match refused.call {
            "OpenSCManager" => Ended(2),
            _ => Ended(3),
        })
    }

    /// The key of a service's own parameters.
    fn parameters(service: &str) -> String {
        format!(r"{}\{service}\Parameters", crate::host::scm::SERVICES)
    }
}

/// The text with CR LF at the end of every line, the last one included.
fn lines(message: &str) -> String {
    let mut text = message.replace("\r\n", "\n").replace('\n', "\r\n");
    text.push_str("\r\n");
    text
}

fn is_version(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    matches!(
        word.as_str(),
        "version" | "/version" | "-version" | "--version" | "-v"
    )
}

/// Whether the word stands for what holds where nothing is said.
fn is_default(word: &str) -> bool {
    word.is_empty() || word == "*" || word.eq_ignore_ascii_case("Default")
}
