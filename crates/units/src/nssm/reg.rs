//! The text regedit and `reg export` write: keys in brackets, one value a line.
//!
//! Only what they write is read: version 5, no deletions (`[-…]`, `"x"=-`), which describe a change and not a state.
//! Texts are UTF-16 in the file; whoever opens it turns them into UTF-8.

use std::fmt::Write as _;
use std::ops::Range;

use super::value::{Key, Value};

/// What the first line says.
const HEADER: &str = "Windows Registry Editor Version 5.00";

/// Levels of keys, from Microsoft's "Registry element size limits". A text says a level with one letter, so that without
/// a bound a small one would build a tree too deep to walk.
const DEEPEST: usize = 512;

/// A line nobody can read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct RegFault {
    pub what: &'static str,
    /// Bytes of the text.
    pub span: Range<usize>,
}

/// All keys of a text below one nameless root, and its faults; what is at fault is left out.
pub fn parse_reg(text: &str) -> (Key, Vec<RegFault>) {
    let mut reader = Reader {
        root: Key::default(),
        path: None,
        faults: Vec::new(),
    };
    let lines = logical_lines(text);
    let mut lines = lines.iter().skip_while(|line| line.text.trim().is_empty());
    let first = lines.next();
    if first.is_none_or(|line| line.text.trim_start_matches('\u{feff}').trim() != HEADER) {
        let span = first.map_or(0..0, |line| line.span.clone());
        reader.fault("this is no export of the registry, version 5", span);
        return (reader.root, reader.faults);
    }
    for line in lines {
        reader.line(line);
    }
    (reader.root, reader.faults)
}

/// The keys of `root` as regedit exports them.
pub fn print_reg(root: &Key) -> String {
    let mut text = format!("{HEADER}\r\n\r\n");
    for (name, key) in &root.keys {
        print_key(name, key, &mut text);
    }
    text
}

/// A line with those that continue it.
struct Line {
    text: String,
    span: Range<usize>,
}

fn logical_lines(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut at = 0;
    let mut goes_on = false;
    for raw in text.split_inclusive('\n') {
        let span = at..at + raw.trim_end_matches(['\r', '\n']).len();
        at += raw.len();
        let line = raw.trim_end();
        let (piece, more) = match line.strip_suffix('\\') {
            // Only bytes are continued; a text may end with a backslash before its quote, never as its last letter.
            Some(piece) if !line.starts_with('[') => (piece, true),
            Some(_) | None => (line, false),
        };
        match lines.last_mut() {
            Some(last) if goes_on => {
                last.text.push_str(piece.trim_start());
                last.span.end = span.end;
            }
            Some(_) | None => lines.push(Line {
                text: piece.to_owned(),
                span,
            }),
        }
        goes_on = more;
    }
    lines
}

struct Reader {
    root: Key,
    path: Option<String>,
    faults: Vec<RegFault>,
}

impl Reader {
    fn fault(&mut self, what: &'static str, span: Range<usize>) {
        self.faults.push(RegFault { what, span });
    }

    fn line(&mut self, line: &Line) {
        let text = line.text.trim();
        if text.is_empty() || text.starts_with(';') {
            return;
        }
        if let Some(path) = text.strip_prefix('[') {
            match path.strip_suffix(']') {
                Some(path) if is_path(path) => {
                    self.root.make(path);
                    self.path = Some(path.to_owned());
                }
                Some(_) | None => {
                    self.path = None;
                    self.fault("this is no name of a key", line.span.clone());
                }
            }
            return;
        }
        let Some(path) = self.path.clone() else {
            self.fault("this value stands in no key", line.span.clone());
            return;
        };
        match named_value(text) {
            Some((name, value)) => {
                let key = self.root.make(&path);
                key.set_at(&name, value, line.span.clone());
            }
            None => self.fault("this is no value", line.span.clone()),
        }
    }
}

fn is_path(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('-') && path.split('\\').count() <= DEEPEST
}

fn named_value(line: &str) -> Option<(String, Value)> {
    let (name, rest) = match line.strip_prefix('@') {
        Some(rest) => (String::new(), rest),
        None => quoted(line)?,
    };
    Some((name, value(rest.trim_start().strip_prefix('=')?.trim())?))
}

fn value(text: &str) -> Option<Value> {
    if text.starts_with('"') {
        let (text, rest) = quoted(text)?;
        // No text of the registry goes on behind a zero.
        let is_text = rest.trim().is_empty() && !text.contains('\0');
        return is_text.then_some(Value::Text(text));
    }
    let (kind, data) = text.split_once(':')?;
    if kind.eq_ignore_ascii_case("dword") {
        return u32::from_str_radix(data.trim(), 16).ok().map(Value::Number);
    }
    let kind = match kind.strip_prefix("hex")? {
        "" => 3,
        kind => {
            let number = kind.strip_prefix('(')?.strip_suffix(')')?;
            u32::from_str_radix(number, 16).ok()?
        }
    };
    let bytes: Option<Vec<u8>> = data
        .split(',')
        .map(str::trim)
        .filter(|byte| !byte.is_empty())
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    Some(of_bytes(kind, bytes?))
}

fn of_bytes(kind: u32, bytes: Vec<u8>) -> Value {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let text = || {
        let end = units.iter().position(|unit| *unit == 0);
        String::from_utf16_lossy(&units[..end.unwrap_or(units.len())])
    };
    match kind {
        1 => Value::Text(text()),
        2 => Value::Expand(text()),
        7 => Value::List(
            units
                .split(|unit| *unit == 0)
                .take_while(|text| !text.is_empty())
                .map(String::from_utf16_lossy)
                .collect(),
        ),
        _ => Value::Other { kind, bytes },
    }
}

/// The text between the quotes the line begins with, and what follows them.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut letters = text.strip_prefix('"')?.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((found, &text[at + 2..])),
            '\\' => found.push(letters.next()?.1),
            other => found.push(other),
        }
    }
    None
}

fn print_key(path: &str, key: &Key, text: &mut String) {
    if !key.values.is_empty() || key.keys.is_empty() {
        let _ = write!(text, "[{path}]\r\n");
        for entry in &key.values {
            let name = match entry.name.as_str() {
                "" => "@".to_owned(),
                name => escape(name),
            };
            let _ = write!(text, "{name}={}\r\n", print_value(&entry.value));
        }
        text.push_str("\r\n");
    }
    for (name, key) in &key.keys {
        print_key(&format!(r"{path}\{name}"), key, text);
    }
}

fn print_value(value: &Value) -> String {
    let units = |texts: &[&str]| -> Vec<u8> {
        let ended = texts.iter().flat_map(|text| text.encode_utf16().chain([0]));
        ended.flat_map(u16::to_le_bytes).collect()
    };
    match value {
        // Line ends cannot stand in a quoted text, and what is not ASCII is read by the system's code page.
        Value::Text(text) if text.contains(['\r', '\n']) || !text.is_ascii() => {
            hex("hex(1)", &units(&[text]))
        }
        Value::Text(text) => escape(text),
        Value::Number(number) => format!("dword:{number:08x}"),
        Value::Expand(text) => hex("hex(2)", &units(&[text])),
        Value::List(list) => {
            let mut texts: Vec<&str> = list.iter().map(String::as_str).collect();
            texts.push("");
            hex("hex(7)", &units(&texts))
        }
        Value::Other { kind: 3, bytes } => hex("hex", bytes),
        Value::Other { kind, bytes } => hex(&format!("hex({kind:x})"), bytes),
    }
}

fn hex(kind: &str, bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{kind}:{}", bytes.join(","))
}

fn escape(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\u{feff}Windows Registry Editor Version 5.00\r\n\r\n\
        [HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\web]\r\n\
        \"DisplayName\"=\"The \\\"web\\\"\"\r\n\
        \"Start\"=dword:00000002\r\n\
        \"ImagePath\"=hex(2):43,00,3a,00,5c,00,\\\r\n  61,00,00,00\r\n\r\n\
        [HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\web\\Parameters]\r\n\
        ; a remark\r\n\
        \"AppEnvironmentExtra\"=hex(7):41,00,3d,00,31,00,00,00,42,00,3d,00,00,00,00,00\r\n\
        \"Dir\"=\"C:\\\\x\\\\\"\r\n\
        @=\"\"\r\n";

    fn web(root: &Key) -> &Key {
        root.key(r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\web")
            .expect("the key")
    }

    #[test]
    fn an_export_becomes_keys_and_values() {
        let (root, faults) = parse_reg(TEXT);
        assert_eq!(faults, []);
        let web = web(&root);
        assert_eq!(
            web.value("displayname"),
            Some(&Value::Text("The \"web\"".into()))
        );
        assert_eq!(web.value("Start"), Some(&Value::Number(2)));
        assert_eq!(web.value("ImagePath"), Some(&Value::Expand(r"C:\a".into())));
        let parameters = web.key("Parameters").expect("the key");
        let list = Value::List(vec!["A=1".into(), "B=".into()]);
        assert_eq!(parameters.value("AppEnvironmentExtra"), Some(&list));
        assert_eq!(parameters.value("Dir"), Some(&Value::Text(r"C:\x\".into())));
        assert_eq!(parameters.value(""), Some(&Value::Text(String::new())));
        let span = parameters.entry("Dir").expect("there").span.clone();
        assert_eq!(&TEXT[span], "\"Dir\"=\"C:\\\\x\\\\\"");
    }

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let (mut root, _) = parse_reg(TEXT);
        let key = root.make(r"HKEY_LOCAL_MACHINE\Other");
        key.set("two\\lines\"", Value::Text("a\r\nb".into()));
        key.set(
            "raw",
            Value::Other {
                kind: 3,
                bytes: vec![0, 255],
            },
        );
        key.set(
            "qword",
            Value::Other {
                kind: 11,
                bytes: vec![1; 8],
            },
        );
        key.set("none", Value::List(Vec::new()));
        key.set("名", Value::Expand("%前%".into()));
        let (again, faults) = parse_reg(&print_reg(&root));
        assert_eq!(faults, []);
        assert_eq!(print_reg(&again), print_reg(&root));
        assert_eq!(
            again
                .key(r"HKEY_LOCAL_MACHINE\Other")
                .map(|key| key.values.len()),
            Some(5)
        );
    }

    #[test]
    fn faults_have_their_line_and_leave_the_rest() {
        let text = "Windows Registry Editor Version 5.00\n\"a\"=\"b\"\n[K]\n\"x\"=-\n\"y\"=dword:zz\n[-K]\n\"z\"=\"1\"\n[L]\n\"ok\"=\"1\"\n";
        let (root, faults) = parse_reg(text);
        let at: Vec<&str> = faults
            .iter()
            .map(|fault| &text[fault.span.clone()])
            .collect();
        assert_eq!(
            at,
            [
                "\"a\"=\"b\"",
                "\"x\"=-",
                "\"y\"=dword:zz",
                "[-K]",
                "\"z\"=\"1\""
            ]
        );
        assert!(root.key("L").expect("read").value("ok").is_some());
        assert_eq!(parse_reg("REGEDIT4\n").1.len(), 1);
        assert_eq!(parse_reg("").1.len(), 1);
    }

    #[test]
    fn a_key_deeper_than_the_registry_is_a_fault() {
        let text = |depth: usize| format!("{HEADER}\n[K{}]\n", r"\k".repeat(depth - 1));
        assert_eq!(parse_reg(&text(DEEPEST)).1, []);
        let (root, faults) = parse_reg(&text(1_000_000));
        assert_eq!((root.keys.len(), faults.len()), (0, 1));
    }

    #[test]
    fn blank_lines_may_stand_before_the_first() {
        let (root, faults) = parse_reg(&format!("\n\n{HEADER}\n[K]\n\"a\"=\"b\"\n"));
        assert_eq!(faults, []);
        assert!(root.key("K").is_some());
    }

    #[test]
    fn a_text_with_a_zero_in_it_is_no_value() {
        let text = format!("{HEADER}\n[K]\n\"a\"=\"é\0b\"\n");
        assert_eq!(parse_reg(&text).1.len(), 1);
    }

    #[test]
    fn no_text_is_a_reason_to_panic() {
        for text in [
            "\\",
            "[",
            "\"",
            "\"\\",
            "@",
            "@=hex(",
            "@=hex(2):0,",
            "=\"\"",
            "[]",
            "\"a\"=\"\\",
        ] {
            let _ = parse_reg(&format!("{HEADER}\n[K]\n{text}"));
            let _ = parse_reg(&format!("{HEADER}\n{text}\n\\\n"));
        }
    }
}
