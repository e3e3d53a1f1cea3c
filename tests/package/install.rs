//! install.sh puts into place what the packing lists say, for each system, and
//! takes out no more than that.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const SYSTEMS: [&str; 4] = ["freebsd", "openbsd", "macos", "linux"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// An empty root directory, and programs to install that do nothing.
struct Root {
    directory: TempDir,
    system: &'static str,
}

impl Root {
    fn new(system: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let programs = directory.path().join("some programs");
        fs::create_dir(&programs).unwrap();
        for program in ["knock", "knockctl", "knockd"] {
            fs::write(programs.join(program), program).unwrap();
        }
        Self { directory, system }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join("root").join(path.trim_start_matches('/'))
    }

    fn command(&self, verb: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh");
        let mut command = Command::new("sh");
        command.arg(script).args(["--system", self.system, verb]);
        command.env("DESTDIR", self.path("/"));
        command.env("BINDIR", self.directory.path().join("some programs"));
        command.env_remove("PREFIX");
        command
    }

    #[track_caller]
    fn run(&self, verb: &str) -> String {
        said(&self.command(verb).output().unwrap())
    }

    /// The files in it and their modes.
    fn files(&self) -> BTreeMap<String, u32> {
        let mut found = BTreeMap::new();
        let mut directories = vec![self.path("/")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let name = path.strip_prefix(self.path("/")).unwrap().to_str().unwrap();
                let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
                found.insert(format!("/{name}"), mode);
            }
        }
        found
    }
}

#[track_caller]
fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The files that a system's packing list names.
fn packing_list(system: &str) -> BTreeSet<String> {
    let prefixed = |name: &str| format!("/usr/local/{name}");
    match system {
        "freebsd" => {
            let list = read("etc/ports/freebsd/pkg-plist");
            // The framework compresses manuals, and adds the script itself.
            let files = list.lines().map(|name| prefixed(name.trim_end_matches(".gz")));
            files.chain([prefixed("etc/rc.d/knockd")]).collect()
        }
        "openbsd" => read("etc/ports/openbsd/pkg/PLIST").lines().filter_map(packed).collect(),
        _ => read(&format!("etc/ports/{system}/plist")).lines().map(str::to_owned).collect(),
    }
}

/// The file that a line of OpenBSD's packing list puts into place.
fn packed(line: &str) -> Option<String> {
    let name = match line.split_once(' ') {
        Some(("@rcscript", name)) => return Some(name.replace("${RCDIR}", "/etc/rc.d")),
        Some(("@bin" | "@man", name)) => name,
        Some(_) => return None,
        None if line.ends_with('/') => return None,
        None => line,
    };
    Some(format!("/usr/local/{name}"))
}

#[test]
fn what_is_installed_is_what_the_packing_list_says() {
    for system in SYSTEMS {
        let root = Root::new(system);
        assert_eq!(root.run("install"), "", "{system}");
        let installed: BTreeSet<_> = root.files().into_keys().collect();
        assert_eq!(installed, packing_list(system), "{system}");
    }
}

#[test]
fn programs_and_scripts_can_be_run_and_nothing_can_be_changed_by_others() {
    for system in SYSTEMS {
        let root = Root::new(system);
        root.run("install");
        for (name, mode) in root.files() {
            let runs = ["bin/", "rc.d/"].iter().any(|place| name.contains(place));
            assert_eq!(mode, if runs { 0o755 } else { 0o644 }, "{system}: {name}");
        }
    }
}

#[test]
fn nothing_is_left_of_an_installation() {
    for system in SYSTEMS {
        let root = Root::new(system);
        root.run("install");
        assert_eq!(root.run("uninstall"), "", "{system}");
        assert_eq!(root.files(), BTreeMap::new(), "{system}");
        for own in ["share/examples/knockd", "share/doc/knockd"] {
            assert!(!root.path("/usr/local").join(own).exists(), "{system}: {own}");
        }
    }
}

#[test]
fn a_configuration_is_neither_written_nor_replaced_nor_removed() {
    for (system, file) in [
        ("freebsd", "/usr/local/etc/knockd.ron"),
        ("openbsd", "/etc/knockd.ron"),
        ("macos", "/usr/local/etc/knockd.ron"),
        ("linux", "/etc/knockd.ron"),
    ] {
        let root = Root::new(system);
        root.run("install");
        let configuration = root.path(file);
        assert!(!configuration.exists(), "{system}");
        fs::create_dir_all(configuration.parent().unwrap()).unwrap();
        fs::write(&configuration, "mine").unwrap();
        root.run("install");
        let left = root.run("uninstall");
        assert_eq!(left, format!("left: {}\n", configuration.display()));
        assert_eq!(fs::read_to_string(&configuration).unwrap(), "mine");
    }
}

#[test]
fn the_sample_names_the_firewall_and_the_places_of_the_system() {
    for (system, sample, firewall, gate) in [
        ("freebsd", "/usr/local/etc/knockd.ron.sample", "Pf", "/usr/local/etc/knockd/"),
        ("openbsd", "/usr/local/share/examples/knockd/knockd.ron", "Pf", "/etc/knockd/"),
        ("macos", "/usr/local/etc/knockd.ron.sample", "Pf", "/usr/local/etc/knockd/"),
        (
            "linux",
            "/usr/local/share/doc/knockd/examples/knockd.ron",
            "Nft(table: \"knockd\")",
            "/etc/knockd/",
        ),
    ] {
        let root = Root::new(system);
        root.run("install");
        let text = fs::read_to_string(root.path(sample)).unwrap();
        let chosen: Vec<_> =
            text.lines().filter(|line| line.starts_with("    firewall:")).collect();
        assert_eq!(chosen, [format!("    firewall: {firewall},")], "{system}");
        for key in ["gate.key", "alice.secret"] {
            assert!(text.contains(&format!(" {gate}{key}\n")), "{system}: {key}");
        }
    }
}

#[test]
fn another_prefix_goes_into_scripts_too() {
    let root = Root::new("freebsd");
    said(&root.command("install").env("PREFIX", "/opt/knockd").output().unwrap());
    assert!(root.files().keys().all(|name| name.starts_with("/opt/knockd/")));
    let script = fs::read_to_string(root.path("/opt/knockd/etc/rc.d/knockd")).unwrap();
    assert!(script.contains("\ncommand=/opt/knockd/sbin/knockd\n"));
    assert!(script.contains(":=/opt/knockd/etc/knockd.ron}"));
    assert!(!script.contains("/usr/local"));
}

#[test]
fn without_the_programs_nothing_is_installed() {
    let root = Root::new("openbsd");
    let output = root.command("install").env("BINDIR", root.path("/nowhere")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.ends_with("/knock, build it first: cargo build --release --locked\n"),
        "{error}"
    );
    assert_eq!(root.files(), BTreeMap::new());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let root = Root::new("linux");
    for (arguments, status) in
        [(&["--system", "plan9"][..], 2), (&["--system"], 2), (&["reinstall"], 2)]
    {
        let output = root.command("install").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    }
    for prefix in ["usr", "/a b", "/a|b", "/a&b"] {
        let output = root.command("install").env("PREFIX", prefix).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{prefix}");
    }
    assert_eq!(root.files(), BTreeMap::new());
}
