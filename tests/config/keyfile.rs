//! Key files: private, never overwritten, never shown.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::modes;
use knockd::keyfile::{self, KeyBytes, KeyKind};
use proptest::prelude::*;
use tempfile::TempDir;

fn key() -> KeyBytes {
    KeyBytes::new(std::array::from_fn(|place| (place as u8).wrapping_mul(73) ^ 0x5a))
}

fn file(directory: &TempDir, content: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.path().join("some.key");
    let _ = fs::remove_file(&path);
    modes::write_secret(&path, content);
    path
}

/// The error of reading `path`, which must show nothing of `key`.
fn refusal(path: &Path) -> String {
    let error = keyfile::read(path).expect_err("a refusal").to_string();
    assert!(error.contains(&path.display().to_string()), "{error}");
    let text = keyfile::public_to_text(&key());
    for start in 0..text.len() - 8 {
        assert!(!error.contains(&text[start..start + 8]), "{error}");
    }
    error
}

#[test]
fn a_written_key_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    for kind in [KeyKind::Gate, KeyKind::Secret, KeyKind::Ed25519] {
        let path = directory.path().join("a/b").join(kind.word());
        keyfile::write_new(&path, kind, &key(), "alice at home").unwrap();
        let read = keyfile::read(&path).unwrap();
        assert_eq!((read.kind, *read.key), (kind, *key()));
        assert!(!format!("{read:?}").contains("key:"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}

#[test]
fn an_existing_file_is_never_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "precious");
    let link = directory.path().join("link.key");
    symlink(directory.path().join("absent"), &link).unwrap();
    for path in [&path, &link] {
        let error =
            keyfile::write_new(path, KeyKind::Gate, &key(), "").unwrap_err().to_string();
        assert!(
            error.starts_with("cannot create key file") && error.contains("exists"),
            "{error}"
        );
    }
    assert_eq!(fs::read_to_string(path).unwrap(), "precious");
    assert!(!directory.path().join("absent").exists());
}

#[test]
fn a_comment_is_one_short_line() {
    let directory = tempfile::tempdir().unwrap();
    for comment in ["two\nlines", "\u{7}", &"x".repeat(5000)] {
        let path = directory.path().join("some.key");
        let error = keyfile::write_new(&path, KeyKind::Gate, &key(), comment).unwrap_err();
        assert!(error.to_string().contains("the comment must be"), "{error}");
        assert!(!path.exists());
    }
}

#[test]
fn only_files_of_mode_0600_or_stricter_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let line = format!("knockd-gate {}\n", keyfile::public_to_text(&key()));
    let path = file(&directory, line);
    for mode in 0..=0o777 {
        modes::set_mode(&path, mode);
        if mode & !0o600 != 0 && mode & 0o400 != 0 {
            let error = refusal(&path);
            let advice = format!("run chmod 600 {}", path.display());
            assert!(error.contains(&format!("mode {mode:04o}")), "{error}");
            assert!(error.ends_with(&advice), "{error}");
        }
    }
    for mode in [0o400, 0o600] {
        modes::set_mode(&path, mode);
        assert!(keyfile::read(&path).is_ok(), "{mode:o}");
    }
}

#[test]
fn a_file_of_another_user_is_rejected() {
    needs!(root);
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "");
    chown(&path, Some(12345), None).unwrap();
    assert!(refusal(&path).contains("belongs to user id 12345, run chown 0 "));
    chown(directory.path(), Some(12345), None).unwrap();
    assert!(keyfile::check_directory(directory.path()).is_err());
}

#[test]
fn an_irregular_file_is_rejected_without_waiting() {
    let directory = tempfile::tempdir().unwrap();
    assert!(refusal(directory.path()).contains("is not a regular file"));
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(refusal(&fifo).contains("is not a regular file"));
    assert!(keyfile::read(&directory.path().join("absent")).unwrap_err().is_missing());
}

#[test]
fn a_file_that_is_not_a_key_is_rejected_and_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let text = keyfile::public_to_text(&key());
    for content in [
        String::new(),
        text.clone(),
        format!("knockd-gate{text}\n"),
        format!("knockd-Gate {text}\n"),
        format!("knockd-gate {}\n", &text[..43]),
        format!("knockd-gate {text}{text}\n"),
        format!("knockd-gate {}\n", &text[4..]),
        format!("knockd-gate {}-\n", &text[..42]),
        format!("\nknockd-gate {text}\n"),
        format!("knockd-gate {text}\n\n"),
        format!("knockd-gate {text}\nknockd-gate {text}\n"),
        format!("knockd-gate # {text}\n"),
    ] {
        let error = refusal(&file(&directory, &content));
        assert!(error.contains("is not a key file"), "{content}: {error}");
    }
    for content in [format!("knockd-gate {text}"), format!(" knockd-gate\t{text} a b \r\n")] {
        assert_eq!(*keyfile::read(&file(&directory, content)).unwrap().key, *key());
    }
}

#[test]
fn files_end_at_4096_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let line = format!("knockd-gate {} ", keyfile::public_to_text(&key()));
    let of_length = |length| format!("{line:x<length$}");
    assert!(keyfile::read(&file(&directory, of_length(4096))).is_ok());
    assert!(refusal(&file(&directory, of_length(4097))).contains("exceeds 4096 bytes"));
}

#[test]
fn a_directory_may_be_read_by_others_but_not_written() {
    let directory = tempfile::tempdir().unwrap();
    for (mode, fine) in [(0o700, true), (0o755, true), (0o770, false), (0o1777, false)] {
        modes::set_mode(directory.path(), mode);
        assert_eq!(keyfile::check_directory(directory.path()).is_ok(), fine, "{mode:o}");
    }
    let path = file(&directory, "");
    let error = keyfile::check_directory(&path).unwrap_err().to_string();
    assert!(error.ends_with("is not a directory, name one"), "{error}");
}

proptest! {
    #[test]
    fn no_content_makes_the_reader_panic(content in any::<Vec<u8>>()) {
        let directory = tempfile::tempdir().unwrap();
        let _ = keyfile::read(&file(&directory, content));
    }

    #[test]
    fn public_keys_are_read_back_and_shorter_texts_are_not(public in any::<[u8; 32]>()) {
        let text = keyfile::public_to_text(&public);
        prop_assert_eq!(keyfile::public_from_text(&text), Some(public));
        prop_assert_eq!(keyfile::public_from_text(&text[..43]), None);
        prop_assert!(keyfile::looks_like_key(&text));
    }
}
