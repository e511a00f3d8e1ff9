//! `limits`: what a process may have at most.

/// The soft limits of use here; none where there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Soft {
    pub(crate) files: Option<u64>,
    /// Processes and threads of its user.
    pub(crate) processes: Option<u64>,
    pub(crate) address_space: Option<u64>,
}

/// Reads the table, whose first column has blanks of its own.
pub(crate) fn soft_limits(text: &str) -> Soft {
    let of = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
    Soft {
        files: of("Max open files"),
        processes: of("Max processes"),
        address_space: of("Max address space"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limits_are_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max processes             95498                95498                processes \n\
            Max open files            64                   1048576              files     \n\
            Max address space         unlimited            unlimited            bytes     \n";
        let soft = Soft {
            files: Some(64),
            processes: Some(95_498),
            address_space: None,
        };
        assert_eq!(soft_limits(text), soft);
    }
}
