//! Well-formed lies: what the keeper understands, and must not believe.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use knockd::core::claim::{Authorization, Claim, Ground};
use knockd::core::door::DoorIndex;
use knockd::core::gate::Refusal;
use knockd::core::policy::Policy;
use knockd::core::reason::Reason;
use knockd::core::replay::ReplayId;
use knockd::core::sequence::SequenceIndex;
use knockd::core::time::{Monotonic, Now, Wall};
use knockd::core::user::{CredentialIndex, UserIndex};
use knockd::message::engine::FromEngine;

/// Whom all lies name for their packets' source.
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
/// More than any queue, table or log holds.
const FLOOD: u32 = 100_000;

/// What is no host and cannot stand in a table. IPv4 travels mapped.
const NO_HOSTS: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "169.254.1.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "ff02::1",
    "ff0e::1",
];

/// The messages of a lie, by its name; none if there is no such lie.
pub fn of(name: &str, policy: &Policy, now: Now) -> Option<Vec<FromEngine>> {
    let liar = Liar { policy, now };
    let messages = match name {
        "strangers" => liar.strangers(),
        "rights" => liar.rights(),
        "addresses" => liar.addresses(),
        "lifetime" => {
            let lifetime = Some(Duration::from_secs(u64::MAX));
            let said = Authorization { lifetime, ..liar.said("bob", 1) };
            vec![liar.open(liar.claim("ssh", host(1), Ground::Token(said)))]
        }
        "quota" => (1..=60).map(|n| liar.open(liar.token("bob", "ssh", host(n), n))).collect(),
        "rate" => {
            (1..=2_000).map(|n| liar.open(liar.token("bob", "ssh", host(1), n))).collect()
        }
        "replay" => liar.replay(),
        "times" => liar.times(),
        "slots" => liar.slots(),
        "refusals" => (0..FLOOD).map(|n| refused(n, policy)).collect(),
        "counts" => {
            let most = |reason: &Reason| FromEngine::Count { reason: *reason, times: u32::MAX };
            let all = Reason::ALL.iter().map(most);
            all.cycle().take(1_000).chain([FromEngine::Serving, FromEngine::Serving]).collect()
        }
        "failures" => (0..FLOOD).map(|n| FromEngine::Failed { capture: n % 4 }).collect(),
        _ => return None,
    };
    Some(messages)
}

/// What an engine may say, for what comes behind something that it may not.
pub fn good(policy: &Policy, now: Now) -> FromEngine {
    let liar = Liar { policy, now };
    liar.open(liar.token("bob", "ssh", host(99), 99))
}

/// A host of the documentation's third network (RFC 5737), or of those that
/// are for benchmarks when that is full.
fn host(number: u32) -> IpAddr {
    let network =
        if number < 255 { Ipv4Addr::new(203, 0, 113, 0) } else { [198, 19, 0, 0].into() };
    IpAddr::V4(Ipv4Addr::from_bits(network.to_bits() + number))
}

fn refused(number: u32, policy: &Policy) -> FromEngine {
    let reason = match number % 3 {
        0 => Reason::Stranger,
        1 => Reason::Replayed,
        _ => Reason::Stale,
    };
    let users = u32::try_from(policy.users.len()).unwrap_or(u32::MAX);
    // The last of them is nobody.
    let user = (number % 2 == 1).then_some(UserIndex(number % (users + 1)));
    let offset = (reason == Reason::Stale).then_some(i64::MIN);
    let source = IpAddr::V6(Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(number)));
    FromEngine::Refused { source, refusal: Refusal { reason, user, offset } }
}

struct Liar<'a> {
    policy: &'a Policy,
    now: Now,
}

impl Liar<'_> {
    fn open(&self, claim: Claim) -> FromEngine {
        FromEngine::Open { claim, source: SOURCE, seen: self.now.monotonic }
    }

    fn door(&self, name: &str) -> DoorIndex {
        self.policy.door_by_name(name).map_or(DoorIndex(u16::MAX), |(index, _)| index)
    }

    fn user(&self, name: &str) -> UserIndex {
        let mut users = (0..).zip(&self.policy.users);
        let found = users.find(|(_, user)| user.name == name);
        UserIndex(found.map_or(u32::MAX, |(index, _)| index))
    }

    fn claim(&self, door: &str, address: IpAddr, ground: Ground) -> Claim {
        Claim { door: self.door(door), address, ground }
    }

    /// A fresh token, as if it had been proven.
    fn said(&self, user: &str, number: u32) -> Authorization {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        // As far ahead as is allowed: it expires then. Few have the same time,
        // since those have a share of their own.
        let skew = self.policy.max_skew();
        let issued =
            self.now.wall + skew - Duration::from_millis(50 + u64::from(number % 1_000));
        let replay = ReplayId { id, issued, expires: issued, counter: 0 };
        let (user, credential) = (self.user(user), CredentialIndex(0));
        Authorization { user, credential, lifetime: None, replay }
    }

    fn token(&self, user: &str, door: &str, address: IpAddr, number: u32) -> Claim {
        self.claim(door, address, Ground::Token(self.said(user, number)))
    }

    /// A claim by the only sequence.
    fn sequence(&self, door: &str, address: IpAddr) -> Claim {
        self.claim(door, address, Ground::Fixed(SequenceIndex(0)))
    }

    /// Doors and users that are not configured.
    fn strangers(&self) -> Vec<FromEngine> {
        let claim = self.token("bob", "ssh", host(1), 1);
        let doors = u16::try_from(self.policy.doors.len()).unwrap_or(u16::MAX);
        let users = u32::try_from(self.policy.users.len()).unwrap_or(u32::MAX);
        let sequence = self.sequence("web", host(1));
        let doors = [doors, u16::MAX].map(DoorIndex);
        let users = [users, u32::MAX].map(UserIndex);
        let by_door = doors.map(|door| [Claim { door, ..claim }, Claim { door, ..sequence }]);
        let by_user = users.map(|user| {
            let said = Authorization { user, ..self.said("bob", 1) };
            self.claim("ssh", host(1), Ground::Token(said))
        });
        by_door.concat().into_iter().chain(by_user).map(|claim| self.open(claim)).collect()
    }

    /// What users and sequences have no right to.
    fn rights(&self) -> Vec<FromEngine> {
        let web = |ground| self.claim("web", host(1), ground);
        [
            self.token("bob", "web", host(1), 1),
            self.token("carol", "ssh", host(1), 1),
            self.sequence("ssh", host(1)),
            web(Ground::Fixed(SequenceIndex(u16::MAX))),
            web(Ground::Rolling(SequenceIndex(0), 0)),
            web(Ground::Line(SequenceIndex(0), 0)),
            self.claim("ssh", host(1), Ground::Older(self.said("bob", 1))),
        ]
        .map(|claim| self.open(claim))
        .to_vec()
    }

    fn addresses(&self) -> Vec<FromEngine> {
        let mut messages = Vec::new();
        for (number, text) in (1..).zip(NO_HOSTS) {
            let Ok(address) = text.parse::<IpAddr>() else { continue };
            messages.push(self.open(self.token("bob", "ssh", address, number)));
            messages.push(self.open(self.sequence("web", address)));
        }
        messages
    }

    /// One token for two addresses, and once more as if issued later.
    fn replay(&self) -> Vec<FromEngine> {
        let first = self.token("bob", "ssh", host(1), 1);
        let again = Claim { address: host(2), ..first };
        let said = self.said("bob", 1);
        let issued = said.replay.issued + Duration::from_millis(1);
        let replay = ReplayId { issued, ..said.replay };
        let ground = Ground::Token(Authorization { replay, ..said });
        let later = Claim { address: host(3), ground, ..first };
        [first, first, again, later].map(|claim| self.open(claim)).to_vec()
    }

    /// Tokens of other days, and packets that were read at no time.
    fn times(&self) -> Vec<FromEngine> {
        let hour = Duration::from_secs(3_600);
        let wall = self.now.wall;
        let mut messages: Vec<_> = (1..)
            .zip([Wall::default(), wall - hour, wall + hour, Wall::from_millis(u64::MAX)])
            .map(|(number, issued)| {
                let said = self.said("bob", number);
                let replay = ReplayId { issued, ..said.replay };
                let ground = Ground::Token(Authorization { replay, ..said });
                self.open(self.claim("ssh", host(1), ground))
            })
            .collect();
        for (number, seen) in [(10, 0), (11, u64::MAX)] {
            let claim = self.token("bob", "ssh", host(number), number);
            let seen = Monotonic::from_nanos(seen);
            messages.push(FromEngine::Open { claim, source: SOURCE, seen });
        }
        messages
    }

    /// As many leases as may be, through all doors and for all users.
    fn slots(&self) -> Vec<FromEngine> {
        let users = ["alice", "bob", "dave"];
        let mut claims = Vec::new();
        for number in 1..=40 {
            let tokens = users.map(|user| self.token(user, "ssh", host(number), number));
            claims.extend(tokens);
        }
        claims.extend((1..=1_000).map(|number| self.sequence("web", host(number))));
        claims.into_iter().map(|claim| self.open(claim)).collect()
    }
}
