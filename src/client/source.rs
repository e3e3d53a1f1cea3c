//! Chooses the address that a token asks for.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use serde::Deserialize;

use super::ClientError;
use crate::core::address::{self, Loopback};
use crate::core::special;
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
    let why = if special::is_nat64(server) {
        format!("{server} is an IPv4 address behind NAT64, so NAT is between it and {host}")
    } else if !special::is_global(host) && special::is_global(server) {
        format!("{host} is not a global address and {server} is, so NAT is between them")
    } else {
        return Ok(Chosen { wanted: Wanted::Address(host), hint: None });
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_behind_nat_asks_for_the_packets_address_and_says_so() {
        for (local, server, why) in [
            ("10.0.0.5", "192.31.196.1", "10.0.0.5 is not a global address"),
            ("192.0.0.2", "192.31.196.1", "192.0.0.2 is not a global address"),
            ("198.18.0.1", "192.31.196.1", "198.18.0.1 is not a global address"),
            ("fd00::5", "2620:4f:8000::1", "fd00::5 is not a global address"),
            ("2620:4f:8000::5", "64:ff9b::192.31.196.1", "behind NAT64"),
            ("2620:4f:8000::5", "64:ff9b:1::1", "behind NAT64"),
            ("fd00::5", "64:ff9b::192.31.196.1", "behind NAT64"),
        ] {
            let choice = choose(SourceSetting::Auto, ip(local), ip(server)).unwrap();
            assert_eq!(choice.wanted, Wanted::Source, "{local} {server}");
            let hint = choice.hint.unwrap();
            assert!(hint.contains(why) && hint.contains("source: Observed"), "{hint}");
            let error = choose(SourceSetting::Bound, ip(local), ip(server)).unwrap_err();
            assert!(error.to_string().contains("source: Observed"), "{error}");
        }
    }

    #[test]
    fn a_client_that_can_know_its_address_names_it() {
        for (local, server) in [
            ("198.51.100.7", "203.0.113.1"),
            ("192.31.196.7", "192.175.48.1"),
            ("192.31.196.7", "10.0.0.1"),
            ("10.0.0.5", "192.168.1.1"),
            ("198.18.0.1", "10.0.0.1"),
            ("2001:db8::7", "2001:db8::1"),
            ("2620:4f:8000::5", "2620:4f:8000::1"),
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
