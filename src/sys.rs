//! What the operating system gives: clocks, and becoming a daemon.
//!
//! One of the three places with `unsafe`, beside the ioctls of pf and bpf.

pub mod boot;
pub mod confine;
pub mod descriptor;
#[cfg(all(feature = "faults", target_os = "linux"))]
pub mod hostile;
#[cfg(not(target_os = "linux"))]
mod sysctl;
pub mod test_clock;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, setrlimit};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe, write};

use crate::core::time::{Monotonic, Now, Wall};

/// The clock for spans. It counts the time asleep: `CLOCK_BOOTTIME` on Linux;
/// `CLOCK_MONOTONIC` elsewhere, which counts it on macOS, and on the BSDs as
/// far as their suspend keeps the timecounter.
#[cfg(target_os = "linux")]
const SPANS: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(target_os = "linux"))]
const SPANS: ClockId = ClockId::CLOCK_MONOTONIC;

/// Both clocks.
///
/// # Errors
/// When the kernel has no such clock.
pub fn now() -> io::Result<Now> {
    let spans = Duration::from(clock_gettime(SPANS)?);
    let nanos = u64::try_from(spans.as_nanos()).unwrap_or(u64::MAX);
    Ok(test_clock::step(Now { monotonic: Monotonic::from_nanos(nanos), wall: wall() }))
}

/// Civil time; 1970 for a clock that stands before it.
#[must_use]
pub fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// No core file may hold a key.
///
/// # Errors
/// The kernel's refusal.
pub fn forbid_core_files() -> io::Result<()> {
    // Linux hands a core to a program whatever the limit, unless told this.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false)?;
    Ok(setrlimit(Resource::RLIMIT_CORE, 0, 0)?)
}

/// Which side of a [`split`] one is on.
#[derive(Debug)]
pub enum Side {
    /// The command that was typed. It reads how its child fared.
    Command(File),
    /// The daemon to be. It writes a byte when it is ready; when it ends
    /// before, the other side reads nothing.
    Daemon(OwnedFd),
}

/// Splits the process into the command, which waits, and the daemon. To be
/// called while there is one thread.
///
/// # Errors
/// When there is no room for another process.
pub fn split() -> io::Result<Side> {
    let (reader, writer) = pipe()?;
    // SAFETY: there is no other thread that could hold a lock across the fork.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(Side::Command(reader.into())),
        ForkResult::Child => {
            nix::unistd::setsid()?;
            Ok(Side::Daemon(writer))
        }
    }
}

/// Which of our standard streams to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Output and errors.
    Output,
    /// Errors alone: the others are gone already.
    Errors,
}

/// Replaces standard streams by /dev/null.
///
/// # Errors
/// When there is no /dev/null.
pub fn silence(which: Silence) -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    if which == Silence::Output {
        dup2_stdout(&null)?;
    }
    Ok(dup2_stderr(&null)?)
}

/// Leaves the terminal, and lets the command that waits at the other end of
/// `command` return.
///
/// # Errors
/// The system's.
pub fn detach(command: &OwnedFd) -> io::Result<()> {
    chdir("/")?;
    let null = File::options().read(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    silence(Silence::Output)?;
    write(command, b"\n")?;
    Ok(())
}

/// Options of Linux's packet(7) sockets that have no safe wrapper.
#[cfg(target_os = "linux")]
pub mod packet_socket {
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

    /// Sets `option` of `SOL_SOCKET` to the bytes of `value`.
    fn set<T>(socket: BorrowedFd<'_>, option: c_int, value: &T) -> io::Result<()> {
        let length = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
        let value: *const c_void = std::ptr::from_ref(value).cast();
        // SAFETY: `value` points to `length` readable bytes that outlive the
        // call, and the kernel only reads them.
        let result = unsafe {
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, length)
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Gives the socket a classic BPF filter (`SO_ATTACH_FILTER`).
    ///
    /// # Errors
    /// `EINVAL` when the kernel's checker refuses the program, or when it is
    /// longer than 65535 instructions.
    pub fn attach_filter(
        socket: BorrowedFd<'_>,
        program: &[libc::sock_filter],
    ) -> io::Result<()> {
        let length = u16::try_from(program.len())
            .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        // The kernel copies the program; it writes nothing, in spite of `mut`.
        let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
        set(socket, libc::SO_ATTACH_FILTER, &program)
    }

    /// Makes the filter final: nobody can change or remove it, not even root
    /// (`SO_LOCK_FILTER`).
    ///
    /// # Errors
    /// None are expected.
    pub fn lock_filter(socket: BorrowedFd<'_>) -> io::Result<()> {
        set::<c_int>(socket, libc::SO_LOCK_FILTER, &1)
    }

    /// The hardware type of an interface of the socket's network namespace,
    /// an `ARPHRD_` constant (`SIOCGIFHWADDR`, netdevice(7)).
    ///
    /// # Errors
    /// `ENODEV` when there is no interface of this name.
    pub fn hardware(socket: BorrowedFd<'_>, name: &str) -> io::Result<u16> {
        let mut ifr_name = [0; libc::IFNAMSIZ];
        // The last byte stays the string's end.
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

    /// How many frames found the socket's queue full since the last call
    /// (`PACKET_STATISTICS`).
    ///
    /// # Errors
    /// When it is no packet socket.
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
}
