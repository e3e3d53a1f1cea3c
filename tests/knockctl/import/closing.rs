//! A section becomes a door only if its command lets in the address that
//! knocked. One that closes, or that is not understood, becomes a comment.

use super::{OPENBSD, assert_contains, checked, door, flat, import, import_for, tcp};
use knockd::import::Imported;
use std::time::Duration;

/// A section that becomes a door in any case, and one with `command`.
fn sections(command: &str) -> String {
    format!(
        "[sure]\nsequence=9,3,7\ncommand=/sbin/pfctl -t sure -T add %IP%\n\
         [asked]\nsequence=8,2,6\ncommand={command}\n"
    )
}

/// Returns the comments on the section with `command`, which must be no door.
#[track_caller]
fn left(command: &str) -> String {
    let Imported { text, taken, left } = import_for(&OPENBSD, sections(command)).unwrap();
    assert_eq!((taken, left), (1, 1), "{command}\n{text}");
    let config = checked(&text);
    assert!(config.policy.door_by_name("asked").is_none(), "{command}\n{text}");
    assert!(text.contains(&format!("start_command {command}")), "{command}\n{text}");
    flat(&text)
}

/// Returns the configuration in which the section with `command` is a door.
#[track_caller]
fn taken(command: &str) -> String {
    let Imported { text, taken, .. } = import_for(&OPENBSD, sections(command)).unwrap();
    assert_eq!(taken, 2, "{command}\n{text}");
    checked(&text);
    text
}

#[test]
fn a_command_that_only_closes_becomes_no_door() {
    for command in [
        r#"firewall-cmd --remove-rich-rule='rule source address="%IP%" service name="ssh" accept'"#,
        r#"firewall-cmd --zone=x --remove-rich-rule 'rule source address="%IP%" accept'"#,
        r#"firewall-cmd --add-rich-rule='rule source address="%IP%" drop'"#,
        "/bin/firewall-cmd --zone=public --remove-port=22/tcp",
        "firewall-cmd --zone public --remove-service ssh",
        "firewall-cmd --zone=trusted --remove-source=%IP%",
        "firewall-cmd --zone=drop --add-source=%IP%",
        "firewall-cmd --ipset=knock --remove-entry=%IP%",
        "firewall-cmd --direct --remove-rule ipv4 filter INPUT 0 -s %IP% -j ACCEPT",
        "firewall-cmd --direct --passthrough ipv4 -D INPUT -s %IP% -j ACCEPT",
        "/usr/bin/systemctl stop sshd",
        "systemctl --no-block disable --now sshd.service",
        "sudo -n service sshd stop",
        "/etc/init.d/ssh stop",
        "rcctl stop sshd",
        "/usr/sbin/ipset del knock %IP%",
        "ipset -D knock %IP%",
        "ipset -exist flush knock",
        "iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT",
        "iptables -D INPUT 3",
        "iptables -A INPUT -p tcp --dport 22 -j DROP",
        "pfctl -t ssh -T delete %IP%",
        "pfctl -t ssh -T flush",
        "pfctl -k %IP%",
        "conntrack -D -s %IP%",
        "nft delete element inet filter knock { %IP% }",
        "nft flush set inet filter knock",
        "nft delete rule inet filter input handle 7",
        "ufw delete allow from %IP% to any port 22",
        "ufw deny 22/tcp",
        "ipfw table 1 delete %IP%",
        "ipfw delete 700",
    ] {
        let said = left(command);
        assert!(said.contains("it only removes access, which no sequence does"), "{said}");
    }
}

#[test]
fn a_command_that_is_not_understood_becomes_no_door() {
    for command in [
        "/usr/local/bin/open.sh %IP%",
        "echo %IP% | mail root",
        "sh -c 'iptables -A INPUT -s %IP% -j ACCEPT'",
        "iptables -F",
        "iptables -P INPUT ACCEPT",
        "iptables -A INPUT -s %IP% -j LOG",
        "iptables -A INPUT -s %IP%",
        "iptables -A OUTPUT -d %IP% -j ACCEPT",
        "iptables -A INPUT -s 192.0.2.1 -p tcp --dport 22 -j ACCEPT",
        "iptables -A INPUT ! -s %IP% -j ACCEPT",
        "iptables -A INPUT -m set --match-set knock src -j ACCEPT",
        "firewall-cmd --reload",
        "firewall-cmd --panic-off",
        "firewall-cmd --zone=public --add-masquerade",
        r#"firewall-cmd --add-rich-rule='rule source NOT address="%IP%" accept'"#,
        r#"firewall-cmd --add-rich-rule='rule source address="%IP%" log'"#,
        r#"firewall-cmd --add-rich-rule='rule source address="192.0.2.1" accept'"#,
        "firewall-cmd --zone=trusted --add-source=192.0.2.0/24",
        "systemctl start backup",
        "systemctl stop firewalld",
        "systemctl stop nftables.service",
        "service pf stop",
        "systemctl reload sshd",
        "ipset test knock %IP%",
        "ipset add knock 192.0.2.1",
        "nft flush ruleset",
        "nft add rule inet filter input ip saddr %IP% counter",
        "nft add rule inet filter input ip saddr != %IP% accept",
        "nft add rule inet filter output ip daddr %IP% accept",
        "pfctl -d",
        "pfctl -f /etc/pf.open.conf",
        "ipfw add 7 count ip from %IP% to me",
        "ipfw add 7 allow ip from me to %IP%",
        "ufw disable",
        "ufw allow out to %IP%",
    ] {
        let said = left(command);
        assert!(said.contains("its command is not understood"), "{said}");
        assert!(said.contains("see commands in knockd.ron(5)"), "{said}");
    }
}

#[test]
fn what_firewalld_and_sets_let_in_is_taken_over() {
    for (command, ports, rule) in [
        (
            r#"firewall-cmd --zone=public --add-rich-rule="rule family="ipv4" source address="%IP%" service name="ssh" accept""#,
            &[tcp(22)][..],
            "pass in on egress proto tcp from <knock_asked> to port ssh",
        ),
        (
            r#"firewall-cmd --add-rich-rule 'rule family="ipv4" source address="%IP%" port port="2222" protocol="tcp" accept'"#,
            &[tcp(2222)],
            "pass in on egress proto tcp from <knock_asked> to port 2222",
        ),
        (
            "firewall-cmd --zone=trusted --add-source=%IP%/32",
            &[],
            "pass in on egress from <knock_asked> // It lets in to every port",
        ),
        (
            "firewall-cmd --direct --add-rule ipv4 filter INPUT 0 -s %IP% -p tcp --dport 22 -j ACCEPT",
            &[tcp(22)],
            "pass in on egress proto tcp from <knock_asked> to port 22",
        ),
        ("firewall-cmd --zone=home --add-source=%IP%", &[], "to port PORT"),
        ("firewall-cmd --ipset=knock --add-entry=%IP%", &[], "to port PORT"),
        ("ipset -exist add knock %IP%", &[], "to port PORT"),
        ("ipset -A knock %IP%", &[], "to port PORT"),
    ] {
        let text = taken(command);
        assert_eq!(door(&checked(&text), "asked").ports, ports, "{command}");
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        let lines = lines.join(" ").replace("//     ", "");
        assert!(lines.contains(rule), "{command}\n{text}");
        assert!(!text.contains("everybody:"), "{command}\n{text}");
    }
    assert_contains(
        &taken(
            "firewall-cmd --add-rich-rule='rule source address=%IP% log service name=ssh accept'",
        ),
        &["Not all of the old rule was understood"],
    );
    // A service without a port that is known here lets in to some, not to all.
    assert_contains(
        &taken("firewall-cmd --add-rich-rule='rule source address=%IP% service name=x accept'"),
        &["to port PORT", "Not all of the old rule was understood"],
    );
}

#[test]
fn a_rule_that_let_in_everybody_is_named() {
    let everybody = "The old rule did not name %IP%, so it let in everybody: here only the \
                     address that knocked gets in.";
    for (command, ports) in [
        ("iptables -I INPUT -p tcp --dport 8001 -j ACCEPT", &[tcp(8001)][..]),
        ("iptables -D INPUT -p tcp --dport 22 -j DROP", &[tcp(22)]),
        ("iptables -A INPUT -s 0.0.0.0/0 -p tcp --dport 22 -j ACCEPT", &[tcp(22)]),
        ("knock_add -i -c INPUT -p tcp -d 443", &[tcp(443)]),
        ("firewall-cmd --zone=public --add-service=ssh", &[tcp(22)]),
        ("firewall-cmd --add-port 8000/tcp", &[tcp(8000)]),
        ("firewall-cmd --add-rich-rule='rule service name=ssh accept'", &[tcp(22)]),
        ("nft add rule inet filter input tcp dport 22 accept", &[tcp(22)]),
        ("ufw allow 22/tcp", &[tcp(22)]),
        ("ufw allow ssh", &[tcp(22)]),
        ("ufw allow from any to any port 22 proto tcp", &[tcp(22)]),
        ("ipfw add 7 allow tcp from any to me 22", &[tcp(22)]),
    ] {
        let text = taken(command);
        assert_contains(&text, &[everybody]);
        assert!(!text.contains("Not all of the old rule"), "{command}\n{text}");
        assert_eq!(door(&checked(&text), "asked").ports, ports, "{command}");
    }
    let text = taken("iptables -I INPUT -s %IP% -p tcp --dport 8001 -j ACCEPT");
    assert!(!flat(&text).contains(everybody), "{text}");
}

#[test]
fn a_service_that_is_started_is_to_go_on() {
    let old = "[openSSH]\nsequence=6522,2358,9930\ncommand=/usr/bin/systemctl start sshd\n\
               [closeSSH]\nsequence=9930,2358,6522\ncommand=/usr/bin/systemctl stop sshd.service\n\
               [web]\nsequence=3,9,5\ncommand=service nginx onestart\n";
    let text = import(old);
    let config = checked(&text);
    assert_eq!(config.policy.doors.len(), 2);
    assert_eq!(door(&config, "openssh").ports, [tcp(22)]);
    assert_eq!(door(&config, "web").ports, [tcp(80), tcp(443)]);
    assert_contains(
        &text,
        &[
            "The old command started a service, which let in everybody. Leave it running: the \
             packet filter hides it from all but the address that knocked. If it has other ports, \
             change them.",
            "[closeSSH], line 4, is left out: it removes what [openSSH] lets in.",
        ],
    );
    for start in ["/etc/rc.d/sshd onestart", "rcctl -f start sshd", "/etc/init.d/ssh start"] {
        assert_eq!(door(&checked(&taken(start)), "asked").ports, [tcp(22)], "{start}");
    }
}

#[test]
fn sections_that_close_name_the_one_that_opens() {
    for (open, close) in [
        (
            "/bin/firewall-cmd --zone=x --add-rich-rule='rule source address=%IP% accept'",
            r#"firewall-cmd --remove-rich-rule "rule source address=%IP% accept" --zone=x"#,
        ),
        ("firewall-cmd --add-port=22/tcp", "firewall-cmd --remove-port=22/tcp"),
        ("ipset add knock %IP%", "/sbin/ipset del knock %IP%"),
        ("ipset -A knock %IP% -exist", "ipset -D knock %IP%"),
        ("service sshd start", "systemctl stop sshd"),
        (
            "firewall-cmd --direct --add-rule ipv4 filter INPUT 0 -s %IP% -j ACCEPT",
            "firewall-cmd --direct --remove-rule ipv4 filter INPUT 0 -s %IP% -j ACCEPT",
        ),
        ("ufw allow 22/tcp", "ufw delete allow 22/tcp"),
    ] {
        let old = format!(
            "[in]\nsequence=9,3,7\ncommand={open}\n[out]\nsequence=7,3,9\ncommand={close}\n"
        );
        assert_contains(&import(old), &["it removes what [in] lets in.", "until [out]"]);
    }
}

#[test]
fn the_time_that_a_firewall_counts_is_the_door_s() {
    for (command, seconds) in [
        ("ipset add knock %IP% timeout 90", 90),
        ("firewall-cmd --timeout=5m --add-source=%IP% --zone=trusted", 300),
        ("nft add element inet filter knock { %IP% timeout 2m }", 120),
    ] {
        let text = taken(command);
        let config = checked(&text);
        let door = door(&config, "asked");
        let span = Duration::from_secs(seconds);
        assert_eq!((door.open_for, door.max_open_for), (span, span), "{command}");
    }
}

#[test]
fn a_stop_command_that_differs_or_is_not_understood_is_reported() {
    let old = |stop: &str| {
        format!(
            "[a]\nsequence=9,3,7\ncmd_timeout=30\nstop_command={stop}\n\
             command=nft add rule inet filter input ip saddr %IP% tcp dport 22 accept comment x\n"
        )
    };
    let unknown = "Not understood, and left out: nft flush chain inet filter input";
    let text = import(old("nft flush chain inet filter input"));
    assert_contains(&text, &[unknown]);
    assert!(!text.contains("commands:") && !text.contains("Not all of"), "{text}");
    let other = "The stop_command names another rule than the one that was added: the old door \
                 may have stayed open. Here it closes.";
    assert_contains(&import(old("iptables -D INPUT -s %IP% -j ACCEPT")), &[other]);
    let same = "nft delete rule inet filter input ip saddr %IP% tcp dport 22 accept comment x";
    assert!(!flat(&import(old(same))).contains(other));
}

#[test]
fn a_mark_of_utf_8_and_the_line_ends_of_windows_are_skipped() {
    let old = "\u{feff}[options]\r\n\tUseSyslog\r\n\r\n[openSSH]\r\n\tsequence = 7101,8103,7502\r\n\
               \tcommand = /sbin/iptables -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT\r\n";
    assert_eq!(door(&checked(&import(old)), "openssh").ports, [tcp(22)]);
}
