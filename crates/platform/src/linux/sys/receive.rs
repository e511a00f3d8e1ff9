//! recvmsg(2) with everything a message of sd_notify(3) brings along: credentials, a pidfd, descriptors.
//!
//! rustix would do for the first and the last; it does not know SCM_PIDFD and would leak the descriptor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use linux_raw_sys::general as nr;
use linux_raw_sys::net::{self, cmsghdr, msghdr, ucred};

use super::call::{checked, syscall};

/// Room for credentials, a pidfd and the 253 descriptors a message may carry at most, with their headers.
const CONTROL_WORDS: usize = 160;
const SCM_RIGHTS: u32 = 1;
const SCM_CREDENTIALS: u32 = 2;
const SCM_PIDFD: u32 = 4;

/// One message.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: usize,
    pub(crate) pid: u32,
    pub(crate) pidfd: Option<OwnedFd>,
    /// What came along; dropping them is what a barrier waits for.
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Asks the kernel to send a pidfd with each message. Kernels before 6.5 cannot, and then there is none.
pub(crate) fn pass_pidfd(socket: impl AsFd) {
    let on = 1_u32;
    let args = [
        socket.as_fd().as_raw_fd() as usize,
        net::SOL_SOCKET as usize,
        net::SO_PASSPIDFD as usize,
        &raw const on as usize,
        size_of_val(&on),
        0,
    ];
    // SAFETY: the value is as long as said, and lives over the call.
    let refused = unsafe { syscall(nr::__NR_setsockopt, args) };
    // Old kernels refuse; the credentials are there all the same.
    let _ = checked(refused);
}

/// Takes one message; its text goes into `text`, cut to its length.
pub(crate) fn receive(socket: impl AsFd, text: &mut [u8]) -> io::Result<Received> {
    let mut control = [0_u64; CONTROL_WORDS];
    // struct iovec: where, and how much.
    let mut part = [text.as_mut_ptr() as usize, text.len()];
    let mut message = msghdr {
        msg_name: std::ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: (&raw mut part).cast(),
        msg_iovlen: 1,
        msg_control: control.as_mut_ptr().cast(),
        msg_controllen: size_of_val(&control) as _,
        msg_flags: 0,
    };
    let flags = net::MSG_CMSG_CLOEXEC | net::MSG_DONTWAIT;
    let args = [
        socket.as_fd().as_raw_fd() as usize,
        &raw mut message as usize,
        flags as usize,
        0,
        0,
        0,
    ];
    // SAFETY: the header points at the text and at the control words, with their lengths; all live over the call.
    let result = unsafe { syscall(nr::__NR_recvmsg, args) };
    let mut received = Received {
        bytes: checked(result)?,
        pid: 0,
        pidfd: None,
        descriptors: Vec::new(),
    };
    let filled = (message.msg_controllen as usize).min(size_of_val(&control));
    let bytes: Vec<u8> = control
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .take(filled)
        .collect();
    received.take_control(&bytes);
    Ok(received)
}

impl Received {
    /// Goes through cmsg(3) records: a header with a length, then that much, then padding to a word.
    fn take_control(&mut self, mut rest: &[u8]) {
        const HEADER: usize = size_of::<cmsghdr>();
        while rest.len() >= HEADER {
            let length = usize::from_ne_bytes(word(rest, 0));
            let kind = u32::from_ne_bytes(word(rest, size_of::<usize>() + 4));
            let Some(content) = rest.get(HEADER..length) else {
                return;
            };
            match kind {
                SCM_RIGHTS => {
                    let numbers = content.chunks_exact(size_of::<RawFd>());
                    self.descriptors
                        .extend(numbers.map(|number| own(word(number, 0))));
                }
                SCM_PIDFD if content.len() == size_of::<RawFd>() => {
                    let number = RawFd::from_ne_bytes(word(content, 0));
                    self.pidfd = (number >= 0).then(|| own(number.to_ne_bytes()));
                }
                SCM_CREDENTIALS if content.len() >= size_of::<ucred>() => {
                    self.pid = u32::from_ne_bytes(word(content, 0));
                }
                _ => {}
            }
            let padded = length.next_multiple_of(size_of::<usize>());
            rest = rest.get(padded..).unwrap_or_default();
        }
    }
}

fn own(number: [u8; 4]) -> OwnedFd {
    // SAFETY: the kernel has just put this descriptor into our table, for nobody else to close.
    unsafe { OwnedFd::from_raw_fd(RawFd::from_ne_bytes(number)) }
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut word = [0; N];
    if let Some(there) = bytes.get(at..at + N) {
        word.copy_from_slice(there);
    }
    word
}
