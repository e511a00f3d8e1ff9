//! Every call of Windows that a client of the service control manager needs, one file per family.
//!
//! Text goes in and comes out as Rust's; handles close themselves; a refusal names the function. No rule of ours here.
#![expect(
    unsafe_code,
    reason = "the calls of the system are here, and nowhere else"
)]

mod account;
mod machine;
mod registry;
mod service;

pub(super) use account::{grant, lookup};
pub(super) use machine::{elevate, is_administrator, message, processes, processors};
pub(super) use registry::{create_key, open_key};
pub(super) use service::{Manager, Service};

use windows_sys::Win32::Foundation::GetLastError;

use super::Refused;

/// UTF-16 with a zero at the end. A zero inside ends the text, as it does for the system.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16()
        .take_while(|unit| *unit != 0)
        .chain([0])
        .collect()
}

/// Several texts, each with its zero, and one more at the end; two for none.
fn wide_list(list: &[String]) -> Vec<u16> {
    let mut units: Vec<u16> = list.iter().flat_map(|text| wide(text)).collect();
    if units.is_empty() {
        units.push(0);
    }
    units.push(0);
    units
}

/// Text up to the first zero.
fn narrow(units: &[u16]) -> String {
    let end = units
        .iter()
        .position(|unit| *unit == 0)
        .unwrap_or(units.len());
    String::from_utf16_lossy(&units[..end])
}

/// The texts of a list up to the empty one that ends it.
fn narrow_list(units: &[u16]) -> Vec<String> {
    units
        .split(|unit| *unit == 0)
        .take_while(|text| !text.is_empty())
        .map(String::from_utf16_lossy)
        .collect()
}

/// Why the last call of this thread failed.
fn last(call: &'static str) -> Refused {
    // SAFETY: reads this thread's own number; no rule to keep.
    let code = unsafe { GetLastError() };
    Refused { call, code }
}

/// The refusal of a call that returns zero when it fails.
fn done(call: &'static str, result: i32) -> Result<(), Refused> {
    if result == 0 {
        return Err(last(call));
    }
    Ok(())
}

/// Room for a structure of the system with its texts behind it, aligned for any of them.
fn room(bytes: u32) -> Vec<u64> {
    vec![0; (bytes as usize).div_ceil(size_of::<u64>())]
}

/// The units from `from` up to a zero, or up to `end` of the room they lie in.
///
/// # Safety
///
/// `from` is null, or points into room that reaches to `end` and holds initialised units.
unsafe fn units(from: *const u16, end: *const u16) -> Vec<u16> {
    let mut found = Vec::new();
    let mut at = from;
    while !at.is_null() && at < end {
        // SAFETY: between the start and the end of the room, as the caller promised.
        let unit = unsafe { at.read_unaligned() };
        if unit == 0 {
            break;
        }
        found.push(unit);
        at = at.wrapping_add(1);
    }
    found
}
