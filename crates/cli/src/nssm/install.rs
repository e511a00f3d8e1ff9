//! `install` and `remove`.

use aplomb_units::nssm::{EXIT_ACTIONS, Value};

use super::{Done, Ended, Session, text};
use crate::host::scm::{Change, Extra, Start, kind};

/// Longest arguments, in UTF-16 units; what a registry value of NSSM's holds.
const LONGEST_ARGUMENTS: usize = 16383;

impl Session<'_> {
    /// `install NAME APP [ARGS…]`.
    pub(super) fn install(&mut self, args: &[String]) -> Done {
        if !self.system.manager.is_administrator() {
            return self.elevate("install", args, text::NOT_ADMINISTRATOR_INSTALL);
        }
        let [name, program, rest @ ..] = args else {
            return self.no_window();
        };
        // As NSSM does it, and scripts count on it: no quotes are put back.
        let parameters = rest.join(" ");
        if parameters.encode_utf16().count() > LONGEST_ARGUMENTS {
            self.complain(text::FLAGS_TOO_LONG);
            return Err(Ended(2));
        }
        let image = self.invoked.image.clone();
        if let Err(refused) = self.system.manager.create(name, &image) {
            if refused.call == "OpenSCManager" {
                self.complain(text::OPEN_MANAGER);
                return Err(Ended(2));
            }
            let why = self.words(refused.code);
            self.complain(&text::created_not(&why));
            return Err(Ended(5));
        }
        if let Err(ended) = self.configure(name, program, &parameters) {
            // Half a service helps nobody; that it cannot be taken back either changes nothing of the answer.
            let _ = self.system.manager.delete(name);
            return Err(ended);
        }
        self.tell(&text::installed(name));
        Ok(())
    }

    fn configure(&mut self, name: &str, program: &str, parameters: &str) -> Done {
        let change = Change {
            kind: Some(kind::OWN_PROCESS),
            start: Some(Start::Auto),
            depends: Some(Vec::new()),
            display: Some(name.to_owned()),
            ..Change::default()
        };
        if let Err(refused) = self.system.manager.change(name, &change) {
            let why = self.words(refused.code);
            self.complain(&text::changed_not(&why));
            return Err(Ended(6));
        }
        let key = Session::parameters(name);
        let exits = format!(r"{key}\AppExit");
        let directory = parent(program);
        let values = [
            ("Application", program),
            ("AppParameters", parameters),
            ("AppDirectory", &directory),
        ];
        let written = values.iter().try_for_each(|(name, value)| {
            let value = Value::Expand((*value).to_owned());
            self.system.registry.set(&key, name, &value)
        });
        let written = written.and_then(|()| {
            let restart = Value::Text(EXIT_ACTIONS[0].to_owned());
            match self.system.registry.exists(&exits)? {
                true => Ok(()),
                false => self.system.registry.set(&exits, "", &restart),
            }
        });
        if written.is_err() {
            self.complain(text::PARAMETERS_FAILED);
            return Err(Ended(6));
        }
        // Older systems know neither; the service works without.
        let manager = &mut self.system.manager;
        let _ = manager.change_extra(name, &Extra::DelayedStart(false));
        let _ = manager.change_extra(name, &Extra::FailureFlag(true));
        Ok(())
    }

    /// `remove NAME confirm`.
    pub(super) fn remove(&mut self, args: &[String]) -> Done {
        if !self.system.manager.is_administrator() {
            return self.elevate("remove", args, text::NOT_ADMINISTRATOR_REMOVE);
        }
        let [name, word, ..] = args else {
            self.complain(text::PRE_REMOVE);
            return Err(Ended(100));
        };
        if !word.eq_ignore_ascii_case("confirm") {
            self.complain(text::PRE_REMOVE);
            return Err(Ended(100));
        }
        let service = self.found(name)?;
        match self.system.manager.delete(&service) {
            Ok(()) => {
                self.tell(&text::removed(&service));
                Ok(())
            }
            Err(refused) if refused.call == "OpenService" => {
                self.complain_of_opening(refused);
                Err(Ended(3))
            }
            Err(refused) => {
                self.complain(text::DELETE_FAILED);
                // NSSM leaves people to guess; the usual reason is a console that still holds the service.
                let why = self.words(refused.code);
                self.err.push_str(&format!("DeleteService(): {why}"));
                Err(Ended(4))
            }
        }
    }

    /// Starts the same command line again with an administrator's rights, and does not wait for it.
    fn elevate(&mut self, verb: &str, args: &[String], message: &str) -> Done {
        self.complain(message);
        let mut words: Vec<String> = self.invoked.words.iter().skip(1).cloned().collect();
        words.push(verb.to_owned());
        words.extend_from_slice(args);
        match self.system.manager.elevate(&words) {
            Ok(()) => Ok(()),
            Err(_) => Err(Ended(100)),
        }
    }
}

/// The directory a program lies in, as NSSM cuts it: `C:\` for `C:\app.exe`, nothing for a bare name.
fn parent(program: &str) -> String {
    let Some(at) = program.rfind(['\\', '/']) else {
        return String::new();
    };
    let keep = match program[..at].ends_with(':') {
        true => at + 1,
        false => at,
    };
    program[..keep].to_owned()
}

#[cfg(test)]
mod tests {
    use super::parent;

    #[test]
    fn the_directory_of_a_program() {
        assert_eq!(parent(r"C:\a\b.exe"), r"C:\a");
        assert_eq!(parent(r"C:\b.exe"), r"C:\");
        assert_eq!(parent("b.exe"), "");
        assert_eq!(parent("D:/x/y.exe"), "D:/x");
    }
}
