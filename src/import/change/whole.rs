//! Whether all of a rule is understood: no condition makes it narrower, and no
//! target other, than what is taken from it.

use Value::{Any, Nothing, One};

/// What stands for who knocked.
const ADDRESS: Value = One(&["%IP%", "%IP%/32", "%IP%/128"]);
/// Ports of these two, or of none.
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
    (&["-s", "--source", "--src"], ADDRESS),
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
    (&["-f", "--srcaddr"], ADDRESS),
    (&["-c", "--chain"], One(&["INPUT"])),
];
const NFT: &[Known] = &[
    (&["saddr"], ADDRESS),
    (&["dport"], Any),
    (&["tcp", "udp", "ip", "ip6", "counter", "accept", "drop", "reject"], Nothing),
    (&["handle", "position", "index"], Any),
    (&["state"], One(&["new"])),
    (&["ct"], Nothing),
];
const UFW: &[Known] = &[
    (&["insert", "port", "comment"], Any),
    (&["from"], ADDRESS),
    (&["to"], One(&["any"])),
    (&["proto"], PROTOCOLS),
    (&["allow", "limit", "deny", "reject", "delete"], Nothing),
];
const IPFW: &[Known] = &[
    (&["add", "delete", "set", "dst-port"], Any),
    (&["from"], ADDRESS),
    (&["to"], One(&["me", "me6", "any"])),
    (&["-q", "allow", "accept", "pass", "permit", "deny", "drop", "reject"], Nothing),
    (&["tcp", "udp", "ip", "all", "in", "setup", "keep-state"], Nothing),
];

/// Whether a rule of iptables(8) or ip6tables(8) is understood.
pub fn iptables(words: &[&str]) -> bool {
    are(words, IPTABLES, is_number)
}

/// Whether one of the script that comes with the old daemon is.
pub fn knock_add(words: &[&str]) -> bool {
    are(words, KNOCK_ADD, |_| false)
}

/// Whether the conditions of a rule of nft(8) are; `words` begin behind the
/// chain.
pub fn nft(words: &[&str]) -> bool {
    are(words, NFT, |_| false)
}

/// Whether one of ufw(8) is.
pub fn ufw(words: &[&str]) -> bool {
    are(words, UFW, |_| false)
}

/// Whether one of ipfw(8) is.
pub fn ipfw(words: &[&str]) -> bool {
    // Its number; ports stand behind the address without a word of their own.
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

/// Whether all words are known, or `else_known`, and who knocked is among them.
fn are(words: &[&str], known: &[Known], else_known: impl Fn(&str) -> bool) -> bool {
    let mut words = words.iter().copied();
    let mut has_address = false;
    while let Some(word) = words.next() {
        let value =
            known.iter().find(|(alike, _)| alike.contains(&word)).map(|(_, value)| value);
        match value {
            Some(Nothing) => {}
            Some(Any) => drop(words.next()),
            Some(One(choice)) => match words.next() {
                Some(value) if choice.contains(&value) => has_address |= value.contains("%IP%"),
                _ => return false,
            },
            None if else_known(word) => {}
            None => return false,
        }
    }
    has_address
}
