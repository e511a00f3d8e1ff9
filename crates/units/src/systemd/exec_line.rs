//! Command lines of units: prefixes, words, ` ; ` lists; systemd.service(5), "Command lines".
//!
//! Words are unquoted first and specifiers replaced after, so that a value with blanks stays one argument. Variables
//! are replaced when the command runs ([`super::expand()`]). A command that cannot be read is refused, as the whole
//! unit is by systemd; with the prefix `-` it is left out with a warning.

use std::ops::Range;

use aplomb_core::spec::{Command, Expansion, Privilege};

use super::fault::Fault;
use super::specifier::Specifiers;
use super::words::{self, Backslash, Word, WordError};

/// What one value of `ExecStart=` and the like says.
#[derive(Debug, Default)]
pub(super) struct ExecLine {
    /// Commands with the bytes their program was written in.
    pub commands: Vec<(Command, Range<usize>)>,
    pub faults: Vec<Fault>,
}

/// All commands of a value that is not empty.
pub(super) fn parse(text: &str, specifiers: &Specifiers<'_>) -> ExecLine {
    let mut line = ExecLine::default();
    let mut at = words::blanks(text);
    while at < text.len() {
        let mut reader = Reader {
            text,
            at,
            specifiers,
            faults: &mut line.faults,
        };
        match reader.command() {
            Ok(Some(command)) => line.commands.push(command),
            Ok(None) => {}
            Err(fault) => {
                line.faults.push(fault);
                return line;
            }
        }
        at = reader.at;
    }
    line
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    specifiers: &'a Specifiers<'a>,
    faults: &'a mut Vec<Fault>,
}

/// What stands before a program.
#[derive(Debug, Clone, Copy, Default)]
struct Prefixes {
    ignore_failure: bool,
    separate_argv0: bool,
    no_expansion: bool,
    privilege: Privilege,
    /// `!` and not `!!`, which may still become that.
    single_bang: bool,
    len: usize,
}

impl Reader<'_> {
    /// One command up to the next ` ; `; `None` for a separator alone, and for one that `-` allows to be unreadable.
    fn command(&mut self) -> Result<Option<(Command, Range<usize>)>, Fault> {
        let Some(first) = self.word()? else {
            return Ok(None);
        };
        if first.text == ";" {
            return Ok(None);
        }
        let prefixes = prefixes(&first.text);
        match self.after_prefixes(&first, prefixes) {
            Ok(command) => Ok(Some((command, first.range))),
            Err(mut fault) if prefixes.ignore_failure => {
                fault.severity = crate::diagnostic::Severity::Warning;
                self.faults.push(fault);
                self.at = self.text.len();
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    fn after_prefixes(&mut self, first: &Word, prefixes: Prefixes) -> Result<Command, Fault> {
        let written = self.expanded(&first.text[prefixes.len..], &first.range)?;
        check_path(&written, &first.range)?;
        let program = simplified(&written);
        let mut args = self.arguments()?;
        let argv0 = if prefixes.separate_argv0 {
            if args.is_empty() {
                let message = "`@` without the name the program is to see";
                return Err(refused(
                    message,
                    "write it as the second word",
                    &first.range,
                ));
            }
            Some(args.remove(0))
        } else {
            (program != written).then_some(written)
        };
        Ok(Command {
            program,
            argv0,
            args,
            ignore_failure: prefixes.ignore_failure,
            privilege: prefixes.privilege,
            expansion: match prefixes.no_expansion {
                true => Expansion::None,
                false => Expansion::Systemd,
            },
        })
    }

    /// The words up to the end or a ` ; `, which is passed over.
    fn arguments(&mut self) -> Result<Vec<String>, Fault> {
        let mut args = Vec::new();
        loop {
            self.at += words::blanks(&self.text[self.at..]);
            let rest = &self.text[self.at..];
            if is_word(rest, ";") {
                self.at += 1 + words::blanks(&rest[1..]);
                return Ok(args);
            }
            if is_word(rest, "\\;") {
                self.at += 2;
                args.push(";".to_owned());
                continue;
            }
            let Some(word) = self.word()? else {
                return Ok(args);
            };
            args.push(self.expanded(&word.text, &word.range)?);
        }
    }

    fn word(&mut self) -> Result<Option<Word>, Fault> {
        let word = words::next(self.text, self.at, Backslash::Escape).map_err(word_fault)?;
        self.at = word.as_ref().map_or(self.text.len(), |word| word.range.end);
        if let Some(word) = word.as_ref().filter(|word| word.odd_escape) {
            let message = "an escape systemd does not know; its backslash is kept";
            let fault = Fault::warning(message, "write `\\\\` for a backslash");
            self.faults.push(fault.at(word.range.clone()));
        }
        Ok(word)
    }

    fn expanded(&self, text: &str, range: &Range<usize>) -> Result<String, Fault> {
        self.specifiers
            .expand(text)
            .map_err(|why| refused(&why.to_string(), "write the value itself", range))
    }
}

/// The fault of a text that cannot be split.
pub(super) fn word_fault(why: WordError) -> Fault {
    let action = match why {
        WordError::OpenQuote { .. } => "close the quote",
        WordError::BadEscape { .. } => "write another byte",
    };
    Fault::refused(why.to_string(), action).at(why.at()..why.at() + 1)
}

fn refused(message: &str, action: &str, range: &Range<usize>) -> Fault {
    Fault::refused(message, action).at(range.clone())
}

/// Each prefix counts once; what is repeated belongs to the path.
fn prefixes(word: &str) -> Prefixes {
    let mut found = Prefixes::default();
    for letter in word.chars() {
        let plain = found.privilege == Privilege::Service;
        match letter {
            '-' if !found.ignore_failure => found.ignore_failure = true,
            '@' if !found.separate_argv0 => found.separate_argv0 = true,
            ':' if !found.no_expansion => found.no_expansion = true,
            '+' if plain => found.privilege = Privilege::Full,
            '!' if plain => {
                found.privilege = Privilege::KeepUser;
                found.single_bang = true;
            }
            '!' if found.single_bang => found.single_bang = false,
            _ => break,
        }
        found.len += 1;
    }
    found
}

fn check_path(path: &str, range: &Range<usize>) -> Result<(), Fault> {
    let (message, action) = if path.is_empty() {
        ("no program is named", "write its path")
    } else if path.chars().any(char::is_control) {
        (
            "the program's path holds control characters",
            "name a plain path",
        )
    } else if path.ends_with('/') {
        (
            "the program's path is a directory's",
            "name the program in it",
        )
    } else if !path.starts_with('/') && (path.contains('/') || path == "." || path == "..") {
        (
            "the program's path is relative",
            "write the absolute path, or only the file name",
        )
    } else {
        return Ok(());
    };
    Err(refused(message, action, range))
}

/// A path without doubled slashes and `.` parts.
pub(super) fn simplified(path: &str) -> String {
    let parts = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    let joined = parts.collect::<Vec<_>>().join("/");
    match path.starts_with('/') {
        true => format!("/{joined}"),
        false => joined,
    }
}

/// Whether `text` begins with this word and no more of it.
fn is_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(words::BLANKS))
}

/// One command as [`parse`] reads it back.
pub(super) fn print(command: &Command) -> String {
    let mut prefix = String::new();
    if command.ignore_failure {
        prefix.push('-');
    }
    if command.expansion == Expansion::None {
        prefix.push(':');
    }
    match command.privilege {
        Privilege::Service => {}
        Privilege::KeepUser => prefix.push('!'),
        Privilege::Full => prefix.push('+'),
    }
    let written = command
        .argv0
        .as_deref()
        .filter(|argv0| simplified(argv0) == command.program);
    let mut words = Vec::new();
    match (&command.argv0, written) {
        (Some(argv0), None) => {
            prefix.push('@');
            words.push(command.program.as_str());
            words.push(argv0);
        }
        (Some(_) | None, written) => words.push(written.unwrap_or(&command.program)),
    }
    words.extend(command.args.iter().map(String::as_str));
    let words: Vec<String> = words.into_iter().map(print_word).collect();
    prefix + &words.join(" ")
}

/// A word that no specifier and no quote changes.
fn print_word(word: &str) -> String {
    words::quoted(&word.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::super::name::UnitName;
    use super::super::tests::Machine;
    use super::*;

    fn line(text: &str) -> ExecLine {
        let name = UnitName::parse("web@a b.service").or_else(|| UnitName::parse("web@a.service"));
        let name = name.unwrap();
        let world = Machine::default();
        let specifiers = Specifiers {
            name: &name,
            fragment: "/u/web@.service",
            world: &world,
        };
        parse(text, &specifiers)
    }

    fn only(text: &str) -> Command {
        let mut line = line(text);
        assert!(
            line.faults.iter().all(|fault| !fault.is_refused()),
            "{text}: {:?}",
            line.faults
        );
        assert_eq!(line.commands.len(), 1, "{text}");
        line.commands.remove(0).0
    }

    fn words(command: &Command) -> Vec<&str> {
        let mut words = vec![command.program.as_str()];
        words.extend(command.args.iter().map(String::as_str));
        words
    }

    #[test]
    fn words_are_unquoted_and_specifiers_replaced_after() {
        let command = only(r#"/bin/x 'a b' "%i c" %% d\x20e"#);
        assert_eq!(words(&command), ["/bin/x", "a b", "a c", "%", "d e"]);
        assert_eq!(command.expansion, Expansion::Systemd);
        assert_eq!(command.argv0, None);
    }

    #[test]
    fn prefixes_come_in_any_order() {
        let command = only("-@:!/bin/x name arg");
        assert!(command.ignore_failure);
        assert_eq!(command.argv0.as_deref(), Some("name"));
        assert_eq!(command.expansion, Expansion::None);
        assert_eq!(command.privilege, Privilege::KeepUser);
        assert_eq!(command.args, ["arg"]);
        assert_eq!(only("!!/bin/x").privilege, Privilege::KeepUser);
        assert_eq!(only("+-/bin/x").privilege, Privilege::Full);
    }

    #[test]
    fn a_repeated_prefix_belongs_to_the_path() {
        assert_eq!(line("+!/bin/x").commands.len(), 0);
        assert!(line("+!/bin/x").faults[0].is_refused());
        assert!(line("@@/bin/x y").faults[0].is_refused());
    }

    #[test]
    fn a_lone_semicolon_separates_and_an_escaped_one_does_not() {
        let line = line(r"/bin/a x ; /bin/b \; y ; ;");
        assert!(line.faults.is_empty());
        let commands: Vec<_> = line
            .commands
            .iter()
            .map(|(command, _)| words(command))
            .collect();
        assert_eq!(commands, [vec!["/bin/a", "x"], vec!["/bin/b", ";", "y"]]);
        assert_eq!(words(&only("/bin/a x;y")), ["/bin/a", "x;y"]);
    }

    #[test]
    fn the_path_is_made_plain_and_the_name_stays_as_written() {
        let command = only("/bin//./x");
        assert_eq!(
            (&*command.program, command.argv0.as_deref()),
            ("/bin/x", Some("/bin//./x"))
        );
    }

    #[test]
    fn what_is_no_program_is_refused_where_it_stands() {
        for text in ["./x", "bin/x", "/bin/", "\"\"", "@/bin/x", "/bin/x 'open"] {
            let line = line(text);
            assert!(line.commands.is_empty(), "{text}");
            assert!(line.faults[0].is_refused(), "{text}");
        }
    }

    #[test]
    fn a_minus_makes_an_unreadable_command_a_warning() {
        let line = line("-./x");
        assert!(line.commands.is_empty());
        assert!(!line.faults[0].is_refused());
    }

    #[test]
    fn a_printed_command_reads_back() {
        for text in [
            r#"/bin/x 'a b' "" ; "#,
            r#"-@:+/bin/x "odd name" %% $HOME "it's""#,
            "/bin//x y",
            r"!true \; \x01",
        ] {
            let command = only(text);
            assert_eq!(only(&print(&command)), command, "{text}");
        }
    }
}
