//! Programs that start and stop services.

use super::{Change, Who};
use crate::core::sighting::Protocol;

/// Without one of these, everybody may get in.
const FIREWALLS: [&str; 12] = [
    "fail2ban",
    "firewalld",
    "ip6tables",
    "ipfw",
    "ipset",
    "iptables",
    "netfilter-persistent",
    "nftables",
    "pf",
    "shorewall",
    "shorewall6",
    "ufw",
];
/// Services and the ports that they usually listen on.
const PORTS: [(&[&str], &str); 3] = [
    (&["ssh", "sshd", "dropbear"], "22"),
    (&["apache2", "apache24", "httpd", "lighttpd", "nginx"], "80,443"),
    (&["ftpd", "proftpd", "vsftpd"], "21"),
];

/// systemctl(1).
pub fn systemctl(arguments: &[&str]) -> Option<Change> {
    let mut words = arguments.iter().filter(|word| !word.starts_with('-'));
    let (verb, unit) = (*words.next()?, words.next()?);
    let is_now = arguments.contains(&"--now");
    change(if verb == "enable" && is_now { "start" } else { verb }, unit)
}

/// rcctl(8), whose action comes first.
pub fn rcctl(arguments: &[&str]) -> Option<Change> {
    let mut words = arguments.iter().filter(|word| !word.starts_with('-'));
    change(words.next()?, words.next()?)
}

/// service(8), whose action comes last.
pub fn service(arguments: &[&str]) -> Option<Change> {
    let mut words = arguments.iter().filter(|word| !word.starts_with('-'));
    let name = words.next()?;
    change(words.next()?, name)
}

/// A service that is started lets in everybody.
fn change(verb: &str, name: &str) -> Option<Change> {
    let name = name.split('.').next().unwrap_or(name);
    let verb =
        ["one", "force", "fast"].iter().find_map(|how| verb.strip_prefix(how)).unwrap_or(verb);
    let starts = match verb {
        "start" => true,
        "stop" | "disable" => false,
        _ => return None,
    };
    let ports = PORTS.iter().find(|(names, _)| names.contains(&name)).map(|(_, ports)| *ports);
    if FIREWALLS.contains(&name) || (starts && ports.is_none()) {
        return None;
    }
    let mut change = Change {
        lets_in: starts,
        who: Who::Clients,
        protocol: Some(Protocol::Tcp),
        is_whole: true,
        ..Change::default()
    };
    change.ports(ports.unwrap_or_default());
    change.keep(&["service", name]);
    Some(change)
}
