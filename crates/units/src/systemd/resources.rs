//! Limits on the whole tree; systemd.resource-control(5).

use aplomb_core::Bytes;

use super::draft::{Draft, Input};
use super::fault::Fault;
use super::time_span;

/// Which memory bound a key sets.
pub(super) type Memory = fn(&mut Draft) -> &mut Option<Bytes>;

/// Bytes, a share of the machine's memory, or `infinity`.
pub(super) fn memory(draft: &mut Draft, input: &Input<'_>, field: Memory) -> Result<(), Fault> {
    *field(draft) = match input.text() {
        "" | "infinity" => None,
        text if text.ends_with('%') => return Err(share(input)),
        text => Some(time_span::size(text).map_err(|why| {
            input
                .bad_quantity(why, "write a size such as `512M`")
                .refusing()
        })?),
    };
    Ok(())
}

/// A share of the machine, which differs from machine to machine.
fn share(input: &Input<'_>) -> Fault {
    let message = format!(
        "`{}={}` is a share of the machine, which is not carried out",
        input.key,
        input.text()
    );
    Fault::not_carried(message, "write the number itself")
}

pub(super) fn tasks(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.process.resources.pids_max = match input.text() {
        "" | "infinity" => None,
        text if text.ends_with('%') => return Err(share(input)),
        _ => {
            let tasks = input.number().ok().filter(|tasks| *tasks > 0);
            let bad = || input.bad("is no number of tasks", "write 1 or more");
            Some(tasks.ok_or_else(|| bad().refusing())?)
        }
    };
    Ok(())
}

/// Per cent of one processor, in hundredths at most.
pub(super) fn cpu_quota(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.process.resources.cpu_max = match input.text() {
        "" => None,
        text => Some(permille(text).ok_or_else(|| {
            input
                .bad(
                    "is no share of a processor",
                    "write a percentage such as `150%`",
                )
                .refusing()
        })?),
    };
    Ok(())
}

/// Thousandths from `12.3%`; more digits are cut off, less than one thousandth counts as one.
fn permille(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let tenths = u32::from(fraction.as_bytes()[0] - b'0');
    let permille = whole
        .parse::<u32>()
        .ok()?
        .checked_mul(10)?
        .checked_add(tenths)?;
    let is_zero = permille == 0 && fraction.bytes().all(|byte| byte == b'0');
    (!is_zero).then_some(permille.max(1))
}

pub(super) fn cpu_weight(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.process.resources.cpu_weight = match input.text() {
        "" => None,
        "idle" => {
            draft.faults.push(Fault::noted(
                "`CPUWeight=idle` is carried out as the smallest weight, 1",
                "write `1`",
            ));
            Some(1)
        }
        _ => Some(
            input
                .number()
                .ok()
                .filter(|weight| (1..=10_000).contains(weight))
                .ok_or_else(|| input.bad("is no weight", "write 1 to 10000"))?,
        ),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_thousandths_of_one_processor() {
        for (text, expected) in [
            ("20%", Some(200)),
            ("150%", Some(1500)),
            ("0.5%", Some(5)),
            ("0.01%", Some(1)),
            ("0%", None),
            ("20", None),
            ("-1%", None),
            ("%", None),
        ] {
            assert_eq!(permille(text), expected, "{text}");
        }
    }
}
