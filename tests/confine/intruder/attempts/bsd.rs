//! The BSDs and macOS: what the promise names, by the C library. OpenBSD ends
//! the process at the first attempt, which is an answer, too.

use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::kill;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket, socketpair};
use nix::unistd::{Gid, Pid, Uid, chroot, execv, setegid, seteuid, setgid, setuid, write};

use super::Attempt;

/// As the kernel said it, whatever library stood between.
fn plain<T>(outcome: io::Result<T>) -> Result<(), Errno> {
    outcome.map(drop).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}

pub fn each(capture: BorrowedFd<'_>, mut tell: impl FnMut(Attempt)) {
    // First: OpenBSD does not end the process for this.
    tell(("hoard", hoard()));
    files(&mut tell);
    sockets(&mut tell);
    rights(&mut tell);
    tell(("capture-write", write(capture, &[0; 64]).map(drop)));
    tell(("capture-fchdir", nix::unistd::fchdir(capture).map(drop)));
    tell(("write-stdout", write(io::stdout(), b"x").map(drop)));
    tell(("write-stderr", write(io::stderr(), b"x").map(drop)));
    let address = nix::sys::socket::UnixAddr::new("/s");
    let bound =
        address.and_then(|address| nix::sys::socket::bind(capture.as_raw_fd(), &address));
    tell(("bind", bound));
}

/// Takes 4 GB, bit by bit.
fn hoard() -> Result<(), Errno> {
    let mut pieces = Vec::new();
    for _ in 0..256 {
        let mut piece = Vec::<u8>::new();
        piece.try_reserve_exact(16 << 20).map_err(|_| Errno::ENOMEM)?;
        pieces.push(piece);
    }
    Ok(())
}

fn files(tell: &mut impl FnMut(Attempt)) {
    tell(("open-read", plain(File::open("/etc/passwd"))));
    tell(("open-write", plain(OpenOptions::new().write(true).open("/etc/passwd"))));
    tell(("open-create", plain(File::create("/file"))));
    tell(("open-root", plain(File::open("/"))));
    tell(("open-up", plain(File::open("../../etc/passwd"))));
    tell(("open-pf", plain(OpenOptions::new().read(true).write(true).open("/dev/pf"))));
    tell(("open-bpf", plain(File::open("/dev/bpf"))));
    tell(("mkdir", plain(fs::create_dir("/d"))));
    tell(("unlink", plain(fs::remove_file("/file"))));
}

fn sockets(tell: &mut impl FnMut(Attempt)) {
    let none = SockFlag::empty();
    for (name, family, kind) in [
        ("socket-unix", AddressFamily::Unix, SockType::Stream),
        ("socket-tcp", AddressFamily::Inet, SockType::Stream),
        ("socket-udp", AddressFamily::Inet, SockType::Datagram),
        ("socket-raw", AddressFamily::Inet, SockType::Raw),
        ("socket-tcp6", AddressFamily::Inet6, SockType::Stream),
        ("socket-udp6", AddressFamily::Inet6, SockType::Datagram),
    ] {
        tell((name, socket(family, kind, none, None).map(drop)));
    }
    let pair = socketpair(AddressFamily::Unix, SockType::Stream, None, none);
    tell(("socketpair", pair.map(drop)));
}

fn rights(tell: &mut impl FnMut(Attempt)) {
    let (root, wheel) = (Uid::from_raw(0), Gid::from_raw(0));
    tell(("setuid", setuid(root)));
    tell(("seteuid", seteuid(root)));
    tell(("setgid", setgid(wheel)));
    tell(("setegid", setegid(wheel)));
    tell(("chroot", chroot("/")));
    tell(("raise-core", setrlimit(Resource::RLIMIT_CORE, 1, 1)));
    tell(("raise-files", setrlimit(Resource::RLIMIT_FSIZE, 1, 1)));
    tell(("kill", kill(Pid::from_raw(1), None)));
    tell(("spawn", plain(std::process::Command::new("/bin/sh").spawn())));
    let shell: &CStr = c"/bin/sh";
    tell(("execve", execv(shell, &[shell]).map(drop)));
}
