//! The interfaces that default routes lead to, on Linux.
//!
//! From the kernel's own route lists (route and ipv6_route of proc(5)): they
//! show the main table, and of a multipath route of IPv4 its first hop only.
#![forbid(unsafe_code)]

use std::{fs, io};

/// `RTF_UP` (linux/route.h).
const UP: u32 = 0x0001;
/// `RTF_REJECT`: the route refuses what it matches.
const REJECT: u32 = 0x0200;

/// Names of the interfaces with a default route, each once.
///
/// # Errors
/// When neither list can be read.
pub fn egress() -> io::Result<Vec<String>> {
    // The thread's own, as it may live in another network namespace than the
    // process's first one.
    let routes_v4 = fs::read_to_string("/proc/thread-self/net/route");
    let routes_v6 = fs::read_to_string("/proc/thread-self/net/ipv6_route");
    // A kernel without one of the families has no such file.
    if let (Err(error), Err(_)) = (&routes_v4, &routes_v6) {
        let text = format!("cannot read the routes in /proc/thread-self/net: {error}");
        return Err(io::Error::new(error.kind(), text));
    }
    let mut names = default_v4(&routes_v4.unwrap_or_default());
    names.extend(default_v6(&routes_v6.unwrap_or_default()));
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn leads_out(flags: &str) -> bool {
    u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & UP != 0 && flags & REJECT == 0)
}

/// Columns: interface, destination, gateway, flags, references, uses, metric,
/// mask, and more. The heading does not look like a default route.
fn default_v4(routes: &str) -> Vec<String> {
    let default = |line: &str| {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        let [name, "00000000", _, flags, _, _, _, "00000000", ..] = columns[..] else {
            return None;
        };
        leads_out(flags).then(|| name.to_owned())
    };
    routes.lines().filter_map(default).collect()
}

/// Columns: destination, its prefix, source, its prefix, next hop, metric,
/// references, uses, flags, interface.
fn default_v6(routes: &str) -> Vec<String> {
    let default = |line: &str| {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        let [destination, "00", _, _, _, _, _, _, flags, name] = columns[..] else {
            return None;
        };
        let unspecified = destination.bytes().all(|digit| digit == b'0');
        (unspecified && leads_out(flags)).then(|| name.to_owned())
    };
    routes.lines().filter_map(default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_default_routes_are_told_from_others() {
        let routes = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0
wlan0\t00000000\t010300C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
*\t00000000\t00000000\t0201\t0\t0\t999\t00000000\t0\t0\t0
eth9\t00000000\t010300C0\t0002\t0\t0\t600\t00000000\t0\t0\t0
";
        assert_eq!(default_v4(routes), ["eth0", "wlan0"]);
    }

    #[test]
    fn ipv6_default_routes_are_told_from_others() {
        let zero = "0".repeat(32);
        let gateway = "fe800000000000000000000000000001";
        let prefix = "20010db8000000000000000000000000";
        let routes = [
            format!("{zero} 00 {zero} 00 {gateway} 00000400 00000001 00000000 00000003 eth0"),
            format!("{prefix} 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001 eth1"),
            format!("{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo"),
        ];
        assert_eq!(default_v6(&routes.join("\n")), ["eth0"]);
    }

    #[test]
    fn broken_lines_are_no_routes() {
        for text in ["", "\n\n", "eth0 00000000", "eth0 00000000 0 zz 0 0 0 00000000"] {
            assert!(default_v4(text).is_empty());
            assert!(default_v6(text).is_empty());
        }
    }
}
