//! How long a door takes to open while nothing else happens.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use ed25519_dalek::SigningKey;
use knockd::client::ClientError;
use knockd::client::access::Access;
use knockd::client::key::ed25519::Ed25519;
use knockd::client::key::ssh::Ssh;
use knockd::client::key::{Held, Signs, UserKey};
use knockd::client::key_files::read_gate;
use knockd::core::credential;
use knockd::core::token::Wanted;
use knockd::keyfile;

use super::net::furnish::{NAME, ahead, token};
use super::net::{CLIENT4, KNOCK, Lab, SERVER4, SPA_PORT, proc, run};
use super::observe::{Events, PATIENCE, first_connect};
use super::programs;
use super::security_key::{self, SecurityKey};
use super::stand::{Plan, RIGHTS, Stand};
use crate::report::Report;

/// Tokens for each figure, and the rest before each, in which the daemon falls
/// asleep.
const TRIALS: usize = 200;
pub const REST: Duration = Duration::from_millis(20);

/// From token to table with one door and with a thousand.
pub fn doors(report: &mut Report) {
    for number in [2, 1_000] {
        let mut plan = Plan::default();
        let mut sets = String::new();
        // The stand has two already.
        for more in 3..=number {
            plan.doors += &format!("\"d{more}\": (table: \"t{more}\"),\n");
            for family in [4, 6] {
                sets += &format!("add set inet filter t{more}_v{family} ");
                sets += &format!("{{ type ipv{family}_addr; }}\n");
            }
        }
        let stand = Stand::new(&plan);
        let script = stand.lab.write("sets.nft", &sets);
        run(
            "ip",
            &["netns", "exec", &stand.lab.server.name, "nft", "-f", script.to_str().unwrap()],
        );
        let _daemon = stand.daemon();
        let tables = Events::of_tables(&stand.lab.server);
        let times = until_event(&stand, &tables, TRIALS);
        let counters = stand.counters();
        let of = |name: &str| counters.get(name).copied().unwrap_or(f64::NAN);
        // By its own clock, without the time until it is awake.
        let own = of("latency_seconds_sum") / of("latency_seconds_count") * 1_000.0;
        let note = format!("read to table {own:.3} on average, by the daemon's own clock");
        report.times(format!("token to table, {number} doors"), times, &note);
    }
}

/// From token to the start of the program in `on_open`.
pub fn command(report: &mut Report) {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("true");
    programs::copy("/bin/true", &program);
    let commands = format!("commands: (on_open: [{program:?}])");
    let stand = Stand::new(&Plan { commands, ..Plan::default() });
    let _daemon = stand.daemon();
    let starts = Events::of_starts(&program);
    report.times("token to command", until_event(&stand, &starts, TRIALS), "");
}

/// How long it takes from each of some tokens to the next event.
fn until_event(stand: &Stand, events: &Events, trials: usize) -> Vec<Duration> {
    let socket = token_socket(&stand.lab);
    let trial = |_| {
        let token = stand.token(stand.address());
        thread::sleep(REST);
        events.forget();
        let began = Instant::now();
        socket.send(&token).unwrap();
        Some(events.next(Duration::from_secs(1))? - began)
    };
    (0..trials).filter_map(trial).collect()
}

/// A socket on the client that sends tokens to the server.
pub fn token_socket(lab: &Lab) -> UdpSocket {
    lab.client.enter(|| {
        let socket = UdpSocket::bind((CLIENT4, 0)).unwrap();
        socket.connect((SERVER4, SPA_PORT)).unwrap();
        socket
    })
}

/// From the start of `knock` to a connection.
pub fn client(report: &mut Report) {
    let stand = Stand::new(&Plan::default());
    let _daemon = stand.daemon();
    serve(&stand.lab);
    // One user's tokens.
    let addresses: Vec<_> = (0..100).map(|_| stand.address()).collect();
    let home = stand.lab.files.path();
    let trial = |from: Ipv4Addr| {
        // The address that the client asks for.
        run("ip", &["route", "replace", SERVER4, "dev", "eth0", "src", &from.to_string()]);
        thread::sleep(REST);
        let mut command = Command::new(KNOCK);
        command.env("XDG_CONFIG_HOME", home).args(["gw", "ssh"]);
        let began = Instant::now();
        let mut knock = command.stdin(Stdio::null()).spawn().unwrap();
        let connected = first_connect(from, PATIENCE);
        assert!(knock.wait().unwrap().success());
        Some(connected? - began)
    };
    let times = stand.lab.client.enter(|| addresses.into_iter().filter_map(trial).collect());
    report.times("knock to connection", times, "");
}

/// From token to connection, for each kind of credential.
pub fn latency(report: &mut Report) {
    let directory = tempfile::tempdir().unwrap();
    for (kind, make) in KINDS {
        // Each user has room for 128 tokens a minute.
        let keys: Vec<_> = (1..3).map(|number| make(directory.path(), number)).collect();
        let mut plan = Plan::default();
        for (number, (credential, _)) in keys.iter().enumerate() {
            plan.users += &format!("\"k{number}\": (credential: {credential}, {RIGHTS}),\n");
        }
        let stand = Stand::new(&plan);
        let access: Vec<_> = keys
            .into_iter()
            .map(|(_, key)| Access {
                gate_key: read_gate(&stand.lab.path("gate.key")).unwrap(),
                server_name: NAME.into(),
                key,
            })
            .collect();
        let _daemon = stand.daemon();
        serve(&stand.lab);
        let times = connections(&stand, TRIALS, |number, address| {
            let wanted = Wanted::Address(address.into());
            token(&access[number % access.len()], "ssh", wanted, ahead())
        });
        report.times(format!("token to connection, {kind}"), times, "");
    }
}

/// How long it takes from each of some tokens to the first connection.
fn connections(
    stand: &Stand,
    trials: usize,
    token: impl Fn(usize, Ipv4Addr) -> Vec<u8>,
) -> Vec<Duration> {
    let socket = token_socket(&stand.lab);
    let mut times = Vec::new();
    for number in 0..trials {
        let from = stand.address();
        let token = token(number, from);
        thread::sleep(REST);
        // What is measured begins in the thread on the client's host.
        times.extend(stand.lab.client.enter(|| {
            let began = Instant::now();
            socket.send(&token).unwrap();
            Some(first_connect(from, PATIENCE)? - began)
        }));
    }
    times
}

/// Takes all connections to port 22 of the server.
pub fn serve(lab: &Lab) {
    let listener = lab.listen(22);
    thread::spawn(move || listener.incoming().for_each(drop));
}

/// A credential as the configuration has it, and the client's half.
type Pair = (String, Box<dyn UserKey>);
/// Makes the `number`th of a kind; an agent may need a directory.
type Make = fn(&std::path::Path, u8) -> Pair;

const KINDS: &[(&str, Make)] = &[
    ("secret", |directory, number| {
        let file = directory.join(format!("s{number}.key"));
        let secret = zeroize::Zeroizing::new([number; 32]);
        keyfile::write_new(&file, keyfile::KeyKind::Secret, &secret, "").unwrap();
        let key = knockd::client::key_files::read_user(&file).unwrap();
        (format!("Secret({file:?})"), key)
    }),
    ("Ed25519", |_, number| {
        let public = SigningKey::from_bytes(&[number; 32]).verifying_key();
        let public = keyfile::public_to_text(public.as_bytes());
        (format!("Ed25519({public:?})"), Box::new(Ed25519::new(&[number; 32])))
    }),
    ("ssh-ed25519", |_, number| {
        let public = SigningKey::from_bytes(&[number; 32]).verifying_key();
        let parts = [&b"ssh-ed25519"[..], public.as_bytes()];
        let blob = parts.map(security_key::string).concat();
        let line = format!("ssh-ed25519 {}", Base64::encode_string(&blob));
        (format!("AuthorizedKey({line:?})"), Box::new(Ssh::new(&[number; 32])))
    }),
    ("sk-ssh-ed25519", |directory, number| {
        let socket = directory.join(format!("sk{number}.sock"));
        let key = SecurityKey::plug_in(&socket, &format!("ssh:{number}"));
        let credential = format!("AuthorizedKey({:?})", key.line());
        let public = credential::read_ssh(&key.blob(), false).unwrap();
        (credential, Box::new(Held { public, holder: Stick(Arc::new(key)) }))
    }),
];

/// A security key that is asked without its agent.
struct Stick(Arc<SecurityKey>);

impl Signs for Stick {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ClientError> {
        Ok(self.0.sign(message))
    }
}

/// The memory of the processes while nothing happens.
pub fn memory(report: &mut Report) {
    let stand = Stand::new(&Plan::default());
    let daemon = stand.daemon();
    thread::sleep(Duration::from_secs(1));
    let pss = |pid: nix::unistd::Pid| -> f64 {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<f64>().unwrap() / 1024.0
    };
    let parts = [
        proc::child(daemon.pid(), "engine"),
        proc::child(daemon.pid(), "keeper"),
        daemon.pid(),
    ]
    .map(pss);
    let [engine, keeper, parent] = parts;
    let note = format!("engine {engine:.2}, keeper {keeper:.2}, parent {parent:.2}");
    report.add("memory at rest (PSS)", parts.iter().sum(), "MB", note);
}
