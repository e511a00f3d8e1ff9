//! `soak [--minutes N]`: a long rehearsal of bad days, by `e2e/src/soak.rs`; two minutes if nothing else is said.

use std::env;
use std::process::Command;

const MINUTES: u64 = 2;

pub(crate) fn run() -> Result<(), String> {
    let minutes = minutes(&env::args().skip(2).collect::<Vec<_>>())?;
    crate::cargo(&["build", "--package", "aplomb", "--package", "e2e", "--bins"])?;
    let target = env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let program = |name: &str| format!("{target}/debug/{name}");
    let status = Command::new(program("soak"))
        .arg(std::path::absolute(program("aplomb")).map_err(|why| why.to_string())?)
        .arg((minutes * 60).to_string())
        .status()
        .map_err(|why| format!("cannot begin: {why}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("not everything is accounted for".to_owned())
    }
}

fn minutes(words: &[String]) -> Result<u64, String> {
    match words {
        [] => Ok(MINUTES),
        [option, minutes] if option == "--minutes" => minutes
            .parse()
            .map_err(|_| format!("`{minutes}` is no number of minutes")),
        other => Err(format!("`{}` is not understood", other.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_two_or_as_many_as_asked_for() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        assert_eq!(minutes(&[]), Ok(2));
        assert_eq!(minutes(&words("--minutes 30")), Ok(30));
        assert!(minutes(&words("--minutes many")).is_err());
        assert!(minutes(&words("--hours 1")).is_err());
    }
}
