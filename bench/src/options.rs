//! The command line.

use std::path::PathBuf;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: bench supervise|log|check|all|obtain [OPTIONS]

  --n N            services in the main measurement (1000)
  --rounds N       interleaved rounds (3)
  --peers A,B      only these, besides the raw loops; `s6` means all rows that begin so
  --many N         services in the one start and stop of many; 0 leaves it out (5000)
  --samples N      single kills per round (100)
  --idle SECONDS   idle wait in the first round; 0 leaves it out (30)
  --megabytes N    logged in blocks, a tenth of it line by line (1000)
  --aplomb PATH    the binary under test (target/release/aplomb)
  --directory DIR  where stacks live; should be tmpfs (/dev/shm)
  --write          put the tables into bench/README.md
";

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Supervise,
    Log,
    Check,
    All,
    /// Only fetch what is missing.
    Obtain,
}

impl Verb {
    const ALL: &[(&str, Verb)] = &[
        ("supervise", Verb::Supervise),
        ("log", Verb::Log),
        ("check", Verb::Check),
        ("all", Verb::All),
        ("obtain", Verb::Obtain),
    ];

    pub(crate) fn includes(self, part: Verb) -> bool {
        self == part || self == Verb::All
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    pub(crate) verb: Verb,
    pub(crate) count: usize,
    pub(crate) many: usize,
    pub(crate) rounds: usize,
    pub(crate) samples: usize,
    pub(crate) idle: Duration,
    pub(crate) bytes: u64,
    /// Empty: all.
    pub(crate) peers: Vec<String>,
    pub(crate) aplomb: Option<PathBuf>,
    pub(crate) directory: PathBuf,
    pub(crate) write: Write,
}

/// Where the tables go besides standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Nowhere,
    Readme,
}

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut words = words.peekable();
        let verb = words.next().unwrap_or_default();
        let found = Verb::ALL.iter().find(|(name, _)| *name == verb);
        let (_, verb) = found.ok_or_else(|| format!("there is no verb `{verb}`"))?;
        let mut options = Options {
            verb: *verb,
            count: 1000,
            many: 5000,
            rounds: 3,
            samples: 100,
            idle: Duration::from_secs(30),
            bytes: 1_000_000_000,
            peers: Vec::new(),
            aplomb: None,
            directory: "/dev/shm".into(),
            write: Write::Nowhere,
        };
        while let Some(word) = words.next() {
            options.set(&word, &mut words)?;
        }
        Ok(options)
    }

    fn set(&mut self, word: &str, rest: &mut impl Iterator<Item = String>) -> Result<(), String> {
        if word == "--write" {
            self.write = Write::Readme;
            return Ok(());
        }
        let value = rest
            .next()
            .ok_or_else(|| format!("`{word}` needs a value, or is unknown"));
        match word {
            "--n" => self.count = positive(word, &value?)?,
            "--many" => self.many = number(word, &value?)?,
            "--rounds" => self.rounds = positive(word, &value?)?,
            "--samples" => self.samples = positive(word, &value?)?,
            "--idle" => self.idle = Duration::from_secs(number(word, &value?)? as u64),
            "--megabytes" => self.bytes = positive(word, &value?)? as u64 * 1_000_000,
            "--peers" => self.peers = value?.split(',').map(str::to_owned).collect(),
            "--aplomb" => self.aplomb = Some(value?.into()),
            "--directory" => self.directory = value?.into(),
            _ => return Err(format!("there is no option `{word}`")),
        }
        Ok(())
    }

    /// Whether a row is wanted: by its name or the name's first word. The raw loops always are.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let first = name.split(' ').next().unwrap_or(name);
        self.peers.is_empty() || self.peers.iter().any(|peer| peer == name || peer == first)
    }
}

fn number(word: &str, value: &str) -> Result<usize, String> {
    value
        .parse()
        .map_err(|_| format!("`{word}` needs a number, not `{value}`"))
}

fn positive(word: &str, value: &str) -> Result<usize, String> {
    match number(word, value)? {
        0 => Err(format!("`{word}` must be at least 1")),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn options_replace_defaults() {
        let options = parse("all --n 50 --megabytes 20 --peers s6,pm2 --write").unwrap();
        assert_eq!(
            (options.verb, options.count, options.rounds),
            (Verb::All, 50, 3)
        );
        assert_eq!((options.bytes, options.write), (20_000_000, Write::Readme));
        assert_eq!(options.peers, ["s6", "pm2"]);
    }

    #[test]
    fn a_wish_that_cannot_be_met_is_refused_by_name() {
        assert!(parse("sing").unwrap_err().contains("`sing`"));
        assert!(parse("log --fast 1").unwrap_err().contains("`--fast`"));
        assert!(parse("log --n").unwrap_err().contains("`--n`"));
        assert!(parse("log --n many").unwrap_err().contains("`many`"));
        assert!(parse("log --n 0").unwrap_err().contains("at least 1"));
    }

    #[test]
    fn a_peer_is_chosen_by_name_or_family() {
        let options = parse("all --peers s6,aplomb run").unwrap_err();
        assert!(options.contains("`run`"));
        let options = parse("all --peers s6").unwrap();
        assert!(options.wants("s6 + s6-log") && options.wants("s6"));
        assert!(!options.wants("pm2"));
    }
}
