//! Promise 7: no key is logged, written down or left to be read by others.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};

use crate::net::*;

/// What is secret on either side: the gate key, a signing key, user secrets.
const KEYS: [&str; 5] = ["gate", "alice", "bob", "carol", "dave"];

/// Pieces of a key in every form in which one might slip out.
fn pieces(lab: &Lab, name: &str) -> Vec<Vec<u8>> {
    let path = lab.path(&format!("{name}.key"));
    let key = knockd::keyfile::read(&path).unwrap().key;
    let text = fs::read_to_string(path).unwrap();
    let base64 = text.split_ascii_whitespace().nth(1).unwrap().as_bytes();
    let mut pieces: Vec<_> = base64.chunks_exact(16).map(<[u8]>::to_vec).collect();
    for part in key.chunks_exact(8) {
        let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
        let list: Vec<_> = part.iter().map(ToString::to_string).collect();
        pieces.extend([
            part.to_vec(),
            hex.to_uppercase().into_bytes(),
            hex.into_bytes(),
            list.join(", ").into_bytes(),
        ]);
    }
    pieces
}

/// The key of which a piece is in `text`.
fn found(lab: &Lab, text: &[u8]) -> Option<&'static str> {
    let holds = |piece: &Vec<u8>| text.windows(piece.len()).any(|window| window == piece);
    KEYS.into_iter().find(|name| pieces(lab, name).iter().any(holds))
}

/// All files below a directory, one after the other.
fn files(directory: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => all.extend(files(&entry.path())),
            kind if kind.is_file() => all.extend(fs::read(entry.path()).unwrap()),
            _ => {}
        }
    }
    all
}

/// Good tokens, tokens that come twice, and broken ones.
fn traffic(lab: &Lab, daemon: &Daemon) {
    for user in ["alice", "bob", "carol", "dave"] {
        for token in [lab.token(user, CLIENT4), lab.token(user, "192.0.2.9")] {
            lab.send(CLIENT4, &token);
            lab.send(CLIENT4, &token);
            let mut changed = token;
            changed[20] ^= 1;
            lab.send(CLIENT4, &changed);
        }
    }
    lab.mark(daemon);
}

#[test]
fn no_key_stands_in_what_the_daemon_says_shows_or_writes() {
    needs!(root);
    let lab = Lab::new();
    let plan = Plan { span: "600s", sequences: furnish::MARK, ..Plan::default() };
    let config = plan.furnish(&lab);
    for name in KEYS {
        let file = fs::read(lab.path(&format!("{name}.key"))).unwrap();
        assert_eq!(found(&lab, &file), Some(name), "what is looked for is found");
    }

    let mut check = lab.server.command(KNOCKD);
    let output = check.args(["-n", "-v", "-f"]).arg(&config).output().unwrap();
    assert!(output.status.success());
    assert_eq!(found(&lab, &[output.stdout, output.stderr].concat()), None, "-n -v");

    let daemon = lab.start(&config, &["-v"]);
    daemon.ready();
    traffic(&lab, &daemon);
    let family = daemon.family();
    assert_eq!(family.len(), 3);
    for pid in &family {
        for name in ["cmdline", "environ", "comm", "status", "maps"] {
            let text = fs::read(format!("/proc/{pid}/{name}")).unwrap();
            assert_eq!(found(&lab, &text), None, "{name}");
        }
    }
    assert_eq!(found(&lab, &fs::read(&config).unwrap()), None, "the configuration");
    for order in ["show", "show -j", "show stats", "show stats -j", "metrics", "doctor"] {
        let mut knockctl = lab.server.command(env!("CARGO_BIN_EXE_knockctl"));
        knockctl.arg("-s").arg(lab.path("run/knockd.sock")).args(order.split(' '));
        let output = knockctl.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert!(!text.is_empty(), "{order}");
        assert_eq!(found(&lab, &text), None, "{order}");
    }
    let kept = || [files(&lab.path("run")), files(&lab.path("state"))].concat();
    assert_eq!(found(&lab, &kept()), None, "journal and leases");
    let log = daemon.stop();
    assert_eq!(found(&lab, &kept()), None, "journal and leases, after the end");
    assert!(log.iter().any(|line| line.contains("refused, replayed")), "{log:#?}");
    assert_eq!(found(&lab, log.join("\n").as_bytes()), None, "{log:#?}");
}

/// What a process has in its memory; only root may look.
fn memory(pid: Pid) -> Vec<u8> {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut all = Vec::new();
    for line in fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        if rest.starts_with("rw") {
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            // Not every page can be read.
            let count = memory.read_at(&mut bytes, start).unwrap_or(0);
            all.extend(&bytes[..count]);
        }
    }
    all
}

/// What the system says when the engine's account reads a file.
fn read_as_nobody(path: &str) -> String {
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let mut head = Command::new("head");
    head.args(["-c", "1", path]).uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
    let output = head.stdin(Stdio::null()).stdout(Stdio::null()).output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn no_memory_is_readable_by_others_of_the_engines_account() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    let engine = daemon.one("engine");
    assert!(found(&lab, &memory(engine)).is_some(), "there is something to be read");
    // An ordinary process of that account can be looked at by its like.
    assert_eq!(read_as_nobody("/proc/self/maps"), "");
    for pid in daemon.family() {
        for name in ["mem", "maps", "environ", "auxv"] {
            let path = format!("/proc/{pid}/{name}");
            let said = read_as_nobody(&path);
            assert!(said.contains("Permission denied"), "{path}: {said}");
            assert_eq!(fs::metadata(path).unwrap().uid(), 0);
        }
    }
    daemon.stop();
}

#[test]
fn no_process_leaves_a_core() {
    needs!(root);
    let lab = Lab::new();
    let config = Plan::default().furnish(&lab);
    // Where the system lets us, what starts the daemon would have cores.
    let mut command = lab.server.command("sh");
    command.args(["-c", "ulimit -c unlimited; exec \"$0\" -d -f \"$1\"", KNOCKD]).arg(config);
    let daemon = Daemon::spawn(command);
    daemon.ready();
    for pid in daemon.family() {
        assert_eq!(proc::limits(pid, "Max core file size"), ["0", "0"]);
    }
    for (name, death) in [("engine", "an engine died, "), ("keeper", "the keeper died, ")] {
        kill(daemon.one(name), Signal::SIGABRT).unwrap();
        let (_, line) = daemon.expect(death);
        assert!(line.contains("SIGABRT") && !line.contains("core"), "{line}");
    }
    daemon.stop();
}
