//! `dump`: the command lines that would make the same service again, quoted for `cmd.exe`.
//!
//! Differs from NSSM where it loses something: actions of single exit codes are named by their codes, and a new name
//! loses neither these nor hooks.

use aplomb_units::nssm::{Form, HOOKS, Native, PARAMETERS, Parameter};

use super::setting::Told;
use super::{Done, Ended, Session};
use crate::host::scm::{Account, SERVICES};

impl Session<'_> {
    pub(super) fn dump(&mut self, args: &[String]) -> Done {
        let Some(name) = args.first() else {
            return self.usage();
        };
        let service = self.found(name)?;
        if self.config(&service).is_err() {
            return Err(Ended(4));
        }
        let program = self.application(&service);
        let renamed = args.get(1).unwrap_or(&service);
        let line = [
            self.own_words(),
            "install".to_owned(),
            quote(renamed),
            quote(&program),
        ];
        self.out.push_str(&format!("{}\n", line.join(" ")));
        let mut failed = false;
        for parameter in PARAMETERS {
            let is_native = matches!(parameter.form, Form::Native(_));
            if is_native || !program.is_empty() {
                failed |= self.dump_one(&service, renamed, parameter).is_err();
            }
        }
        match failed {
            true => Err(Ended(1)),
            false => Ok(()),
        }
    }

    fn dump_one(
        &mut self,
        service: &str,
        renamed: &str,
        parameter: &Parameter,
    ) -> Result<(), Told> {
        let name = parameter.name;
        match parameter.form {
            Form::ExitAction => {
                for (code, action) in self.exit_actions(service)? {
                    self.line(renamed, name, &[&code, &action]);
                }
            }
            Form::Hook => {
                for (event, actions) in HOOKS {
                    for action in *actions {
                        let hook = self.hook_command(service, event, action)?;
                        if !hook.is_default {
                            self.line(renamed, name, &[&format!("{event}/{action}"), &hook.text]);
                        }
                    }
                }
            }
            Form::Environment => {
                let key = Session::parameters(service);
                self.dump_list(renamed, name, self.list_value(&key, name)?);
            }
            Form::Native(Native::Environment) => {
                let key = format!(r"{SERVICES}\{service}");
                self.dump_list(renamed, name, self.list_value(&key, name)?);
            }
            Form::Native(Native::DependOnGroup | Native::DependOnService) => {
                let list = self.look(service, parameter, None)?.text;
                self.dump_list(renamed, name, list.lines().map(str::to_owned).collect());
            }
            Form::Native(Native::ObjectName) => self.dump_account(service, renamed, parameter)?,
            Form::Native(Native::ImagePath | Native::Name) => {}
            Form::Text(_) if name == "Application" => {}
            Form::Text(_)
            | Form::Number { .. }
            | Form::Affinity
            | Form::Priority
            | Form::Native(
                Native::Description | Native::DisplayName | Native::Start | Native::Type,
            ) => {
                let looked = self.look(service, parameter, None)?;
                if !looked.is_default {
                    self.line(renamed, name, &[&looked.text]);
                }
            }
        }
        Ok(())
    }

    /// The first member sets the list, the others are added.
    fn dump_list(&mut self, renamed: &str, name: &str, list: Vec<String>) {
        for (at, member) in list.iter().enumerate() {
            let sign = if at == 0 { ':' } else { '+' };
            self.line(renamed, name, &[&format!("{sign}{member}")]);
        }
    }

    /// An account of its own follows the name of the service; one with a password gets a stand-in for it.
    fn dump_account(
        &mut self,
        service: &str,
        renamed: &str,
        parameter: &Parameter,
    ) -> Result<(), Told> {
        let user = self.look(service, parameter, None)?.text;
        match Account::by_name(&user) {
            Some(Account::Virtual) => {
                self.line(
                    renamed,
                    parameter.name,
                    &[&format!(r"NT Service\{renamed}")],
                );
            }
            Some(
                Account::LocalSystem
                | Account::LocalService
                | Account::NetworkService
                | Account::Managed,
            ) => self.line(renamed, parameter.name, &[&user]),
            Some(Account::User) | None => self.line(renamed, parameter.name, &[&user, "****"]),
        }
        Ok(())
    }

    fn line(&mut self, service: &str, name: &str, words: &[&str]) {
        let mut line = vec![
            self.own_words(),
            "set".to_owned(),
            quote(service),
            name.to_owned(),
        ];
        line.extend(words.iter().map(|word| match *word {
            "" => "\"\"".to_owned(),
            word => quote(word),
        }));
        self.out.push_str(&line.join(" "));
        self.out.push('\n');
    }

    fn own_words(&self) -> String {
        let words: Vec<String> = self.invoked.words.iter().map(|word| quote(word)).collect();
        words.join(" ")
    }
}

/// A word as `cmd.exe` and then the C runtime take it back to itself: quoted where there are blanks, and every
/// character caret-escaped where one of them means something to `cmd.exe`.
fn quote(word: &str) -> String {
    let escapes = |letter: char| "\"&%^<>|".contains(letter);
    let escape = word.contains(escapes);
    if !escape && !word.contains([' ', '\t', '\n', '\x0b', '*']) {
        return word.to_owned();
    }
    let caret = if escape { "^" } else { "" };
    let mut text = format!("{caret}\"");
    let backslashes = |text: &mut String, count: usize| {
        for _ in 0..count {
            text.push_str(caret);
            text.push('\\');
        }
    };
    let mut pending = 0;
    for letter in word.chars() {
        if letter == '\\' {
            pending += 1;
            continue;
        }
        let count = if letter == '"' {
            pending * 2 + 1
        } else {
            pending
        };
        backslashes(&mut text, count);
        pending = 0;
        if escapes(letter) {
            text.push_str(caret);
        }
        text.push(letter);
    }
    backslashes(&mut text, pending * 2);
    text.push_str(caret);
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn words_are_quoted_for_cmd() {
        for (word, quoted) in [
            ("plain", "plain"),
            ("a b", "\"a b\""),
            (r"C:\a b\", r#""C:\a b\\""#),
            ("50%", "^\"50^%^\""),
            (r#"say "hi""#, r#"^"say ^\^"hi^\^"^""#),
            (r#"a\"b"#, r#"^"a^\^\^\^"b^""#),
            ("*", "\"*\""),
        ] {
            assert_eq!(quote(word), quoted, "{word}");
        }
    }
}
