//! Judges packets of older programs. The checks are those of native tokens in
//! the same order, but there is no proof: the HMAC is made with the user's key.

use super::{FirstSeen, Gate, MAX_CLAIMS, Packet, Refusal, check_time, granted};
use crate::core::claim::{Authorization, Claim, Ground};
use crate::core::credential::{Credential, CredentialKey};
use crate::core::door::{Door, DoorIndex};
use crate::core::legacy::{Ask, Legacy, Way};
use crate::core::policy::Policy;
use crate::core::reason::Reason;
use crate::core::replay::ReplayId;
use crate::core::time::Now;
use crate::core::user::{CredentialIndex, User, UserIndex};

/// The user whose key made a packet, and what it asks for.
struct Asker<'p> {
    index: UserIndex,
    user: &'p User,
    place: CredentialIndex,
    credential: &'p Credential,
    ask: Result<Ask, Reason>,
}

impl Gate {
    /// Judges a packet by the first key of its way that made it.
    pub(super) fn judge_older(
        &mut self,
        policy: &Policy,
        legacy: &Legacy,
        way: &Way,
        packet: &Packet<'_>,
        now: Now,
    ) -> Result<Vec<Claim>, Refusal> {
        let asker = find(policy, way, packet.payload)?;
        let refuse = |reason| Refusal { reason, user: Some(asker.index), offset: None };
        let Asker { user, credential, .. } = asker;
        let ask = asker.ask.as_ref().map_err(|reason| refuse(*reason))?;
        check_time(legacy.max_skew, ask.issued, now.wall)
            .map_err(|(reason, offset)| Refusal { offset: Some(offset), ..refuse(reason) })?;
        let doors = doors(policy, user, ask).ok_or_else(|| refuse(Reason::Forbidden))?;
        let owner = credential.id();
        // The doors are no part of it, so the packet counts once even when doors
        // or their names change.
        let token = ReplayId {
            id: ask.once,
            issued: ask.issued,
            expires: ask.issued + policy.max_skew(),
            counter: 0,
        };
        self.check_new(&owner, packet, &token.id, token.issued, now).map_err(refuse)?;
        user.check_validity(credential, now.wall).map_err(refuse)?;
        if !doors.iter().all(|(_, door)| door.is_target(packet.destination)) {
            return Err(refuse(Reason::Target));
        }
        let address = granted(policy, user, ask.wanted, packet.source).map_err(refuse)?;
        if ![packet.source, address].iter().all(|at| user.may_be_at(credential, *at)) {
            return Err(refuse(Reason::Network));
        }
        let first = FirstSeen { interface: packet.interface, at: now.monotonic };
        self.replay.record(owner, token, first, now).map_err(refuse)?;
        let ground = Ground::Older(Authorization {
            user: asker.index,
            credential: asker.place,
            lifetime: ask.lifetime,
            replay: token,
        });
        Ok(doors.into_iter().map(|(door, _)| Claim { door, address, ground }).collect())
    }
}

/// The first user whose key made `payload`.
fn find<'p>(policy: &'p Policy, way: &Way, payload: &[u8]) -> Result<Asker<'p>, Reason> {
    let mut reason = Reason::Length;
    for (index, place) in way.keys.iter().copied() {
        let Some(user) = policy.user(index) else { continue };
        let Some(credential) = user.credential(place) else { continue };
        let CredentialKey::Older(key) = &credential.key else { continue };
        match key.read(payload) {
            Ok(ask) => return Ok(Asker { index, user, place, credential, ask }),
            Err(other) => reason = reason.or_higher(other),
        }
    }
    Err(reason)
}

/// The doors that a packet asks for, each once: for each port the first of the
/// user's doors that has it, or all of the user's doors if it names no port.
/// `None` when the user has no door for a port.
fn doors<'p>(policy: &'p Policy, user: &User, ask: &Ask) -> Option<Vec<(DoorIndex, &'p Door)>> {
    let own = || user.doors.iter().filter_map(|index| Some((*index, policy.door(*index)?)));
    let mut doors: Vec<(DoorIndex, &Door)> = Vec::new();
    match &ask.ports {
        None => doors.extend(own().take(MAX_CLAIMS)),
        Some(ports) => {
            for port in ports {
                let door = own().find(|(_, door)| door.ports.contains(port))?;
                if !doors.contains(&door) {
                    doors.push(door);
                }
            }
        }
    }
    (!doors.is_empty()).then_some(doors)
}
