//! A network, keys and a configuration for the demonstration alone.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files of the demonstration, in a directory that is removed when dropped.
pub struct World {
    directory: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// The daemon's configuration.
    pub config: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        // If that fails, only temporary files stay.
        drop(fs::remove_dir_all(&self.directory));
    }
}

impl World {
    /// Enters a new network, and writes the files of daemon and client.
    pub fn create() -> io::Result<Self> {
        // Its path is known only while the root directory is the old one.
        let program = std::env::current_exe()?;
        let template = super::in_namespace::enter()?.join("knockd-demo.XXXXXX");
        let directory = nix::unistd::mkdtemp(&template)?;
        let config = directory.join("knockd.ron");
        let world = Self { directory, program, config };
        world.write_files()?;
        Ok(world)
    }

    /// Returns the client: this program, by the client's name.
    pub fn client(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg0("knock").env("XDG_CONFIG_HOME", &self.directory);
        command
    }

    fn write_files(&self) -> io::Result<()> {
        self.keygen(&["--gate"], "gate.key")?;
        let output = self.keygen(&[], "id.key")?;
        let public = output
            .split_once("Ed25519(\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(public, _)| public)
            .ok_or_else(|| io::Error::other("knock --keygen printed no public key"))?;
        write_new(&self.config, &server_config(&self.directory, public))?;
        fs::create_dir(self.directory.join("knock"))?;
        write_new(&self.directory.join("knock/hosts.ron"), HOSTS)
    }

    fn keygen(&self, kind: &[&str], name: &str) -> io::Result<String> {
        let mut command = Command::new(&self.program);
        command.arg0("knock").arg("--keygen").args(kind).arg(self.directory.join(name));
        let output = command.output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

const HOSTS: &str = r#"{
    "demo": (
        address: "127.0.0.1",
        name: "demo.example.org",
        port: 40123,
        gate_key: "../gate.key",
        key: "../id.key",
    ),
}
"#;

fn server_config(directory: &Path, public: &str) -> String {
    format!(
        r#"(
    name: "demo.example.org",
    interfaces: ["lo"],
    loopback: Allowed,
    spa: (port: 40123, gate_keys: ["gate.key"], max_skew: "1s"),
    firewall: Memory,
    doors: {{
        "web": (table: "knock_web", ports: [Tcp(80)], open_for: "2s"),
        "ssh": (table: "knock_ssh", ports: [Tcp(22)], open_for: "3s"),
    }},
    sequences: {{
        "front": (steps: [Tcp(7000), Udp(9000), Tcp(8000)], within: "5s", opens: ["web"]),
    }},
    users: {{
        "alice": (credential: Ed25519("{public}"), doors: ["ssh"]),
    }},
    directories: (secrets: "{directory}", state: "{directory}/state", run: "{directory}/run"),
)
"#,
        directory = directory.display()
    )
}
