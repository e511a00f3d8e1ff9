//! Names as the program's author wrote them.
//!
//! A mangled name of some hundred bytes can stand for gigabytes (each part may repeat all before it), so what comes
//! out is cut.

use std::fmt::{self, Write as _};

/// The longest name that is made.
const MAX_LENGTH: usize = 1024;

/// `name` as in the source if it is mangled by Rust or C++, else as it is.
pub(crate) fn demangle(name: &str) -> String {
    let mut cut = Cut(String::new());
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        // The alternate form leaves out the hash.
        let _ = write!(cut, "{rust:#}");
        return cut.0;
    }
    if name.starts_with("_Z")
        && let Ok(symbol) = cpp_demangle::BorrowedSymbol::new(name.as_bytes())
    {
        let options = cpp_demangle::DemangleOptions::new()
            .no_params()
            .no_return_type()
            .recursion_limit(64);
        if symbol.structured_demangle(&mut cut, &options).is_ok() || !cut.0.is_empty() {
            return cut.0;
        }
    }
    name.to_owned()
}

/// Takes so much text and refuses more.
struct Cut(String);

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_LENGTH - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::demangle;

    #[test]
    fn names_are_as_written() {
        assert_eq!(demangle("main"), "main");
        assert_eq!(demangle("_ZN5store4Pool4takeEv"), "store::Pool::take");
        assert_eq!(
            demangle("_ZN3std6thread5sleep17h0123456789abcdefE"),
            "std::thread::sleep"
        );
        assert_eq!(demangle("_RNvC6_123foo3bar"), "123foo::bar");
        assert_eq!(demangle("_Znonsense"), "_Znonsense");
    }

    #[test]
    fn a_name_that_explodes_is_cut() {
        // Each round repeats all before it twice: std::pair<X, X>.
        let mut name = "_Z1fISt4pairIiiE".to_owned();
        let mut rounds = String::new();
        for round in 0..30 {
            let back = std::char::from_digit(round, 36)
                .unwrap()
                .to_ascii_uppercase();
            rounds.push_str(&format!("St4pairIS{back}_S{back}_E"));
        }
        name.push_str(&rounds);
        name.push_str("EvT_");
        assert!(demangle(&name).len() <= super::MAX_LENGTH.max(name.len()));
    }
}
