//! The socket in the run directory, and who may use it.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Group, Uid, User, geteuid};

use crate::control::SOCKET;
use crate::sys::{self, ours::is_ours};

/// Mode of the socket: root and the group.
const MODE: u32 = 0o660;
/// The most supplementary members of the group that are admitted; others need it
/// as their primary group.
const MAX_MEMBERS: usize = 256;

/// The process at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: Uid,
    /// Its primary group.
    pub gid: Gid,
}

/// A socket that accepts without waiting. Removes its file when dropped.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Device and inode.
    file: (u64, u64),
    group: Gid,
    /// Supplementary members of the group.
    members: Vec<Uid>,
}

impl Listener {
    /// Listens in the directory `run`, after removing the socket of an earlier
    /// daemon.
    pub fn open(run: &Path) -> io::Result<Self> {
        check_directory(run)?;
        let path = run.join(SOCKET);
        remove_stale(&path)?;
        // Nobody else can connect before the group is set.
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(&path);
        umask(before);
        let socket = bound.map_err(|error| named(&path, "cannot listen on", &error))?;
        socket.set_nonblocking(true)?;
        let file = fs::symlink_metadata(&path)?;
        let mut listener = Self {
            socket,
            file: (file.dev(), file.ino()),
            group: Gid::from_raw(file.gid()),
            members: Vec::new(),
            path,
        };
        listener.admit_group().map_err(|error| {
            named(&listener.path, "cannot set the mode and the group of", &error)
        })?;
        Ok(listener)
    }

    /// Gives the socket to root's group, which is wheel on the BSDs. Without
    /// root's rights it keeps our own group.
    fn admit_group(&mut self) -> io::Result<()> {
        let wheel = Gid::from_raw(0);
        if geteuid().is_root() {
            lchown(&self.path, None, Some(wheel.as_raw()))?;
            self.group = wheel;
        }
        self.members = members(self.group);
        fs::set_permissions(&self.path, Permissions::from_mode(MODE))
    }

    /// Accepts the next connection; `WouldBlock` when there is none.
    pub fn accept(&self) -> io::Result<(UnixStream, Option<Peer>)> {
        let (stream, _) = self.socket.accept()?;
        stream.set_nonblocking(true)?;
        let peer = sys::peer(&stream).ok().map(|(uid, gid)| Peer { uid, gid });
        Ok((stream, peer))
    }

    /// Whether `peer` is an administrator. The mode of the file lets nobody else
    /// connect, but a connected descriptor can be passed on.
    pub fn admits(&self, peer: Peer) -> bool {
        peer.uid.is_root()
            || peer.uid == geteuid()
            || peer.gid == self.group
            || self.members.contains(&peer.uid)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Another daemon may have its socket there by now.
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == self.file);
        if is_ours {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn named(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

fn check_directory(run: &Path) -> io::Result<()> {
    let found =
        fs::symlink_metadata(run).map_err(|error| named(run, "cannot examine", &error))?;
    let shown = run.display();
    if !found.is_dir() {
        let text = format!("{shown} is not a directory, remove it");
        return Err(io::Error::new(ErrorKind::NotADirectory, text));
    }
    if !is_ours(&found) {
        let text = format!(
            "others can write to {shown}, run chown {} {shown} and chmod 0755 {shown}",
            geteuid()
        );
        return Err(io::Error::new(ErrorKind::PermissionDenied, text));
    }
    Ok(())
}

/// Removes the socket of a daemon that is no longer running.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(named(path, "cannot examine", &error)),
    };
    let shown = path.display();
    if !found.file_type().is_socket() {
        let text = format!("{shown} is not a socket, remove it");
        return Err(io::Error::new(ErrorKind::AlreadyExists, text));
    }
    if is_served(path)? {
        let text = format!("{shown} is used by a running daemon, stop it first");
        return Err(io::Error::new(ErrorKind::AddrInUse, text));
    }
    fs::remove_file(path).map_err(|error| named(path, "cannot remove", &error))
}

/// Whether a process listens there, even if it does not answer.
fn is_served(path: &Path) -> io::Result<bool> {
    let probe = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None)?;
    let probe = UnixStream::from(probe);
    probe.set_nonblocking(true)?;
    match connect(probe.as_raw_fd(), &UnixAddr::new(path)?) {
        Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(false),
        _ => Ok(true),
    }
}

/// The supplementary members of the group.
fn members(group: Gid) -> Vec<Uid> {
    let names = Group::from_gid(group).ok().flatten().map(|group| group.mem);
    let names = names.unwrap_or_default().into_iter().take(MAX_MEMBERS);
    names
        .filter_map(|name| User::from_name(&name).ok().flatten())
        .map(|user| user.uid)
        .collect()
}
