//! `syscall` of a thread: where it entered the system, and with what.

/// A thread seen from its entry into the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// It runs, or will at once.
    Running,
    /// It waits outside a system call: for a page, or stopped.
    Outside { sp: u64, pc: u64 },
    /// It is in a system call.
    In {
        number: u32,
        args: [u64; 6],
        sp: u64,
        pc: u64,
    },
}

impl Call {
    pub(crate) fn parse(text: &str) -> Option<Call> {
        let mut fields = text.split_ascii_whitespace();
        let first = fields.next()?;
        if first == "running" {
            return Some(Call::Running);
        }
        let mut word = || super::hexadecimal(fields.next()?);
        if first == "-1" {
            return Some(Call::Outside {
                sp: word()?,
                pc: word()?,
            });
        }
        let number = first.parse().ok()?;
        let mut args = [0; 6];
        for arg in &mut args {
            *arg = word()?;
        }
        Some(Call::In {
            number,
            args,
            sp: word()?,
            pc: word()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_read() {
        assert_eq!(Call::parse("running\n"), Some(Call::Running));
        let outside = Call::Outside {
            sp: 0x7ffc,
            pc: 0x55,
        };
        assert_eq!(Call::parse("-1 0x7ffc 0x55\n"), Some(outside));
        let text = "202 0x1000 0x80 0x2 0x0 0x0 0xffffffffffffffff 0x7ffc 0x7f00\n";
        let inside = Call::In {
            number: 202,
            args: [0x1000, 0x80, 2, 0, 0, u64::MAX],
            sp: 0x7ffc,
            pc: 0x7f00,
        };
        assert_eq!(Call::parse(text), Some(inside));
    }

    #[test]
    fn what_is_cut_off_is_none() {
        for text in ["", "-1", "-1 0x1", "202 0x1 0x2", "x 1 2 3 4 5 6 7 8"] {
            assert_eq!(Call::parse(text), None, "{text:?}");
        }
    }
}
