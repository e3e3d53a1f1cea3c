//! From nothing to a client that knows a server: `knockctl setup`, `enroll`,
//! `rotate` and `revoke`, and `knock --enroll`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::modes;
use knockd::config;
use knockd::core::user::SourcePolicy;
use knockd::enrolment::Enrolment;
use knockd::keyfile;
use tempfile::TempDir;

const KNOCK: &str = env!("CARGO_BIN_EXE_knock");
const KNOCKCTL: &str = env!("CARGO_BIN_EXE_knockctl");

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn knockctl(&self, arguments: &[&str]) -> Output {
        let config = self.path("knockd.ron");
        Command::new(KNOCKCTL).args(arguments).arg("-f").arg(config).output().unwrap()
    }

    fn set_up(&self, more: &[&str]) -> Output {
        let name = ["setup", "--name", "gw1.example.org"];
        self.knockctl(&[&name[..], more].concat())
    }

    fn knock(&self, arguments: &[&str], input: &str) -> Output {
        feed(&mut self.knock_command(arguments), input)
    }

    fn knock_command(&self, arguments: &[&str]) -> Command {
        let mut knock = Command::new(KNOCK);
        knock
            .args(arguments)
            .env("HOME", self.0.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("SSH_AUTH_SOCK");
        knock
    }

    fn ssh_key(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "alice at home", "-f"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        path
    }
}

fn feed(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that fails early does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

/// A server after `knockctl setup`.
fn server(more: &[&str]) -> Home {
    let home = Home::new();
    stdout(&home.set_up(more));
    home
}

#[test]
fn setup_creates_what_is_missing_and_changes_nothing_that_exists() {
    let (one, two) = (server(&[]), server(&[]));
    let port = |home: &Home| {
        config::load(&home.path("knockd.ron")).unwrap().policy.spa.as_ref().unwrap().port
    };
    assert_ne!(one.text("knockd/gate.key"), two.text("knockd/gate.key"));
    assert!((10_000..32_768).contains(&port(&one)));
    assert_eq!(mode(&one.path("knockd.ron")), 0o600);
    assert_eq!((mode(&one.path("knockd")), mode(&one.path("knockd/gate.key"))), (0o700, 0o600));

    let before = (one.text("knockd.ron"), one.text("knockd/gate.key"));
    let again = one.set_up(&[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        stderr(&again).contains("already exists: check it with knockd -n"),
        "{}",
        stderr(&again)
    );
    assert_eq!(before, (one.text("knockd.ron"), one.text("knockd/gate.key")));

    fs::remove_file(one.path("knockd.ron")).unwrap();
    let again = one.set_up(&[]);
    assert!(stderr(&again).contains("using "), "{}", stderr(&again));
    assert_eq!(one.text("knockd/gate.key"), before.1);
    let key = before.1.split_ascii_whitespace().nth(1).unwrap();
    assert!(!stderr(&again).contains(key) && !stdout(&again).contains(key));
}

#[test]
fn setup_says_how_to_create_the_account_if_it_is_missing() {
    use knockd::sys::{SYSTEM, confine::Account};
    let said = stderr(&Home::new().set_up(&[]));
    let step = format!("1. create the account _knockd: {} _knockd\n", SYSTEM.add_user);
    assert_eq!(said.contains(&step), Account::named("_knockd").is_err(), "{said}");
}

#[test]
fn a_setup_that_fails_leaves_nothing_behind() {
    let home = Home::new();
    fs::create_dir(home.path("knockd")).unwrap();
    modes::set_mode(home.path("knockd"), 0o777);
    let refused = home.set_up(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("is open to others"), "{}", stderr(&refused));
    assert!(!home.path("knockd.ron").exists() && !home.path("knockd/gate.key").exists());
    modes::set_mode(home.path("knockd"), 0o700);
    stdout(&home.set_up(&[]));
}

#[test]
fn a_server_is_set_up_with_its_first_user() {
    let home = Home::new();
    let key = home.ssh_key("id");
    let public = format!("{}.pub", key.display());
    // As an editor may have saved it.
    let text = fs::read_to_string(&public).unwrap();
    fs::write(&public, format!("\u{feff}{text}")).unwrap();
    let user = ["--user", "alice", "--key", &public];
    let refused = home.set_up(&user);
    assert!(
        stderr(&refused).contains("--source is missing: use bound"),
        "{}",
        stderr(&refused)
    );
    assert!(!home.path("knockd.ron").exists() && !home.path("knockd").exists());
    stdout(&home.set_up(&[&user[..], &["--source", "observed"]].concat()));
    let config = config::load(&home.path("knockd.ron")).unwrap();
    assert_eq!(config.policy.users[0].name, "alice");
    assert_eq!(config.warnings.to_string(), "");

    let private = ["--user", "alice", "--key", key.to_str().unwrap(), "--source", "bound"];
    let home = Home::new();
    let refused = home.set_up(&private);
    assert_eq!(refused.status.code(), Some(1));
    assert!(!stderr(&refused).contains(&fs::read_to_string(&key).unwrap()[40..60]));
}

#[test]
#[cfg(target_os = "linux")]
fn the_packet_filter_accepts_the_rules_that_setup_prints() {
    needs!(root);
    let home = Home::new();
    let filter = stdout(&home.set_up(&[]));
    fs::write(home.path("filter"), filter).unwrap();
    let checked = Command::new("unshare")
        .args(["-n", "nft", "-c", "-f"])
        .arg(home.path("filter"))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", stderr(&checked));
}

#[test]
fn a_line_has_all_that_a_client_needs() {
    let server = server(&[]);
    let new = ["enroll", "alice", "--doors", "ssh", "--source", "observed"];
    let line = stdout(&server.knockctl(&new));
    let enrolment = Enrolment::decode(&line).unwrap();
    let gate = keyfile::read(&server.path("knockd/gate.key")).unwrap();
    assert_eq!(*enrolment.gate_key, *gate.key);
    assert_eq!((enrolment.user.as_str(), enrolment.source), ("alice", SourcePolicy::Observed));
    assert_eq!(enrolment.doors["ssh"].unwrap().get(), 22);

    for (arguments, why) in [
        (&["enroll", "alice"][..], "alice is a new user: use --doors, and --source bound"),
        (&["enroll", "alice", "--doors", "ssh"], "--source observed for a client behind NAT"),
        (
            &["enroll", "alice", "--doors", "web", "--source", "bound"],
            "has no door web, only ssh",
        ),
        (
            &["enroll", "alice", "--doors", "ssh", "--source", "bound", "--address", "a b"],
            "\"a b\" is not a valid name or address",
        ),
    ] {
        let refused = server.knockctl(arguments);
        assert!(!refused.status.success());
        assert!(stderr(&refused).contains(why), "{}", stderr(&refused));
    }
    let drawn = stdout(&server.knockctl(&[&new[..], &["--qr"]].concat()));
    let widths: Vec<_> = drawn.trim_end().lines().map(|line| line.chars().count()).collect();
    assert!(widths.iter().all(|width| *width == widths[0] && *width > 40), "{drawn}");
    assert!(!drawn.contains("knock-enrolment"));
}

#[test]
fn a_client_adds_a_server_and_prints_what_the_server_needs() {
    let (server, client) = (server(&[]), Home::new());
    client.ssh_key(".ssh/id_ed25519");
    let new = ["enroll", "alice", "--doors", "ssh", "--source", "observed"];
    let line = stdout(&server.knockctl(&new));
    let answer = client.knock(&["--enroll", "gw"], &format!("\n  {line}"));
    let stanza = stdout(&answer);
    assert!(stderr(&answer).contains(".ssh/id_ed25519"), "{}", stderr(&answer));
    assert!(stanza.starts_with("// public key ssh-ed25519 AAAA"), "{stanza}");

    // The stanza is what the server takes.
    let text =
        server.text("knockd.ron").replace("users: {}", &format!("users: {{\n{stanza}}}"));
    fs::write(server.path("knockd.ron"), text).unwrap();
    let config = config::load(&server.path("knockd.ron")).unwrap();
    assert_eq!(config.policy.users[0].name, "alice");
    // From now on the configuration says what alice may.
    assert_eq!(stdout(&server.knockctl(&["enroll", "alice"])), line);
    assert!(!server.knockctl(&new).status.success());

    let gate = client.path(".config/knock/gw.gate");
    assert_eq!((mode(&gate), mode(&client.path(".config/knock"))), (0o600, 0o700));
    assert_eq!(
        *keyfile::read(&gate).unwrap().key,
        *keyfile::read(&server.path("knockd/gate.key")).unwrap().key
    );
    let sent = client.knock(&["gw", "ssh"], "");
    assert!(stderr(&sent).contains("cannot resolve gw1.example.org"), "{}", stderr(&sent));
}

#[test]
fn a_second_server_is_added_and_comments_stay() {
    let client = Home::new();
    let hosts = ".config/knock/hosts.ron";
    for (number, end) in [",\n} // the end\n", "\n}\n", " // gw0's\n}"].iter().enumerate() {
        let server = server(&[]);
        let new = ["enroll", "alice", "--doors", "ssh", "--source", "bound"];
        let line = stdout(&server.knockctl(&new)).replace("gw1", &format!("gw{number}"));
        fs::create_dir_all(client.path(".config/knock")).unwrap();
        let old = format!(
            "{{\n    // mine\n    \"gw{number}.old\": (address: \"a\", name: \"old{number}\", port: 1, \
             gate_key: \"g\", key: \"k\"){end}"
        );
        fs::write(client.path(hosts), &old).unwrap();
        stdout(&client.knock(&["--enroll"], &line));
        let text = client.text(hosts);
        assert!(text.contains("    // mine\n"), "{text}");
        assert!(text.contains(&format!("\"gw{number}.example.org\": (")), "{text}");
        assert_eq!(text.matches("source: Bound").count(), 1, "{text}");
        for host in [format!("gw{number}.old"), format!("gw{number}.example.org")] {
            let sent = client.knock(&[&host, "ssh"], "");
            assert!(!stderr(&sent).contains("hosts.ron"), "{}", stderr(&sent));
        }
    }
}

#[test]
fn a_rotated_gate_key_reaches_server_and_client_with_nothing_else_changed() {
    let (server, client) = (server(&[]), Home::new());
    let new = ["enroll", "alice", "--doors", "ssh", "--source", "bound"];
    stdout(&client.knock(&["--enroll"], &stdout(&server.knockctl(&new))));
    let hosts = client.text(".config/knock/hosts.ron");
    let gate = client.path(".config/knock/gw1.example.org.gate");
    let old = keyfile::read(&gate).unwrap().key;

    let line = stdout(&server.knockctl(&["rotate", "gate"]));
    let text = server.text("knockd.ron");
    let rotated = text.replace("gate_keys: [\"gate.key\"]", line.trim().trim_end_matches(','));
    assert_ne!(text, rotated, "{line}");
    fs::write(server.path("knockd.ron"), &rotated).unwrap();
    let config = config::load(&server.path("knockd.ron")).unwrap();
    assert_eq!(config.policy.spa.as_ref().unwrap().gate_keys.len(), 2);
    let third = server.knockctl(&["rotate", "gate"]);
    assert!(
        stderr(&third).contains("two gate keys: remove \"gate.key\""),
        "{}",
        stderr(&third)
    );

    let output = client.knock(&["--enroll"], &stdout(&server.knockctl(&new)));
    stdout(&output);
    assert!(
        stderr(&output).contains("replaced the gate key of gw1.example.org, nothing else"),
        "{}",
        stderr(&output)
    );
    assert_eq!(client.text(".config/knock/hosts.ron"), hosts);
    let fresh = keyfile::read(&gate).unwrap().key;
    assert_ne!(*fresh, *old);
    assert_eq!(fresh[..], config.policy.spa.as_ref().unwrap().gate_keys[0].0.reveal()[..]);
}

#[test]
fn a_server_of_the_same_name_is_another_one_unless_its_address_or_port_agrees() {
    let (server, client) = (server(&[]), Home::new());
    let new = ["enroll", "alice", "--doors", "ssh", "--source", "bound"];
    let line = stdout(&server.knockctl(&new));
    let port = Enrolment::decode(&line).unwrap().port.get();
    let host = |name: &str, address: &str, port: u16| {
        format!(
            "\"{name}\": (address: \"{address}\", name: \"gw1.example.org\", port: {port}, \
             gate_key: \"{name}.gate\", key: \"id.key\"),\n"
        )
    };
    let directory = client.path(".config/knock");
    stdout(&client.knock(&["--keygen"], ""));
    let write = |hosts: &[String]| {
        fs::write(directory.join("hosts.ron"), format!("{{{}}}", hosts.concat())).unwrap();
        for name in ["a", "b"] {
            let gate = directory.join(format!("{name}.gate"));
            let _ = fs::remove_file(&gate);
            keyfile::write_new(&gate, keyfile::KeyKind::Gate, &[1; 32].into(), "").unwrap();
        }
    };
    let is_old = |name: &str| {
        *keyfile::read(&directory.join(format!("{name}.gate"))).unwrap().key == [1; 32]
    };

    write(&[host("a", "192.0.2.1", 9)]);
    let refused = client.knock(&["--enroll"], &line);
    assert_eq!(refused.status.code(), Some(1));
    let why = "as a, at 192.0.2.1 port 9: remove it first";
    assert!(stderr(&refused).contains(why), "{}", stderr(&refused));
    assert!(is_old("a") && !directory.join("gw1.example.org.gate").exists());

    // The same server by two addresses, or with another port than before.
    write(&[host("a", "192.0.2.1", port), host("b", "gw1.example.org", 9)]);
    stdout(&client.knock(&["--enroll"], &line));
    assert!(!is_old("a") && !is_old("b"));
}

#[test]
fn what_is_replaced_keeps_its_link_and_mode_and_its_neighbours() {
    let (server, client) = (server(&[]), Home::new());
    let new = ["enroll", "alice", "--doors", "ssh", "--source", "bound"];
    let line = stdout(&server.knockctl(&new));
    let directory = client.path(".config/knock");
    fs::create_dir_all(&directory).unwrap();
    fs::create_dir(client.path("dotfiles")).unwrap();
    let link = |name: &str| {
        let target = client.path("dotfiles").join(name);
        std::os::unix::fs::symlink(&target, directory.join(name)).unwrap();
        target
    };
    let hosts = link("hosts.ron");
    let refused = client.knock(&["--enroll", "gw"], &line);
    assert_eq!(refused.status.code(), Some(1));
    assert!(!directory.join("gw.gate").exists() && !hosts.exists());
    fs::write(&hosts, "{}").unwrap();
    modes::set_mode(&hosts, 0o640);
    // Names that were once taken for leftovers, or followed.
    fs::write(client.path("dotfiles/gw.new"), "mine").unwrap();
    fs::write(client.path("victim"), "mine").unwrap();
    std::os::unix::fs::symlink(client.path("victim"), client.path("dotfiles/hosts.ron.new"))
        .unwrap();
    stdout(&client.knock(&["--enroll", "gw"], &line));
    assert_eq!(mode(&hosts), 0o640);

    fs::rename(directory.join("gw.gate"), client.path("dotfiles/gw.gate")).unwrap();
    let gate = link("gw.gate");
    modes::set_mode(&gate, 0o644);
    let before = fs::metadata(&gate).unwrap().ino();
    stdout(&client.knock(&["--enroll"], &line));
    assert_ne!(fs::metadata(&gate).unwrap().ino(), before);
    assert_eq!(mode(&gate), 0o600);
    for name in ["hosts.ron", "gw.gate"] {
        assert!(directory.join(name).is_symlink(), "{name}");
    }
    assert_eq!(
        (client.text("dotfiles/gw.new"), client.text("victim")),
        ("mine".into(), "mine".into())
    );
    let mut left: Vec<_> = fs::read_dir(client.path("dotfiles"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["gw.gate", "gw.new", "hosts.ron", "hosts.ron.new"]);

    // A relative path.
    let mut knock = client.knock_command(&["--enroll", "-c", "mine.ron", "gw"]);
    stdout(&feed(knock.current_dir(client.0.path()), &line));
    assert_eq!(mode(&client.path("mine.ron")), 0o600);
}

#[test]
fn an_invalid_line_changes_nothing_and_is_not_repeated() {
    let client = Home::new();
    let server = server(&[]);
    let new = ["enroll", "alice", "--doors", "ssh", "--source", "bound"];
    let line = stdout(&server.knockctl(&new));
    let key = keyfile::to_text(&Enrolment::decode(&line).unwrap().gate_key);
    for broken in ["", "hello", &line[..line.len() - 9], &line.replace("ssh", "S")] {
        let refused = client.knock(&["--enroll"], broken);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).starts_with("knock: cannot read the enrolment: "));
        assert!(!stderr(&refused).contains(key.as_str()));
        assert!(!client.path(".config").exists());
    }
}

#[test]
fn revoke_prints_what_to_remove_even_without_a_daemon() {
    let home = Home::new();
    let key = format!("{}.pub", home.ssh_key("id").display());
    stdout(&home.set_up(&["--user", "alice", "--key", &key, "--source", "bound"]));
    let socket = home.path("no.sock");
    let asked = ["-s", socket.to_str().unwrap(), "revoke", "alice"];
    let output = home.knockctl(&asked);
    assert_eq!(output.status.code(), Some(1));
    let text = home.text("knockd.ron");
    let line = 1 + text.lines().position(|line| line.contains("\"alice\"")).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let place =
        format!("{}:{line}:9: remove the user alice here", home.path("knockd.ron").display());
    assert_eq!(printed.trim(), place);
    let output = home.knockctl(&["-s", socket.to_str().unwrap(), "revoke", "bob"]);
    assert!(stderr(&output).contains("has no user bob"), "{}", stderr(&output));
}
