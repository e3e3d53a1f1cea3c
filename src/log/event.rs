//! Everything that the daemon can say, and how much it matters. How it reads
//! stands in `text`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::Severity;
use crate::core::address::Entry;
use crate::core::door::Table;
use crate::core::gate::Refusal;
use crate::core::reason::Reason;

/// Who opened a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'a> {
    /// A user, by name.
    User(&'a str),
    /// Whoever knew the sequence.
    Sequence,
    /// Whoever ordered it.
    Administrator,
    /// A user who is not configured any more.
    Nobody,
}

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => f.write_str(name),
            Self::Sequence => f.write_str("a sequence"),
            Self::Administrator => f.write_str("the administrator"),
            Self::Nobody => f.write_str("a former user"),
        }
    }
}

/// Why a door was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its time was over.
    Expired,
    /// Somebody took the entry out of the table.
    Revoked,
    /// An administrator ordered it.
    Ordered,
    /// The configuration does not allow it any more.
    Removed,
    /// The daemon stops.
    Stopped,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Ordered => "ordered",
            Self::Removed => "removed",
            Self::Stopped => "stopped",
        })
    }
}

/// One thing to say.
#[expect(missing_docs, reason = "the fields are what the lines name")]
pub enum Event<'a> {
    /// The daemon captures and serves.
    Ready { interfaces: usize, doors: usize },
    /// The daemon was told to end.
    Stopping,
    /// The daemon cannot go on.
    CannotGoOn { error: &'a dyn fmt::Display },
    /// A new configuration is in force.
    Reloaded { doors: usize },
    /// A new configuration is not, and the old one stays.
    NotReloaded { text: &'a str },
    /// What was used before is not known: tokens issued so early in this run
    /// cannot be told from used ones.
    Barrier { span: Duration, why: &'a dyn fmt::Display },
    /// The journal cannot be written: no token is believed.
    JournalBroken { why: &'a dyn fmt::Display },
    /// It can be written again.
    JournalBack,
    /// The last line of a list of sequences was used.
    ListUsedUp { sequence: &'a str, list: &'a dyn fmt::Display },
    /// A line of a list was knocked and cannot be marked as used.
    CannotStrike { list: &'a dyn fmt::Display, error: &'a dyn fmt::Display },
    /// Leases are in memory alone.
    CannotKeepLeases { error: &'a dyn fmt::Display },
    /// What the run before kept of leases cannot be read.
    LeasesLost { why: &'a dyn fmt::Display },
    /// A lease of an earlier run lives on.
    Restored { door: &'a str, address: IpAddr, by: By<'a>, left: Duration },
    /// An entry that an earlier run left, and that no lease holds, is out.
    Swept { entry: Entry, table: &'a Table },
    /// The keeper died, and what it left open was shut.
    KeeperDied { how: &'a str, shut: usize },
    /// The keeper did not end in time, and was killed.
    KeeperStuck,
    /// An engine died.
    EngineDied { how: &'a str },
    /// The keeper does without an engine until another serves.
    EngineLost { why: &'a dyn fmt::Display },
    /// A process cannot be started; it is tried again.
    CannotStart { what: &'a str, error: &'a dyn fmt::Display },
    /// A process cannot give up what it must not have.
    CannotConfine { error: &'a dyn fmt::Display },
    /// The kernel took the address.
    Opened { door: &'a str, address: IpAddr, by: By<'a>, span: Duration },
    /// A live lease got a later deadline.
    Extended { door: &'a str, address: IpAddr, by: By<'a>, span: Duration },
    /// A lease ended.
    Closed { door: &'a str, address: IpAddr, after: Duration, ending: Ending },
    /// The firewall or a limit was in the way.
    NotOpened { door: &'a str, address: IpAddr, by: By<'a>, reason: Reason },
    /// The entry was there before us, and will stay.
    Foreign { entry: Entry, table: &'a Table },
    /// The firewall did not add.
    CannotAdd { entry: Entry, table: &'a Table, error: &'a dyn fmt::Display },
    /// The firewall did not delete; it is tried again until it does.
    CannotDelete { entry: Entry, table: &'a Table, error: &'a dyn fmt::Display },
    /// An entry that could not be deleted is out at last.
    Deleted { entry: Entry, table: &'a Table },
    /// A table cannot be used.
    TableUnusable { table: &'a Table, error: &'a dyn fmt::Display },
    /// A table can be used again, and got its entries back.
    TableBack { table: &'a Table, restored: usize },
    /// A table was emptied under live leases, and got its entries back.
    TableEmptied { table: &'a Table, restored: usize },
    /// A table that was missing was made.
    TableCreated { table: &'a Table },
    /// Something in the firewall makes doors useless.
    Useless { warning: &'a dyn fmt::Display },
    /// The firewall cannot be asked whether something does.
    CannotReview { error: &'a dyn fmt::Display },
    /// Connections were ended with the lease that had let them through.
    Killed { door: &'a str, entry: Entry, states: u64 },
    /// The reference that keeps pf enabled could not be given back.
    CannotRelease { error: &'a dyn fmt::Display },
    /// They could not be ended, and go on.
    CannotKill { door: &'a str, error: &'a dyn fmt::Display },
    /// A configuration that will not do what it seems to.
    Doubtful { text: &'a str },
    /// Capture began on an interface.
    Attached { interface: &'a str },
    /// An interface cannot be captured on, and is waited for.
    Waiting { interface: &'a str, why: &'a str },
    /// An interface went away, and is waited for.
    Lost { interface: &'a str },
    /// The kernel had no room for packets.
    Dropped { packets: u64 },
    /// A source was refused, for the first time in this minute.
    Refused { source: IpAddr, user: Option<&'a str>, refusal: Refusal },
    /// A source went on being refused.
    RefusedAgain { source: IpAddr, reasons: &'a [(Reason, u64)] },
    /// Sources beyond the number that is followed.
    RefusedOthers { reasons: &'a [(Reason, u64)] },
    /// Lines about doors that were too many to say.
    Unsaid { lines: u64 },
    /// A command did not end well.
    CommandFailed { command: &'a str, door: &'a str, how: &'a dyn fmt::Display },
    /// A command was not run, for the first time in this minute.
    CommandDropped { command: &'a str, door: &'a str },
    /// More were not.
    CommandsDropped { commands: u64 },
    /// The keeper does without a runner until another is there.
    RunnerLost { why: &'a dyn fmt::Display, commands: usize },
    /// The runner died.
    RunnerDied { how: &'a str },
    /// Commands of a keeper that is gone failed or were cut short.
    CommandsUntold,
}

impl Event<'_> {
    /// How much it matters.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::CannotAdd { .. }
            | Self::CannotDelete { .. }
            | Self::TableUnusable { .. }
            | Self::JournalBroken { .. }
            | Self::CannotStrike { .. }
            | Self::KeeperDied { .. }
            | Self::KeeperStuck
            | Self::EngineDied { .. }
            | Self::RunnerDied { .. }
            | Self::CannotStart { .. }
            | Self::CannotConfine { .. }
            | Self::NotReloaded { .. }
            | Self::CannotGoOn { .. } => Severity::Error,
            Self::Useless { .. }
            | Self::CannotReview { .. }
            | Self::CannotKill { .. }
            | Self::CannotRelease { .. }
            | Self::ListUsedUp { .. }
            | Self::CannotKeepLeases { .. }
            | Self::LeasesLost { .. }
            | Self::EngineLost { .. }
            | Self::RunnerLost { .. }
            | Self::CommandFailed { .. }
            | Self::CommandDropped { .. }
            | Self::CommandsDropped { .. }
            | Self::CommandsUntold
            | Self::Swept { .. }
            | Self::Doubtful { .. }
            | Self::Waiting { .. }
            | Self::Lost { .. }
            | Self::Dropped { .. }
            | Self::NotOpened { .. }
            | Self::Foreign { .. } => Severity::Warning,
            _ => Severity::Notice,
        }
    }
}

/// Whether a reason says nothing about anybody who holds a key: what a
/// stranger, a scan or a half-done knock causes.
#[must_use]
pub const fn is_noise(reason: Reason) -> bool {
    (reason as usize) < Reason::Length as usize
}
