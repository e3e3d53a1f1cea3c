//! Promise 5: what the engine can still do once it is confined, and what it
//! cannot. The engine is this program, run again.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;

use knockd::sys::confine::{Account, empty_directory};
use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use crate::confined::{self, Child, MEGABYTES, Role};
use crate::net::{CLIENT4, Lab, proc};

/// Not a test: what the others start.
#[test]
fn the_child() {
    confined::live();
}

#[test]
fn a_confined_engine_does_its_work() {
    needs!(root);
    let lab = Lab::new();
    let mut child = Child::start(Role::Engine, lab.files.path());
    let capture = confined::capture(&lab);
    child.hand_over(&capture);
    assert_eq!(child.line(), "capturing");
    lab.send(CLIENT4, b"a knock");
    assert_eq!(child.line(), "met a knock");
    assert_eq!(child.line(), "done");
    // Not every container's root may raise the limit.
    if setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_ok() {
        assert_ne!(proc::status(child.id(), "VmLck"), "0 kB");
    }
    assert!(child.end().success());
}

#[test]
fn a_confined_engine_is_another_user_without_capabilities() {
    needs!(root);
    let lab = Lab::new();
    let mut child = Child::start(Role::Engine, lab.files.path());
    child.hand_over(&confined::capture(&lab));
    assert_eq!(child.line(), "capturing");
    let nobody = Account::named("nobody").unwrap();
    let ids =
        |id: u32| [id.to_string(), id.to_string(), id.to_string(), id.to_string()].join("\t");
    assert_eq!(proc::status(child.id(), "Uid"), ids(nobody.uid.as_raw()));
    assert_eq!(proc::status(child.id(), "Gid"), ids(nobody.gid.as_raw()));
    assert_eq!(proc::status(child.id(), "Groups"), nobody.gid.to_string());
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(proc::status(child.id(), set), "0000000000000000", "{set}");
    }
    assert_eq!(proc::status(child.id(), "NoNewPrivs"), "1");
    assert_eq!(proc::status(child.id(), "Seccomp"), "2", "filtered");
    assert_eq!(proc::blocked_signals(child.id()), 0);
    for (limit, most) in [
        ("Max core file size", "0"),
        ("Max file size", "0"),
        ("Max processes", "0"),
        ("Max open files", "256"),
    ] {
        assert_eq!(proc::limits(child.id(), limit), [most, most], "{limit}");
    }
    let most = u64::from(MEGABYTES) << 20;
    let shown = most.to_string();
    assert_eq!(proc::limits(child.id(), "Max address space"), [shown.as_str(); 2]);
    let locked = proc::limits(child.id(), "Max locked memory");
    assert!(locked.iter().all(|limit| limit.parse::<u64>().unwrap() <= most), "{locked:?}");
    // Only root may look at a process that is not dumpable.
    assert_eq!(fs::metadata(child.path("environ")).unwrap().uid(), 0);
    let cell = lab.path("empty");
    assert_eq!(fs::read_link(child.path("root")).unwrap(), cell);
    assert_eq!(fs::read_link(child.path("cwd")).unwrap(), cell);
}

#[test]
fn a_hostile_engine_can_do_nothing() {
    needs!(root);
    let lab = Lab::new();
    let mut child = Child::start(Role::Hostile, lab.files.path());
    let capture = confined::capture(&lab);
    let bound = confined::bound(&lab, &capture);
    child.hand_over(&capture);
    let mut lines = Vec::new();
    while lines.last().is_none_or(|last| last != "done") {
        lines.push(child.line());
    }
    assert_denied(&lines);
    assert!(child.end().success());
    assert_eq!(confined::bound(&lab, &capture), bound);
}

#[cfg(feature = "faults")]
#[test]
fn an_engine_of_the_real_program_can_do_nothing_when_it_is_taken_over() {
    needs!(root);
    let lab = Lab::new();
    let capture = confined::capture(&lab);
    let bound = confined::bound(&lab, &capture);
    assert_denied(&confined::taken_over(&lab, &capture));
    assert_eq!(confined::bound(&lab, &capture), bound);
}

/// Nothing was left out, and nothing worked.
fn assert_denied(lines: &[String]) {
    let (last, lines) = lines.split_last().unwrap();
    assert_eq!(last, "done");
    let name = |line: &String| {
        let (name, errno) = line.split_once(" denied ").unwrap_or_else(|| panic!("{line}"));
        let expected = match name {
            "map-much" | "hoard" => Errno::ENOMEM,
            "map-locked" => Errno::EAGAIN,
            // The sandbox's own answer, before any other could be given.
            _ => Errno::ENOSYS,
        };
        assert_eq!(errno, (expected as i32).to_string(), "{name}");
        name.to_owned()
    };
    let names: Vec<String> = lines.iter().map(name).collect();
    for name in confined::FORBIDDEN {
        assert!(names.iter().any(|tried| tried == name), "{name} was not tried");
    }
    assert!(names.len() > 100, "{}", names.len());
}

#[test]
fn an_engine_for_trying_out_needs_no_root_and_no_other_user() {
    needs!(root);
    let lab = Lab::new();
    let mut child = Child::start(Role::Trying, lab.files.path());
    child.hand_over(&confined::capture(&lab));
    assert_eq!(child.line(), "capturing");
    assert_eq!(proc::status(child.id(), "Seccomp"), "2", "filtered");
    lab.send(CLIENT4, b"a knock");
    assert_eq!(child.line(), "met a knock");
    assert_eq!(child.line(), "done");
    assert!(child.end().success());
}

#[test]
fn a_confined_engine_that_panics_ends_by_its_signal() {
    needs!(root);
    let run = tempfile::tempdir().unwrap();
    let status = Child::start(Role::Aborts, run.path()).end();
    assert_eq!(status.signal(), Some(libc::SIGABRT));
    assert!(!status.core_dumped());
}

#[test]
fn root_processes_gain_no_rights_and_leave_no_core() {
    needs!(root);
    let run = tempfile::tempdir().unwrap();
    let mut child = Child::start(Role::Root, run.path());
    assert_eq!(child.line(), "no new rights: true");
    assert_eq!(proc::limits(child.id(), "Max core file size"), ["0", "0"]);
    assert!(child.end().success());
}

/// Why the engine is not confined.
fn refusal(role: Role, lab: &Lab) -> String {
    let mut child = Child::start(role, lab.files.path());
    let line = child.line();
    child.end();
    line
}

#[test]
fn an_engine_without_root_is_refused() {
    needs!(root);
    let text = refusal(Role::Unprivileged, &Lab::new());
    assert_eq!(text, "cannot confine the engine, start knockd as root");
}

#[test]
fn a_directory_that_is_no_cell_is_refused() {
    needs!(root);
    let lab = Lab::new();
    let cell = empty_directory(lab.files.path()).unwrap();
    let shown = cell.display();
    fs::write(cell.join("file"), "").unwrap();
    let text = refusal(Role::Refused, &lab);
    assert_eq!(
        text,
        format!("cannot use {shown} as root directory: not empty, remove what is in it")
    );

    fs::remove_file(cell.join("file")).unwrap();
    fs::set_permissions(&cell, PermissionsExt::from_mode(0o777)).unwrap();
    let text = refusal(Role::Refused, &lab);
    assert!(text.contains("others can write there"), "{text}");

    fs::remove_dir(&cell).unwrap();
    fs::write(&cell, "").unwrap();
    let text = refusal(Role::Refused, &lab);
    assert_eq!(
        text,
        format!("cannot use {shown} as root directory: not a directory, remove it")
    );
}

#[test]
fn an_empty_directory_is_made_once_and_closed_to_others() {
    let run = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let directory = empty_directory(run.path()).unwrap();
        assert_eq!(directory, run.path().join("empty"));
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o7777, 0o755);
    }
    fs::write(run.path().join("empty/file"), "").unwrap();
    let error = empty_directory(run.path()).unwrap_err();
    let why = "as root directory: not empty, remove what is in it";
    assert!(error.to_string().ends_with(why), "{error}");
}

#[test]
fn a_user_who_is_not_there_is_named_with_the_remedy() {
    let error = Account::named("_knockd_nobody").unwrap_err().to_string();
    let start = "no user _knockd_nobody, create it with `useradd ";
    assert!(error.starts_with(start) && error.ends_with(" _knockd_nobody`"), "{error}");
}

#[test]
fn root_is_no_account() {
    let error = Account::named("root").unwrap_err().to_string();
    assert_eq!(error, "user root has root's rights, create one that has none");
}
