//! What a command changes in a packet filter.
//!
//! Known are the programs that such commands usually call. A command is
//! understood well enough to propose a rule, not to prove one.

mod bsd;
mod linux;
mod whole;

use crate::core::port;
use crate::core::sighting::Protocol;

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

/// What a command does.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes who is let in.
    Change(Change),
    /// It ends connections.
    Kill,
}

/// Who is let in, or no longer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether the address is let in by it.
    pub lets_in: bool,
    /// What is added or deleted, in words that are the same for both.
    pub rule: Vec<String>,
    /// Over which protocol; any, or not to be told.
    pub protocol: Option<Protocol>,
    /// To which ports, as pf.conf(5) writes them: numbers, ranges with a colon
    /// and names. None for all, or if it is not to be told.
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
}

/// The number of a port that is written as a number or a well-known name.
#[must_use]
pub fn number(port: &str) -> Option<u16> {
    let named = SERVICES.iter().find(|(name, _)| *name == port).map(|(_, number)| *number);
    named.or_else(|| port::number(port))
}

/// What `words`, a program and its arguments, do to a packet filter; `None`
/// for anything else.
#[must_use]
pub fn recognise(words: &[String]) -> Option<Effect> {
    let words = match words {
        [sudo, rest @ ..] if matches!(base(sudo), "sudo" | "doas") => rest,
        _ => words,
    };
    let (program, arguments) = words.split_first()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let change = match base(program) {
        name if name.starts_with("iptables") || name.starts_with("ip6tables") => {
            linux::iptables(&arguments)
        }
        "knock_add" | "knock_helper_ipt.sh" => linux::knock_add(&arguments),
        "ipfw" => bsd::ipfw(&arguments),
        "nft" => linux::nft(&arguments),
        "ufw" => linux::ufw(&arguments),
        "pfctl" => return bsd::pfctl(&arguments),
        _ => None,
    };
    change.map(Effect::Change)
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

impl Change {
    fn of(verb: &str) -> Self {
        Self { lets_in: verb == "add", ..Self::default() }
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

    /// Ports with commas between them, ranges with a colon or a dash.
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

    /// Adding what blocks lets nobody in, and deleting it does.
    fn blocks(&mut self) {
        self.lets_in = !self.lets_in;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(line: &str) -> Option<Change> {
        let words: Vec<String> = line.split_whitespace().map(Into::into).collect();
        match recognise(&words)? {
            Effect::Change(change) => Some(change),
            Effect::Kill => None,
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
        assert_eq!(recognise(&words), Some(Effect::Kill));
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
