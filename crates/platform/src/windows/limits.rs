//! What a job is told of the limits an operator wrote; what it cannot hold is refused.

use std::io;

use aplomb_core::spec::Resources;

use super::sys::job::Limits;

/// Thousandths of one processor, the operator's unit, in one processor.
const WHOLE: u64 = 1000;
/// Hundredths of a percent, the job's unit, in all processors.
const ALL: u64 = 10_000;

/// The limits of a job for these resources.
pub(crate) fn of(resources: &Resources) -> io::Result<Limits> {
    if resources.memory_high.is_some() {
        return Err(refused("Windows cannot slow a job down by its memory"));
    }
    Ok(Limits {
        memory: resources.memory_max.map(|bytes| bytes.0),
        processes: resources.pids_max,
        cpu_rate: resources.cpu_max.map(rate),
        cpu_weight: resources.cpu_weight.map(weight),
        affinity: None,
    })
}

/// A share of one processor as a share of all.
fn rate(thousandths: u32) -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let share = u64::from(thousandths) * ALL / (WHOLE * processors);
    u32::try_from(share.clamp(1, ALL)).unwrap_or(1)
}

/// 1 to 10000 with 100 as everybody's, in nine steps with 5 as everybody's: a step for each doubling.
fn weight(weight: u32) -> u32 {
    let doublings = f64::from(weight.max(1)) / 100.0;
    let step = 5.0 + doublings.log2();
    step.round().clamp(1.0, 9.0) as u32
}

/// The bits of these processors; `None` for all of them.
pub(crate) fn affinity(processors: &[u16]) -> io::Result<Option<usize>> {
    if processors.is_empty() {
        return Ok(None);
    }
    let mut bits = 0_usize;
    for processor in processors {
        let bit = 1_usize.checked_shl(u32::from(*processor));
        bits |= bit.ok_or_else(|| refused("processors above 63 cannot be chosen"))?;
    }
    Ok(Some(bits))
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_doubles_with_each_step() {
        let steps = [1, 50, 100, 200, 400, 10_000].map(weight);
        assert_eq!(steps, [1, 4, 5, 6, 7, 9]);
    }

    #[test]
    fn processors_are_bits() {
        assert_eq!(affinity(&[0, 2]).ok(), Some(Some(5)));
        assert_eq!(affinity(&[]).ok(), Some(None));
        assert!(affinity(&[64]).is_err());
    }
}
