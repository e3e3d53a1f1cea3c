//! Checks a claim against the configuration.
//!
//! The gate checks all of this before it makes a claim. The keeper checks it
//! again, because the engine may be compromised.

use std::net::IpAddr;
use std::time::Duration;

use super::address;
use super::claim::{Authorization, Claim, Ground};
use super::credential::Credential;
use super::door::Door;
use super::one_time::OneTime;
use super::policy::Policy;
use super::reason::Reason;
use super::replay::ReplayId;
use super::sequence::{Sequence, SequenceIndex, Steps};
use super::time::Wall;
use super::token::UserId;
use super::user::User;

/// A claim that the configuration allows.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct Permit<'p> {
    /// How long the lease lasts.
    pub span: Duration,
    /// What the grant uses up, so that it counts once.
    pub once: Once<'p>,
}

/// What has to be recorded before a door opens, because it counts once.
#[derive(Debug, PartialEq, Eq)]
pub enum Once<'p> {
    /// Nothing: the steps are fixed.
    Nothing,
    /// A token, good for one door.
    Token(UserId, ReplayId),
    /// A packet, good once for each of several doors.
    Packet(UserId, ReplayId),
    /// A period of a rolling sequence, and when it began. Good like a packet, if
    /// every token accepted since then is known.
    Period(Wall, UserId, ReplayId),
    /// A line of the list of a sequence, by place.
    Line(SequenceIndex, &'p OneTime, usize),
}

/// Permits `claim`. By the engine, the packet came from `source`.
///
/// # Errors
/// The reason of the first check that fails.
pub fn permit<'p>(
    policy: &'p Policy,
    claim: &Claim,
    source: IpAddr,
    wall: Wall,
) -> Result<Permit<'p>, Reason> {
    let door = policy.door(claim.door).ok_or(Reason::Forbidden)?;
    if address::host(claim.address, policy.loopback) != Some(claim.address) {
        return Err(Reason::Address);
    }
    let knocked = door.lifetime(None);
    let (span, once) = match &claim.ground {
        Ground::Token(claimed) => {
            let (span, owner, token) = authorize(policy, claim, door, claimed, wall)?;
            (span, Once::Token(owner, token))
        }
        Ground::Older(claimed) => {
            let (span, owner, packet) = authorize(policy, claim, door, claimed, wall)?;
            (span, Once::Packet(owner, packet))
        }
        Ground::Fixed(index) => match opener(policy, claim, *index)?.steps {
            Steps::Fixed(_) => (knocked, Once::Nothing),
            _ => return Err(Reason::Forbidden),
        },
        Ground::Rolling(index, period) => match &opener(policy, claim, *index)?.steps {
            Steps::Rolling(rolling) => {
                check_source(claim, source)?;
                let current = rolling.period_at(wall);
                if ![current, current.saturating_sub(1)].contains(period) {
                    return Err(Reason::Stale);
                }
                let token = rolling.token(*period, source, policy.max_skew());
                (knocked, Once::Period(rolling.begin(*period), rolling.id(), token))
            }
            _ => return Err(Reason::Forbidden),
        },
        Ground::Line(index, offset) => match &opener(policy, claim, *index)?.steps {
            Steps::OneTime(list) => {
                check_source(claim, source)?;
                let place = list.place(*offset).ok_or(Reason::Forbidden)?;
                (knocked, Once::Line(*index, list, place))
            }
            _ => return Err(Reason::Forbidden),
        },
    };
    Ok(Permit { span, once })
}

/// The sequence at `index`, if it opens the claim's door.
fn opener<'p>(
    policy: &'p Policy,
    claim: &Claim,
    index: SequenceIndex,
) -> Result<&'p Sequence, Reason> {
    let sequence = policy.sequence(index).ok_or(Reason::Forbidden)?;
    sequence.doors.contains(&claim.door).then_some(sequence).ok_or(Reason::Forbidden)
}

/// A sequence that counts once opens only for the source that knocked it.
fn check_source(claim: &Claim, source: IpAddr) -> Result<(), Reason> {
    if claim.address == source { Ok(()) } else { Err(Reason::Address) }
}

/// The lifetime that the user gets, and the ids that the packet is recorded by.
fn authorize(
    policy: &Policy,
    claim: &Claim,
    door: &Door,
    claimed: &Authorization,
    wall: Wall,
) -> Result<(Duration, UserId, ReplayId), Reason> {
    let user = policy.user(claimed.user).ok_or(Reason::Unknown)?;
    let credential = user.credential(claimed.credential).ok_or(Reason::Unknown)?;
    check_kind(&claim.ground, credential)?;
    check_rights(policy, user, credential, claim, claimed, wall)?;
    // The claim carries no expiry that could be trusted.
    let expires = claimed.replay.issued + policy.max_skew();
    let replay = ReplayId { expires, ..claimed.replay };
    Ok((user.lifetime(door, claimed.lifetime), credential.id(), replay))
}

/// Checks that the credential proves packets of this ground. A counter is
/// accepted for keys that count only: a forged one would lock the key out.
fn check_kind(ground: &Ground, credential: &Credential) -> Result<(), Reason> {
    let fits = match (ground, credential.kind()) {
        (Ground::Token(claimed), Some(kind)) => kind.counts || claimed.replay.counter == 0,
        (Ground::Older(claimed), None) => claimed.replay.counter == 0,
        _ => false,
    };
    if fits { Ok(()) } else { Err(Reason::Invalid) }
}

fn check_rights(
    policy: &Policy,
    user: &User,
    credential: &Credential,
    claim: &Claim,
    claimed: &Authorization,
    wall: Wall,
) -> Result<(), Reason> {
    user.check_validity(credential, wall)?;
    let max_skew = policy.max_skew_of(credential).ok_or(Reason::Forbidden)?;
    if claimed.replay.issued + max_skew < wall {
        Err(Reason::Stale)
    } else if wall + max_skew < claimed.replay.issued {
        // It would be recorded for ever.
        Err(Reason::Early)
    } else if !user.may_open(claim.door) {
        Err(Reason::Forbidden)
    } else if !user.may_be_at(credential, claim.address) {
        Err(Reason::Network)
    } else {
        Ok(())
    }
}
