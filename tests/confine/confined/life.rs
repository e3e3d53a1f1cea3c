//! The child's side.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{IoSliceMut, stdin};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use knockd::capture::system::Reader;
use knockd::core::credential::ed25519::Ed25519;
use knockd::sys::confine::{self, Account, Cell, KeeperPaths, ParentPaths};
use knockd::{keyfile, sys};
use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::get_no_new_privs;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::{setuid, write};

pub const ROLE: &str = "KNOCKD_TEST_ROLE";
pub const CELL: &str = "KNOCKD_TEST_CELL";
/// The memory of an engine, with room for the threads of a test.
pub const MEGABYTES: u32 = 1024;

/// Does what the environment says; nothing in an ordinary run.
pub fn live() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let directory = PathBuf::from(std::env::var_os(CELL).unwrap());
    let account = Account::named("nobody").unwrap();
    let megabytes = MEGABYTES;
    let cell = Cell { directory: &directory, account: Some(&account), megabytes };
    match role.as_str() {
        "Engine" => {
            confine::lock_memory();
            confine::engine(&cell).unwrap();
            work();
        }
        "Aborts" => {
            confine::engine(&cell).unwrap();
            std::process::abort();
        }
        "Trying" => {
            setuid(account.uid).unwrap();
            confine::engine(&Cell { account: None, ..cell }).unwrap();
            work();
        }
        "Root" => {
            let [config, secrets, state, run] = [directory.as_path(); 4];
            confine::keeper(&KeeperPaths { config, secrets, state, run }).unwrap();
            let (pidfile, program) = (None, run);
            let paths = ParentPaths { config, secrets, run, pidfile, program };
            confine::parent(&paths).unwrap();
            File::create(run.join("file")).unwrap();
            // It belongs to the thread.
            say(format_args!("no new rights: {}", get_no_new_privs().unwrap()));
            wait(stdin());
        }
        "Unprivileged" => {
            setuid(account.uid).unwrap();
            say(confine::engine(&cell).unwrap_err());
        }
        "Refused" => say(confine::engine(&cell).unwrap_err()),
        "Hostile" => {
            let fd = take();
            confine::engine(&cell).unwrap();
            crate::attempts::run(stdin().as_fd(), fd.as_fd());
        }
        _ => panic!("{role}"),
    }
    std::process::exit(0);
}

fn say(what: impl Display) {
    let line = format!("{what}\n");
    assert_eq!(write(stdin(), line.as_bytes()), Ok(line.len()));
}

/// The capture descriptor.
fn take() -> OwnedFd {
    let mut rights = cmsg_space!([i32; 1]);
    let mut index = [0; 4];
    let mut bytes = [IoSliceMut::new(&mut index)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(0, &mut bytes, Some(&mut rights), flags).unwrap();
    let Some(ControlMessageOwned::ScmRights(fds)) = message.cmsgs().unwrap().next() else {
        panic!("no descriptor came")
    };
    // SAFETY: the kernel just made this descriptor for us alone.
    unsafe { OwnedFd::from_raw_fd(fds[0]) }
}

/// Waits until `fd` is readable, or was hung up.
fn wait(fd: impl AsFd) {
    let mut polled = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut polled, PollTimeout::NONE), Ok(1));
}

/// All that an engine does.
fn work() {
    let fd = take();
    let mut capture = Reader::adopt(fd, 0).unwrap();
    say("capturing");
    wait(capture.fd());
    let mut met = None;
    let frames = capture.read(64, |frame| met = Some(frame.to_vec())).unwrap();
    assert_eq!((frames, capture.read(64, |_| {}).unwrap()), (1, 0));
    let met = met.unwrap();
    assert!(met.ends_with(b"a knock"), "{met:?}");
    say("met a knock");

    let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC).unwrap();
    let soon = Expiration::OneShot(Duration::from_millis(1).into());
    timer.set(soon, TimerSetTimeFlags::empty()).unwrap();
    wait(&timer);
    let first = sys::now().unwrap();
    assert!(sys::now().unwrap().monotonic >= first.monotonic);

    // Small and large pieces: from the heap, and mapped ones.
    let mut table: HashMap<usize, Vec<u8>> = HashMap::new();
    for size in (0..2000).chain([1 << 20, 64 << 20]) {
        table.insert(size, vec![1; size]);
    }
    table.retain(|size, _| size % 2 == 0);
    assert_eq!(table.len(), 1002);

    // RFC 8032, section 7.1, test 1.
    let key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let key = keyfile::public_from_text(key).unwrap();
    assert!(Ed25519::new(&key).is_ok());
    say("done");
    wait(stdin());
}
