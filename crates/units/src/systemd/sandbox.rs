//! Sandbox keys that plain system calls can carry out; systemd.exec(5), "Sandboxing" and "Capabilities".
//!
//! A value that cannot be read is refused: left out, it would run with more rights than its author meant.

use aplomb_core::spec::{
    Capabilities, PathRule, PathRuleKind, ProtectHome, ProtectSystem, Sandbox,
};

use super::draft::{Draft, Input};
use super::fault::Fault;
use super::words::Backslash;

pub(super) const PROTECT_SYSTEM: &[(ProtectSystem, &str)] = &[
    (ProtectSystem::Off, "no"),
    (ProtectSystem::Yes, "yes"),
    (ProtectSystem::Full, "full"),
    (ProtectSystem::Strict, "strict"),
];

pub(super) const PROTECT_HOME: &[(ProtectHome, &str)] = &[
    (ProtectHome::Off, "no"),
    (ProtectHome::Yes, "yes"),
    (ProtectHome::ReadOnly, "read-only"),
    (ProtectHome::Temporary, "tmpfs"),
];

/// A key that is on or off.
pub(super) fn switch(
    draft: &mut Draft,
    input: &Input<'_>,
    field: fn(&mut Sandbox) -> &mut bool,
) -> Result<(), Fault> {
    *field(draft.sandbox()) = input.boolean().map_err(Fault::refusing)?;
    Ok(())
}

pub(super) fn protect_system(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.sandbox().protect_system = match input.boolean() {
        Ok(true) => ProtectSystem::Yes,
        Ok(false) => ProtectSystem::Off,
        Err(fault) => word(PROTECT_SYSTEM, input).ok_or_else(|| fault.refusing())?,
    };
    Ok(())
}

pub(super) fn protect_home(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.sandbox().protect_home = match input.boolean() {
        Ok(true) => ProtectHome::Yes,
        Ok(false) => ProtectHome::Off,
        Err(fault) => word(PROTECT_HOME, input).ok_or_else(|| fault.refusing())?,
    };
    Ok(())
}

fn word<T: Copy>(words: &[(T, &str)], input: &Input<'_>) -> Option<T> {
    words
        .iter()
        .find(|(_, name)| *name == input.text())
        .map(|(value, _)| *value)
}

/// `ReadOnlyPaths=` and its siblings.
pub(super) fn paths(draft: &mut Draft, input: &Input<'_>, kind: PathRuleKind) -> Result<(), Fault> {
    if input.is_empty() {
        draft.sandbox().paths.retain(|rule| rule.kind != kind);
        return Ok(());
    }
    for word in input.words(Backslash::Escape).map_err(Fault::refusing)? {
        let text = word.text.as_str();
        let (text, optional) = match text.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        // Paths are looked up in the root directory of the service in either case.
        let text = text.strip_prefix('+').unwrap_or(text);
        let path = match kind {
            PathRuleKind::Temporary => {
                without_options(text).map_err(|fault| fault.at(word.range.clone()))?
            }
            PathRuleKind::ReadOnly | PathRuleKind::ReadWrite | PathRuleKind::Inaccessible => text,
        };
        let path = input
            .absolute(path, Some(word.range))
            .map_err(Fault::refusing)?;
        draft.sandbox().paths.push(PathRule {
            kind,
            path,
            optional,
        });
    }
    Ok(())
}

/// The path of `TemporaryFileSystem=`; options of the mount are not carried out.
fn without_options(text: &str) -> Result<&str, Fault> {
    match text.split_once(':') {
        None | Some((_, "")) => Ok(text.trim_end_matches(':')),
        Some((_, options)) => {
            let message = format!(
                "mount options (`{options}`) of a temporary file system are not carried out"
            );
            Err(Fault::not_carried(message, "leave the options out"))
        }
    }
}

pub(super) fn bounding(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let known = draft.sandbox().bounding.unwrap_or(Capabilities::ALL);
    let merged = capabilities(draft, input, known, Capabilities::ALL)?;
    draft.sandbox().bounding = Some(merged).filter(|set| *set != Capabilities::ALL);
    Ok(())
}

pub(super) fn ambient(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let known = draft.sandbox().ambient;
    draft.sandbox().ambient = capabilities(draft, input, known, Capabilities::default())?;
    Ok(())
}

/// A list of capabilities merged into `known`; `~` in front takes the list away instead of adding it. `initial` is
/// what an untouched set is: the first list replaces it.
fn capabilities(
    draft: &mut Draft,
    input: &Input<'_>,
    known: Capabilities,
    initial: Capabilities,
) -> Result<Capabilities, Fault> {
    let inverted = input.text().starts_with('~');
    let mut list = 0;
    for word in input.words(Backslash::Escape).map_err(Fault::refusing)? {
        let name = match inverted && word.range.start == 0 {
            true => word.text.trim_start_matches('~'),
            false => &word.text,
        };
        match Capabilities::parse_one(name) {
            Some(one) => list |= one.0,
            None if name.is_empty() => {}
            None => {
                let message = format!("`{name}` is no capability and is ignored");
                draft
                    .faults
                    .push(Fault::warning(message, "see capabilities(7)").at(word.range));
            }
        }
    }
    let said = match inverted {
        true => Capabilities::ALL.0 & !list,
        false => list,
    };
    let replaces = list == 0 || known == initial;
    Ok(Capabilities(match (replaces, inverted) {
        (true, _) => said,
        (false, true) => known.0 & said,
        (false, false) => known.0 | said,
    }))
}
