//! Options of packet(7) sockets that have no safe wrapper.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

/// `struct tpacket_stats` (linux/if_packet.h).
#[repr(C)]
#[derive(Default)]
struct Statistics {
    packets: u32,
    drops: u32,
}

/// Sets `option` of `level` to the bytes of `value`.
pub(super) fn set<T>(
    socket: BorrowedFd<'_>,
    level: c_int,
    option: c_int,
    value: &T,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    let value: *const c_void = std::ptr::from_ref(value).cast();
    // SAFETY: `value` points to `length` readable bytes that outlive the
    // call, and the kernel only reads them.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives the socket a classic BPF filter (`SO_ATTACH_FILTER`).
///
/// # Errors
/// `EINVAL` when the kernel's checker refuses the program, or when it is
/// longer than 65535 instructions.
pub fn attach_filter(socket: BorrowedFd<'_>, program: &[libc::sock_filter]) -> io::Result<()> {
    let length =
        u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // The kernel copies the program; it writes nothing, in spite of `mut`.
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Locks the filter: even root can neither change nor remove it
/// (`SO_LOCK_FILTER`).
///
/// # Errors
/// None are expected.
pub fn lock_filter(socket: BorrowedFd<'_>) -> io::Result<()> {
    set::<c_int>(socket, libc::SOL_SOCKET, libc::SO_LOCK_FILTER, &1)
}

/// Makes the socket receive every packet of one interface (packet(7)).
///
/// # Errors
/// `ENODEV` when there is no such interface, `ENETDOWN` when it is down.
pub fn bind(socket: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    let invalid = |_| io::Error::from_raw_os_error(libc::ENODEV);
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: c_int::try_from(index).map_err(invalid)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `address` has `length` bytes, which the kernel only reads.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns the hardware type of an interface in the socket's network namespace, an
/// `ARPHRD_` constant (`SIOCGIFHWADDR` of netdevice(7)).
///
/// # Errors
/// `ENODEV` when there is no interface of this name.
pub fn hardware(socket: BorrowedFd<'_>, name: &str) -> io::Result<u16> {
    let mut ifr_name = [0; libc::IFNAMSIZ];
    // The last byte stays zero, to end the string.
    if name.len() >= ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (place, byte) in ifr_name.iter_mut().zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    let nothing = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
    let ifr_ifru = libc::__c_anonymous_ifr_ifru { ifru_hwaddr: nothing };
    let mut request = libc::ifreq { ifr_name, ifr_ifru };
    // SAFETY: `request` is a valid `struct ifreq`, which the kernel reads
    // and writes during the call only.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFHWADDR, &raw mut request) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel filled in this member; any bytes make a valid one.
    let address = unsafe { request.ifr_ifru.ifru_hwaddr };
    Ok(address.sa_family)
}

/// Returns how many frames were dropped because the socket's queue was full, since
/// the last call (`PACKET_STATISTICS`).
///
/// # Errors
/// When it is not a packet socket.
pub fn dropped(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut statistics = Statistics::default();
    let mut length = libc::socklen_t::try_from(size_of::<Statistics>()).unwrap_or(0);
    let value: *mut c_void = std::ptr::from_mut(&mut statistics).cast();
    // SAFETY: `value` points to `length` writable bytes; any bytes the
    // kernel puts there make valid integers.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            value,
            &raw mut length,
        )
    };
    if result == 0 { Ok(statistics.drops) } else { Err(io::Error::last_os_error()) }
}
