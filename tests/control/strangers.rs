//! Users that are neither root nor in the group. Needs root, to become one.
#![forbid(unsafe_code)]

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use knockd::control::request::ControlRequest;
use knockd::control::server::{MAX_CLIENTS, MAX_OTHERS};

use super::stage::Stage;
use crate::modes;
use crate::programs;

/// A user id without an account.
const STRANGER: u32 = 61_234;

impl Stage {
    /// Creates one whose run directory everybody can enter.
    fn public() -> Self {
        let stage = Self::new();
        modes::set_mode(stage.run.path(), 0o755);
        stage
    }

    /// A copy of knockctl that others can run.
    fn knockctl(&self) -> std::path::PathBuf {
        let copy = self.run.path().join("knockctl");
        programs::copy(env!("CARGO_BIN_EXE_knockctl"), &copy);
        copy
    }

    /// Runs knockctl as another user.
    fn spawn(&self, program: &Path, (uid, gid): (u32, u32), what: &[&str]) -> Child {
        let mut command = Command::new(program);
        command.arg("-s").arg(self.socket()).args(what).uid(uid).gid(gid).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Serves it until it ends. Returns its standard error.
    fn complaint(&mut self, mut child: Child) -> String {
        while child.try_wait().unwrap().is_none() {
            self.turn();
        }
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

#[test]
fn strangers_cannot_connect() {
    needs!(root);
    let mut stage = Stage::public();
    let program = stage.knockctl();
    let child = stage.spawn(&program, (STRANGER, STRANGER), &["show"]);
    let text = stage.complaint(child);
    let expected = format!("knockctl: only root and the group of {}", stage.socket().display());
    assert!(text.starts_with(&expected), "{text}");
    let child = stage.spawn(&program, (STRANGER, 0), &["show"]);
    assert_eq!(stage.complaint(child), "");
}

#[test]
fn a_stranger_that_connects_is_refused_by_user_id() {
    needs!(root);
    let mut stage = Stage::public();
    let program = stage.knockctl();
    modes::set_mode(stage.socket(), 0o666);
    let child = stage.spawn(&program, (STRANGER, STRANGER), &["close", "all"]);
    let expected = "knockctl: only root and the group of the socket may control knockd\n";
    assert_eq!(stage.complaint(child), expected);
    assert!(stage.desk.orders.is_empty());
    assert_eq!(stage.clients(), 0);
}

#[test]
fn other_users_leave_room_for_root() {
    needs!(root);
    let mut stage = Stage::public();
    let program = stage.knockctl();
    let mut others = Vec::new();
    while others.len() < MAX_OTHERS {
        others.push(stage.spawn(&program, (STRANGER, 0), &["monitor"]));
        while stage.clients() < others.len() {
            stage.turn();
        }
    }
    let late = stage.spawn(&program, (STRANGER, 0), &["monitor"]);
    assert_eq!(stage.complaint(late), "knockctl: too many clients, try again\n");
    assert_eq!(stage.clients(), MAX_OTHERS);
    let mut roots = Vec::new();
    for _ in MAX_OTHERS..MAX_CLIENTS {
        let mut root = stage.connect();
        assert_eq!(stage.ask(&mut root, &ControlRequest::Stats).len(), 5);
        roots.push(root);
    }
    assert_eq!(stage.clients(), MAX_CLIENTS);
    for mut other in others {
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
