//! Names of units: `prefix@instance.type`, and the escaping of paths in them; systemd.unit(5).

use std::fmt;

/// Longest name of a unit, its ending counted.
const LIMIT: usize = 255;

/// The endings a unit name may have.
const TYPES: &[(UnitType, &str)] = &[
    (UnitType::Service, "service"),
    (UnitType::Socket, "socket"),
    (UnitType::Target, "target"),
    (UnitType::Timer, "timer"),
    (UnitType::Other, "mount"),
    (UnitType::Other, "automount"),
    (UnitType::Other, "swap"),
    (UnitType::Other, "path"),
    (UnitType::Other, "slice"),
    (UnitType::Other, "scope"),
    (UnitType::Other, "device"),
];

/// What a unit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitType {
    Service,
    Socket,
    Target,
    Timer,
    /// Mounts, devices, slices and whatever else only systemd itself has.
    Other,
}

/// The checked name of a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitName {
    full: String,
    unit_type: UnitType,
    /// Byte of the `@`.
    at: Option<usize>,
    /// Byte of the last `.`.
    dot: usize,
}

impl UnitName {
    /// `None` where it is no name of a unit.
    pub fn parse(full: &str) -> Option<UnitName> {
        let dot = full.rfind('.')?;
        let unit_type = TYPES.iter().find(|(_, name)| *name == &full[dot + 1..])?.0;
        let at = full[..dot].find('@');
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || ":-_.\\@".contains(letter);
        let prefix_is_empty = dot == 0 || at == Some(0);
        if full.len() > LIMIT || prefix_is_empty || !full.chars().all(allowed) {
            return None;
        }
        Some(UnitName {
            full: full.to_owned(),
            unit_type,
            at,
            dot,
        })
    }

    pub fn unit_type(&self) -> UnitType {
        self.unit_type
    }

    /// `foo@bar.service`.
    pub fn full(&self) -> &str {
        &self.full
    }

    /// `foo@bar`.
    pub fn stem(&self) -> &str {
        &self.full[..self.dot]
    }

    /// `service`.
    pub fn ending(&self) -> &str {
        &self.full[self.dot + 1..]
    }

    /// `foo` of `foo@bar.service` and of `foo.service`.
    pub fn prefix(&self) -> &str {
        &self.full[..self.at.unwrap_or(self.dot)]
    }

    /// `bar` of `foo@bar.service`; `Some("")` for the template `foo@.service`.
    pub fn instance(&self) -> Option<&str> {
        self.at.map(|at| &self.full[at + 1..self.dot])
    }

    pub fn is_template(&self) -> bool {
        self.instance() == Some("")
    }

    /// `foo@.service` for `foo@bar.service`.
    pub fn template(&self) -> Option<UnitName> {
        let instance = self.instance()?;
        (!instance.is_empty()).then(|| self.with_instance(""))
    }

    /// The same with another instance; a name without `@` stays as it is.
    pub fn with_instance(&self, instance: &str) -> UnitName {
        let Some(at) = self.at else {
            return self.clone();
        };
        let full = format!("{}@{instance}.{}", self.prefix(), self.ending());
        UnitName {
            dot: at + 1 + instance.len(),
            full,
            ..self.clone()
        }
    }

    /// What the service is called in a [`aplomb_core::Spec`]: services lose their ending, others keep it.
    pub fn spec_name(&self) -> &str {
        match self.unit_type {
            UnitType::Service => self.stem(),
            UnitType::Socket | UnitType::Target | UnitType::Timer | UnitType::Other => &self.full,
        }
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

/// The unit a name in a [`aplomb_core::Spec`] stands for: itself if it ends like a unit, else a service.
pub fn of_spec(name: &str) -> String {
    match UnitName::parse(name) {
        Some(unit) if unit.unit_type() != UnitType::Service => unit.full,
        Some(_) | None => format!("{name}.service"),
    }
}

/// Text as part of a unit name: `/` becomes `-`, what is not allowed `\xNN`, a leading dot too.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if at > 0 => escaped.push('.'),
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b':' | b'_' => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("\\x{byte:02x}")),
        }
    }
    escaped
}

/// What [`escape`] was given; `None` where that cannot be told.
pub fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        match letter {
            '-' => bytes.push(b'/'),
            '\\' => {
                let digits = rest.get(1..4)?.strip_prefix('x')?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &rest[3..];
            }
            letter => bytes.extend_from_slice(letter.to_string().as_bytes()),
        }
        rest = &rest[if letter == '\\' { 1 } else { letter.len_utf8() }..];
    }
    String::from_utf8(bytes).ok()
}

/// An absolute path from part of a unit name; `-` alone is the root.
pub fn unescape_path(text: &str) -> Option<String> {
    if text == "-" {
        return Some("/".to_owned());
    }
    Some(format!("/{}", unescape(text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_prefix_instance_and_type() {
        let name = UnitName::parse("getty@tty1.service").unwrap();
        assert_eq!(name.unit_type(), UnitType::Service);
        assert_eq!(
            (name.prefix(), name.instance(), name.stem()),
            ("getty", Some("tty1"), "getty@tty1")
        );
        assert_eq!(name.template().unwrap().full(), "getty@.service");
        assert_eq!(name.with_instance("tty22").stem(), "getty@tty22");
        assert!(name.template().unwrap().is_template());
        assert!(UnitName::parse("foo.service").unwrap().template().is_none());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "foo",
            ".service",
            "@x.service",
            "foo.conf",
            "a b.service",
            "a/b.service",
        ] {
            assert_eq!(UnitName::parse(text), None, "{text}");
        }
        assert_eq!(
            UnitName::parse(&format!("{}.service", "x".repeat(250))),
            None
        );
    }

    #[test]
    fn names_in_specs_and_units_translate_both_ways() {
        for (spec, unit) in [
            ("web", "web.service"),
            ("web@1", "web@1.service"),
            ("multi-user.target", "multi-user.target"),
            ("a.b", "a.b.service"),
        ] {
            assert_eq!(of_spec(spec), unit);
            assert_eq!(UnitName::parse(unit).unwrap().spec_name(), spec);
        }
    }

    #[test]
    fn escaping_is_undone() {
        for text in ["/dev/sda", "a-b", ".hidden", "ä b", "x.y", ""] {
            assert_eq!(unescape(&escape(text)).as_deref(), Some(text));
        }
        assert_eq!(escape("a-b c"), "a\\x2db\\x20c");
        assert_eq!(unescape("\\x2"), None);
        assert_eq!(unescape_path("srv-x\\x2dy").as_deref(), Some("/srv/x-y"));
    }
}
