//! TCP sockets whose connection goes on by itself.

use std::io;
use std::net::SocketAddr;
use std::os::windows::io::{AsRawSocket, FromRawSocket, OwnedSocket, RawSocket};
use std::ptr::{null, null_mut};
use std::sync::Once;

use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, INVALID_SOCKET, LPFN_CONNECTEX, SIO_GET_EXTENSION_FUNCTION_POINTER,
    SO_UPDATE_CONNECT_CONTEXT, SOCK_STREAM, SOCKADDR_IN, SOCKADDR_IN6, SOCKET, SOL_SOCKET,
    WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED, WSADATA, WSAGetLastError, WSAID_CONNECTEX,
    WSAIoctl, WSASocketW, WSAStartup, bind, setsockopt,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::{done, size_of};

static LIBRARY: Once = Once::new();

/// A new socket for a connection to such an address.
pub(crate) fn open(to: SocketAddr) -> io::Result<OwnedSocket> {
    LIBRARY.call_once(|| {
        let mut told = WSADATA::default();
        // SAFETY: the structure is ours. Version 2.2 is in every Windows; if not, the next call says so.
        unsafe { WSAStartup(0x0202, &raw mut told) };
    });
    let family = if to.is_ipv4() { AF_INET } else { AF_INET6 };
    let flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
    // SAFETY: no protocol information is passed.
    let made = unsafe { WSASocketW(i32::from(family), SOCK_STREAM, 0, null(), 0, flags) };
    if made == INVALID_SOCKET {
        return Err(last_error());
    }
    // SAFETY: made just now, valid, owned by nobody else.
    let socket = unsafe { OwnedSocket::from_raw_socket(made as RawSocket) };
    // An address of its own is asked of a socket before it may connect by itself; zeroes mean any.
    let any = Address::any(to);
    let (pointer, length) = any.parts();
    // SAFETY: the address is of the length told.
    let answer = unsafe { bind(made, pointer.cast(), length) };
    succeeded(answer)?;
    Ok(socket)
}

/// Begins the connection; its end is told by the port. The structure has to stay where it is until then.
pub(super) fn connect(
    socket: &OwnedSocket,
    to: SocketAddr,
    overlapped: *mut OVERLAPPED,
) -> io::Result<()> {
    let raw = socket.as_raw_socket() as SOCKET;
    let Some(connect) = extension(raw)? else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let to = Address::new(to);
    let (pointer, length) = to.parts();
    // SAFETY: the function is the one asked for; the address is of the length told and copied by the call; nothing is
    // sent along; the structure outlives the connection by the caller's promise.
    let answer = unsafe {
        connect(
            raw,
            pointer.cast(),
            length,
            null(),
            0,
            null_mut(),
            overlapped,
        )
    };
    done(answer)
}

/// After this a connected socket is one like any other.
pub(crate) fn connected(socket: &OwnedSocket) {
    let raw = socket.as_raw_socket() as SOCKET;
    // SAFETY: the option takes no value. Should it fail, reading and writing work all the same.
    unsafe { setsockopt(raw, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, null(), 0) };
}

fn extension(socket: SOCKET) -> io::Result<LPFN_CONNECTEX> {
    let mut function: LPFN_CONNECTEX = None;
    let (id, mut told) = (WSAID_CONNECTEX, 0);
    // SAFETY: the identifier and the place for the function are of the sizes told; an absent function is null.
    let answer = unsafe {
        WSAIoctl(
            socket,
            SIO_GET_EXTENSION_FUNCTION_POINTER,
            (&raw const id).cast(),
            size_of::<windows_sys::core::GUID>(),
            (&raw mut function).cast(),
            size_of::<LPFN_CONNECTEX>(),
            &raw mut told,
            null_mut(),
            None,
        )
    };
    succeeded(answer)?;
    Ok(function)
}

/// An address as the system wants it.
enum Address {
    V4(SOCKADDR_IN),
    V6(SOCKADDR_IN6),
}

impl Address {
    fn any(like: SocketAddr) -> Address {
        match like {
            SocketAddr::V4(_) => Address::V4(SOCKADDR_IN {
                sin_family: AF_INET,
                ..SOCKADDR_IN::default()
            }),
            SocketAddr::V6(_) => Address::V6(SOCKADDR_IN6 {
                sin6_family: AF_INET6,
                ..SOCKADDR_IN6::default()
            }),
        }
    }

    fn new(of: SocketAddr) -> Address {
        let mut address = Address::any(of);
        match (&mut address, of) {
            (Address::V4(address), SocketAddr::V4(of)) => {
                address.sin_port = of.port().to_be();
                address.sin_addr.S_un.S_addr = u32::from_ne_bytes(of.ip().octets());
            }
            (Address::V6(address), SocketAddr::V6(of)) => {
                address.sin6_port = of.port().to_be();
                address.sin6_addr.u.Byte = of.ip().octets();
                address.Anonymous.sin6_scope_id = of.scope_id();
            }
            (Address::V4(_), SocketAddr::V6(_)) | (Address::V6(_), SocketAddr::V4(_)) => {}
        }
        address
    }

    fn parts(&self) -> (*const u8, i32) {
        match self {
            Address::V4(address) => (
                std::ptr::from_ref(address).cast(),
                size_of::<SOCKADDR_IN>() as i32,
            ),
            Address::V6(address) => (
                std::ptr::from_ref(address).cast(),
                size_of::<SOCKADDR_IN6>() as i32,
            ),
        }
    }
}

fn succeeded(answer: i32) -> io::Result<()> {
    if answer == 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

fn last_error() -> io::Error {
    // SAFETY: reads a number of this thread.
    io::Error::from_raw_os_error(unsafe { WSAGetLastError() })
}
