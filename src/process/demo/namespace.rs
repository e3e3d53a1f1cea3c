//! Linux: a network namespace, in a user namespace unless the user is root.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, socket,
};
use nix::unistd::{chdir, chroot, getegid, geteuid};

use crate::capture::frame::sight;
use crate::capture::{Capture, Frames};
use crate::core::interest::{Interest, Packets, Ports};
use crate::core::interface::{Selection, Selector};
use crate::core::sighting::{Protocol, Segment};

/// Leaves the machine's network for a new one that has only a loopback. Returns
/// where to create files.
pub fn enter() -> io::Result<PathBuf> {
    let (uid, gid) = (geteuid(), getegid());
    if uid.is_root() {
        unshare(CloneFlags::CLONE_NEWNET)?;
        raise_loopback()?;
        return Ok(std::env::temp_dir());
    }
    let all = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    unshare(all).map_err(|error| {
        let text = "this system allows no user namespaces, run the demonstration as root";
        io::Error::other(format!("{text}: {error}"))
    })?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    raise_loopback()?;
    change_root()?;
    Ok("/".into())
}

/// Makes a root directory in memory, with the directories of the old one.
///
/// A user namespace maps one user. The directories of root belong to nobody there,
/// and the daemon accepts no configuration below them.
fn change_root() -> io::Result<()> {
    // The demonstration does not need what is mounted there.
    let root = Path::new("/sys");
    let none = None::<&str>;
    mount(Some("tmpfs"), root, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
    for entry in fs::read_dir("/")? {
        let old = entry?.path();
        let Some(new) = old.file_name().map(|name| root.join(name)) else { continue };
        if old.is_symlink() {
            symlink(fs::read_link(&old)?, new)?;
        } else if old.is_dir() && old != root {
            fs::create_dir(&new)?;
            mount(Some(&old), &new, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
        }
    }
    chroot(root)?;
    chdir("/")?;
    Ok(())
}

/// Sets the loopback up: one RTM_NEWLINK with the first interface's index
/// (rtnetlink(7); `struct nlmsghdr`, `struct ifinfomsg`).
fn raise_loopback() -> io::Result<()> {
    const LENGTH: u32 = 32;
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const LOOPBACK: u32 = 1;
    const IFF_UP: u32 = 1;
    let mut message = Vec::with_capacity(LENGTH as usize);
    message.extend_from_slice(&LENGTH.to_ne_bytes());
    message.extend_from_slice(&RTM_NEWLINK.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    message.extend_from_slice(&[0; 8]); // sequence number, port
    message.extend_from_slice(&[0; 4]); // family, padding, type
    for number in [LOOPBACK, IFF_UP, IFF_UP] {
        message.extend_from_slice(&number.to_ne_bytes());
    }
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    // The loopback is up when the call returns.
    sendto(netlink.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    Ok(())
}

/// Counts the TCP, UDP and raw IP sockets in this network.
pub fn sockets() -> io::Result<usize> {
    let mut count = 0;
    for table in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        let path = format!("/proc/self/net/{table}");
        match fs::read_to_string(path) {
            // No process holds a socket in TIME_WAIT.
            Ok(text) => count += text.lines().skip(1).filter(|line| !is_ended(line)).count(),
            // A kernel without IPv6 has no such tables.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Whether a line of /proc/net/tcp is in TIME_WAIT (state 06).
fn is_ended(line: &str) -> bool {
    line.split_whitespace().nth(3) == Some("06")
}

/// Reads packets, as an attacker would.
pub struct Wiretap(Frames);

impl Wiretap {
    /// Reads what goes to the UDP port `port` over the loopback.
    pub fn on(port: u16) -> io::Result<Self> {
        let wanted = Selection { selector: Selector::Name("lo".into()), required: true };
        let interest = Interest {
            protocol: Protocol::Udp,
            ports: Ports::Of(vec![port]),
            packets: Packets::All,
        };
        let (capture, _) = Capture::new(vec![wanted], vec![interest])?;
        Ok(Self(Frames::of(&capture)?))
    }

    /// Returns the first datagram that it reads.
    pub fn first(mut self, patience: Duration) -> io::Result<Vec<u8>> {
        let end = Instant::now() + patience;
        let mut seen = None;
        while seen.is_none() {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds: Vec<_> =
                self.0.fds().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
            if poll(&mut fds, timeout)? == 0 {
                break;
            }
            self.0.read(1, |frame, link, interface| {
                if let Ok(sighting) = sight(link, frame, interface)
                    && let Segment::Udp { payload, .. } = sighting.segment
                {
                    seen = Some(payload.to_vec());
                }
            });
        }
        seen.ok_or_else(|| io::ErrorKind::TimedOut.into())
    }
}
