//! `stat` and `schedstat` of a process or thread.

/// What a thread is doing, in the system's letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Sleeping,
    /// In a wait no signal interrupts.
    Deep,
    Stopped,
    /// Stopped by a debugger.
    Traced,
    /// Ended, and not reaped.
    Zombie,
    /// Idle kernel threads, and letters of kernels to come.
    Other,
}

/// Of `stat`, what is of use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) parent: u32,
    /// Ticks since boot.
    pub(crate) started: u64,
}

impl Stat {
    /// The name may hold anything, closing brackets too; it ends at the last one.
    pub(crate) fn parse(text: &str) -> Option<Stat> {
        let (before, after) = text.rsplit_once(')')?;
        let (_, name) = before.split_once('(')?;
        let mut fields = after.split_ascii_whitespace();
        let state = match fields.next()? {
            "R" => State::Running,
            "S" => State::Sleeping,
            "D" => State::Deep,
            "T" => State::Stopped,
            "t" => State::Traced,
            "Z" | "X" => State::Zombie,
            _ => State::Other,
        };
        let parent = fields.next()?.parse().ok()?;
        // Started is field 22, state was 3 and parent 4.
        let started = fields.nth(17)?.parse().ok()?;
        Some(Stat {
            name: name.to_owned(),
            state,
            parent,
            started,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "4711 (evil) S 1 (x)) S 17 4711 4711 0 -1 4194304 90 0 0 0 1 2 0 0 20 0 3 0 88123 12345 \
                        200 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n";

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = Stat::parse(LINE).expect("a stat line");
        assert_eq!(stat.name, "evil) S 1 (x)");
        assert_eq!(stat.state, State::Sleeping);
        assert_eq!(stat.parent, 17);
        assert_eq!(stat.started, 88123);
    }

    #[test]
    fn half_a_line_is_none() {
        for end in 0..60 {
            assert_eq!(Stat::parse(&LINE[..end]), None, "{end} bytes");
        }
    }
}
