//! Where to send, and a token on its way there.
#![forbid(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::Error;
use super::token::{Access, Ask, Random};
use crate::core::address::{self, Loopback};
use crate::core::time::Wall;
use crate::core::token::Wanted;

/// The address families to send over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Families {
    /// Every family that the name has an address of, so that a later
    /// connection over either finds the door open.
    #[default]
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl Families {
    const fn includes(self, address: IpAddr) -> bool {
        match self {
            Self::Both => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// Which address a token asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Source {
    /// The one that this machine sends from, named in the token.
    #[default]
    Bound,
    /// The one that the packet has when it arrives: for clients behind NAT,
    /// where the server allows it.
    Observed,
}

/// The first address of each wanted family that `name` resolves to, in the
/// resolver's order.
///
/// # Errors
/// When the name does not resolve, or has no address of the wanted family.
pub fn resolve(name: &str, port: u16, families: Families) -> Result<Vec<SocketAddr>, Error> {
    let found = (name, port)
        .to_socket_addrs()
        .map_err(|error| Error::new(format!("cannot resolve {name}: {error}")))?;
    let mut chosen: Vec<SocketAddr> = Vec::with_capacity(2);
    for mut destination in found {
        if let mapped @ IpAddr::V4(_) = destination.ip().to_canonical() {
            destination.set_ip(mapped);
        }
        let is_new = chosen.iter().all(|other| other.is_ipv4() != destination.is_ipv4());
        if is_new && families.includes(destination.ip()) {
            chosen.push(destination);
        }
    }
    if chosen.is_empty() {
        let family = match families {
            Families::Both => "",
            Families::V4 => "IPv4 ",
            Families::V6 => "IPv6 ",
        };
        return Err(Error::new(format!("{name} has no {family}address")));
    }
    Ok(chosen)
}

/// Sends one fresh token to the SPA port `to`; returns the address that it
/// asks for.
///
/// # Errors
/// When this machine has no way there, no address that a door could open
/// for, or no random bytes; and what the system says when it does not send.
pub fn send_token(
    access: &Access,
    source: Source,
    ask: &Ask,
    to: SocketAddr,
) -> Result<Wanted, Error> {
    let failed = |error: io::Error| Error::new(format!("cannot send to {to}: {error}"));
    // A connected socket has the local address that a later connection to
    // the same server gets, too.
    let socket = UdpSocket::bind(unspecified(to.ip())).map_err(failed)?;
    socket.connect(to).map_err(failed)?;
    let wanted = match source {
        Source::Observed => Wanted::Source,
        Source::Bound => {
            let local = socket.local_addr().map_err(failed)?.ip();
            let host = address::host(local, Loopback::Allowed).ok_or_else(|| {
                Error::new(format!("cannot send to {to}: no door opens for {local}"))
            })?;
            Wanted::Address(host)
        }
    };
    let random = Random::fresh()
        .map_err(|error| Error::new(format!("cannot get random bytes: {error}")))?;
    let token = access.token(ask, wanted, wall_clock(), &random)?;
    socket.send(&token).map_err(failed)?;
    Ok(wanted)
}

/// Any local address of the family of `address`, and any port.
#[must_use]
pub fn unspecified(address: IpAddr) -> SocketAddr {
    match address {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// The system's civil time; 1970 when the clock stands before it.
fn wall_clock() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Wall::default() + since
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(name: &str, families: Families) -> Vec<String> {
        let found = resolve(name, 7000, families).unwrap();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_address_resolves_to_itself_and_a_mapped_one_to_ipv4() {
        assert_eq!(resolved("192.0.2.1", Families::Both), ["192.0.2.1:7000"]);
        assert_eq!(resolved("2001:db8::1", Families::V6), ["[2001:db8::1]:7000"]);
        assert_eq!(resolved("::ffff:192.0.2.1", Families::V4), ["192.0.2.1:7000"]);
    }

    #[test]
    fn an_address_of_the_other_family_is_no_destination() {
        let error = resolve("192.0.2.1", 7000, Families::V6).unwrap_err();
        assert_eq!(error.to_string(), "192.0.2.1 has no IPv6 address");
    }
}
