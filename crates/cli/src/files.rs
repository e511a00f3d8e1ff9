//! Unit files as this machine has them: found, read, checked, changed.
//!
//! What a text means is `aplomb-units`' business; here it comes from disk, faults become sentences, and a change
//! replaces a file in one step or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use aplomb_engine::Machine;
use aplomb_protocol::LoadFile;
use aplomb_units::diagnostic::refused;
use aplomb_units::render::{Style, Texts};
use aplomb_units::{Diagnostic, Loaded, Options, Severity, Source};

use crate::failure::Failure;
use crate::paint::Paint;
use crate::words;

/// What is a unit file in a directory of them.
const ENDINGS: &[&str] = &["toml", "service", "socket", "target", "timer"];

/// What was read, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) sources: Vec<Source>,
    pub(crate) loaded: Vec<Loaded>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Read {
    pub(crate) fn is_refused(&self) -> bool {
        refused(&self.diagnostics)
    }

    /// How many faults refuse it.
    pub(crate) fn faults(&self) -> usize {
        let refused = |one: &&Diagnostic| one.severity == Severity::Refused;
        self.diagnostics.iter().filter(refused).count()
    }

    /// The diagnostics with the lines they are about.
    pub(crate) fn rendered(&self, paint: Paint) -> Vec<String> {
        rendered(&self.sources, &self.diagnostics, paint)
    }
}

/// The diagnostics with the lines they are about.
pub(crate) fn rendered(
    sources: &[Source],
    diagnostics: &[Diagnostic],
    paint: Paint,
) -> Vec<String> {
    let texts = Texts::new(sources);
    let style = match paint {
        Paint::Plain => Style::Plain,
        Paint::Coloured => Style::Coloured,
    };
    let diagnostics = diagnostics.iter();
    diagnostics.map(|one| texts.render(one, style)).collect()
}

/// Reads and checks texts as for this machine.
pub(crate) fn check(sources: Vec<Source>, lenient: bool) -> Read {
    let (loaded, diagnostics) = aplomb_units::load(&sources, &Machine, Options { lenient });
    Read {
        sources,
        loaded,
        diagnostics,
    }
}

/// One unit file under the name it was given, with relative paths in it seen from where it lies.
pub(crate) fn source(path: &Path) -> Result<Source, Failure> {
    let what = || format!("cannot read `{}`", path.display());
    let cannot = |error: io::Error| Failure::failed(what()).because(error);
    let bytes = fs::read(path).map_err(cannot)?;
    let text = decoded(bytes)
        .ok_or_else(|| Failure::failed(what()).because("it is neither UTF-8 nor UTF-16 text"))?;
    let absolute = absolute(path)?;
    let mut source = Source::new(path.display().to_string(), text);
    source.directory = directory_of(&absolute);
    Ok(source)
}

/// UTF-8; or UTF-16 behind its mark, which is what Windows exports.
pub(crate) fn decoded(bytes: Vec<u8>) -> Option<String> {
    let of = |unit: fn([u8; 2]) -> u16| {
        let pairs = bytes[2..].chunks_exact(2);
        let units: Vec<u16> = pairs.map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok()
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => of(u16::from_le_bytes),
        [0xfe, 0xff, ..] => of(u16::from_be_bytes),
        _ => String::from_utf8(bytes).ok(),
    }
}

fn directory_of(file: &Path) -> String {
    let directory = file.parent().unwrap_or(Path::new("/"));
    directory.display().to_string()
}

/// Unit files by the paths they were given; a directory stands for all unit files in it.
pub(crate) fn expand(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in named {
        let what = || format!("cannot read `{}`", path.display());
        let cannot = |error: io::Error| Failure::failed(what()).because(error);
        if !fs::metadata(path).map_err(cannot)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let within = within(path).map_err(cannot)?;
        if within.is_empty() {
            let endings: Vec<String> = ENDINGS.iter().map(|one| format!("`.{one}`")).collect();
            let what = format!("there is no unit file in `{}`", path.display());
            let action = format!("unit files end in {}", words::list(&endings));
            return Err(Failure::failed(what).action(action));
        }
        files.extend(within);
    }
    Ok(files)
}

/// The unit files in a directory, by name.
pub(crate) fn within(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| is_unit(path))
        .collect();
    files.sort();
    Ok(files)
}

fn is_unit(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending)) && path.is_file()
}

/// The files as an engine is to read them, wherever it runs.
pub(crate) fn to_load(named: &[PathBuf]) -> Result<Vec<LoadFile>, Failure> {
    let mut files = Vec::new();
    for path in expand(named)? {
        let text = absolute(&path)?.into_os_string().into_string();
        let what = || format!("cannot read `{}`", path.display());
        let path = text.map_err(|_| Failure::failed(what()).because("its name is not UTF-8"))?;
        files.push(LoadFile { path });
    }
    Ok(files)
}

/// What an engine is to load when it begins: as `to_load`, but a directory may be empty, or not there yet.
pub(crate) fn at_boot(named: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let empty = |path: &&PathBuf| {
        let nothing_in_it = within(path).is_ok_and(|files| files.is_empty());
        nothing_in_it || (path.extension().is_none() && !path.exists())
    };
    let named: Vec<PathBuf> = named.iter().filter(|path| !empty(path)).cloned().collect();
    let files = to_load(&named)?;
    Ok(files.into_iter().map(|file| file.path).collect())
}

/// The path seen from the root.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::failed(format!("cannot find `{}`", path.display())).because(error)
    })
}

/// A fault of one text as a failure.
pub(crate) fn faulty(source: &Source, fault: Diagnostic) -> Failure {
    let mut failure = Failure::failed(fault.message.clone()).action(fault.action.clone());
    if fault.place.span != (0..0) {
        let sources = std::slice::from_ref(source);
        failure = Failure::failed(format!("`{}` stays as it is", source.path));
        failure.diagnostics = rendered(sources, &[fault], Paint::Plain);
    }
    failure
}

/// Refuses a change that brings faults the file did not have; what was wrong before is another matter.
pub(crate) fn refuse_worse(old: &Source, new: &Source, paint: Paint) -> Result<(), Failure> {
    let before = check(vec![old.clone()], false);
    let after = check(vec![new.clone()], false);
    let known = |one: &Diagnostic| {
        before
            .diagnostics
            .iter()
            .any(|old| old.message == one.message)
    };
    let worse: Vec<Diagnostic> = after
        .diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Refused && !known(one))
        .cloned()
        .collect();
    if worse.is_empty() {
        return Ok(());
    }
    let faults = words::count(worse.len() as u64, "fault", "faults");
    let mut failure = Failure::failed(format!(
        "the change would bring {faults} into `{}`",
        new.path
    ));
    failure.diagnostics = rendered(&after.sources, &worse, paint);
    Err(failure)
}

/// Puts a text in the place of a file in one step: whoever reads sees the old one or the new one. Permissions stay.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        Failure::failed(format!("cannot write `{}`", path.display())).because(error)
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // No unit's ending: an engine that loads the directory meanwhile does not see it.
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let put = || {
        let mut file = fs::File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        match fs::metadata(path) {
            Ok(old) => fs::set_permissions(&beside, old.permissions())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // By the handle that wrote: Windows flushes for no other.
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, path)
    };
    put().map_err(|error| {
        let _ = fs::remove_file(&beside);
        cannot(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stands_for_its_unit_files_in_order() {
        let home = tempfile::tempdir().expect("a directory");
        for name in ["b.toml", "a.service", "note.txt", ".b.toml.7"] {
            fs::write(home.path().join(name), "").expect("written");
        }
        let named = [home.path().to_owned(), home.path().join("note.txt")];
        let files = expand(&named).expect("expanded");
        let names: Vec<_> = files.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["a.service", "b.toml", "note.txt"]);
    }

    #[test]
    fn an_engine_may_begin_with_nothing_installed_yet() {
        let home = tempfile::tempdir().expect("a directory");
        let named = [home.path().to_owned(), home.path().join("missing")];
        assert_eq!(at_boot(&named), Ok(Vec::new()));
        assert!(at_boot(&[home.path().join("missing.toml")]).is_err());
    }

    #[test]
    fn an_empty_directory_is_no_unit() {
        let home = tempfile::tempdir().expect("a directory");
        let failure = expand(&[home.path().to_owned()]).expect_err("nothing there");
        assert!(failure.message.starts_with("there is no unit file in"));
    }
}
