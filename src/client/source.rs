//! Chooses the address that a token asks for.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use serde::Deserialize;

use super::ClientError;
use crate::core::address::{self, Loopback};
use crate::core::token::Wanted;

/// The address that tokens ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum SourceSetting {
    /// The address that this machine sends from; the one that the packet arrives
    /// from if NAT is certain to change it.
    #[default]
    Auto,
    /// The address that this machine sends from, named in the token.
    Bound,
    /// The address that the packet arrives from: for clients behind NAT, if the
    /// server allows it.
    Observed,
}

/// The address to ask for, and a hint about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The address.
    pub wanted: Wanted,
    /// Why the address is not named.
    pub hint: Option<String>,
}

/// Chooses what to ask the server at `server` for, from the address `local`.
///
/// # Errors
/// When no door opens for `local`; and when only [`SourceSetting::Observed`] can
/// work, but something else is set.
pub fn choose(
    source: SourceSetting,
    local: IpAddr,
    server: IpAddr,
) -> Result<Chosen, ClientError> {
    if source == SourceSetting::Observed {
        return Ok(Chosen { wanted: Wanted::Source, hint: None });
    }
    let host = address::host(local, Loopback::Allowed)
        .ok_or_else(|| ClientError::new(format!("no door opens for {local}")))?;
    if !is_private(host) || is_private(server) || server.is_loopback() {
        return Ok(Chosen { wanted: Wanted::Address(host), hint: None });
    }
    let why =
        format!("{host} is a private address and {server} is not, so NAT is between them");
    if source == SourceSetting::Bound {
        return Err(ClientError::new(format!(
            "{why}: no door opens for {host}; set source: Auto in hosts.ron and source: Observed \
             for the user on the server, or give --address"
        )));
    }
    let hint = format!(
        "{why}: asked for the address that the token arrives from, which the server must allow \
         with source: Observed"
    );
    Ok(Chosen { wanted: Wanted::Source, hint: Some(hint) })
}

/// Whether an address is private: RFC 1918, RFC 6598 and RFC 4193.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_private_networks_end_where_their_documents_say() {
        for (text, expected) in [
            ("9.255.255.255", false),
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("100.63.255.255", false),
            ("100.64.0.0", true),
            ("100.127.255.255", true),
            ("100.128.0.0", false),
            ("172.15.255.255", false),
            ("172.16.0.0", true),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("192.167.255.255", false),
            ("192.168.0.0", true),
            ("192.168.255.255", true),
            ("192.169.0.0", false),
            ("::ffff:10.0.0.1", true),
            ("fbff::1", false),
            ("fc00::1", true),
            ("fdff::1", true),
            ("fe00::1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(ip(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_client_behind_nat_asks_for_the_packets_address_and_says_so() {
        let choice = choose(SourceSetting::Auto, ip("10.0.0.5"), ip("203.0.113.1")).unwrap();
        assert_eq!(choice.wanted, Wanted::Source);
        assert!(choice.hint.unwrap().contains("source: Observed"));
        let error =
            choose(SourceSetting::Bound, ip("10.0.0.5"), ip("203.0.113.1")).unwrap_err();
        assert!(error.to_string().contains("source: Observed"), "{error}");
    }

    #[test]
    fn a_client_that_can_know_its_address_names_it() {
        for (local, server) in [
            ("198.51.100.7", "203.0.113.1"),
            ("10.0.0.5", "192.168.1.1"),
            ("2001:db8::7", "2001:db8::1"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            for source in [SourceSetting::Auto, SourceSetting::Bound] {
                let choice = choose(source, ip(local), ip(server)).unwrap();
                let wanted = Wanted::Address(ip(local));
                assert_eq!(choice, Chosen { wanted, hint: None }, "{local} {server}");
            }
            let choice = choose(SourceSetting::Observed, ip(local), ip(server)).unwrap();
            assert_eq!(choice.wanted, Wanted::Source);
        }
        assert!(choose(SourceSetting::Auto, ip("fe80::1"), ip("2001:db8::1")).is_err());
    }
}
