//! A server with a real sshd behind its packet filter, and users whose keys
//! real ssh-keygen made.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::net::{
    CLIENT4, CLIENT6, Daemon, KNOCK, Lab, Namespace, SERVER4, SERVER6, SPA_PORT, run, until,
};
use crate::programs;

/// The server's name.
pub const NAME: &str = "gw1.example.org";

/// A child that ends with the test.
pub struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The hosts, the client's directory and the server's keys.
pub struct SshLab {
    pub lab: Lab,
    users: String,
    hosts: String,
}

impl SshLab {
    pub fn new() -> Self {
        let lab = Lab::new();
        lab.keygen("gate.key", &["--gate"]);
        Self { lab, users: String::new(), hosts: String::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.lab.path(name)
    }

    /// Makes an ssh key pair; returns the line of its public half.
    pub fn ssh_keygen(&self, name: &str, passphrase: &str) -> String {
        let file = self.path(name);
        let file = file.to_str().unwrap();
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", file]);
        fs::read_to_string(format!("{file}.pub")).unwrap().trim().to_owned()
    }

    /// A user of the server who is proven by `credential`, and entries of the
    /// client's hosts file that ask in its name with the key `key`.
    pub fn user(&mut self, name: &str, credential: &str, key: &str, more: &str) {
        self.users += &format!(
            "        \"{name}\": (credential: {credential}, doors: [\"ssh\"]{more}),\n"
        );
        for (family, address) in [("4", SERVER4), ("6", SERVER6)] {
            self.host(&format!("{name}{family}"), address, key, "");
        }
    }

    /// One more entry of the client's hosts file.
    pub fn host(&mut self, name: &str, address: &str, key: &str, more: &str) {
        self.hosts += &format!(
            "\"{name}\": (address: \"{address}\", name: \"{NAME}\", port: {SPA_PORT},
    gate_key: \"../gate.key\", key: \"../{key}\", ports: {{\"ssh\": 22}}{more}),\n"
        );
    }

    /// Writes both ends' files and starts the daemon.
    pub fn daemon(&self) -> Daemon {
        // No token was ever honoured here.
        knockd::keep::journal::create_empty(&self.path("state")).unwrap();
        self.lab.daemon(&self.configure())
    }

    pub fn configure(&self) -> PathBuf {
        let directory = self.lab.files.path().display().to_string();
        self.lab.write("knock/hosts.ron", &format!("{{{}}}", self.hosts));
        self.lab.write(
            "knockd.ron",
            &format!(
                r#"(
    name: "{NAME}",
    interfaces: ["eth0"],
    spa: (port: {SPA_PORT}, gate_keys: ["gate.key"], max_skew: "1s"),
    firewall: Nft(table: "filter"),
    doors: {{ "ssh": (table: "knock_ssh", ports: [Tcp(22)], open_for: "5s") }},
    users: {{
{}    }},
    user: "nobody",
    directories: (secrets: "{directory}", state: "{directory}/state", run: "{directory}/run"),
)"#,
                self.users
            ),
        )
    }

    /// How often the daemon refused for a reason.
    pub fn refused(&self, reason: &str) -> u64 {
        let stats = Command::new(env!("CARGO_BIN_EXE_knockctl"))
            .args(["show", "stats", "-s"])
            .arg(self.path("run/knockd.sock"))
            .output()
            .unwrap();
        assert!(stats.status.success(), "{}", said(&stats));
        let stats = String::from_utf8(stats.stdout).unwrap();
        let mut lines =
            stats.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        let line = lines.find(|line| line[0] == format!("refused.{reason}"));
        line.map_or(0, |line| line[1].parse().unwrap())
    }

    /// The client on its host, with what its user has in the environment.
    pub fn knock(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = self.lab.client.command(KNOCK);
        command.env("XDG_CONFIG_HOME", self.lab.files.path()).env_remove("SSH_AUTH_SOCK");
        command.envs(environment.iter().copied()).args(arguments).output().unwrap()
    }

    /// A real sshd on `host`, whom the keys in `keys.pub` open.
    pub fn sshd(&self, host: &Namespace, port: u16) -> Guard {
        fs::create_dir_all("/run/sshd").unwrap();
        let directory = self.lab.files.path().display();
        let host_key = self.path("host_key");
        if !host_key.exists() {
            self.ssh_keygen("host_key", "");
        }
        let config = self.lab.write(
            &format!("sshd_config.{port}"),
            &format!(
                "Port {port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/keys.pub
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile none
"
            ),
        );
        let mut command = host.command("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(config).stderr(Stdio::null());
        let guard = Guard(command.spawn().unwrap());
        until("sshd listens", || {
            let listening = host.command("ss").args(["-Hltn"]).output().unwrap();
            String::from_utf8_lossy(&listening.stdout).contains(&format!(":{port} "))
        });
        guard
    }

    /// A real ssh, on `host`, as its user has set it up.
    pub fn ssh(&self, host: &Namespace, arguments: &[&str]) -> Command {
        let directory = self.lab.files.path();
        let config = self.lab.write(
            "ssh_config",
            &format!(
                "Host *4
    HostName {SERVER4}
Host *6
    HostName {SERVER6}
Host *
    User root
    IdentityFile {0}/laptop
    UserKnownHostsFile {0}/known_hosts
    StrictHostKeyChecking accept-new
    ConnectTimeout 30
    BatchMode yes
",
                directory.display()
            ),
        );
        let mut command = host.command("ssh");
        command.arg("-F").arg(config).args(arguments).env("XDG_CONFIG_HOME", directory);
        command.env("PATH", path_with(Path::new(KNOCK).parent().unwrap()));
        command.env_remove("SSH_AUTH_SOCK");
        command
    }
}

fn path_with(directory: &Path) -> String {
    format!("{}:{}", directory.display(), std::env::var("PATH").unwrap())
}

/// A real ssh-agent.
pub struct Agent {
    socket: PathBuf,
    _agent: Guard,
}

impl Agent {
    pub fn start(lab: &SshLab) -> Self {
        let socket = lab.path("agent.sock");
        let mut command = Command::new("ssh-agent");
        command.args(["-D", "-a"]).arg(&socket).stdout(Stdio::null());
        let agent = Guard(command.spawn().unwrap());
        until("the agent listens", || UnixStream::connect(&socket).is_ok());
        Self { socket, _agent: agent }
    }

    pub fn socket(&self) -> &str {
        self.socket.to_str().unwrap()
    }

    /// Runs ssh-add, which gets `passphrase` if it asks.
    pub fn add(&self, arguments: &[&str], passphrase: &str, lab: &SshLab) {
        let ask = lab.path("ask");
        programs::write(&ask, &format!("#!/bin/sh\necho '{passphrase}'\n"));
        let added = Command::new("ssh-add")
            .args(arguments)
            .env("SSH_AUTH_SOCK", &self.socket)
            .env("SSH_ASKPASS", ask)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .output()
            .unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }
}

/// What a program said to standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Both addresses of the client, by the last letter of a host's name.
pub fn client(host: &str) -> &'static str {
    if host.ends_with('4') { CLIENT4 } else { CLIENT6 }
}

/// A terminal that nobody else has.
pub fn terminal() -> (OwnedFd, OwnedFd) {
    let pty = nix::pty::openpty(None, None).unwrap();
    (pty.master, pty.slave)
}
