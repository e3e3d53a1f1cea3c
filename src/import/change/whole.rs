//! Whether all of a rule is understood: it has no condition and no target
//! beyond those that are read from it.

use super::is_port;
use Value::{Any, Nothing, One};

/// The address that knocked, or everybody's.
const SOURCE: Value = One(&["%IP%", "%IP%/32", "%IP%/128", "any", "0.0.0.0/0", "0/0", "::/0"]);
/// Protocols that have ports.
const PROTOCOLS: Value = One(&["tcp", "udp", "6", "17"]);

/// What follows a word.
#[derive(Clone, Copy)]
enum Value {
    Nothing,
    Any,
    One(&'static [&'static str]),
}

/// Words with the same meaning, and what follows them.
type Known = (&'static [&'static str], Value);

const IPTABLES: &[Known] = &[
    (&["-A", "--append", "-I", "--insert", "-D", "--delete"], One(&["INPUT", "PREROUTING"])),
    (&["-s", "--source", "--src"], SOURCE),
    (&["-p", "--protocol", "--proto"], One(&["tcp", "udp", "6", "17", "all"])),
    (&["--dport", "--destination-port", "--dports", "--destination-ports"], Any),
    (&["-j", "--jump"], One(&["ACCEPT", "DROP", "REJECT", "DNAT", "REDIRECT"])),
    (&["-m", "--match"], One(&["tcp", "udp", "multiport", "state", "conntrack", "comment"])),
    (&["--state", "--ctstate"], One(&["NEW", "NEW,ESTABLISHED", "NEW,ESTABLISHED,RELATED"])),
    (&["--comment", "--to-destination", "--to-ports"], Any),
    (&["-t", "--table"], One(&["filter", "nat"])),
    (&["-w", "--wait", "--syn"], Nothing),
];
const KNOCK_ADD: &[Known] = &[
    (&["-a", "--append", "-i", "--insert", "-x", "--delete"], Nothing),
    (&["-d", "--dstport"], Any),
    (&["-p", "--proto"], PROTOCOLS),
    (&["-f", "--srcaddr"], SOURCE),
    (&["-c", "--chain"], One(&["INPUT"])),
];
const NFT: &[Known] = &[
    (&["saddr"], SOURCE),
    (&["dport"], Any),
    (&["tcp", "udp", "ip", "ip6", "counter", "accept", "drop", "reject"], Nothing),
    (&["handle", "position", "index", "comment"], Any),
    (&["state"], One(&["new"])),
    (&["ct"], Nothing),
];
const UFW: &[Known] = &[
    (&["insert", "port", "comment"], Any),
    (&["in"], Nothing),
    (&["from"], SOURCE),
    (&["to"], One(&["any"])),
    (&["proto"], PROTOCOLS),
    (&["allow", "limit", "deny", "reject", "delete"], Nothing),
];
const IPFW: &[Known] = &[
    (&["add", "delete", "set", "dst-port"], Any),
    (&["from"], SOURCE),
    (&["to"], One(&["me", "me6", "any"])),
    (&["-q", "allow", "accept", "pass", "permit", "deny", "drop", "reject"], Nothing),
    (&["tcp", "udp", "ip", "all", "in", "setup", "keep-state"], Nothing),
];

const RICH_RULE: &[Known] = &[
    (&["rule", "source", "service", "accept", "drop", "reject"], Nothing),
    (&["family"], One(&["ipv4", "ipv6"])),
    (&["address"], SOURCE),
    (&["name", "priority"], Any),
    (&["protocol"], PROTOCOLS),
    // As in port port=22.
    (&["port"], Any),
];

/// Whether a rule of iptables(8) or ip6tables(8) is understood.
pub fn iptables(words: &[&str]) -> bool {
    are(words, IPTABLES, is_number)
}

/// Whether a call of the old daemon's script is understood.
pub fn knock_add(words: &[&str]) -> bool {
    are(words, KNOCK_ADD, |_| false)
}

/// Whether the conditions of a rule of nft(8), which follow its chain, are
/// understood.
pub fn nft(words: &[&str]) -> bool {
    are(words, NFT, |_| false)
}

/// Whether a rule of ufw(8) is understood.
pub fn ufw(words: &[&str]) -> bool {
    are(words, UFW, |word| is_port(word.split('/').next().unwrap_or_default()))
}

/// Whether a rich rule of firewalld is understood.
pub fn rich_rule(words: &[&str]) -> bool {
    are(words, RICH_RULE, |word| word.split('-').all(is_number))
}

/// Whether a rule of ipfw(8) is understood.
pub fn ipfw(words: &[&str]) -> bool {
    // Skip its number. Ports follow the address without a word of their own.
    let is_port = |word: &str| word.split([',', '-']).all(is_number);
    let words: Vec<_> = match words {
        ["add", number, rest @ ..] if is_number(number) => rest.to_vec(),
        ["-q", "add", number, rest @ ..] if is_number(number) => rest.to_vec(),
        ["add", rest @ ..] | ["-q", "add", rest @ ..] => rest.to_vec(),
        _ => words.to_vec(),
    };
    are(&words, IPFW, is_port)
}

fn is_number(word: &str) -> bool {
    word.parse::<u32>().is_ok()
}

/// Whether all words are known, or `else_known`.
fn are(words: &[&str], known: &[Known], else_known: impl Fn(&str) -> bool) -> bool {
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let value =
            known.iter().find(|(alike, _)| alike.contains(&word)).map(|(_, value)| value);
        match value {
            Some(Nothing) => {}
            Some(Any) => drop(words.next()),
            Some(One(choice)) => match words.next() {
                Some(value) if choice.contains(&value) => {}
                _ => return false,
            },
            None if else_known(word) => {}
            None => return false,
        }
    }
    true
}
