//! The one rule for files and directories that only root and we may change.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::geteuid;
use zeroize::Zeroizing;

/// As many symbolic links as no system follows for one path.
const MAX_LINKS: usize = 64;
/// The bit of a directory in which only its owner and that of a file can replace
/// the file.
const STICKY: u32 = 0o1000;

/// Why others can change a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It belongs to this user id.
    Owner(u32),
    /// Its mode, which allows too much.
    Mode(u32),
}

impl Fault {
    /// Returns what is wrong with `path`, and the command that gives it the
    /// mode `wanted` or an owner.
    #[must_use]
    pub fn text(self, path: &Path, wanted: &str) -> String {
        let path = path.display();
        match self {
            Self::Owner(uid) => {
                format!("{path} belongs to user id {uid}, run chown {} {path}", geteuid())
            }
            Self::Mode(mode) => {
                format!("{path} is open to others, mode {mode:04o}, run chmod {wanted} {path}")
            }
        }
    }
}

/// Checks that a file belongs to root or to us, and that its mode has no bit
/// that `allowed` lacks.
///
/// # Errors
/// The first fault.
pub fn check(metadata: &Metadata, allowed: u32) -> Result<(), Fault> {
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != 0 && owner != geteuid().as_raw() {
        Err(Fault::Owner(owner))
    } else if mode & !allowed != 0 {
        Err(Fault::Mode(mode))
    } else {
        Ok(())
    }
}

/// Whether nobody but root and us can write to a file or directory.
#[must_use]
pub fn is_ours(metadata: &Metadata) -> bool {
    check(metadata, !0o022).is_ok()
}

/// Returns the first place on the way to `path` that belongs to others, or where
/// they can replace the next: a directory, or a symbolic link.
///
/// A place that cannot be examined is left out. After the start, unveil(2) hides
/// the directories above those that it allows.
#[must_use]
pub fn fault_above(path: &Path) -> Option<(PathBuf, Fault)> {
    let mut paths = vec![std::path::absolute(path).ok()?];
    let mut links = 0;
    while let Some(path) = paths.pop() {
        for place in path.ancestors() {
            let Ok(found) = fs::symlink_metadata(place) else { continue };
            let is_guarded = found.is_symlink() || found.is_dir() && found.mode() & STICKY != 0;
            let allowed = if is_guarded { !0 } else { !0o022 };
            if (place != path || found.is_symlink())
                && let Err(fault) = check(&found, allowed)
            {
                return Some((place.to_owned(), fault));
            }
            if found.is_symlink() && links < MAX_LINKS {
                links += 1;
                let target = fs::read_link(place).ok();
                paths.extend(target.and_then(|target| Some(place.parent()?.join(target))));
            }
        }
    }
    None
}

/// Why a file was not read.
#[derive(Debug)]
pub enum Unread {
    /// The system failed to do this.
    Failed(&'static str, io::Error),
    /// It is not a regular file.
    Irregular,
    /// Others can change it.
    Fault(Fault),
    /// It is too large.
    Large,
}

/// Reads a regular file of at most `most` bytes that belongs to root or to us,
/// and whose mode has no bit that `allowed` lacks.
///
/// The opened file is checked, not the name, so a symbolic link is allowed and
/// nothing can change in between.
///
/// # Errors
/// When one of these does not hold, or the file cannot be read.
pub fn read(path: &Path, allowed: u32, most: usize) -> Result<Zeroizing<Vec<u8>>, Unread> {
    let failed = |verb| move |error| Unread::Failed(verb, error);
    // Without O_NONBLOCK a FIFO would hold us up before we can refuse it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(failed("open"))?;
    let metadata = file.metadata().map_err(failed("examine"))?;
    if !metadata.is_file() {
        return Err(Unread::Irregular);
    }
    check(&metadata, allowed).map_err(Unread::Fault)?;

    let mut buffer = Zeroizing::new(vec![0; most + 1]);
    let length = fill(file, &mut buffer).map_err(failed("read"))?;
    match buffer.get(..length) {
        Some(bytes) if length <= most => Ok(Zeroizing::new(bytes.to_vec())),
        _ => Err(Unread::Large),
    }
}

/// Reads until the end or until `buffer` is full. Returns how many bytes.
fn fill(mut file: File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(free @ [_, ..]) = buffer.get_mut(length..) {
        match file.read(free) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_others_can_write_to_is_not_ours() {
        let directory = tempfile::tempdir().unwrap();
        let with_mode = |mode| {
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
            fs::metadata(directory.path()).unwrap()
        };
        for mode in [0o700, 0o755, 0o1755] {
            assert!(is_ours(&with_mode(mode)), "{mode:o}");
        }
        for mode in [0o720, 0o702, 0o1777] {
            assert!(!is_ours(&with_mode(mode)), "{mode:o}");
        }
        assert_eq!(check(&with_mode(0o750), 0o700), Err(Fault::Mode(0o750)));
        assert_eq!(check(&with_mode(0o700), 0o700), Ok(()));
    }

    #[test]
    fn what_belongs_to_somebody_else_is_not_ours() {
        let directory = tempfile::tempdir().unwrap();
        let other = Some(65_534);
        if std::os::unix::fs::chown(directory.path(), other, None).is_ok() {
            let metadata = fs::metadata(directory.path()).unwrap();
            assert_eq!(check(&metadata, 0o7777), Err(Fault::Owner(65_534)));
        }
        assert!(is_ours(&fs::metadata("/").unwrap()), "of root");
    }

    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        std::os::unix::fs::symlink("two", &one).unwrap();
        std::os::unix::fs::symlink("one", &two).unwrap();
        assert_eq!(fault_above(&one.join("knockd.ron")), None);
    }
}
