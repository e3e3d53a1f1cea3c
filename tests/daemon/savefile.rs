//! `knockd -r` judges packets that tcpdump recorded as the daemon judged them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::net::tcpdump::Tcpdump;
use crate::net::*;

/// Returns the lines that `knockd -r` prints.
fn judge(lab: &Lab, savefile: &Path) -> Vec<String> {
    judge_from(lab, savefile, Stdio::null())
}

fn judge_from(lab: &Lab, savefile: &Path, input: Stdio) -> Vec<String> {
    let mut command = std::process::Command::new(KNOCKD);
    let output = command.arg("-f").arg(lab.path("knockd.ron")).arg("-r").arg(savefile);
    let output = output.stdin(input).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Returns the verdicts on knocks and tokens, without their times.
fn verdicts(judged: &[String]) -> Vec<&str> {
    let verdicts = judged.iter().map(|line| line.split_once(' ').unwrap().1);
    verdicts
        .filter(|verdict| !verdict.ends_with("foreign") && !verdict.ends_with("idle -"))
        .collect()
}

#[test]
fn a_recorded_file_gets_the_verdicts_that_the_packets_got() {
    needs!(root);
    let lab = Lab::new();
    let config = Plan { skew: 2, ..Plan::default() }.furnish(&lab);
    let daemon = lab.start(&config, &["-v"]);
    daemon.ready();
    let savefile = lab.path("live.pcap");
    let tcpdump = Tcpdump::record(&lab.server, &savefile, &[]);
    let savefile_any = lab.path("any.pcap");
    let tcpdump_any = Tcpdump::record(&lab.server, &savefile_any, &["-i", "any"]);
    assert!(lab.knock(&["-d", "20", SERVER4, "7000", "9000:udp", "8000"]).status.success());
    daemon.expect("door web opened for 192.0.2.100 by a sequence, 2s");
    assert!(lab.knock(&["bob6", "ssh"]).status.success());
    daemon.expect("door ssh opened for 2001:db8::100 by bob, 2s");
    let recorded = lab.token("dave", CLIENT4);
    lab.send(CLIENT4, &recorded);
    daemon.expect("token in the name of dave from 192.0.2.100 refused, early");
    assert!(lab.knock(&["--for", "1s", "alice4", "ssh"]).status.success());
    daemon.expect("door ssh opened for 192.0.2.100 by alice, 1s");
    tcpdump.stop();
    tcpdump_any.stop();

    let judged = judge(&lab, &savefile);
    assert_eq!(
        verdicts(&judged),
        [
            "192.0.2.100 ignore step -",
            "192.0.2.100 ignore step -",
            "192.0.2.100 open door=web address=192.0.2.100 seconds=2 user=-",
            "2001:db8::100 open door=ssh address=2001:db8::100 seconds=2 user=bob",
            "192.0.2.100 ignore early dave",
            "192.0.2.100 open door=ssh address=192.0.2.100 seconds=1 user=alice",
        ]
    );
    // The same packets with the header of all interfaces, and from a pipe.
    let file = fs::read(&savefile_any).unwrap();
    assert_eq!(file[20..24], 276_u32.to_ne_bytes(), "LINUX_SLL2");
    assert_eq!(verdicts(&judge(&lab, &savefile_any)), verdicts(&judged));
    let (output, mut input) = std::io::pipe().unwrap();
    let pcap = fs::read(&savefile).unwrap();
    let writer = std::thread::spawn(move || input.write_all(&pcap).unwrap());
    assert_eq!(judge_from(&lab, Path::new("-"), output.into()), judged);
    writer.join().unwrap();
    // The same packets in the other format.
    let converted = lab.path("live.pcapng");
    fs::write(&converted, to_pcapng(&fs::read(&savefile).unwrap())).unwrap();
    assert_eq!(judge(&lab, &converted), judged);
    // A second time in one file: a token is a replay.
    let twice = lab.path("twice.pcap");
    let pcap = fs::read(&savefile).unwrap();
    fs::write(&twice, [&pcap[..], &pcap[24..]].concat()).unwrap();
    let again = judge(&lab, &twice).split_off(judged.len());
    assert_eq!(again.iter().filter(|line| line.contains("ignore replayed ")).count(), 2);
}

/// The packets of a pcap file of this machine as a pcapng file: a section
/// header, an interface and enhanced packet blocks, in the same byte order.
fn to_pcapng(pcap: &[u8]) -> Vec<u8> {
    assert_eq!(pcap[..4], 0xa1b2_c3d4_u32.to_ne_bytes(), "microseconds, as tcpdump writes");
    let word = |at: usize| u32::from_ne_bytes(pcap[at..at + 4].try_into().unwrap());
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    // A number of 16 bits, and a zero of 16 bits after it.
    let halves = |first: u16| {
        let [a, b] = first.to_ne_bytes();
        u32::from_ne_bytes([a, b, 0, 0])
    };
    let mut file = Vec::new();
    // Version 1.0, a section of unknown length; Ethernet, whole packets.
    let section = [0x1a2b_3c4d, halves(1), u32::MAX, u32::MAX];
    block(&mut file, 0x0a0d_0d0a, words(&section));
    block(&mut file, 1, words(&[halves(1), 0]));
    let mut at = 24;
    while at < pcap.len() {
        let (seconds, micros, length) = (word(at), word(at + 4), word(at + 8));
        let time = u64::from(seconds) * 1_000_000 + u64::from(micros);
        let (high, low) = (time >> 32, time & u64::from(u32::MAX));
        let [high, low] = [high, low].map(|half| u32::try_from(half).unwrap());
        let mut body: Vec<u8> = words(&[0, high, low, length, word(at + 12)]);
        let end = at + 16 + usize::try_from(length).unwrap();
        body.extend(&pcap[at + 16..end]);
        body.resize(body.len().next_multiple_of(4), 0);
        block(&mut file, 6, body);
        at = end;
    }
    file
}

fn block(file: &mut Vec<u8>, kind: u32, body: Vec<u8>) {
    let length = u32::try_from(body.len() + 12).unwrap().to_ne_bytes();
    file.extend([&kind.to_ne_bytes()[..], &length, &body, &length].concat());
}
