//! Datagrams of pyknock.
//!
//! ```text
//! offset  size
//! 0       32      HMAC-SHA256 over all that follows
//! 32      1       1 = open, 2 = close
//! 33      8       seconds since 1970, a double, little-endian
//! 41      4       address family as the client's system counts it, little-endian
//! 45      4 or 16 the address
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Ask, Digest};
use crate::core::address::Wanted;
use crate::core::hash;
use crate::core::reason::Reason;
use crate::core::statement::UserId;
use crate::core::time::Wall;

/// The UDP port of pyknock.
pub const PORT: u16 = 60_120;
/// Length of a datagram with an IPv4 and with an IPv6 address.
pub const LENGTHS: [usize; 2] = [49, 61];
/// The most bytes of a key.
pub const MAX_KEY: usize = 256;

const TAG: usize = 32;
const OPEN: u8 = 1;
const CLOSE: u8 = 2;
/// `AF_INET` of every system.
const INET: i32 = 2;
/// `AF_INET6` of Linux, Windows, OpenBSD, FreeBSD and macOS.
const INET6: [i32; 5] = [10, 23, 24, 28, 30];

/// The key of a user: 1 to [`MAX_KEY`] bytes.
pub struct PyknockKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for PyknockKey {
    /// Shows no byte of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PyknockKey")
    }
}

/// The bytes after a valid HMAC.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a>(&'a [u8]);

impl PyknockKey {
    /// Makes a key of these bytes.
    #[must_use]
    pub const fn new(key: Zeroizing<Vec<u8>>) -> Self {
        Self(key)
    }

    /// Checks that `datagram` was made with this key. Compares one HMAC in
    /// constant time.
    ///
    /// # Errors
    /// [`Reason::Length`], [`Reason::Stranger`].
    pub fn authenticate<'a>(&self, datagram: &'a [u8]) -> Result<Message<'a>, Reason> {
        if !LENGTHS.contains(&datagram.len()) {
            return Err(Reason::Length);
        }
        let (tag, message) = datagram.split_at(TAG);
        let expected = Digest::Sha256.hmac(&self.0, &[message]);
        if bool::from(expected.as_bytes().ct_eq(tag)) {
            Ok(Message(message))
        } else {
            Err(Reason::Stranger)
        }
    }
}

impl super::OlderKey for PyknockKey {
    fn id(&self) -> UserId {
        hash::id("pyknock", &[super::significant(&self.0)])
    }

    fn read(&self, datagram: &[u8]) -> Result<Result<Ask, Reason>, Reason> {
        self.authenticate(datagram).map(|message| message.decode())
    }
}

impl Message<'_> {
    /// Reads what it asks for. The unspecified address stands for the source of
    /// the packet.
    ///
    /// # Errors
    /// [`Reason::Invalid`] for data that pyknock does not send;
    /// [`Reason::Unsupported`] for a request to close.
    pub fn decode(self) -> Result<Ask, Reason> {
        let (&[code], rest) = self.0.split_first_chunk().ok_or(Reason::Invalid)?;
        let (seconds, rest) = rest.split_first_chunk().ok_or(Reason::Invalid)?;
        let (family, address) = rest.split_first_chunk().ok_or(Reason::Invalid)?;
        let address = read_address(i32::from_le_bytes(*family), address)?;
        let issued = read_time(f64::from_le_bytes(*seconds))?;
        match code {
            OPEN => {}
            CLOSE => return Err(Reason::Unsupported),
            _ => return Err(Reason::Invalid),
        }
        let wanted = if address.is_unspecified() {
            Wanted::Source
        } else {
            Wanted::Address(address.to_canonical())
        };
        let once = hash::once("pyknock", &[self.0]);
        Ok(Ask { issued, wanted, ports: None, lifetime: None, once })
    }
}

fn read_address(family: i32, bytes: &[u8]) -> Result<IpAddr, Reason> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes)
        && family == INET
    {
        Ok(Ipv4Addr::from(octets).into())
    } else if let Ok(octets) = <[u8; 16]>::try_from(bytes)
        && INET6.contains(&family)
    {
        Ok(Ipv6Addr::from(octets).into())
    } else {
        Err(Reason::Invalid)
    }
}

/// Converts seconds. Fails for times before 1970 or after the year 9999.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before, and a cast of a double saturates"
)]
fn read_time(seconds: f64) -> Result<Wall, Reason> {
    // The year 9999.
    if !(0.0..=253_402_300_799.0).contains(&seconds) {
        return Err(Reason::Invalid);
    }
    Ok(Wall::from_millis((seconds * 1_000.0) as u64))
}
