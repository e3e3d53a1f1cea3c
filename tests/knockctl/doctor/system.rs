//! What the doctor reports about files, clocks and devices, and how it runs pfctl.
#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::modes;
use knockd::core::finding::{Finding, Grade};
use knockd::core::time::Wall;
use knockd::firewall::pf::ruleset::{pfctl, share::Entrance};
use knockd::knockctl::doctor::{access, clock, places};

const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_directory_belongs_to_root_or_to_us() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let with_mode = |mode| {
        modes::set_mode(path, mode);
        places::directory("state", path, &path.metadata(), 0o700)
    };
    let shown = path.display();
    assert_eq!(
        with_mode(0o750).to_string(),
        format!(
            "error    state: {shown} is open to others, mode 0750: run `chmod 700 {shown}`"
        )
    );
    assert_eq!(with_mode(0o500).grade, Grade::Ok);
    assert_eq!(with_mode(0o700).to_string(), format!("ok       state: {shown} has mode 0700"));
    let file = path.join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(
        places::directory("secrets", &file, &file.metadata(), 0o700).grade,
        Grade::Error
    );
    let missing = path.join("missing");
    let finding = places::directory("secrets", &missing, &missing.metadata(), 0o700);
    let advice = format!("run `mkdir -p {}`", missing.display());
    assert!(finding.text.contains(&advice), "{finding}");
    assert_eq!(finding.grade, Grade::Error);
    let denied = Err(io::ErrorKind::PermissionDenied.into());
    assert_eq!(places::directory("secrets", path, &denied, 0o700).grade, Grade::Warning);
}

#[test]
fn a_directory_or_key_of_another_user_is_an_error() {
    needs!(root);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.key");
    fs::write(&path, "not shown").unwrap();
    modes::set_mode(&path, 0o600);
    for path in [path.as_path(), directory.path()] {
        chown(path, Some(77), None).unwrap();
    }
    let found = places::secrets(&places::files(directory.path()).unwrap());
    assert!(found[0].text.contains("belongs to user id 77: run `chown 0 "), "{found:?}");
    let path = directory.path();
    let found = places::directory("state", path, &path.metadata(), 0o700);
    assert!(found.text.contains("belongs to user id 77: run `chown 0 "), "{found}");
}

#[test]
fn a_key_that_others_can_read_is_found_even_if_nothing_names_it() {
    let directory = tempfile::tempdir().unwrap();
    for (name, mode) in [("b.key", 0o644), ("a.key", 0o600), ("c.key", 0o640), ("d", 0o400)] {
        let path = directory.path().join(name);
        fs::write(&path, "not shown").unwrap();
        modes::set_mode(&path, mode);
    }
    fs::create_dir(directory.path().join("old")).unwrap();
    let files = places::files(directory.path()).unwrap();
    assert_eq!(files.len(), 5);
    let found: Vec<_> = places::secrets(&files).iter().map(Finding::to_string).collect();
    let path = directory.path().display();
    assert_eq!(
        found,
        [("b.key", "0644"), ("c.key", "0640")].map(|(name, mode)| format!(
            "error    secrets: {path}/{name} is open to others, mode {mode}: run `chmod 600 \
             {path}/{name}`, and replace the key"
        ))
    );
}

#[test]
fn the_engine_needs_a_user_without_roots_rights() {
    let grade = |uid| places::account("_knockd", &uid).grade;
    assert_eq!(grade(Ok(Some(641))), Grade::Ok);
    assert_eq!(grade(Ok(Some(0))), Grade::Error);
    assert_eq!(grade(Ok(None)), Grade::Error);
    assert_eq!(grade(Err("no such service".into())), Grade::Warning);
}

#[test]
fn a_clock_from_before_the_software_is_wrong() {
    assert_eq!(clock::check(Wall::default()).grade, Grade::Error);
    assert_eq!(clock::check(clock::EARLIEST).grade, Grade::Ok);
}

#[test]
fn the_capture_device_opens_or_the_reason_is_reported() {
    let grade = |code| {
        access::device("/dev/bpf", &Err(io::Error::from_raw_os_error(code)), false).grade
    };
    assert_eq!(access::device("/dev/bpf", &Ok(()), false).grade, Grade::Ok);
    assert_eq!(grade(nix::libc::EBUSY), Grade::Ok);
    assert_eq!(grade(nix::libc::EACCES), Grade::Warning);
    assert_eq!(grade(nix::libc::ENOENT), Grade::Error);
    let denied = Err(io::Error::from_raw_os_error(nix::libc::EPERM));
    for (is_root, advice) in [(false, ": run knockctl as root"), (true, " to root too")] {
        let device = access::device("/dev/bpf", &denied, is_root);
        assert!(device.text.ends_with(advice), "{device}");
        let capability = access::capability(Some("CapEff:\t0\n"), is_root);
        assert!(capability.text.ends_with(advice), "{capability}");
    }
    let capable = |text| access::capability(text, true).grade;
    assert_eq!(capable(Some("Name:\tx\nCapEff:\t000001ffffffffff\n")), Grade::Ok);
    assert_eq!(capable(Some("CapEff:\t0000000000002000\n")), Grade::Ok);
    assert_eq!(capable(Some("CapEff:\t0000000000001000\n")), Grade::Warning);
    assert_eq!(capable(Some("CapEff:\tmany\n")), Grade::Warning);
    assert_eq!(capable(None), Grade::Warning);
}

#[test]
fn the_groups_of_an_interface_are_those_that_ifconfig_prints() {
    let printed = "em0: flags=8843<UP,BROADCAST,RUNNING> metric 0 mtu 1500\n\
                   \tdescription: groups: none\n\tinet 192.0.2.1 netmask 0xffffff00\n\
                   em1: flags=8843<UP>\n\tgroups: egress dmz\n\
                   epair0a: flags=8843<UP>\n\tether 02:00:00:00:00:0a\n\tgroups: epair\n";
    let names = ["em0", "em1", "epair0a", "em2"].map(String::from);
    let groups = |printed| Entrance::all(&names, printed).into_iter().map(|each| each.groups);
    let known: Vec<_> = groups(printed).map(|groups| groups.unwrap().join(" ")).collect();
    assert_eq!(known, ["", "egress dmz", "epair", ""]);
    // macOS has no groups.
    let first = printed.split_once("em1").unwrap().0;
    assert!(groups(first).all(|groups| groups.is_none()));
    assert_eq!(Entrance::all(&[], printed)[0], Entrance::default());
}

#[test]
fn a_program_is_asked_with_nothing_in_its_environment() {
    assert_eq!(pfctl::ask(Path::new("/usr/bin/env"), &[], LONG).unwrap(), "");
}

#[test]
fn what_a_program_says_is_its_output_alone() {
    let shell = Path::new("/bin/sh");
    let output = pfctl::ask(shell, &["-c", "echo one; echo bad >&2"], LONG).unwrap();
    assert_eq!(output, "one\n");
}

#[test]
fn a_program_that_fails_floods_or_hangs_is_given_up() {
    let shell = Path::new("/bin/sh");
    let ask = |script, patience| pfctl::ask(shell, &["-c", script], patience).unwrap_err();
    let failed = ask("echo half; exit 3", LONG);
    assert!(failed.contains("it failed with exit status: 3"), "{failed}");
    let flood = ask("while :; do echo 0123456789abcdef0123456789abcdef; done", LONG);
    assert!(flood.ends_with("it prints more than 1 MiB"), "{flood}");
    let start = Instant::now();
    let hangs = ask("exec sleep 60", Duration::from_millis(50));
    assert!(hangs.ends_with("it does not end"), "{hangs}");
    let silent = ask("exec >&-; exec sleep 60", Duration::from_millis(50));
    assert!(silent.ends_with("it does not end"), "{silent}");
    assert!(start.elapsed() < LONG);
    let missing = pfctl::ask(Path::new("/nonexistent/pfctl"), &["-sr"], LONG).unwrap_err();
    assert!(missing.starts_with("cannot ask /nonexistent/pfctl -sr: "), "{missing}");
}

#[cfg(target_os = "linux")]
mod without_pf {
    use knockd::config;
    use knockd::core::finding::Grade;
    use knockd::firewall::Choice;
    use knockd::review;

    #[test]
    fn a_check_of_the_configuration_reports_a_firewall_that_cannot_be_used() {
        let directory = tempfile::tempdir().unwrap();
        let text = r#"(name: "gw1", firewall: Memory, doors: {"ssh": (table: "t")},
            sequences: {"s": (steps: [Tcp(7), Tcp(9), Tcp(8)], opens: ["ssh"], weak: Allowed)})"#;
        let file = directory.path().join("knockd.ron");
        let mut config = config::parse(text, &file, directory.path()).unwrap();
        let findings = review::guard_rails(&config);
        assert!(findings.iter().all(|finding| finding.grade != Grade::Ok), "{findings:?}");
        // Without pf there are no rules to read, and root cannot change that.
        config.firewall = Choice::Pf;
        let findings = review::guard_rails(&config);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].grade, &*findings[0].subject), (Grade::Error, "firewall"));
        assert!(!findings[0].text.contains("as root"), "{findings:?}");
    }
}
