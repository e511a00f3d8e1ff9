//! `%` specifiers; systemd.unit(5), "Specifiers".
//!
//! What the name of the unit says is computed, what the machine says is asked of the [`World`]. What is neither
//! a letter nor a digit stays as it stands.

use crate::world::{Fact, World};

use super::name::{UnitName, unescape, unescape_path};

/// Who asks.
pub(super) struct Specifiers<'a> {
    pub name: &'a UnitName,
    /// The unit's main file.
    pub fragment: &'a str,
    pub world: &'a dyn World,
}

/// Why a specifier has no value here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SpecifierError {
    #[error("`%{0}` is not known on this machine")]
    Unknown(char),
    #[error("`%{0}` cannot be read from the unit's name")]
    BadName(char),
    #[error("`%{0}` is no specifier")]
    NotOne(char),
    #[error("`%{0}` exists only under systemd")]
    OnlySystemd(char),
}

impl Specifiers<'_> {
    /// `text` with every specifier replaced.
    pub(super) fn expand(&self, text: &str) -> Result<String, SpecifierError> {
        let mut out = String::with_capacity(text.len());
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                out.push(letter);
                continue;
            }
            match letters.next() {
                None => out.push('%'),
                Some('%') => out.push('%'),
                Some(letter) => match self.value(letter)? {
                    Some(value) => out.push_str(&value),
                    None => out.extend(['%', letter]),
                },
            }
        }
        Ok(out)
    }

    /// The value of one specifier; `None` for what can be none.
    fn value(&self, letter: char) -> Result<Option<String>, SpecifierError> {
        if let Some((fact, missing)) = fact(letter) {
            return match (self.world.fact(fact), missing) {
                (Some(value), _) => Ok(Some(value)),
                (None, Missing::Empty) => Ok(Some(String::new())),
                (None, Missing::Fault) => Err(SpecifierError::Unknown(letter)),
            };
        }
        let value = match letter {
            'n' => self.name.full().to_owned(),
            'N' => self.name.stem().to_owned(),
            'p' => self.name.prefix().to_owned(),
            'P' => self.unescaped(letter, self.name.prefix())?,
            'i' => self.name.instance().unwrap_or_default().to_owned(),
            'I' => self.unescaped(letter, self.name.instance().unwrap_or_default())?,
            'j' => self.last_dashed().to_owned(),
            'J' => self.unescaped(letter, self.last_dashed())?,
            'f' => self.path()?,
            'y' => self.fragment.to_owned(),
            'Y' => self.fragment_directory().to_owned(),
            'l' => self.short_host_name()?,
            // An image is what has them; there is none here.
            'A' | 'M' => String::new(),
            'D' => "/usr/share".to_owned(),
            'd' | 'c' | 'r' | 'R' => return Err(SpecifierError::OnlySystemd(letter)),
            _ if letter.is_ascii_alphanumeric() => return Err(SpecifierError::NotOne(letter)),
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    fn unescaped(&self, letter: char, text: &str) -> Result<String, SpecifierError> {
        unescape(text).ok_or(SpecifierError::BadName(letter))
    }

    /// What follows the last `-` of the prefix.
    fn last_dashed(&self) -> &str {
        let prefix = self.name.prefix();
        prefix.rsplit_once('-').map_or(prefix, |(_, last)| last)
    }

    fn path(&self) -> Result<String, SpecifierError> {
        let part = match self.name.instance() {
            Some(instance) if !instance.is_empty() => instance,
            Some(_) | None => self.name.prefix(),
        };
        unescape_path(part).ok_or(SpecifierError::BadName('f'))
    }

    fn fragment_directory(&self) -> &str {
        self.fragment
            .rsplit_once(['/', '\\'])
            .map_or("", |(directory, _)| directory)
    }

    fn short_host_name(&self) -> Result<String, SpecifierError> {
        let name = self.world.fact(Fact::HostName);
        let name = name.ok_or(SpecifierError::Unknown('l'))?;
        Ok(name.split('.').next().unwrap_or_default().to_owned())
    }
}

/// What a fact nobody knows stands for.
enum Missing {
    Fault,
    /// Fields of os-release(5) may be absent.
    Empty,
}

/// The fact about the machine a letter names.
fn fact(letter: char) -> Option<(Fact, Missing)> {
    let fact = match letter {
        'a' => Fact::Architecture,
        'b' => Fact::BootId,
        'B' => return Some((Fact::OsBuildId, Missing::Empty)),
        'C' => Fact::CacheDirectory,
        'E' => Fact::ConfigurationDirectory,
        'g' => Fact::UserGroupName,
        'G' => Fact::UserGroupId,
        'h' => Fact::UserHome,
        'H' => Fact::HostName,
        'L' => Fact::LogsDirectory,
        'm' => Fact::MachineId,
        'o' => return Some((Fact::OsId, Missing::Empty)),
        'q' => Fact::HostName,
        's' => Fact::UserShell,
        'S' => Fact::StateDirectory,
        't' => Fact::RuntimeDirectory,
        'T' => Fact::TemporaryDirectory,
        'u' => Fact::UserName,
        'U' => Fact::UserId,
        'v' => Fact::KernelRelease,
        'V' => Fact::PersistentTemporaryDirectory,
        'w' => return Some((Fact::OsVersionId, Missing::Empty)),
        'W' => return Some((Fact::OsVariantId, Missing::Empty)),
        _ => return None,
    };
    Some((fact, Missing::Fault))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Machine;
    use super::*;

    fn expand(name: &str, text: &str) -> Result<String, SpecifierError> {
        let name = UnitName::parse(name).unwrap();
        Specifiers {
            name: &name,
            fragment: "/etc/systemd/system/x.service",
            world: &Machine::default(),
        }
        .expand(text)
    }

    #[test]
    fn parts_of_the_name() {
        let name = "foo-bar@srv-a\\x2db.service";
        for (text, expected) in [
            ("%n", name),
            ("%N", "foo-bar@srv-a\\x2db"),
            ("%p %P", "foo-bar foo/bar"),
            ("%i", "srv-a\\x2db"),
            ("%I", "srv/a-b"),
            ("%j %J", "bar bar"),
            ("%f", "/srv/a-b"),
            ("%y %Y", "/etc/systemd/system/x.service /etc/systemd/system"),
        ] {
            assert_eq!(expand(name, text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(expand("srv-x.service", "%f|%i").as_deref(), Ok("/srv/x|"));
    }

    #[test]
    fn facts_of_the_machine() {
        assert_eq!(
            expand("a.service", "%H %l %t").as_deref(),
            Ok("host.example host /run")
        );
        assert_eq!(expand("a.service", "%m"), Err(SpecifierError::Unknown('m')));
        assert_eq!(
            expand("a.service", "%d"),
            Err(SpecifierError::OnlySystemd('d'))
        );
    }

    #[test]
    fn a_doubled_and_a_last_one_stay_and_unknown_ones_are_faults() {
        assert_eq!(expand("a.service", "%z"), Err(SpecifierError::NotOne('z')));
        assert_eq!(
            expand("a.service", "100%% %, %").as_deref(),
            Ok("100% %, %")
        );
    }
}
