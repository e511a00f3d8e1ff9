//! What the programs find around them: directory, environment, identity, limits; systemd.exec(5).

use std::ops::Range;
use std::time::Duration;

use aplomb_core::spec::{
    Directory, EnvFile, Limit, LimitedResource, OwnDirectory, OwnDirectoryKind,
};

use super::draft::{Draft, Input};
use super::env_file;
use super::fault::Fault;
use super::time_span;
use super::words::Backslash;
use crate::source::Field;

pub(super) fn directory(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.spec.process.directory = None;
        return Ok(());
    }
    let (text, optional) = without_minus(input.text());
    let path = match text {
        "~" => "~".to_owned(),
        text => input.absolute(text, None).map_err(Fault::refusing)?,
    };
    draft.say(Field::WorkingDirectory, &path, None);
    draft.spec.process.directory = Some(Directory { path, optional });
    Ok(())
}

pub(super) fn root_directory(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.process.root_directory = match input.is_empty() {
        true => None,
        false => Some(input.path().map_err(Fault::refusing)?).filter(|path| path != "/"),
    };
    Ok(())
}

fn without_minus(text: &str) -> (&str, bool) {
    match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text, false),
    }
}

pub(super) fn environment(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.spec.process.env.clear();
        return Ok(());
    }
    for (word, range) in input.expanded_words(Backslash::Escape)? {
        match word.split_once('=') {
            Some((name, value)) if env_file::is_name(name) => {
                let env = &mut draft.spec.process.env;
                match env.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => value.clone_into(known),
                    None => env.push((name.to_owned(), value.to_owned())),
                }
            }
            Some(_) | None => draft.faults.push(not_an_assignment(&word, range)),
        }
    }
    Ok(())
}

fn not_an_assignment(word: &str, range: Range<usize>) -> Fault {
    let message = format!("`{word}` is no setting of a variable and is ignored");
    Fault::warning(message, "write `NAME=value`, in quotes if it holds blanks").at(range)
}

pub(super) fn environment_file(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.spec.process.env_files.clear();
        return Ok(());
    }
    let (text, optional) = without_minus(input.text());
    let path = input.absolute(text, None)?;
    draft.say(Field::EnvFile, &path, None);
    draft
        .spec
        .process
        .env_files
        .push(EnvFile { path, optional });
    Ok(())
}

pub(super) fn pass_environment(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.spec.process.pass_env.clear();
    }
    for (name, range) in input.expanded_words(Backslash::Escape)? {
        match env_file::is_name(&name) {
            true if draft.spec.process.pass_env.contains(&name) => {}
            true => draft.spec.process.pass_env.push(name),
            false => draft.faults.push(not_a_name(&name, range)),
        }
    }
    Ok(())
}

pub(super) fn unset_environment(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.spec.process.unset_env.clear();
    }
    for (word, range) in input.expanded_words(Backslash::Escape)? {
        let name = word.split_once('=').map_or(&*word, |(name, _)| name);
        match env_file::is_name(name) {
            true if draft.spec.process.unset_env.contains(&word) => {}
            true => draft.spec.process.unset_env.push(word),
            false => draft.faults.push(not_a_name(name, range)),
        }
    }
    Ok(())
}

fn not_a_name(name: &str, range: Range<usize>) -> Fault {
    let message = format!("`{name}` is no name of a variable and is ignored");
    Fault::warning(message, "use letters, digits and `_`").at(range)
}

pub(super) fn search_path(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.spec.process.search_path.clear();
        return Ok(());
    }
    for part in input.text().split(':') {
        let path = input.absolute(part, None)?;
        draft.spec.process.search_path.push(path);
    }
    Ok(())
}

pub(super) fn user(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let name = identity(input.text(), input, None)?;
    draft.say(Field::User, &name, None);
    draft.spec.process.user = Some(name).filter(|name| !name.is_empty());
    Ok(())
}

pub(super) fn group(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let name = identity(input.text(), input, None)?;
    draft.say(Field::Group, &name, None);
    draft.spec.process.group = Some(name).filter(|name| !name.is_empty());
    Ok(())
}

pub(super) fn supplementary_groups(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.spec.process.supplementary_groups.clear();
    }
    for word in input.words(Backslash::Escape)? {
        let name = identity(&word.text, input, Some(word.range.clone()))?;
        draft.say(Field::Group, &name, Some(word.range));
        draft.spec.process.supplementary_groups.push(name);
    }
    Ok(())
}

/// A user or group. One that cannot be read must not leave the service with the engine's own.
fn identity(text: &str, input: &Input<'_>, range: Option<Range<usize>>) -> Result<String, Fault> {
    let name = input.expand(text, range.clone()).map_err(Fault::refusing)?;
    let unfit = |letter: char| letter.is_control() || "/:".contains(letter);
    if name.chars().any(unfit) || name.trim() != name || matches!(&*name, "." | "..") {
        let message = format!("`{name}` cannot be the name of a user or group");
        let fault = Fault::refused(message, "name one that exists");
        return Err(Fault { range, ..fault });
    }
    Ok(name)
}

pub(super) fn umask(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.process.umask = Some(match input.is_empty() {
        true => 0o022,
        false => input.mode()?,
    });
    Ok(())
}

pub(super) fn nice(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.process.nice = match input.is_empty() {
        true => None,
        false => Some(input.number()?),
    };
    if draft
        .spec
        .process
        .nice
        .is_some_and(|nice| !(-20..=19).contains(&nice))
    {
        draft.spec.process.nice = None;
        return Err(input.bad("is no nice level", "write -20 to 19"));
    }
    Ok(())
}

pub(super) fn oom_score(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let score = match input.is_empty() {
        true => None,
        false => Some(input.number()?),
    };
    if score.is_some_and(|score| !(-1000..=1000).contains(&score)) {
        return Err(input.bad("is no such score", "write -1000 to 1000"));
    }
    draft.spec.process.oom_score_adjust = score;
    Ok(())
}

/// Most processors a machine may have.
const PROCESSORS: u16 = 8192;

pub(super) fn cpu_affinity(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.spec.process.cpu_affinity.clear();
        return Ok(());
    }
    if input.text() == "numa" {
        return Err(Fault::not_carried(
            "`CPUAffinity=numa` follows `NUMAMask=`, which is not carried out",
            "list the processors",
        ));
    }
    let bad = || input.bad("is no list of processors", "write it as `0-3,5`");
    let mut found = draft.spec.process.cpu_affinity.clone();
    for part in input
        .text()
        .split([' ', '\t', ','])
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u16 = first.parse().map_err(|_| bad())?;
        let last: u16 = last.parse().map_err(|_| bad())?;
        if first > last || last >= PROCESSORS {
            return Err(bad());
        }
        found.extend(first..=last);
    }
    found.sort_unstable();
    found.dedup();
    draft.spec.process.cpu_affinity = found;
    Ok(())
}

/// `LimitNOFILE=` and its siblings: one value for both, or `soft:hard`.
pub(super) fn limit(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let name = input.key.strip_prefix("Limit").unwrap_or_default();
    let found = LimitedResource::ALL
        .iter()
        .find(|(.., systemd)| *systemd == name);
    let Some((resource, ..)) = found else {
        return Err(input.bad("limits nothing we know", "remove it"));
    };
    let limits = &mut draft.spec.process.limits;
    if input.is_empty() {
        limits.retain(|limit| limit.resource != *resource);
        return Ok(());
    }
    let (soft, hard) = input
        .text()
        .split_once(':')
        .unwrap_or((input.text(), input.text()));
    let bad = || input.bad("is no limit", "write `N`, `SOFT:HARD` or `infinity`");
    let soft = limit_value(*resource, soft).ok_or_else(bad)?;
    let hard = limit_value(*resource, hard).ok_or_else(bad)?;
    if soft.unwrap_or(u64::MAX) > hard.unwrap_or(u64::MAX) {
        return Err(input.bad(
            "has its soft limit above the hard one",
            "write the smaller first",
        ));
    }
    limits.retain(|limit| limit.resource != *resource);
    limits.push(Limit {
        resource: *resource,
        soft,
        hard,
    });
    Ok(())
}

/// The inner `None` is "no limit".
fn limit_value(resource: LimitedResource, text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text == "infinity" {
        return Some(None);
    }
    match resource {
        LimitedResource::Cpu => spans(text, Duration::from_secs(1)).map(Some),
        LimitedResource::RealTimeMicros => spans(text, Duration::from_micros(1)).map(Some),
        LimitedResource::Nice => nice_limit(text).map(Some),
        LimitedResource::FileSize
        | LimitedResource::Data
        | LimitedResource::Stack
        | LimitedResource::Core
        | LimitedResource::ResidentSet
        | LimitedResource::AddressSpace
        | LimitedResource::LockedMemory
        | LimitedResource::MessageQueues => time_span::size(text).ok().map(|bytes| Some(bytes.0)),
        LimitedResource::OpenFiles
        | LimitedResource::Processes
        | LimitedResource::FileLocks
        | LimitedResource::PendingSignals
        | LimitedResource::RealTimePriority => text.parse().ok().map(Some),
    }
}

/// In whole units, rounded up.
fn spans(text: &str, unit: Duration) -> Option<u64> {
    let span = time_span::span(text, unit).ok()??;
    u64::try_from(span.as_micros().div_ceil(unit.as_micros())).ok()
}

/// The kernel counts 20 minus the nice level; signed numbers are levels, plain ones the kernel's.
fn nice_limit(text: &str) -> Option<u64> {
    if !text.starts_with(['+', '-']) {
        return text.parse().ok().filter(|value| (0..=40).contains(value));
    }
    let level: i64 = text
        .parse()
        .ok()
        .filter(|level| (-20..=19).contains(level))?;
    u64::try_from(20 - level).ok()
}

/// `RuntimeDirectory=` and its siblings.
pub(super) fn own_directory(
    draft: &mut Draft,
    input: &Input<'_>,
    kind: OwnDirectoryKind,
) -> Result<(), Fault> {
    let own = &mut draft.spec.process.own_directories;
    if input.is_empty() {
        own.retain(|directory| directory.kind != kind);
        return Ok(());
    }
    for (name, range) in input.expanded_words(Backslash::Escape)? {
        if name.contains(':') {
            let message =
                format!("`{name}` asks for a link beside the directory, which is not made");
            return Err(Fault::not_carried(message, "name the directory only").at(range));
        }
        let relative = !name.starts_with('/') && !name.split('/').any(|part| part == "..");
        let name = super::exec_line::simplified(&name);
        if !relative || name.is_empty() {
            let message =
                format!("`{name}` is not a path below the directory of its kind and is ignored");
            draft
                .faults
                .push(Fault::warning(message, "write a relative path without `..`").at(range));
            continue;
        }
        let own = &mut draft.spec.process.own_directories;
        if !own
            .iter()
            .any(|directory| directory.kind == kind && directory.name == name)
        {
            own.push(OwnDirectory {
                kind,
                name,
                mode: DIRECTORY_MODE,
                preserve: false,
            });
        }
    }
    Ok(())
}

pub(super) const DIRECTORY_MODE: u32 = 0o755;

pub(super) fn own_directory_mode(
    draft: &mut Draft,
    input: &Input<'_>,
    kind: OwnDirectoryKind,
) -> Result<(), Fault> {
    draft.directory_modes.push((kind, input.mode()?));
    Ok(())
}

pub(super) fn preserve(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.text() == "restart" {
        draft.runtime_preserve = true;
        return Err(Fault::noted(
            "runtime directories stay after a stop too, not only over a restart",
            "write `yes` or `no`",
        ));
    }
    draft.runtime_preserve = input.boolean()?;
    Ok(())
}

/// Modes and `RuntimeDirectoryPreserve=` hold for every directory of their kind, wherever they were said.
pub(super) fn finish(draft: &mut Draft) {
    for directory in &mut draft.spec.process.own_directories {
        let said = draft
            .directory_modes
            .iter()
            .rev()
            .find(|(kind, _)| *kind == directory.kind);
        directory.mode = said.map_or(DIRECTORY_MODE, |(_, mode)| *mode);
        directory.preserve = draft.runtime_preserve && directory.kind == OwnDirectoryKind::Runtime;
    }
}
