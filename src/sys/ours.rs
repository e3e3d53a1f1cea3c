//! The one rule for files and directories that only root and we may change.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use nix::unistd::geteuid;

/// Why a file is not ours alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It belongs to this user id.
    Owner(u32),
    /// Its mode, which allows too much.
    Mode(u32),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
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
        assert!(is_ours(&fs::metadata("/").unwrap()), "root's is ours, too");
    }
}
