//! A newcomer pastes what README.md shows, and a door is open.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::net::{CLIENT4, KNOCK, Namespace, SERVER4, run};
use tempfile::TempDir;

const README: &str = include_str!("../../README.md");

/// The blocks of shell between two lines of the README.
fn commands(from: &str, to: &str) -> Vec<&'static str> {
    let (_, part) = README.split_once(from).unwrap();
    let (part, _) = part.split_once(to).unwrap();
    let blocks = part.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

/// A machine of its own: another network, another /etc, /run and /var.
struct Machine {
    network: Namespace,
    directory: TempDir,
    /// Holds its view of the file system.
    holder: Child,
}

impl Machine {
    fn new(role: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let etc = directory.path().join("etc");
        run("cp", &["-a", "/etc", etc.to_str().unwrap()]);
        let script = "mount --make-rprivate / && mount --bind \"$0\" /etc \
            && mount -t tmpfs none /run && mount -t tmpfs none /var && ln -s /run /var/run \
            && mkdir /var/lib /var/log && echo ready && read end";
        let mut holder = Command::new("unshare")
            .args(["-m", "sh", "-c", script])
            .arg(&etc)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { network: Namespace::new(role), directory, holder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Pastes commands into a shell there, with what is typed after them.
    fn paste(&self, commands: &str, typed: &str) -> Output {
        // Its own /run is for the daemon; a network is found from outside.
        let network = fs::File::open(format!("/run/netns/{}", self.network.name)).unwrap();
        let net = format!("--net=/proc/{}/fd/{}", std::process::id(), fd(&network));
        let programs = Path::new(KNOCK).parent().unwrap().display();
        let mut shell = Command::new("nsenter")
            .arg(net)
            .arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()))
            .args(["sh", "-ec", &format!("cd {}\n{commands}", self.directory.path().display())])
            .env("PATH", format!("{programs}:/usr/sbin:/usr/bin:/sbin:/bin"))
            .env("HOME", self.directory.path())
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Whoever reads nothing may have closed it.
        let _ = shell.stdin.take().unwrap().write_all(typed.as_bytes());
        let output = shell.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{commands}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }
}

fn fd(file: &fs::File) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(file)
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// The daemon that was started on a machine, ended with the test.
struct Started<'m>(&'m Machine);

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let listed = Command::new("ip").args(["netns", "pids", &self.0.network.name]).output();
        let Ok(listed) = listed else { return };
        for pid in String::from_utf8_lossy(&listed.stdout).split_ascii_whitespace() {
            let _ = Command::new("kill").args(["-9", pid]).status();
        }
    }
}

#[test]
fn four_pasted_commands_lead_from_an_empty_machine_to_an_open_door() {
    needs!(root);
    let (server, client) = (Machine::new("s"), Machine::new("c"));
    server.network.cable("eth0", &client.network, "eth0");
    server.network.add_address(SERVER4, "eth0");
    client.network.add_address(CLIENT4, "eth0");
    server.network.ip(&["route", "add", "default", "via", CLIENT4]);
    let mut hosts = fs::OpenOptions::new().append(true).open(client.path("etc/hosts")).unwrap();
    writeln!(hosts, "{SERVER4} gw1.example.org").unwrap();
    let _service = server.network.enter(|| TcpListener::bind("0.0.0.0:22").unwrap());

    // The account is made as the README says; what is installed, is ours.
    let install = commands("## Quick start on Linux", "four commands lead");
    let account = install[0].lines().find(|line| line.starts_with("useradd")).unwrap();
    let trial = server.paste("mkdir -m 700 trial && knockctl setup -f trial/knockd.ron", "");
    let said = String::from_utf8(trial.stderr).unwrap();
    assert!(said.contains(&format!("1. create the account _knockd: {account}\n")), "{said}");
    server.paste(account, "");
    client.paste("mkdir -m 700 .ssh && ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519", "");
    fs::copy(client.path(".ssh/id_ed25519.pub"), server.path("alice.pub")).unwrap();

    let [set_up, start, enroll, knock] =
        commands("four commands lead", "ssh can knock by itself")[..]
    else {
        panic!("four commands, as the README says")
    };
    server.paste(set_up, "");
    let _daemon = Started(&server);
    let line = server.paste(start, "").stdout;
    let answer = client.paste(enroll, &String::from_utf8(line).unwrap()).stdout;
    assert!(String::from_utf8(answer).unwrap().contains("AuthorizedKey(\"ssh-ed25519 "));
    assert_eq!(client.paste(knock, "").stdout, b"open\n");
    let shown = server.paste("knockctl show", "").stdout;
    assert!(String::from_utf8(shown).unwrap().contains(CLIENT4));
    server.paste("knockctl close all", "");
}
