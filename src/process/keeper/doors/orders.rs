//! Orders of the administrator.

use std::net::IpAddr;
use std::time::Duration;

use super::Doors;
use crate::core::address;
use crate::core::lease::{Admission, Holder, LeaseKey};
use crate::core::reason::Reason;
use crate::core::time::Monotonic;
use crate::core::user::UserIndex;
use crate::log::event::Ending;

/// Which leases to close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The one of a door and an address.
    One(String, IpAddr),
    /// Those of a user.
    User(String),
    /// All.
    All,
}

impl Doors {
    /// Opens a door, beyond the limits of users, up to the door's longest
    /// lifetime. Returns for how long.
    ///
    /// # Errors
    /// Why not, as one line.
    pub fn order_open(
        &mut self,
        door: &str,
        address: IpAddr,
        span: Option<Duration>,
        now: Monotonic,
    ) -> Result<Duration, String> {
        let (key, span) = self.ordered(door, address, span)?;
        let admission = self.leases.admit(key, Holder::Administrator);
        self.order(door, key, admission, span, now)
    }

    /// Extends a live lease. Returns for how long.
    ///
    /// # Errors
    /// Why not, as one line.
    pub fn order_extend(
        &mut self,
        door: &str,
        address: IpAddr,
        span: Duration,
        now: Monotonic,
    ) -> Result<Duration, String> {
        let (key, span) = self.ordered(door, address, Some(span))?;
        let Some(holder) = self.leases.get(&key).map(|lease| lease.holder) else {
            return Err(format!("door {door} is not open for {address}, open it"));
        };
        self.grant(key, holder, Admission::Extends, span, now)
            .map(|()| span)
            .map_err(|reason| cannot(door, address, reason))
    }

    /// Closes leases. Returns how many.
    ///
    /// # Errors
    /// Why there is nothing to close, as one line.
    pub fn order_close(&mut self, whose: &Whose, now: Monotonic) -> Result<usize, String> {
        let keys: Vec<LeaseKey> = match whose {
            Whose::One(door, address) => {
                let (key, _) = self.ordered(door, *address, None)?;
                if self.leases.get(&key).is_none() {
                    return Err(format!("door {door} is not open for {address}"));
                }
                vec![key]
            }
            Whose::User(name) => {
                let users = (0..).map(UserIndex).zip(&self.leases.policy().users);
                let user = users.into_iter().find(|(_, user)| user.name == *name);
                let (index, _) = user.ok_or_else(|| format!("there is no user {name}"))?;
                self.leases.of_user(index)
            }
            Whose::All => self.leases.iter_after(None).map(|(key, _)| key).collect(),
        };
        let gone = self.close_keys(&keys, Ending::Ordered, now);
        self.kill_states(&gone, now);
        Ok(keys.len())
    }

    /// The lease that an order names, and its span.
    fn ordered(
        &self,
        name: &str,
        address: IpAddr,
        span: Option<Duration>,
    ) -> Result<(LeaseKey, Duration), String> {
        let policy = self.leases.policy();
        let (door, found) =
            policy.door_by_name(name).ok_or_else(|| format!("there is no door {name}"))?;
        let host = address::host(address, policy.loopback)
            .ok_or_else(|| format!("{address} is not the address of a host"))?;
        Ok((LeaseKey { door, address: host }, found.lifetime(span)))
    }

    fn order(
        &mut self,
        door: &str,
        key: LeaseKey,
        admission: Result<Admission, Reason>,
        span: Duration,
        now: Monotonic,
    ) -> Result<Duration, String> {
        let holder = match self.leases.get(&key) {
            // The holder stays.
            Some(lease) => lease.holder,
            None => Holder::Administrator,
        };
        admission
            .and_then(|admission| self.grant(key, holder, admission, span, now))
            .map(|()| span)
            .map_err(|reason| cannot(door, key.address, reason))
    }
}

fn cannot(door: &str, address: IpAddr, reason: Reason) -> String {
    format!("cannot open door {door} for {address}, {reason}: see the log")
}
