//! Accounts: whom a name means, and the right to run services.

use std::ptr::{null, null_mut};

use windows_sys::Win32::Security::Authentication::Identity::{
    LSA_HANDLE, LSA_OBJECT_ATTRIBUTES, LSA_UNICODE_STRING, LsaAddAccountRights, LsaClose,
    LsaNtStatusToWinError, LsaOpenPolicy, POLICY_CREATE_ACCOUNT, POLICY_LOOKUP_NAMES,
};
use windows_sys::Win32::Security::{
    IsWellKnownSid, LookupAccountNameW, PSID, WELL_KNOWN_SID_TYPE, WinLocalServiceSid,
    WinLocalSystemSid, WinNetworkServiceSid,
};

use super::super::{Account, Refused};
use super::{done, room, wide};

/// The right an account needs to run services.
const SERVICE_LOGON: &str = "SeServiceLogonRight";

/// A security identifier, in room of its own.
struct Sid(Vec<u64>);

impl Sid {
    fn pointer(&self) -> PSID {
        self.0.as_ptr().cast_mut().cast()
    }

    fn is(&self, kind: WELL_KNOWN_SID_TYPE) -> bool {
        // SAFETY: the system wrote a whole identifier there.
        unsafe { IsWellKnownSid(self.pointer(), kind) != 0 }
    }
}

fn sid(name: &str) -> Result<Sid, Refused> {
    // What the manager writes for accounts of this machine is not what the look-up takes.
    let name = wide(name.strip_prefix(r".\").unwrap_or(name));
    let (mut size, mut domain_size, mut kind) = (256, 256, 0);
    let mut buffer = room(size);
    let mut domain = vec![0u16; domain_size as usize];
    // SAFETY: null stands for this machine; the buffers are as large as said, the largest identifier has 68 bytes.
    let result = unsafe {
        LookupAccountNameW(
            null(),
            name.as_ptr(),
            buffer.as_mut_ptr().cast(),
            &mut size,
            domain.as_mut_ptr(),
            &mut domain_size,
            &mut kind,
        )
    };
    done("LookupAccountName", result)?;
    Ok(Sid(buffer))
}

/// Whom the name means, in whatever language the system names its own accounts.
pub(in super::super) fn lookup(name: &str) -> Result<Account, Refused> {
    let sid = sid(name)?;
    let known = [
        (WinLocalSystemSid, Account::LocalSystem),
        (WinLocalServiceSid, Account::LocalService),
        (WinNetworkServiceSid, Account::NetworkService),
    ];
    let known = known.into_iter().find(|(kind, _)| sid.is(*kind));
    Ok(known.map_or(Account::User, |(_, account)| account))
}

/// The policy of this machine, closed when dropped.
struct Policy(LSA_HANDLE);

impl Drop for Policy {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and closed once, here.
        unsafe { LsaClose(self.0) };
    }
}

/// Gives the account the right to run services; no fault where it has it.
pub(in super::super) fn grant(name: &str) -> Result<(), Refused> {
    let sid = sid(name)?;
    let attributes = LSA_OBJECT_ATTRIBUTES::default();
    let mut handle: LSA_HANDLE = 0;
    let access = (POLICY_CREATE_ACCOUNT | POLICY_LOOKUP_NAMES) as u32;
    // SAFETY: null stands for this machine, the attributes are unused and zero as they must be.
    let status = unsafe { LsaOpenPolicy(null_mut(), &attributes, access, &mut handle) };
    refuse("LsaOpenPolicy", status)?;
    let policy = Policy(handle);
    let mut right = wide(SERVICE_LOGON);
    let bytes = (right.len() - 1) * size_of::<u16>();
    let right = LSA_UNICODE_STRING {
        Length: bytes as u16,
        MaximumLength: (bytes + size_of::<u16>()) as u16,
        Buffer: right.as_mut_ptr(),
    };
    // SAFETY: the policy is open for this, the identifier is whole, one right is announced and given.
    let status = unsafe { LsaAddAccountRights(policy.0, sid.pointer(), &right, 1) };
    refuse("LsaAddAccountRights", status)
}

fn refuse(call: &'static str, status: i32) -> Result<(), Refused> {
    if status == 0 {
        return Ok(());
    }
    // SAFETY: no rule to keep.
    let code = unsafe { LsaNtStatusToWinError(status) };
    Err(Refused { call, code })
}
