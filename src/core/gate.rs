//! The gate decides whether a packet opens doors.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::address;
use super::claim::{Authorization, Claim, Ground};
use super::copies::Copies;
use super::credential::{Credential, Proven};
use super::policy::{Policy, Spa};
use super::rate::Rate;
use super::reason::Reason;
use super::replay::{Barrier, Honoured, Replay, ReplayId};
use super::sequence::{Attempts, SequenceIndex};
use super::sighting::{Segment, Sighting};
use super::time::{Monotonic, Now, Wall};
use super::token::{Body, ServerId, Statement, UserId, Wanted};
use super::user::{CredentialIndex, SourcePolicy, User, UserIndex};
use knock::Awaited;

mod knock;
#[cfg(feature = "legacy")]
mod legacy;

/// The most doors that one packet can open.
pub const MAX_CLAIMS: usize = 16;

/// How many proofs of one user are checked at once; then as many a second as
/// configured. Otherwise every holder of the gate key could make us check proofs
/// in the name of another user.
pub const PROOF_BURST: u32 = 32;

/// A used token that arrives at another interface within this time is a copy of
/// the same packet, not a replay.
const COPY_WINDOW: Duration = Duration::from_secs(1);

/// What the gate decided about one sighting.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Open these doors; never empty, at most [`MAX_CLAIMS`].
    Open(Vec<Claim>),
    /// Do nothing.
    Ignore(Refusal),
}

/// Why a packet opened nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The first check that failed.
    pub reason: Reason,
    /// The user that a token with a valid tag names. Unproven, unless the reason
    /// comes after the proof.
    pub user: Option<UserIndex>,
    /// The token's time of issue minus ours, in milliseconds, if it is too far
    /// off.
    pub offset: Option<i64>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if !self.reason.hint().is_empty() {
            write!(f, ", {}", self.reason.hint())?;
        }
        if let Some(offset) = self.offset {
            let side = if offset < 0 { "behind" } else { "ahead of" };
            let (seconds, millis) =
                (offset.unsigned_abs() / 1_000, offset.unsigned_abs() % 1_000);
            write!(f, ", issued {seconds}.{millis:03} s {side} our clock")?;
        }
        Ok(())
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, user: None, offset: None }
    }
}

impl From<Result<Vec<Claim>, Refusal>> for Verdict {
    fn from(judged: Result<Vec<Claim>, Refusal>) -> Self {
        judged.map_or_else(Self::Ignore, Self::Open)
    }
}

impl From<Reason> for Verdict {
    fn from(reason: Reason) -> Self {
        Self::Ignore(reason.into())
    }
}

/// Where a token was seen first.
#[derive(Debug, Clone, Copy)]
struct FirstSeen {
    /// No interface has the number `u32::MAX`, of tokens that another gate saw.
    interface: u32,
    at: Monotonic,
}

impl FirstSeen {
    /// Why `packet`, with the same token, opens nothing.
    fn reason(self, packet: &Packet<'_>, now: Monotonic) -> Reason {
        let is_near = now.since(self.at) <= COPY_WINDOW;
        if is_near && self.interface != packet.interface {
            Reason::Duplicate
        } else {
            Reason::Replayed
        }
    }
}

/// Judges packets by a policy and by what it remembers of earlier ones.
#[derive(Debug)]
pub struct Gate {
    policy: Arc<Policy>,
    attempts: Attempts,
    /// One for each sequence.
    awaited: Vec<Awaited>,
    replay: Replay<FirstSeen>,
    /// Honoured datagrams, and whose they were.
    copies: Copies<(UserIndex, FirstSeen)>,
    /// One for each user.
    proofs: Vec<Rate>,
}

impl Gate {
    /// A gate that refuses tokens issued at or before `barrier`.
    #[must_use]
    pub fn new(policy: Arc<Policy>, barrier: Wall) -> Self {
        Self::remembering(policy, Replay::new(barrier), [0; 16])
    }

    /// A gate of a run that began at `started` and does not know which tokens
    /// earlier runs accepted. It refuses all tokens that they may have accepted.
    #[must_use]
    pub fn after_loss(policy: Arc<Policy>, started: Now) -> Self {
        let max_skew = policy.max_skew();
        Self::remembering(policy, Replay::after_loss(started, max_skew), [0; 16])
    }

    /// A gate with the barrier of another store of tokens. Copies of datagrams are
    /// found by hashes with `copy_key`, which is random and of this process alone.
    #[must_use]
    pub fn with_barrier(policy: Arc<Policy>, barrier: Barrier, copy_key: [u8; 16]) -> Self {
        Self::remembering(policy, Replay::with_barrier(barrier), copy_key)
    }

    fn remembering(policy: Arc<Policy>, replay: Replay<FirstSeen>, copy_key: [u8; 16]) -> Self {
        let attempts = usize::try_from(policy.limits.max_attempts).unwrap_or(usize::MAX);
        Self {
            attempts: Attempts::new(attempts),
            awaited: Awaited::all(&policy),
            replay,
            copies: Copies::new(copy_key),
            proofs: policy
                .users
                .iter()
                .map(|user| Rate::per_second(PROOF_BURST, user.proofs_per_second))
                .collect(),
            policy,
        }
    }

    /// Treats these tokens, and the lines of these lists up to these offsets, as
    /// used: another gate accepted them.
    pub fn remember(&mut self, tokens: &[Honoured], lines: &[(SequenceIndex, u32)]) {
        for Honoured { user, token, at } in tokens {
            if self.replay.seen(user, &token.id).is_none() {
                let first = FirstSeen { interface: u32::MAX, at: *at };
                self.replay.restore(*user, *token, first);
            }
        }
        for (index, offset) in lines {
            self.skip_lines(*index, *offset);
        }
    }

    /// Judges one sighting. A stranger's packet costs no HMAC unless it repeats a
    /// mark: then one for each gate key. In an older program's format it costs one
    /// for each key. A replayed token costs one and a look-up, or the look-up alone
    /// if not a bit was changed.
    pub fn judge(&mut self, sighting: &Sighting<'_>, now: Now) -> Verdict {
        let policy = Arc::clone(&self.policy);
        let Some(source) = address::host(sighting.source, policy.loopback) else {
            return Reason::Source.into();
        };
        if let Segment::Udp { port, payload, .. } = sighting.segment {
            let Sighting { interface, destination, .. } = *sighting;
            let packet = Packet { source, destination, interface, payload };
            if let Some(spa) = policy.spa.as_ref().filter(|spa| spa.port == port) {
                let claim = self.judge_token(&policy, spa, &packet, now);
                return claim.map(|claim| vec![claim]).into();
            }
            #[cfg(feature = "legacy")]
            if let Some((legacy, way)) = policy.way_at(port) {
                return self.judge_older(&policy, legacy, way, &packet, now).into();
            }
        }
        self.judge_knock(&policy, source, sighting, now)
    }

    /// Checks a token. The checks are in order of cost; the proof is last.
    fn judge_token(
        &mut self,
        policy: &Policy,
        spa: &Spa,
        packet: &Packet<'_>,
        now: Now,
    ) -> Result<Claim, Refusal> {
        if let Some((user, first)) = self.copies.get(packet.payload) {
            let reason = first.reason(packet, now.monotonic);
            return Err(Refusal { reason, user: Some(*user), offset: None });
        }
        let (body, server) = open(spa, packet.payload)?;
        let request = body.decode()?;
        let asker = Asker::find(policy, &request.user).ok_or(Reason::Unknown)?;
        let Asker { index, user, place, credential } = asker;
        let refuse = |reason| Refusal { reason, user: Some(index), offset: None };
        if credential.kind() != Some(request.kind) {
            return Err(refuse(Reason::Invalid));
        }
        check_time(spa.max_skew, request.issued, now.wall)
            .map_err(|(reason, offset)| Refusal { offset: Some(offset), ..refuse(reason) })?;
        self.check_new(&request.user, packet, &body.salt, request.issued, now)
            .map_err(refuse)?;
        user.check_validity(credential, now.wall).map_err(refuse)?;
        let asked = policy.door_by_id(&request.door).filter(|(door, _)| user.may_open(*door));
        let (index_of_door, door) = asked.ok_or_else(|| refuse(Reason::Forbidden))?;
        if !door.is_target(packet.destination) {
            return Err(refuse(Reason::Target));
        }
        let address = granted(policy, user, request.wanted, packet.source).map_err(refuse)?;
        if ![packet.source, address].iter().all(|at| user.may_be_at(credential, *at)) {
            return Err(refuse(Reason::Network));
        }
        // Else each copy of a token that finds no room would cost a proof.
        if self.replay.is_full(&request.user, request.issued, now) {
            return Err(refuse(Reason::Full));
        }
        let statement = Statement::new(server, &body.salt, body.claim());
        let proven = self.check_proof(&asker, &statement, &body, now).map_err(refuse)?;

        let token = ReplayId {
            id: body.salt,
            issued: request.issued,
            expires: request.issued + policy.max_skew(),
            counter: proven.counter,
        };
        let first = FirstSeen { interface: packet.interface, at: now.monotonic };
        let recorded = self.replay.record(request.user, token, first, now);
        if matches!(recorded, Ok(()) | Err(Reason::Counter)) {
            self.copies.remember(packet.payload, (index, first));
        }
        recorded.map_err(refuse)?;
        let ground = Ground::Token(Authorization {
            user: index,
            credential: place,
            lifetime: request.lifetime,
            replay: token,
        });
        Ok(Claim { door: index_of_door, address, ground })
    }

    fn check_new(
        &self,
        user: &UserId,
        packet: &Packet<'_>,
        id: &[u8; 16],
        issued: Wall,
        now: Now,
    ) -> Result<(), Reason> {
        if let Some(first) = self.replay.seen(user, id) {
            return Err(first.reason(packet, now.monotonic));
        }
        if self.replay.is_certain(issued, now) { Ok(()) } else { Err(Reason::Uncertain) }
    }

    fn check_proof(
        &mut self,
        asker: &Asker<'_>,
        statement: &Statement,
        body: &Body,
        now: Now,
    ) -> Result<Proven, Reason> {
        let place = usize::try_from(asker.index.0).ok();
        let rate = place.and_then(|place| self.proofs.get_mut(place));
        if !rate.is_some_and(|rate| rate.admit(now.monotonic)) {
            return Err(Reason::Throttled);
        }
        asker.credential.check(statement, body.proof())
    }
}

/// The user and the credential that a token names.
struct Asker<'p> {
    index: UserIndex,
    user: &'p User,
    place: CredentialIndex,
    credential: &'p Credential,
}

impl<'p> Asker<'p> {
    fn find(policy: &'p Policy, id: &UserId) -> Option<Self> {
        let (index, place) = policy.credential_by_id(id)?;
        let user = policy.user(index)?;
        Some(Self { index, user, place, credential: user.credential(place)? })
    }
}

/// A datagram to the SPA port.
struct Packet<'a> {
    source: IpAddr,
    destination: IpAddr,
    interface: u32,
    payload: &'a [u8],
}

/// Opens a token with the first gate key that its tag is valid for. Returns the
/// body and the server's id under that key.
fn open<'a>(spa: &'a Spa, payload: &[u8]) -> Result<(Body, &'a ServerId), Reason> {
    let mut reason = Reason::Length;
    for (key, server) in &spa.gate_keys {
        match key.open(payload) {
            Ok(body) => return Ok((body, server)),
            Err(other) => reason = reason.or_higher(other),
        }
    }
    Err(reason)
}

fn check_time(max_skew: Duration, issued: Wall, now: Wall) -> Result<(), (Reason, i64)> {
    let offset = issued.offset_from(now);
    if issued + max_skew < now {
        Err((Reason::Stale, offset))
    } else if now + max_skew < issued {
        Err((Reason::Early, offset))
    } else {
        Ok(())
    }
}

/// The address to open for.
///
/// # Errors
/// [`Reason::Unnamed`] or [`Reason::Address`] when the user may not have it.
fn granted(
    policy: &Policy,
    user: &User,
    wanted: Wanted,
    source: IpAddr,
) -> Result<IpAddr, Reason> {
    match wanted {
        Wanted::Source if user.source == SourcePolicy::Observed => Ok(source),
        Wanted::Source => Err(Reason::Unnamed),
        Wanted::Address(address) => address::host(address, policy.loopback)
            .filter(|named| *named == source || user.source == SourcePolicy::Delegate)
            .ok_or(Reason::Address),
    }
}
