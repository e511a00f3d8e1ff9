//! `aplomb nssm`, and the whole program where its file is called `nssm`: NSSM's own command line.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use clap::Args;

use super::Context;
use crate::failure::Failure;
use crate::host::{self, scm};
use crate::nssm::{Encoding, Invoked, encode, run};

/// Understand NSSM's command line (Windows)
///
/// The verbs, texts, exit codes and registry values of NSSM 2.24-101: `aplomb nssm set web AppStdout C:\web.log`. A copy
/// of this program called `nssm.exe` takes NSSM's place in scripts. `NSSM_OUTPUT=utf16` brings back the encoding of
/// NSSM up to 2.24.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb nssm install web C:\\web\\web.exe --port 80
  aplomb nssm get web AppThrottle
  aplomb nssm dump web")]
pub(crate) struct Nssm {
    /// A verb of NSSM and its words, taken as they are
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "WORD"
    )]
    words: Vec<OsString>,
}

/// The words of a command line that is NSSM's: of `aplomb nssm …`, or of a program called `nssm`.
pub(crate) fn of(args: &[OsString]) -> Option<Nssm> {
    let words = match args {
        [_, first, rest @ ..] if first == "nssm" && !asks_for_help(rest) => rest,
        [program, rest @ ..] if is_nssm(program) => rest,
        _ => return None,
    };
    Some(Nssm {
        words: words.to_vec(),
    })
}

fn asks_for_help(words: &[OsString]) -> bool {
    matches!(words, [word] if word == "--help" || word == "-h")
}

/// Whether the file is called as NSSM's is: `nssm.exe`, `nssm`, `NSSM-2.24.exe`.
fn is_nssm(program: &OsString) -> bool {
    let stem = Path::new(program).file_stem();
    let stem = stem.unwrap_or_default().to_string_lossy().to_lowercase();
    stem == "nssm" || stem.starts_with("nssm-") || stem.starts_with("nssm_")
}

impl Nssm {
    /// The exit code is NSSM's.
    pub(crate) fn run(self, context: &mut Context) -> Result<u8, Failure> {
        // The manager starts services of ours without words.
        if self.words.is_empty()
            && let Some(done) = host::serve_registry()
        {
            return done;
        }
        let mut system = scm::open()?;
        let words: Vec<String> = self
            .words
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let reply = run(&words, &invoked(), &mut system);
        let said = env::var("NSSM_OUTPUT").ok();
        let encoding = Encoding::named(said.as_deref());
        context.ui.aside_bytes(&encode(&reply.err, encoding));
        context.ui.answer_bytes(&encode(&reply.out, encoding))?;
        Ok(reply.code)
    }
}

/// As whom we were called; a service gets the same name of this program in its command line.
fn invoked() -> Invoked {
    let called = env::args_os().next().unwrap_or_default();
    let mut words = vec![called.to_string_lossy().into_owned()];
    if !is_nssm(&called) {
        words.push("nssm".to_owned());
    }
    Invoked {
        words,
        image: hosting_image(),
    }
}

/// The command line by which the manager has this program host services of NSSM's kind.
pub(crate) fn hosting_image() -> String {
    let called = env::args_os().next().unwrap_or_default();
    let program = env::current_exe().unwrap_or_else(|_| called.into());
    let text = program.to_string_lossy();
    let quoted = match text.contains(' ') {
        true => format!("\"{text}\""),
        false => text.into_owned(),
    };
    match is_nssm(&program.into_os_string()) {
        true => quoted,
        false => format!("{quoted} nssm"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_called_nssm_is_nssm() {
        let words = |args: &[&str]| {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            of(&args).map(|nssm| nssm.words.len())
        };
        assert_eq!(words(&["aplomb", "nssm", "get", "x"]), Some(2));
        assert_eq!(words(&["/usr/bin/nssm.exe", "run"]), Some(1));
        assert_eq!(words(&["NSSM"]), Some(0));
        assert_eq!(words(&["aplomb", "status"]), None);
        assert_eq!(words(&["nssmooth", "status"]), None);
    }
}
