//! `knockd -r`: judges the packets of a capture file at the times of the file, by
//! the code that judges live frames.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::engine::{Decision, decide};
use crate::capture::savefile::Savefile;
use crate::core::claim::Claim;
use crate::core::gate::Gate;
use crate::core::policy::Policy;
use crate::core::time::{Monotonic, Now, Wall};

/// Prints one line for each packet: its time, its source and the verdict.
///
/// # Errors
/// When the file cannot be read or is no capture file, or the output cannot be
/// written.
pub fn judge(policy: &Arc<Policy>, path: &Path, out: &mut impl Write) -> io::Result<()> {
    let mut gate = Gate::new(Arc::clone(policy), Wall::default());
    let mut savefile = Savefile::open(path).map_err(io::Error::other)?;
    while let Some(record) = savefile.next_record().map_err(io::Error::other)? {
        let nanos = record.time;
        let now = Now {
            monotonic: Monotonic::from_nanos(nanos),
            wall: Wall::from_millis(nanos / 1_000_000),
        };
        let decision = decide(&mut gate, record.link, record.frame, 0, now);
        write!(out, "{}.{:09} ", nanos / 1_000_000_000, nanos % 1_000_000_000)?;
        match decision {
            Decision::Drop(reason) => writeln!(out, "- ignore {reason}")?,
            Decision::Refuse { source, refusal } => {
                let user = refusal.user.and_then(|index| policy.user(index));
                let name = user.map_or("-", |user| &user.name);
                writeln!(out, "{source} ignore {} {name}", refusal.reason)?;
            }
            Decision::Open { claims, source } => {
                write!(out, "{source} open")?;
                for claim in &claims {
                    write!(out, " {}", ClaimText { claim, policy })?;
                }
                writeln!(out)?;
            }
        }
    }
    Ok(())
}

/// Shows a claim as `door=ssh address=192.0.2.7 seconds=60 user=alice`.
struct ClaimText<'a> {
    claim: &'a Claim,
    policy: &'a Policy,
}

impl fmt::Display for ClaimText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(door) = self.policy.door(self.claim.door) else { return Ok(()) };
        let seconds = door.lifetime(self.claim.ground.lifetime()).as_secs();
        let user = self.claim.ground.user().and_then(|index| self.policy.user(index));
        let user = user.map_or("-", |user| &user.name);
        let (name, address) = (&door.name, self.claim.address);
        write!(f, "door={name} address={address} seconds={seconds} user={user}")
    }
}
