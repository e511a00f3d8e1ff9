//! Keys and values below HKEY_LOCAL_MACHINE, in the 64-bit view.

use std::ptr::{null, null_mut};

use aplomb_units::nssm::Value;
use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS, ERROR_SUCCESS};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_LOCAL_MACHINE, KEY_READ, KEY_WOW64_64KEY, KEY_WRITE, REG_DWORD, REG_EXPAND_SZ,
    REG_MULTI_SZ, REG_OPTION_NON_VOLATILE, REG_SZ, RegCloseKey, RegCreateKeyExW, RegDeleteValueW,
    RegEnumKeyExW, RegEnumValueW, RegOpenKeyExW, RegQueryValueExW, RegSetValueExW,
};

use super::super::{Refused, reason};
use super::{narrow, narrow_list, wide, wide_list};

/// Longest name of a value, and of a key, in UTF-16 units with the zero.
const NAME_UNITS: usize = 16_384;

/// A key, open until dropped.
#[derive(Debug)]
pub(in super::super) struct Opened(HKEY);

impl Drop for Opened {
    fn drop(&mut self) {
        // SAFETY: the key is ours and closed once, here.
        unsafe { RegCloseKey(self.0) };
    }
}

/// The key for reading; `None` where there is none.
pub(in super::super) fn open_key(path: &str) -> Result<Option<Opened>, Refused> {
    open(path, KEY_READ)
}

/// The key for reading and writing, made if it is not there.
pub(in super::super) fn create_key(path: &str) -> Result<Opened, Refused> {
    let path = wide(path);
    let mut key: HKEY = null_mut();
    // SAFETY: the path ends with a zero, the key goes to a place of ours; null leaves class and rights as usual.
    let code = unsafe {
        RegCreateKeyExW(
            HKEY_LOCAL_MACHINE,
            path.as_ptr(),
            0,
            null(),
            REG_OPTION_NON_VOLATILE,
            KEY_READ | KEY_WRITE | KEY_WOW64_64KEY,
            null(),
            &mut key,
            null_mut(),
        )
    };
    refuse("RegCreateKeyEx", code)?;
    Ok(Opened(key))
}

fn open(path: &str, access: u32) -> Result<Option<Opened>, Refused> {
    let path = wide(path);
    let mut key: HKEY = null_mut();
    // SAFETY: the path ends with a zero, the key goes to a place of ours.
    let code = unsafe {
        RegOpenKeyExW(
            HKEY_LOCAL_MACHINE,
            path.as_ptr(),
            0,
            access | KEY_WOW64_64KEY,
            &mut key,
        )
    };
    match refuse("RegOpenKeyEx", code) {
        Ok(()) => Ok(Some(Opened(key))),
        Err(refused) if refused.code == reason::FILE_NOT_FOUND => Ok(None),
        Err(refused) => Err(refused),
    }
}

impl Opened {
    pub(in super::super) fn value(&self, name: &str) -> Result<Option<Value>, Refused> {
        let name = wide(name);
        let mut bytes = Vec::new();
        loop {
            let (mut kind, mut size) = (0, bytes.len() as u32);
            let to = match bytes.is_empty() {
                true => null_mut(),
                false => bytes.as_mut_ptr(),
            };
            // SAFETY: the key is open, the name ends with a zero, the buffer is null or holds `size` bytes.
            let code = unsafe {
                RegQueryValueExW(self.0, name.as_ptr(), null(), &mut kind, to, &mut size)
            };
            if code == ERROR_MORE_DATA || code == ERROR_SUCCESS && bytes.len() < size as usize {
                bytes.resize(size as usize, 0u8);
                continue;
            }
            return match refuse("RegQueryValueEx", code) {
                Ok(()) => {
                    bytes.truncate(size as usize);
                    Ok(Some(value(kind, &bytes)))
                }
                Err(refused) if refused.code == reason::FILE_NOT_FOUND => Ok(None),
                Err(refused) => Err(refused),
            };
        }
    }

    /// The names of all values, the default's empty.
    pub(in super::super) fn value_names(&self) -> Result<Vec<String>, Refused> {
        let mut names = Vec::new();
        let mut buffer = vec![0u16; NAME_UNITS];
        loop {
            let mut size = buffer.len() as u32;
            // SAFETY: the key is open, the buffer holds `size` units; null asks for no type and no data.
            let code = unsafe {
                RegEnumValueW(
                    self.0,
                    names.len() as u32,
                    buffer.as_mut_ptr(),
                    &mut size,
                    null(),
                    null_mut(),
                    null_mut(),
                    null_mut(),
                )
            };
            if code == ERROR_NO_MORE_ITEMS {
                return Ok(names);
            }
            refuse("RegEnumValue", code)?;
            names.push(narrow(&buffer[..size as usize]));
        }
    }

    pub(in super::super) fn key_names(&self) -> Result<Vec<String>, Refused> {
        let mut names = Vec::new();
        let mut buffer = vec![0u16; NAME_UNITS];
        loop {
            let mut size = buffer.len() as u32;
            // SAFETY: the key is open, the buffer holds `size` units; null asks for no class and no time.
            let code = unsafe {
                RegEnumKeyExW(
                    self.0,
                    names.len() as u32,
                    buffer.as_mut_ptr(),
                    &mut size,
                    null(),
                    null_mut(),
                    null_mut(),
                    null_mut(),
                )
            };
            if code == ERROR_NO_MORE_ITEMS {
                return Ok(names);
            }
            refuse("RegEnumKeyEx", code)?;
            names.push(narrow(&buffer[..size as usize]));
        }
    }

    pub(in super::super) fn set(&self, name: &str, value: &Value) -> Result<(), Refused> {
        let name = wide(name);
        let of = |units: Vec<u16>| units.into_iter().flat_map(u16::to_le_bytes).collect();
        let (kind, bytes): (u32, Vec<u8>) = match value {
            Value::Text(text) => (REG_SZ, of(wide(text))),
            Value::Expand(text) => (REG_EXPAND_SZ, of(wide(text))),
            Value::List(list) => (REG_MULTI_SZ, of(wide_list(list))),
            Value::Number(number) => (REG_DWORD, number.to_le_bytes().to_vec()),
            Value::Other { kind, bytes } => (*kind, bytes.clone()),
        };
        let size = bytes.len() as u32;
        // SAFETY: the key is open for writing, the name ends with a zero, the buffer holds `size` bytes.
        let code = unsafe { RegSetValueExW(self.0, name.as_ptr(), 0, kind, bytes.as_ptr(), size) };
        refuse("RegSetValueEx", code)
    }

    pub(in super::super) fn unset(&self, name: &str) -> Result<(), Refused> {
        let name = wide(name);
        // SAFETY: the key is open for writing, the name ends with a zero.
        let code = unsafe { RegDeleteValueW(self.0, name.as_ptr()) };
        match refuse("RegDeleteValue", code) {
            Err(refused) if refused.code == reason::FILE_NOT_FOUND => Ok(()),
            other => other,
        }
    }
}

/// The value of these bytes; one whose bytes do not fit its type is of no type we know.
fn value(kind: u32, bytes: &[u8]) -> Value {
    let units = || -> Vec<u16> {
        let pairs = bytes.chunks_exact(2);
        pairs
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect()
    };
    match kind {
        REG_SZ => Value::Text(narrow(&units())),
        REG_EXPAND_SZ => Value::Expand(narrow(&units())),
        REG_MULTI_SZ => Value::List(narrow_list(&units())),
        REG_DWORD if bytes.len() == 4 => {
            Value::Number(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        }
        _ => Value::Other {
            kind,
            bytes: bytes.to_vec(),
        },
    }
}

fn refuse(call: &'static str, code: u32) -> Result<(), Refused> {
    if code == ERROR_SUCCESS {
        return Ok(());
    }
    Err(Refused { call, code })
}
