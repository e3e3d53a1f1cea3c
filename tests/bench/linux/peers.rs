//! Debian's knockd and fwknopd, measured as ours is, where they are installed.
//! They add the same entry to the same set, by running nft.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};

use super::doors::{REST, serve};
use super::flood::Flood;
use super::floods::change;
use super::net::frames::{TCP, UDP, syn, udp};
use super::net::{Lab, SERVER4, dial, run};
use super::observe::first_connect;
use super::stand::{FIRST, cpu, settled};
use crate::report::Report;

/// Tokens or sequences; each may take so long.
const TRIALS: u32 = 30;
const PATIENCE: Duration = Duration::from_millis(500);
/// Frames whose cost is measured, and the rate at which they are sent.
const FRAMES: u32 = 200_000;
const FWKNOP_PORT: u16 = 62201;

/// A running peer.
struct Peer(Child);

impl Peer {
    fn start(lab: &Lab, program: &str, arguments: &[&str]) -> Self {
        let mut command = lab.server.command(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let peer = Self(command.spawn().unwrap());
        // It says nowhere that it is ready.
        thread::sleep(Duration::from_secs(2));
        peer
    }

    /// Adds the processor time per million frames, those left out that are known
    /// to be dropped.
    fn cost(
        &self,
        report: &mut Report,
        what: &str,
        flood: &Flood,
        rate: u32,
        lost: impl Fn() -> u32,
    ) {
        let all = || vec![cpu(self.0.id())];
        let (before, dropped) = (settled(all), lost());
        let frames = FRAMES.min(rate * 10);
        let sent = flood.send(frames, Some(rate), &AtomicBool::new(false));
        let spent = settled(all)[0] - before[0];
        let dropped = lost() - dropped;
        let note = format!("{:.0}/s sent, {dropped} of {} dropped", sent.rate(), sent.frames);
        let read = f64::from(sent.frames - dropped);
        report.add(what, spent.as_secs_f64() * 1e6 / read, "s", note);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lab, if the peer is there.
fn lab(report: &mut Report, program: &str, package: &str) -> Option<Lab> {
    if !Path::new(program).exists() {
        report.add(format!("{program} is not installed ({package})"), f64::NAN, "", "");
        return None;
    }
    let version = run("dpkg-query", &["-W", "-f", "${Version}", package]);
    report.machine(if package == "knockd" { "knockd" } else { "fwknopd" }, version);
    let lab = Lab::new();
    lab.server.ip(&["route", "add", "198.18.0.0/15", "via", super::net::CLIENT4]);
    serve(&lab);
    Some(lab)
}

/// How long it takes from each knock to the first connection.
fn connections(
    report: &mut Report,
    lab: &Lab,
    what: &str,
    mut knock: impl FnMut(u32, Ipv4Addr) -> Instant + Send,
) {
    let trial = |number| {
        let from = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + number);
        thread::sleep(REST);
        let began = knock(number, from);
        Some(first_connect(from, PATIENCE)? - began)
    };
    let times: Vec<_> = lab.client.enter(|| (0..TRIALS).filter_map(trial).collect());
    let missing = TRIALS as usize - times.len();
    let note = if missing == 0 { String::new() } else { format!("{missing} never") };
    report.times(what, times, &note);
    lab.server.nft("flush set inet filter knock_ssh_v4");
}

pub fn knockd(report: &mut Report) {
    const PROGRAM: &str = "/usr/sbin/knockd";
    let Some(lab) = lab(report, PROGRAM, "knockd") else { return };
    let config = lab.write(
        "peer.conf",
        "[options]\n\tlogfile = /dev/null\n[open]\n\tsequence = 7000,9000,8000\n\
         \tseq_timeout = 5\n\ttcpflags = syn\n\
         \tcommand = /usr/sbin/nft add element inet filter knock_ssh_v4 { %IP% }\n",
    );
    let pidfile = lab.path("peer.pid");
    let arguments = ["-i", "eth0", "-c", text(&config), "-p", text(&pidfile)];
    let peer = Peer::start(&lab, PROGRAM, &arguments);
    connections(report, &lab, "last knock to connection", |_, from| {
        let knock = |port| {
            drop(dial(IpAddr::V4(from), SocketAddr::new(SERVER4.parse().unwrap(), port)));
        };
        knock(7000);
        knock(9000);
        let began = Instant::now();
        knock(8000);
        began
    });
    let flood = Flood::new(&lab, TCP, &syn(FIRST, 0), |_, _| {});
    // What it drops it does not say: slowly, so that it keeps up.
    peer.cost(report, "processor time per million, half-done", &flood, 5_000, || 0);
}

pub fn fwknopd(report: &mut Report) {
    const PROGRAM: &str = "/usr/sbin/fwknopd";
    let Some(lab) = lab(report, PROGRAM, "fwknop-server") else { return };
    if !Path::new("/usr/bin/fwknop").exists() {
        return report.add("fwknop is not installed (fwknop-client)", f64::NAN, "", "");
    }
    lab.server.nft("insert rule inet filter input udp dport 62201 accept");
    let keys = [Base64::encode_string(&[0x6b; 32]), Base64::encode_string(&[0x68; 64])];
    for (name, server) in [("pcap", "N"), ("UDP", "Y")] {
        let peer = start_fwknopd(&lab, PROGRAM, &keys, name, server);
        let tokens: Vec<_> = (0..TRIALS)
            .map(|number| {
                let from = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + number);
                fwknop(&lab, &keys, from)
            })
            .collect();
        let what = format!("token to connection, {name}");
        let mut socket = None;
        connections(report, &lab, &what, |number, _| {
            let socket: &mut UdpSocket =
                socket.get_or_insert_with(|| UdpSocket::bind("0.0.0.0:0").unwrap());
            let began = Instant::now();
            socket.send_to(&tokens[number as usize], (SERVER4, FWKNOP_PORT)).unwrap();
            began
        });
        if name == "pcap" {
            continue;
        }
        let used = udp(FWKNOP_PORT, &tokens[0]);
        let lost = || lost(peer.0.id());
        let wrong = Flood::new(&lab, UDP, &used, |frame, number| {
            let end = frame.len() - 4;
            // Still the letters of its alphabet.
            change(&mut frame[end..], number);
            frame[end..].iter_mut().for_each(|byte| *byte = b'A' + *byte % 26);
        });
        peer.cost(report, "processor time per million, wrong HMAC", &wrong, 100_000, lost);
        let copies = Flood::new(&lab, UDP, &used, |_, _| {});
        peer.cost(report, "processor time per million, copies", &copies, 100_000, lost);
    }
}

fn start_fwknopd(
    lab: &Lab,
    program: &str,
    keys: &[String; 2],
    name: &str,
    server: &str,
) -> Peer {
    let directory = lab.path(name);
    let directory = directory.display();
    let config = secret(&lab.write(
        &format!("{name}/fwknopd.conf"),
        &format!(
            "PCAP_INTF eth0;\nENABLE_UDP_SERVER {server};\nUDPSERV_PORT {FWKNOP_PORT};\n\
                 FWKNOP_RUN_DIR {directory};\nFWKNOP_CONF_DIR {directory};\n"
        ),
    ));
    let access = secret(&lab.write(
        &format!("{name}/access.conf"),
        &format!(
            "SOURCE ANY\nKEY_BASE64 {}\nHMAC_KEY_BASE64 {}\nCMD_CYCLE_CLOSE NONE\n\
                 CMD_CYCLE_OPEN /usr/sbin/nft add element inet filter knock_ssh_v4 {{ $IP }}\n",
            keys[0], keys[1]
        ),
    ));
    Peer::start(lab, program, &["-f", "-c", text(&config), "-a", text(&access)])
}

/// A token of fwknop's client for an address.
fn fwknop(lab: &Lab, keys: &[String; 2], address: Ipv4Addr) -> Vec<u8> {
    let file = lab.path("packet");
    let address = address.to_string();
    run(
        "fwknop",
        &[
            "--no-rc-file",
            "--no-save-args",
            "-T",
            "--use-hmac",
            "-A",
            "tcp/22",
            "-a",
            &address,
            "-D",
            SERVER4,
            "--key-base64-rijndael",
            &keys[0],
            "--key-base64-hmac",
            &keys[1],
            "-B",
            text(&file),
        ],
    );
    let mut token = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(token.pop(), Some(b'\n'));
    token
}

/// The datagrams that the kernel dropped because the peer did not keep up.
fn lost(pid: u32) -> u32 {
    let sockets = fs::read_to_string(format!("/proc/{pid}/net/udp")).unwrap();
    let port = format!(":{FWKNOP_PORT:04X} ");
    let own = sockets.lines().filter(|line| line.contains(&port));
    own.map(|line| line.split_ascii_whitespace().last().unwrap().parse::<u32>().unwrap()).sum()
}

/// Makes a file one that only root may read.
fn secret(path: &Path) -> PathBuf {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
