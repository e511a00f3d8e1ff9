//! `status` of a process or thread: what it does with signals, how many it is, which namespaces number it.

/// Of `status`, what is of use here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// Pending for this thread.
    pub(crate) thread_pending: u64,
    /// Pending for the process.
    pub(crate) pending: u64,
    pub(crate) blocked: u64,
    pub(crate) ignored: u64,
    pub(crate) caught: u64,
    /// Its numbers, from our namespace inwards.
    pub(crate) numbers: Vec<u32>,
    /// Who traces it; 0 if nobody.
    pub(crate) tracer: u32,
    pub(crate) user: Option<u32>,
}

impl Status {
    pub(crate) fn parse(text: &str) -> Status {
        let mut status = Status::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            let mask = || super::hexadecimal(value).unwrap_or(0);
            match key {
                "SigPnd" => status.thread_pending = mask(),
                "ShdPnd" => status.pending = mask(),
                "SigBlk" => status.blocked = mask(),
                "SigIgn" => status.ignored = mask(),
                "SigCgt" => status.caught = mask(),
                "TracerPid" => status.tracer = value.parse().unwrap_or(0),
                "Uid" => {
                    status.user = value
                        .split_whitespace()
                        .next()
                        .and_then(|uid| uid.parse().ok())
                }
                "NSpid" => {
                    let numbers = value.split_whitespace().map_while(|one| one.parse().ok());
                    status.numbers = numbers.collect();
                }
                _ => {}
            }
        }
        status
    }

    /// Whether it is the first process of a namespace below ours.
    pub(crate) fn is_first(&self) -> bool {
        self.numbers.last() == Some(&1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name:\tsrv\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t90\nNgid:\t0\nPid:\t90\nPPid:\t1\n\
        TracerPid:\t0\nUid:\t1000\t1000\t1000\t1000\nNSpid:\t90\t7\t1\nSigQ:\t0/95\nSigPnd:\t0000000000000000\n\
        ShdPnd:\t0000000000004000\nSigBlk:\t0000000000004000\nSigIgn:\t0000000000001000\nSigCgt:\t0000000180000000\n";

    #[test]
    fn masks_and_numbers_are_read() {
        let status = Status::parse(TEXT);
        assert_eq!(status.pending, 1 << 14);
        assert_eq!(status.blocked, 1 << 14);
        assert_eq!(status.ignored, 1 << 12);
        assert_eq!(status.user, Some(1000));
        assert!(status.is_first());
        assert!(!Status::parse("NSpid:\t1\t17\n").is_first());
    }

    #[test]
    fn any_text_is_read_without_panic() {
        assert_eq!(Status::parse("SigBlk: zz\nUid:\n:\n"), Status::default());
    }
}
