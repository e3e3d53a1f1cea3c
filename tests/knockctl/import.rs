//! `knockctl import`: what another daemon's configuration becomes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::house::House;
use crate::modes;
use knockd::config::Config;
use knockd::core::door::{Door, OnClose};
use knockd::core::sequence::Sequence;
use knockd::core::sighting::{FlagMask, Port, Protocol, TcpFlags};
use knockd::firewall::pf::dialect::{MACOS, OPENBSD};
use knockd::firewall::{Dialect, nft};
use knockd::import::{Frame, Imported, MAX_LENGTH, translate};
use proptest::prelude::*;

mod closing;

const DEBIAN: &str = include_str!("../peers/knockd/debian.conf");
const MANUAL: [&str; 4] = [
    include_str!("../peers/knockd/manual-1.conf"),
    include_str!("../peers/knockd/manual-2.conf"),
    include_str!("../peers/knockd/manual-3.conf"),
    include_str!("../peers/knockd/manual-4.conf"),
];
const ROUTER: &str = include_str!("../peers/knockd/router.conf");
const NFT: &Dialect = &nft::DIALECT;
const DIALECTS: [&Dialect; 3] = [&OPENBSD, &MACOS, NFT];

fn import_for(dialect: &Dialect, text: impl AsRef<[u8]>) -> Result<Imported, String> {
    translate(text.as_ref(), Frame { from: "old.conf", host: "gw1.example.org", dialect })
}

fn import(text: impl AsRef<[u8]>) -> String {
    import_for(&OPENBSD, text).unwrap().text
}

/// A house with the lists that `text` names, one line in each.
fn house(text: &str) -> House {
    let house = House::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(value) = line.trim_start().strip_prefix("changing: OneTime(") {
            let name: String = ron::from_str(value.trim_end_matches("),")).unwrap();
            let path = house.path(&name);
            // Each line is another one, in each list.
            let line =
                |place: usize| format!(" {},7:udp,{}\n", 20_000 + number, 40_000 + place);
            modes::write_secret(&path, (0..9).map(line).collect::<String>());
        }
    }
    house
}

#[track_caller]
fn checked(text: &str) -> Config {
    match house(text).parse(text) {
        Ok(config) => config,
        Err(problems) => panic!("{problems}\n{text}"),
    }
}

fn door<'c>(config: &'c Config, name: &str) -> &'c Door {
    config.policy.door_by_name(name).unwrap().1
}

fn sequence<'c>(config: &'c Config, name: &str) -> &'c Sequence {
    config.policy.sequences.iter().find(|sequence| sequence.name == name).unwrap()
}

const fn tcp(number: u16) -> Port {
    Port { protocol: Protocol::Tcp, number }
}

const fn udp(number: u16) -> Port {
    Port { protocol: Protocol::Udp, number }
}

/// What comments say, without their line breaks.
fn flat(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("//").trim());
    lines.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_contains(text: &str, wanted: &[&str]) {
    let flat = flat(text);
    for wanted in wanted {
        assert!(flat.contains(wanted), "missing: {wanted}\n{text}");
    }
}

#[test]
fn everything_that_is_printed_is_a_good_configuration() {
    for old in [DEBIAN, ROUTER].iter().chain(&MANUAL) {
        for dialect in DIALECTS {
            let config = checked(&import_for(dialect, old).unwrap().text);
            assert_eq!(config.name, "gw1.example.org");
            assert_eq!(config.warnings.to_string(), "");
        }
    }
}

#[test]
fn what_debian_ships_becomes_two_doors() {
    let Imported { text, taken, left } = import_for(&OPENBSD, DEBIAN).unwrap();
    assert_eq!((taken, left), (2, 1));
    let config = checked(&text);
    let (ssh, https) = (door(&config, "openssh"), door(&config, "openhttps"));
    assert_eq!((&*ssh.table.name, &ssh.ports[..]), ("knock_openssh", &[tcp(22)][..]));
    assert_eq!((&*https.table.name, &https.ports[..]), ("knock_openhttps", &[tcp(443)][..]));
    let minute = Duration::from_secs(60);
    assert_eq!((ssh.open_for, ssh.max_open_for), (minute, 480 * minute));
    let [knock, other] = &config.policy.sequences[..] else { panic!("{text}") };
    assert_eq!(knock.steps.fixed().unwrap(), [tcp(7000), tcp(8000), tcp(9000)]);
    assert_eq!((knock.within, knock.flags), (Duration::from_secs(5), FlagMask::INITIAL_SYN));
    assert_eq!(other.steps.fixed().unwrap(), [tcp(12345), tcp(54321), tcp(24680), tcp(13579)]);
    assert_eq!(text.matches("weak: Allowed").count(), 1);
    let refused = House::new().problems(&text.replace("weak: Allowed,", ""));
    assert!(refused[0].contains("weak sequence"), "{refused:?}");
    assert_contains(
        &text,
        &[
            "Made by knockctl import knockd from old.conf.",
            "pass in on egress proto tcp from <knock_openssh> to port 22",
            "start_command /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT",
            "It stayed open until [closeSSH]",
            "[closeSSH], line 12, is left out: it removes what [openSSH] lets in.",
            "knockctl close",
            "weak: its ports only rise, as in a scan.",
        ],
    );
}

#[test]
fn the_rules_are_those_of_the_packet_filter() {
    let text = import_for(NFT, DEBIAN).unwrap().text;
    assert_contains(
        &text,
        &[
            "firewall: Nft(table: \"knockd\")",
            "set knock_openssh_v6 { type ipv6_addr; }",
            "ip saddr @knock_openssh_v4 tcp dport 22 accept",
            "ip6 saddr @knock_openssh_v6 tcp dport 22 accept",
        ],
    );
    let text = import_for(&MACOS, DEBIAN).unwrap().text;
    assert_contains(
        &text,
        &["enable_pf: true", "anchor: \"org.knockd\"", "table <knock_openssh>"],
    );
}

#[test]
fn the_examples_of_the_manual_keep_what_they_mean() {
    let [first, second, third, fourth] = MANUAL.map(import);
    let config = checked(&first);
    assert_eq!(door(&config, "openssh").ports, [tcp(22)]);
    assert_eq!(sequence(&config, "openssh").within, Duration::from_secs(10));
    assert_contains(&first, &["LogFile /var/log/knockd.log"]);

    let config = checked(&second);
    let both = door(&config, "openclosessh");
    let five = Duration::from_secs(5);
    assert_eq!((both.open_for, both.max_open_for, &both.ports[..]), (five, five, &[][..]));
    let knock = sequence(&config, "openclosessh");
    assert_eq!(knock.steps.fixed().unwrap(), [udp(2222), tcp(3333), udp(4444)]);
    let set = TcpFlags::SYN.union(TcpFlags::ACK);
    assert_eq!(knock.flags, FlagMask { set, clear: TcpFlags::default() });
    assert_contains(&second, &["pass in on egress proto tcp from <knock_openclosessh>"]);

    for text in [&third, &fourth] {
        assert_contains(
            text,
            &[
                "changing: OneTime(\"smtp_sequences\"),",
                "flags: (set: [Fin], clear: [Ack]),",
                "within: \"15s\",",
                "open_for: \"5s\",",
                "ports: [Tcp(25)],",
            ],
        );
        assert!(!text.contains("weak: Allowed,") && !text.contains("steps: "), "{text}");
    }
    assert_contains(&fourth, &["start_command_6 /usr/sbin/ip6tables -A INPUT"]);
}

#[test]
fn tables_targets_and_times_are_taken_over() {
    let text = import(ROUTER);
    let config = checked(&text);
    let office = door(&config, "office_vpn");
    assert_eq!((&*office.table.name, office.on_close), ("office", OnClose::KillStates));
    assert_eq!(office.open_for, Duration::from_secs(86_400));
    let knock = sequence(&config, "office_vpn");
    assert_eq!(knock.steps.fixed().unwrap(), [udp(4000), tcp(1200), tcp(9100)]);
    assert_eq!((knock.within, knock.flags), (Duration::from_secs(600), FlagMask::INITIAL_SYN));
    let web = door(&config, "office_vpn_2");
    assert_eq!(
        (&*web.table.name, web.open_for),
        ("knock_office_vpn_2", Duration::from_secs(1))
    );
    assert_eq!(web.ports, [tcp(80), tcp(443)]);
    assert_eq!(sequence(&config, "office_vpn_2").within, Duration::from_secs(1));
    assert_contains(
        &text,
        &[
            "interfaces: [\"em0\"],",
            "PidFile /var/run/knock.pid",
            "unknown to the old daemon: line 6, Verbose = yes",
            "The rules that refer to table <office> stay.",
            "Seq_Timeout was 900 s.",
            "targets: [\"192.0.2.80\"],",
            "pass in on em0 inet proto tcp from <knock_office_vpn_2> to port { 80 443 }",
            "It was open for 0 s.",
            "Any TCP segment was a knock",
        ],
    );
}

#[test]
fn what_several_commands_let_in_is_one_door() {
    let line = |rest: &str| format!("iptables -A INPUT -s %IP% {rest} -j ACCEPT");
    let old = |one: &str, two: &str| {
        format!("[a]\nsequence=9,3,7\ncommand={};{}\n", line(one), line(two))
    };
    let text = import(old("-p tcp --dport 22", "-p tcp --dport 80"));
    assert_eq!(door(&checked(&text), "a").ports, [tcp(22), tcp(80)]);
    assert!(!text.contains("let in to more"));
    let text = import(old("-p tcp --dport 22", "-p udp --dport 53"));
    assert_eq!(door(&checked(&text), "a").ports, [tcp(22)]);
    assert_contains(&text, &["The old rules let in to more: add rules for it."]);
    // Deleting first, so as not to add twice, is no other door's work.
    let twice = "[a]\nsequence=9,3,7\ncommand=iptables -D INPUT -s %IP% -j ACCEPT; \
                 iptables -A INPUT -s %IP% -j ACCEPT\n";
    assert_contains(
        &import(twice),
        &["It stayed open for ever", "pass in on egress from <knock_a>"],
    );
}

#[test]
fn commands_that_open_nothing_are_shown_as_ours_would_be() {
    let text = import(ROUTER);
    assert_contains(
        &text,
        &[
            r#"commands: (on_open: ["/usr/local/sbin/wake", "--for", "{address}", "the lab"]),"#,
            "commands: (on_open: [\"/usr/local/libexec/note-on_open\", \"{address}\"], \
             on_close: [\"/usr/local/bin/forget\", \"{address}\"]),",
            "There is no shell",
            "Its ports are unknown",
        ],
    );
    // They need a runner, so they are comments.
    assert!(text.lines().all(|line| !line.trim_start().starts_with("commands")));
}

#[test]
fn doors_that_cannot_be_ours_are_left_out_with_the_reason() {
    let Imported { text, taken, left } = import_for(&OPENBSD, ROUTER).unwrap();
    assert_eq!((taken, left), (4, 4));
    assert_contains(
        &text,
        &[
            "[zero], line 34, is left out: its sequence has an invalid port",
            "[idle], line 38, is left out: it runs no command",
            "[again], line 41, is left out: its sequence and that of [wake] begin alike",
            "[host name], line 45, is left out: \"gw1.example.org\" is not the address",
        ],
    );
}

#[test]
fn whatever_the_old_daemon_accepts_is_read() {
    let old = b"  [options]\r\nUseSyslog\r\nINTERFACE=em1\r\nInterface = em2\r\n#x\r\n\x0b\r\n[a]\r\n\
        sEqUeNcE = 1,2\n SEQUENCE =  +900x : UDP , 40,\t70:tcp:x\ntimeout = 7 s\ntcpflags=SYN\n\
        COMMAND = ipset add a=b %IP%\0junk\n[options]\nlogfile=/x=y\n[a]\nsequence=3,1,2\ncommand_6=ipset add x %IP%";
    let text = import(old);
    let config = checked(&text);
    let knock = sequence(&config, "a");
    assert_eq!(knock.steps.fixed().unwrap(), [udp(900), tcp(40), tcp(70)]);
    assert_eq!(knock.within, Duration::from_secs(7));
    assert_eq!(sequence(&config, "a_2").within, Duration::from_secs(25));
    assert_contains(
        &text,
        &[
            "interfaces: [\"em1\"],",
            "LogFile /x=y:",
            "start_command ipset add a=b %IP% For pf.conf",
            "pass in on em1 inet6 proto tcp from <knock_a_2> to port PORT",
        ],
    );
}

#[test]
fn flags_that_data_has_make_a_weak_sequence() {
    let old = |steps: &str, flags: &str| {
        let text = format!(
            "[a]\n{steps}\ntcpflags={flags}\ncommand=iptables -A INPUT -s %IP% -j ACCEPT"
        );
        import(text)
    };
    let comment =
        "weak: segments of open connections have its flags, so a scan is not noticed.";
    for (steps, flags, is_weak) in [
        ("sequence=7000,9000,8000", "ack", true),
        ("sequence=7000,9000:udp,8000", "!syn", true),
        ("one_time_sequences=/etc/list", "psh,ack", true),
        ("sequence=7000,9000,8000", "fin", false),
        ("sequence=7000:udp,9000:udp,8000:udp", "ack", false),
    ] {
        let text = old(steps, flags);
        assert_eq!(text.contains("weak: Allowed,"), is_weak, "{text}");
        if is_weak {
            assert_contains(&text, &[comment]);
        }
        assert_eq!(checked(&text).policy.sequences[0].strict, !is_weak);
    }
}

#[test]
fn lines_that_it_cannot_read_are_reported_with_their_number() {
    let long = format!("[a]\ncommand = {}", "x".repeat(5000));
    let many = "[a]\nsequence=1\n".repeat(257);
    let steps = format!("[a]\nsequence={}", ["1"; 33].join(","));
    for (old, expected) in [
        ("\nx = y", "2: the directive comes before the first section, write [options] or"),
        ("[]", "1: the section has no name"),
        ("[a]\n\n[b", "3: \"[b\" has no value, write it after ="),
        ("[a]\nsequence", "2: \"sequence\" has no value"),
        ("[a]\nsequence=1,2:sctp", "2: protocol \"sctp\" is neither tcp nor udp"),
        ("[a]\nsequence=1,2:", "2: protocol \"\" is neither"),
        ("[a]\nsequence=1,65536", "2: \"65536\" is not a port, use 1 to 65535"),
        ("[a]\nsequence=99999999999999999999", "2: \"99999999999999999999\" is not a port"),
        (&steps, "2: the sequence has more than 32 ports"),
        ("[a]\nsequence=1\ntcpflags=syn,ece", "3: there is no flag \"ece\", use fin syn"),
        ("#\n[a]\ncommand=x\n[b]\nsequence=1", "2: section \"a\" has no sequence, add one"),
        ("[Options]\nusesyslog", "1: section \"Options\" has no sequence"),
        (&long, "2: the line is longer than 4095 bytes"),
        (&many, "513: more than 256 doors, import the file in parts"),
        ("[a]\nsequence=0", "1: no section becomes a door; of this one it runs"),
    ] {
        let error = import_for(&OPENBSD, old).unwrap_err();
        let expected = format!("old.conf:{expected}");
        assert!(error.starts_with(&expected), "{error}\nand not {expected}");
    }
    assert_eq!(
        import_for(&OPENBSD, "").unwrap_err(),
        "old.conf has no doors, name another file"
    );
}

#[test]
fn the_largest_file_makes_a_configuration_that_can_be_read() {
    let mut old = String::from("[options]\n");
    for number in 0..100_000 {
        old += &format!("x{number} = \u{1}\n");
    }
    old.truncate(200_000);
    old += "\n";
    for number in 0..256 {
        old += &format!("[{}]\nsequence={}", "\u{1}".repeat(60), number * 7 + 1);
        old += &",9000:udp,1".repeat(15);
        for key in ["one_time_sequences", "command", "command_6", "stop_command"] {
            old += &format!(
                "\n{key}=/{}",
                if key.starts_with('o') {
                    format!("{0}/{0}/{0}{number}", "\"".repeat(230))
                } else if key == "stop_command" {
                    "\u{1}".repeat(700)
                } else {
                    format!("bin/ipset add x %IP%;/{}", "\u{1}".repeat(670))
                }
            );
        }
        old.push('\n');
    }
    assert!(old.len() as u64 <= MAX_LENGTH, "{}", old.len());
    for dialect in DIALECTS {
        let Imported { text, taken, .. } = import_for(dialect, &old).unwrap();
        assert_eq!(taken, 256);
        assert!((text.len() as u64) < knockd::config::MAX_LENGTH, "{}", text.len());
        checked(&text);
    }
}

/// A directive as people, or their enemies, write it.
fn directive() -> impl Strategy<Value = String> {
    let step = (0_u32..66_000, prop_oneof![Just(""), Just(":udp"), Just(":tcp")]);
    let step = step.prop_map(|(port, protocol)| format!("{port}{protocol}"));
    let steps = prop::collection::vec(step, 1..6).prop_map(|steps| steps.join(","));
    let command = prop::sample::select(vec![
        "/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT",
        "iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT",
        "ip6tables -I INPUT 1 -p udp -m multiport --dports 53,0,99999,http,1:9,http -j ACCEPT",
        "/sbin/pfctl -t keep -T add %IP%; /sbin/pfctl -k %IP%",
        "pfctl -a \"a b\" -t 9x -T add %IP%",
        "pfctl -a org/x -t ssh.1 -T add %IP%",
        "ipfw add 1 allow tcp from %IP% to me 22-30,80",
        "nft add rule inet f i ip saddr %IP% udp dport {22,80} accept",
        "ufw allow from %IP%",
        "",
        "'\"*/ // {} \\",
    ]);
    prop_oneof![
        steps.prop_map(|steps| format!("sequence={steps}")),
        "[a-zA-Z0-9 ._/\"-]{0,40}".prop_map(|name| format!("[{name}]")),
        ("(start|stop)_command(_6)?", command).prop_map(|(key, line)| format!("{key}={line}")),
        ("(start|stop)_command", ".{0,30}").prop_map(|(key, line)| format!("{key}={line}")),
        ("(seq|cmd)_timeout", any::<i64>()).prop_map(|(key, time)| format!("{key}={time}")),
        "tcpflags=!?(syn|ack|fin|rst|urg|psh)(,!?(syn|ack|fin))?",
        "one_time_sequences=/[ -~é]{0,20}",
        "target=(192\\.0\\.2\\.[0-9]{1,3}|2001:db8::[0-9a-f]|::1|x)",
        "(interface|logfile|pidfile|[a-z]{1,5})=.{0,20}",
    ]
}

proptest! {
    #[test]
    fn what_is_translated_is_a_good_configuration(
        sections in prop::collection::vec(
            ("[a-zA-Z0-9é.-]{1,30}", prop::collection::vec(directive(), 0..6)),
            1..6,
        ),
        dialect in prop::sample::select(DIALECTS.to_vec()),
        host in ".{0,70}",
    ) {
        let mut old = String::new();
        for (place, (name, directives)) in sections.iter().enumerate() {
            let (first, rest) = (9 * place + 1, directives.join("\n"));
            old += &format!("[{name}]\nsequence={first},9,40\ncommand=pfctl -t a -T add %IP%\n{rest}\n");
        }
        let frame = Frame { from: "old\n.conf", host: &host, dialect };
        if let Ok(imported) = translate(old.as_bytes(), frame) {
            checked(&imported.text);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        if let Ok(imported) = import_for(NFT, &bytes) {
            checked(&imported.text);
        }
        let mut door = b"[a]\nsequence=9,3,7\ncommand=".to_vec();
        door.extend(bytes);
        if let Ok(imported) = import_for(&OPENBSD, &door) {
            checked(&imported.text);
        }
    }
}

fn knockctl(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_knockctl"))
        .arg("import")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever reads nothing may have closed it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn knockd_takes_what_knockctl_prints() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/knockd/debian.conf");
    let printed = knockctl(&["knockd", old.to_str().unwrap()], "");
    let stderr = String::from_utf8(printed.stderr).unwrap();
    assert!(printed.status.success(), "{stderr}");
    assert!(stderr.starts_with("2 doors imported, 1 not"), "{stderr}");
    let piped = knockctl(&["knockd", "-"], DEBIAN);
    assert!(String::from_utf8(piped.stdout).unwrap().contains("from standard input."));

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("knockd.ron");
    std::fs::write(&file, printed.stdout).unwrap();
    let check =
        Command::new(env!("CARGO_BIN_EXE_knockd")).arg("-n").arg("-f").arg(&file).output();
    let check = check.unwrap();
    let said = String::from_utf8([check.stdout, check.stderr].concat()).unwrap();
    assert!(check.status.success() && said.contains("configuration OK"), "{said}");
}

#[test]
fn what_cannot_be_translated_prints_nothing_but_the_reason() {
    for (arguments, input, code, why) in [
        (
            &["knockd", "-"][..],
            "[a]\nsequence=x:y\n",
            1,
            "knockctl: standard input:2: protocol",
        ),
        (&["knockd", "-"], "", 1, "knockctl: standard input has no doors"),
        (&["knockd", "/no/such"], "", 1, "knockctl: cannot read /no/such: No such file"),
        (&["knockd"], "", 2, "error: "),
        (&["fwknop", "-"], "", 2, "error: "),
    ] {
        let output = knockctl(arguments, input);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.starts_with(why), "{stderr}");
        assert!(output.stdout.is_empty());
    }
    let large = "#".repeat((1 << 20) + 1);
    let stderr = String::from_utf8(knockctl(&["knockd", "-"], &large).stderr).unwrap();
    assert_eq!(stderr, "knockctl: standard input exceeds 1048576 bytes, name another\n");
}

/// What a door's first command becomes for nftables.
fn rule(command: &str) -> String {
    let old = format!(
        "[web]\nsequence = 1,5,3\nstart_command = {command}\ncmd_timeout = 9\nstop_command = true\n"
    );
    flat(&import_for(NFT, old).unwrap().text)
}

#[test]
fn a_rule_that_is_not_understood_is_never_made_wider() {
    let every = "It lets in to every port, as the old rule did.";
    for command in [
        "iptables -A INPUT -s %IP% -j ACCEPT",
        "ufw allow from %IP%",
        "ipfw add 7 allow ip from %IP% to me",
        "nft add rule inet filter input ip saddr %IP% accept",
    ] {
        let text = rule(command);
        assert!(text.contains(every) && !text.contains("compare"), "{command}: {text}");
    }
    for command in [
        "iptables -A INPUT -s %IP% -p icmp -j ACCEPT",
        "iptables -A KNOCK -s %IP% -j ACCEPT",
        "iptables -A INPUT -s %IP% -i eth1 -j ACCEPT",
        "iptables -A INPUT -s %IP% -d 10.0.0.5 -j ACCEPT",
        "iptables -A INPUT -s %IP%/24 -j ACCEPT",
        "iptables -A INPUT -p tcp --sport 22 -s %IP% -j ACCEPT",
        "nft add element inet filter knock { %IP% }",
        "ipfw table 1 add %IP%",
        "ufw allow from %IP% to any app OpenSSH",
    ] {
        let text = rule(command);
        assert!(!text.contains(every), "{command}: {text}");
        assert!(text.contains("dport PORT accept"), "{command}: {text}");
        assert!(text.contains("Not all of the old rule was understood"), "{command}: {text}");
    }
    for command in [
        "iptables -A INPUT -s %IP% -p tcp ! --dport 22 -j ACCEPT",
        "iptables -A INPUT -s %IP% -d 10.0.0.5 -p tcp --dport 22 -j ACCEPT",
    ] {
        let text = rule(command);
        assert!(text.contains("Not all of the old rule was understood"), "{command}: {text}");
    }
}

#[test]
fn commands_that_differ_between_the_families_are_to_be_compared() {
    let old = |port: u16| {
        format!(
            "[web]\nsequence = 1,5,3\n\
             start_command = iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT\n\
             start_command_6 = ip6tables -A INPUT -s %IP% -p tcp --dport {port} -j ACCEPT\n"
        )
    };
    let stderr = "Its IPv6 commands do something else: compare.";
    assert!(!flat(&import(old(22))).contains(stderr));
    assert_contains(&import(old(2222)), &[stderr]);
}

#[test]
fn what_ran_as_root_is_said_to_run_as_another_and_shells_become_scripts() {
    let old =
        "[web]\nsequence = 1,5,3\nstart_command = ipset add x %IP%; /bin/sh -c 'logger %IP%'\n";
    let text = import(old);
    assert_contains(
        &text,
        &["They ran as root; here they run as that user", "There is no shell"],
    );
    assert!(!text.contains("\"/bin/sh\""), "{text}");
}
