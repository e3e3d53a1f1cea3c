//! A server to measure: the lab of the tests, with users enough that nobody's
//! budget of proofs or memory of tokens is used up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use knockd::client::access::Access;
use knockd::core::token::Wanted;

use super::net::furnish::{NAME, ahead, token};
use super::net::{Daemon, Lab, SPA_PORT, proc};

const KNOCKCTL: &str = env!("CARGO_BIN_EXE_knockctl");

/// A strict sequence of three knocks, the first of them to [`FIRST`].
pub const SEQUENCE: &str =
    r#""front": (steps: [Tcp(7000), Tcp(9000), Tcp(8000)], opens: ["web"]),"#;
pub const FIRST: u16 = 7000;

/// Users with secrets. Each has room for 128 tokens a minute.
const USERS: u32 = 8;

/// What differs between the servers.
#[derive(Default)]
pub struct Plan {
    pub doors: String,
    pub commands: String,
    pub sequences: &'static str,
    pub users: String,
    /// The most leases; 0 is the daemon's default.
    pub leases: u32,
}

pub struct Stand {
    pub lab: Lab,
    pub config: PathBuf,
    access: Vec<Access>,
    addresses: AtomicU32,
}

impl Stand {
    pub fn new(plan: &Plan) -> Self {
        let lab = Lab::new();
        // Connections that come from any of the addresses below are answered.
        lab.server.ip(&["route", "add", "198.18.0.0/15", "via", super::net::CLIENT4]);
        lab.keygen("gate.key", &["--gate"]);
        lab.empty_journal();
        let names: Vec<_> = (0..USERS).map(|number| format!("u{number}")).collect();
        for name in &names {
            lab.keygen(&format!("{name}.key"), &["--secret"]);
        }
        let access = names.iter().map(|name| lab.access(name)).collect();
        let config = lab.write("knockd.ron", &text(&lab, plan, &names));
        lab.write(
            "knock/hosts.ron",
            &format!(
                r#"{{"gw": (address: "{}", name: "{NAME}", port: {SPA_PORT},
                    gate_key: "../gate.key", key: "../u0.key", source: Bound)}}"#,
                super::net::SERVER4
            ),
        );
        Self { lab, config, access, addresses: AtomicU32::new(1) }
    }

    /// Starts the daemon and waits until it is ready.
    pub fn daemon(&self) -> Daemon {
        self.lab.daemon(&self.config)
    }

    /// An address of the client that no door was opened for.
    pub fn address(&self) -> Ipv4Addr {
        let number = self.addresses.fetch_add(1, Ordering::Relaxed);
        Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + number)
    }

    /// A fresh token for door ssh and this address, of each user in turn.
    pub fn token(&self, address: Ipv4Addr) -> Vec<u8> {
        let access = &self.access[address.to_bits() as usize % self.access.len()];
        token(access, "ssh", Wanted::Address(IpAddr::V4(address)), ahead())
    }

    /// How many of these addresses door ssh is open for.
    pub fn open(&self, addresses: &[Ipv4Addr]) -> usize {
        let listed = self.lab.set("knock_ssh_v4");
        let open: std::collections::HashSet<_> = listed.split(',').collect();
        addresses.iter().filter(|address| open.contains(address.to_string().as_str())).count()
    }

    /// The daemon's own counters, without their common prefix.
    pub fn counters(&self) -> BTreeMap<String, f64> {
        let mut command = Command::new(KNOCKCTL);
        let output = command.arg("-s").arg(self.lab.path("run/knockd.sock")).arg("metrics");
        let output = output.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let counters = text.lines().filter_map(|line| {
            let (name, value) = line.strip_prefix("knockd_")?.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        counters.collect()
    }
}

fn text(lab: &Lab, plan: &Plan, names: &[String]) -> String {
    let Plan { doors, commands, sequences, users, leases } = plan;
    let directory = lab.files.path().display();
    let leases = if *leases == 0 { 10_000 } else { *leases };
    // Only for commands: it is one more process.
    let runner = if commands.is_empty() { "" } else { r#"runner: (user: "daemon"),"# };
    let mut all = String::new();
    for name in names {
        writeln!(all, r#""{name}": (credential: Secret("{name}.key"), {RIGHTS}),"#).unwrap();
    }
    format!(
        r#"(
    name: "{NAME}",
    interfaces: ["eth0"],
    spa: (port: {SPA_PORT}, gate_keys: ["gate.key"]),
    firewall: Nft(table: "filter"),
    doors: {{
        "ssh": (table: "knock_ssh", ports: [Tcp(22)], open_for: "1h",
            max_leases: {leases}, {commands}),
        "web": (table: "knock_web", ports: [Tcp(80)]),
        {doors}
    }},
    sequences: {{{sequences}}},
    users: {{
        {all}{users}
    }},
    limits: (max_leases: {leases}),
    {runner}
    user: "nobody",
    directories: (secrets: "{directory}", state: "{directory}/state", run: "{directory}/run"),
)"#
    )
}

/// What every user of a stand may do.
pub const RIGHTS: &str =
    r#"doors: ["ssh"], source: Delegate, max_leases: 200000, proofs_per_second: 1000"#;

/// The time that a process spent on a processor.
pub fn cpu(pid: impl std::fmt::Display) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanos = tasks.map(|task| -> u64 {
        // To the nanosecond, where `stat` counts hundredths of a second.
        let text = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    });
    Duration::from_nanos(nanos.sum())
}

/// The processor time of the daemon's processes: engine, keeper, parent.
pub fn cpus(daemon: &Daemon) -> [Duration; 3] {
    let pid = |name| proc::child(daemon.pid(), name);
    [cpu(pid("engine")), cpu(pid("keeper")), cpu(daemon.pid())]
}

/// The same, as soon as none of them is at work any more.
pub fn settled(mut cpus: impl FnMut() -> Vec<Duration>) -> Vec<Duration> {
    let end = Instant::now() + Duration::from_secs(20);
    let mut before = cpus();
    loop {
        thread::sleep(Duration::from_millis(200));
        let now = cpus();
        let spent: Duration = now.iter().zip(&before).map(|(now, before)| *now - *before).sum();
        if spent < Duration::from_millis(2) || Instant::now() > end {
            return now;
        }
        before = now;
    }
}
