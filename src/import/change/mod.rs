//! What a command changes in a packet filter.
//!
//! The programs that such commands usually call are known. A command is
//! understood well enough to propose a rule, not to prove one.

mod bsd;
mod firewalld;
mod linux;
mod service;
mod whole;

use std::time::Duration;

use crate::core::sighting::Protocol;
use crate::core::{duration, port};

/// How many ports are taken from one command.
pub const MAX_PORTS: usize = 64;
/// Names that stand for ports in such commands.
const SERVICES: [(&str, u16); 12] = [
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("http", 80),
    ("pop3", 110),
    ("imap", 143),
    ("https", 443),
    ("submission", 587),
    ("imaps", 993),
    ("openvpn", 1194),
];
/// Words that a rule's source address follows, or a list of sources.
const SOURCES: [&str; 12] = [
    "-s",
    "--source",
    "--src",
    "-f",
    "--srcaddr",
    "saddr",
    "from",
    "address",
    "ipset",
    "--match-set",
    "--src-range",
    "--mac-source",
];
/// Source addresses of everybody.
const EVERYBODY: [&str; 4] = ["any", "0.0.0.0/0", "0/0", "::/0"];

/// What a command does.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes who is let in.
    Change(Change),
    /// It ends connections.
    Kill,
    /// It may change who is let in, but how is not understood.
    Unknown,
    /// It runs a program that is no packet filter's.
    Other,
}

/// Whom a change lets in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The address that knocked.
    #[default]
    Knocker,
    /// Every address.
    Everybody,
    /// Every client of a service that is started.
    Clients,
}

/// Who is let in, or no longer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether somebody is let in by it.
    pub lets_in: bool,
    /// Whom it lets in.
    pub who: Who,
    /// What is added or removed, in the same words for both.
    pub rule: Vec<String>,
    /// The protocol; `None` for any, or if it is unknown.
    pub protocol: Option<Protocol>,
    /// The ports, as pf.conf(5) writes them: numbers, ranges with a colon and
    /// names. Empty for all, or if they are unknown.
    pub ports: Vec<String>,
    /// The table that takes the address.
    pub table: Option<String>,
    /// The pf anchor of that table.
    pub anchor: Option<String>,
    /// Whether the rule sends packets elsewhere.
    pub translates: bool,
    /// Whether all of it is understood; else it may let in to less, or do
    /// something else.
    pub is_whole: bool,
    /// How long it lasts, if the packet filter ends it.
    pub lasts: Option<Duration>,
}

/// What a rule does with a packet that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Pass,
    Translate,
    Block,
    Other,
}

impl Verdict {
    /// The first that is among the words of a rule.
    fn of(words: &[&str]) -> Self {
        let verdict = |word: &&str| match word.to_ascii_lowercase().as_str() {
            "accept" | "allow" | "pass" | "permit" => Some(Self::Pass),
            "dnat" | "redirect" | "forward-port" => Some(Self::Translate),
            "drop" | "reject" | "deny" => Some(Self::Block),
            _ => None,
        };
        words.iter().find_map(verdict).unwrap_or(Self::Other)
    }
}

/// The number of a port that is written as a number or a well-known name.
#[must_use]
pub fn number(port: &str) -> Option<u16> {
    let named = SERVICES.iter().find(|(name, _)| *name == port).map(|(_, number)| *number);
    named.or_else(|| port::number(port))
}

/// Whether `word` is a port, or several of them or ranges.
fn is_port(word: &str) -> bool {
    word.split([',', ':', '-']).all(|port| number(port).is_some())
}

/// Returns what `words`, a program and its arguments, do to a packet filter.
#[must_use]
pub fn recognise(words: &[String]) -> Effect {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = match &words[..] {
        [sudo, rest @ ..] if matches!(base(sudo), "sudo" | "doas") => {
            let options = rest.iter().take_while(|word| word.starts_with('-')).count();
            rest.get(options..).unwrap_or_default()
        }
        words => words,
    };
    let Some((program, arguments)) = words.split_first() else { return Effect::Other };
    let name = base(program);
    let change = match name {
        "pfctl" if arguments.contains(&"-k") => return Effect::Kill,
        "conntrack" if arguments.contains(&"-D") => return Effect::Kill,
        _ if name.starts_with("iptables") || name.starts_with("ip6tables") => {
            linux::iptables(arguments)
        }
        "knock_add" | "knock_helper_ipt.sh" => linux::knock_add(arguments),
        "firewall-cmd" => firewalld::firewall_cmd(arguments),
        "ipfw" => bsd::ipfw(arguments),
        "ipset" => linux::ipset(arguments),
        "nft" => linux::nft(arguments),
        "pfctl" => bsd::pfctl(arguments),
        "rcctl" => service::rcctl(arguments),
        "service" | "rc-service" => service::service(arguments),
        "systemctl" => service::systemctl(arguments),
        "ufw" => linux::ufw(arguments),
        _ if program.contains("/init.d/") || program.contains("/rc.d/") => {
            service::service(&[&[name], arguments].concat())
        }
        _ => return Effect::Other,
    };
    change.map_or(Effect::Unknown, Effect::Change)
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// The words of a command; --dport=22 is --dport 22.
fn options<'w>(arguments: &[&'w str]) -> Vec<&'w str> {
    let parts = arguments.iter().flat_map(|word| match word.split_once('=') {
        Some((option, value)) if word.starts_with("--") => vec![option, value],
        _ => vec![*word],
    });
    parts.collect()
}

/// The word after the first of `options`.
fn value<'w>(words: &[&'w str], options: &[&str]) -> Option<&'w str> {
    let place = words.iter().position(|word| options.contains(word))?;
    words.get(place + 1).copied()
}

/// A time as packet filters write it.
fn lasting(text: &str) -> Option<Duration> {
    duration::argument(text).ok()
}

/// Whom a rule lets in; `None` if it is another than the one that knocked.
fn who(words: &[&str]) -> Option<Who> {
    let is_knocker = |word: &str| word.contains("%IP%");
    let Some(place) = words.iter().position(|word| SOURCES.contains(word)) else {
        return (!words.iter().any(|word| is_knocker(word))).then_some(Who::Everybody);
    };
    let before = place.checked_sub(1).and_then(|place| words.get(place));
    match words.get(place + 1)? {
        _ if before.is_some_and(|word| matches!(*word, "!" | "NOT")) => None,
        value if is_knocker(value) => Some(Who::Knocker),
        value if EVERYBODY.contains(value) => Some(Who::Everybody),
        _ => None,
    }
}

impl Change {
    /// An entry of a set, or its removal. `None` if another address than the
    /// one that knocked is added.
    fn entry(adds: bool, set: &[&str], words: &[&str]) -> Option<Self> {
        let lasts = value(words, &["timeout"]).and_then(lasting);
        let mut change = Self { lets_in: adds, lasts, ..Self::default() };
        change.keep(set);
        (!adds || words.iter().any(|word| word.contains("%IP%"))).then_some(change)
    }

    /// A rule of these words, or its removal. `None` if it is unknown what it
    /// does, or if it lets in others than those who knocked or everybody.
    fn judged(mut self, adds: bool, verdict: Verdict, words: &[&str]) -> Option<Self> {
        self.translates = verdict == Verdict::Translate;
        self.lets_in = match verdict {
            Verdict::Pass | Verdict::Translate => adds,
            // A block that is removed lets in.
            Verdict::Block => !adds,
            Verdict::Other if adds => return None,
            Verdict::Other => false,
        };
        if self.lets_in {
            self.who = who(words)?;
        }
        Some(self)
    }

    fn keep(&mut self, words: &[&str]) {
        self.rule.extend(words.iter().map(|word| (*word).to_owned()));
    }

    fn protocol(&mut self, word: &str) {
        self.protocol = match word.to_ascii_lowercase().as_str() {
            "tcp" | "6" => Some(Protocol::Tcp),
            "udp" | "17" => Some(Protocol::Udp),
            _ => self.protocol,
        };
    }

    /// Adds ports with commas between them, ranges with a colon or a dash.
    fn ports(&mut self, list: &str) {
        let is_sane = |port: &&str| {
            !port.is_empty()
                && port.len() <= 32
                && port
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b":-_".contains(&byte))
        };
        for port in list.split(',').map(str::trim).filter(is_sane) {
            let is_range = port.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            let port = if is_range { port.replace('-', ":") } else { port.into() };
            if self.ports.len() < MAX_PORTS && !self.ports.contains(&port) {
                self.ports.push(port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(line: &str) -> Option<Change> {
        let words: Vec<String> = line.split_whitespace().map(Into::into).collect();
        match recognise(&words) {
            Effect::Change(change) => Some(change),
            _ => None,
        }
    }

    #[test]
    fn commands_say_what_they_let_in() {
        use Protocol::{Tcp, Udp};
        for (line, lets_in, protocol, ports) in [
            (
                "/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT",
                true,
                Some(Tcp),
                &["22"][..],
            ),
            ("iptables -I INPUT 1 -s %IP% --dport=ssh -j ACCEPT", true, None, &["ssh"]),
            (
                "sudo iptables-nft -D INPUT -s %IP% -p udp -m multiport --dports 53,6000:6010",
                false,
                Some(Udp),
                &["53", "6000:6010"],
            ),
            ("iptables -A INPUT -s %IP% -p tcp --syn -j ACCEPT", true, Some(Tcp), &[]),
            ("iptables -D INPUT -s %IP% -p tcp --dport 22 -j DROP", true, Some(Tcp), &["22"]),
            ("iptables -A INPUT -s %IP% -j REJECT", false, None, &[]),
            ("knock_add -i -c INPUT -p tcp -d 443 -f %IP%", true, Some(Tcp), &["443"]),
            ("knock_add -x -p udp -d 443 -f %IP%", false, Some(Udp), &["443"]),
            (
                "ipfw -q add 100 allow tcp from %IP% to me 22,80-90",
                true,
                Some(Tcp),
                &["22", "80:90"],
            ),
            ("ipfw add pass udp from %IP% to any dst-port 53 in", true, Some(Udp), &["53"]),
            ("ipfw add allow tcp from %IP% to me in", true, Some(Tcp), &[]),
            ("ipfw delete 100", false, None, &[]),
            ("ipfw table 1 add %IP%", true, None, &[]),
            (
                "nft add rule inet filter input ip saddr %IP% tcp dport {22, 80} accept",
                true,
                Some(Tcp),
                &["22", "80"],
            ),
            ("nft delete element inet filter knock { %IP% }", false, None, &[]),
            ("ufw allow from %IP% to any port 22 proto tcp", true, Some(Tcp), &["22"]),
            ("ufw delete allow from %IP% to any port 22 proto tcp", false, Some(Tcp), &["22"]),
        ] {
            let change = change(line).unwrap();
            let found = (change.lets_in, change.protocol, change.ports);
            let ports: Vec<String> = ports.iter().map(|port| (*port).into()).collect();
            assert_eq!(found, (lets_in, protocol, ports), "{line}");
        }
    }

    #[test]
    fn what_one_adds_another_deletes() {
        for (adds, deletes) in [
            (
                "/sbin/iptables -I INPUT 3 -s %IP% --dport 22 -j ACCEPT",
                "/usr/sbin/iptables --delete INPUT -s %IP% --dport 22 -j ACCEPT",
            ),
            ("knock_add -i -d 22 -f %IP%", "knock_add -x -d 22 -f %IP%"),
            ("ipfw add 7 allow ip from %IP% to me", "ipfw delete 7"),
            ("ipfw table 1 add %IP%", "ipfw -q table 1 delete %IP%"),
            ("pfctl -t ssh -T add %IP%", "/sbin/pfctl -Tdelete -tssh %IP%"),
            ("nft add element inet f s {%IP%}", "nft delete element inet f s { %IP% }"),
            ("ufw insert 1 allow from %IP%", "ufw delete allow from %IP%"),
        ] {
            let (one, other) = (change(adds).unwrap(), change(deletes).unwrap());
            assert!(one.lets_in && !other.lets_in, "{adds}: {deletes}");
            assert_eq!(one.rule, other.rule);
        }
    }

    #[test]
    fn tables_of_pf_keep_their_names() {
        let found = change("pfctl -q -a knock/in -t ssh -T add %IP%").unwrap();
        assert_eq!(found.table.as_deref(), Some("ssh"));
        assert_eq!(found.anchor.as_deref(), Some("knock/in"));
        let words = ["pfctl", "-k", "%IP%"].map(Into::into);
        assert_eq!(recognise(&words), Effect::Kill);
    }

    #[test]
    fn what_changes_no_rule_is_not_understood() {
        for line in [
            "",
            "sudo",
            "/usr/bin/mail root",
            "iptables -L",
            "pfctl -t ssh -T show",
            "pfctl -T add",
            "ipfw list",
            "nft list ruleset",
            "nft add table inet x",
            "ufw status",
        ] {
            assert_eq!(change(line), None, "{line}");
        }
    }
}
