//! Reads log files back and accounts for every line: whole, torn, lost.
//!
//! A line carries its number in twenty digits and has a known body, whatever a logger puts before it.
//! Torn: its bytes are there, but a file ends in the middle of it. Lost: it is nowhere.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

/// Bytes of a line with its end; `probe/writer.c` says the same.
pub(crate) const LINE: usize = 100;
const DIGITS: usize = 20;

/// What became of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Account {
    pub(crate) whole: u64,
    pub(crate) torn: u64,
    pub(crate) lost: u64,
    /// Seen more than once.
    pub(crate) repeated: u64,
}

/// Accounts for lines 0 to `expected` over all files.
pub(crate) fn account(files: &[PathBuf], expected: u64) -> io::Result<Account> {
    let mut tally = Tally::of(expected);
    for file in files {
        tally.read(&mut BufReader::with_capacity(1 << 20, File::open(file)?))?;
    }
    Ok(tally.close())
}

#[derive(Debug)]
struct Tally {
    seen: Vec<bool>,
    body: Vec<u8>,
    account: Account,
    /// Files that end without a line end.
    ragged: u64,
}

impl Tally {
    fn of(expected: u64) -> Tally {
        let body = (DIGITS + 1..LINE - 1)
            .map(|at| b'a' + (at % 26) as u8)
            .collect();
        Tally {
            seen: vec![false; expected as usize],
            body,
            account: Account::default(),
            ragged: 0,
        }
    }

    fn read(&mut self, file: &mut impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if file.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if line.pop_if(|last| *last == b'\n').is_none() {
                self.ragged += 1;
            } else if let Some(number) = self.number(&line) {
                self.mark(number);
            }
        }
    }

    /// The number of a whole line; anything may stand before it.
    fn number(&self, line: &[u8]) -> Option<usize> {
        let own = &line[line.len().checked_sub(LINE - 1)?..];
        let (digits, rest) = own.split_at(DIGITS);
        if rest[0] != b' ' || rest[1..] != self.body {
            return None;
        }
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    fn mark(&mut self, number: usize) {
        match self.seen.get_mut(number) {
            Some(seen) if !*seen => {
                *seen = true;
                self.account.whole += 1;
            }
            Some(_) | None => self.account.repeated += 1,
        }
    }

    /// A ragged end tears at most one line; what is missing beyond those is lost.
    fn close(mut self) -> Account {
        let missing = self.seen.len() as u64 - self.account.whole;
        self.account.torn = missing.min(self.ragged);
        self.account.lost = missing - self.account.torn;
        self.account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64) -> String {
        let body = String::from_utf8(Tally::of(0).body).unwrap();
        format!("{number:020} {body}\n")
    }

    fn tally(expected: u64, files: &[String]) -> Account {
        let mut tally = Tally::of(expected);
        for file in files {
            tally.read(&mut file.as_bytes()).unwrap();
        }
        tally.close()
    }

    #[test]
    fn a_line_has_a_hundred_bytes() {
        assert_eq!(line(7).len(), LINE);
    }

    #[test]
    fn whole_lines_over_two_files_are_all_there() {
        let files = [line(0) + &line(1), line(2)];
        let all = Account {
            whole: 3,
            ..Account::default()
        };
        assert_eq!(tally(3, &files), all);
    }

    #[test]
    fn a_stamp_before_the_line_does_not_matter() {
        let stamped = format!("2026-11-22T15:24:51.123456Z {}", line(0));
        assert_eq!(tally(1, &[stamped]).whole, 1);
    }

    #[test]
    fn a_line_cut_by_a_rotation_is_torn_not_lost() {
        let cut = line(1);
        let files = [line(0) + &cut[..40], cut[40..].to_owned() + &line(2)];
        let account = tally(3, &files);
        assert_eq!((account.whole, account.torn, account.lost), (2, 1, 0));
    }

    #[test]
    fn a_line_that_is_nowhere_is_lost() {
        let account = tally(3, &[line(0) + &line(2)]);
        assert_eq!((account.whole, account.torn, account.lost), (2, 0, 1));
    }

    #[test]
    fn two_lines_run_together_count_once_and_a_repeat_is_seen() {
        let damaged = line(0).replace('\n', "") + &line(1) + &line(1);
        let account = tally(2, &[damaged]);
        assert_eq!((account.whole, account.lost, account.repeated), (1, 1, 1));
    }
}
