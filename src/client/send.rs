//! Resolves names and sends tokens.
#![forbid(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::ClientError;
use super::access::{Access, Random, Wish};
use crate::core::time::Wall;
use crate::core::token::Wanted;

/// The address families to send over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Families {
    /// Every family that the name has an address of, so that a later
    /// connection over either finds the door open.
    #[default]
    Both,
    /// IPv4 only.
    V4,
    /// IPv6 only.
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

/// The first address of each wanted family that `name` resolves to, in the
/// resolver's order.
///
/// # Errors
/// When the name does not resolve, or has no address of the wanted family.
pub fn resolve(
    name: &str,
    port: u16,
    families: Families,
) -> Result<Vec<SocketAddr>, ClientError> {
    let found = (name, port)
        .to_socket_addrs()
        .map_err(|error| ClientError::new(format!("cannot resolve {name}: {error}")))?;
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
        return Err(ClientError::new(format!("{name} has no {family}address")));
    }
    Ok(chosen)
}

/// The address that this machine uses to send to `to`. A later connection to the
/// same server uses it, too.
///
/// # Errors
/// When there is no route.
pub fn local_address(to: SocketAddr) -> Result<IpAddr, ClientError> {
    let local = UdpSocket::bind(unspecified(to.ip())).and_then(|socket| {
        socket.connect(to)?;
        socket.local_addr()
    });
    local.map(|local| local.ip()).map_err(|error| cannot_send(to, &error))
}

/// Sends one fresh token for the address `wanted` to the SPA port `to`.
///
/// # Errors
/// When the key does not sign, there are no random bytes, or the system does
/// not send.
pub fn send_token(
    access: &Access,
    wanted: Wanted,
    ask: &Wish,
    to: SocketAddr,
) -> Result<(), ClientError> {
    let random = Random::fresh()
        .map_err(|error| ClientError::new(format!("cannot get random bytes: {error}")))?;
    let token = access.token(ask, wanted, wall_clock(), &random)?;
    let sent = UdpSocket::bind(unspecified(to.ip())).and_then(|socket| {
        socket.connect(to)?;
        socket.send(&token)
    });
    sent.map(drop).map_err(|error| cannot_send(to, &error))
}

fn cannot_send(to: SocketAddr, error: &io::Error) -> ClientError {
    ClientError::new(format!("cannot send to {to}: {error}"))
}

/// Any local address of the family of `address`, and any port.
#[must_use]
pub fn unspecified(address: IpAddr) -> SocketAddr {
    match address {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// The system's civil time, 1970 at the earliest.
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
