//! Everything that the daemon can say, in one place.
//!
//! Lower case, one line, no full stop; the object is named and the system's
//! error comes last. knockd(8) lists them under DIAGNOSTICS.

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

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { .. }
            | Self::Stopping
            | Self::CannotGoOn { .. }
            | Self::Reloaded { .. }
            | Self::NotReloaded { .. }
            | Self::Doubtful { .. }
            | Self::Unsaid { .. } => self.fmt_daemon(f),
            Self::Barrier { .. }
            | Self::JournalBroken { .. }
            | Self::JournalBack
            | Self::ListUsedUp { .. }
            | Self::CannotStrike { .. }
            | Self::CannotKeepLeases { .. }
            | Self::LeasesLost { .. } => self.fmt_kept(f),
            Self::KeeperDied { .. }
            | Self::KeeperStuck
            | Self::EngineDied { .. }
            | Self::EngineLost { .. }
            | Self::RunnerDied { .. }
            | Self::RunnerLost { .. }
            | Self::CannotStart { .. }
            | Self::CannotConfine { .. } => self.fmt_process(f),
            Self::CommandFailed { .. }
            | Self::CommandDropped { .. }
            | Self::CommandsDropped { .. }
            | Self::CommandsUntold => self.fmt_command(f),
            Self::Opened { .. }
            | Self::Restored { .. }
            | Self::Extended { .. }
            | Self::Closed { .. }
            | Self::NotOpened { .. } => self.fmt_door(f),
            Self::Attached { .. }
            | Self::Waiting { .. }
            | Self::Lost { .. }
            | Self::Dropped { .. } => self.fmt_capture(f),
            Self::Refused { .. } | Self::RefusedAgain { .. } | Self::RefusedOthers { .. } => {
                self.fmt_refusal(f)
            }
            _ => self.fmt_firewall(f),
        }
    }
}

impl Event<'_> {
    fn fmt_daemon(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { interfaces, doors } => {
                write!(f, "ready, capturing on {interfaces} interfaces, guarding {doors} doors")
            }
            Self::Stopping => f.write_str("stopping, closing all doors"),
            Self::CannotGoOn { error } => write!(f, "cannot go on: {error}"),
            Self::Reloaded { doors } => {
                write!(f, "configuration reloaded, guarding {doors} doors")
            }
            Self::NotReloaded { text } => {
                write!(f, "configuration not reloaded, the old one stays: {text}")
            }
            Self::Doubtful { text } => f.write_str(text),
            Self::Unsaid { lines } => write!(f, "{lines} lines about doors left out, too many"),
            _ => Ok(()),
        }
    }

    fn fmt_kept(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Barrier { span, why } => write!(
                f,
                "tokens issued in the first {} are refused, uncertain: {why}",
                Span(*span)
            ),
            Self::JournalBroken { why } => {
                write!(f, "every token is refused until the journal can be kept: {why}")
            }
            Self::JournalBack => f.write_str("the journal can be kept again"),
            Self::ListUsedUp { sequence, list } => write!(
                f,
                "sequence {sequence} is used up, add lines to {list} and run knockctl reload"
            ),
            Self::CannotStrike { list, error } => {
                write!(f, "cannot strike out a line of {list}: {error}")
            }
            Self::CannotKeepLeases { error } => {
                write!(f, "leases will end with the daemon, they cannot be kept: {error}")
            }
            Self::LeasesLost { why } => {
                write!(f, "cannot tell which leases lived, flush the tables: {why}")
            }
            _ => Ok(()),
        }
    }

    fn fmt_process(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeeperDied { how, shut } => {
                write!(f, "the keeper died, {how}: {shut} entries taken out")
            }
            Self::KeeperStuck => f.write_str("the keeper did not end in time, killed"),
            Self::EngineDied { how } => write!(f, "an engine died, {how}"),
            Self::EngineLost { why } => write!(f, "starting another engine: {why}"),
            Self::RunnerDied { how } => write!(f, "the runner died, {how}"),
            Self::RunnerLost { why, commands } => {
                write!(f, "starting another runner: {why}, {commands} commands lost")
            }
            Self::CannotStart { what, error } => {
                write!(f, "cannot start {what}, trying again: {error}")
            }
            Self::CannotConfine { error } => write!(f, "cannot confine a process: {error}"),
            _ => Ok(()),
        }
    }

    fn fmt_command(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandFailed { command, door, how } => {
                write!(f, "command {command} for door {door} failed: {how}")
            }
            Self::CommandDropped { command, door } => {
                write!(f, "command {command} for door {door} not run, too many wait")
            }
            Self::CommandsDropped { commands } => {
                write!(f, "{commands} more commands not run in the last minute, too many wait")
            }
            Self::CommandsUntold => {
                f.write_str("commands that went on without a keeper failed or were cut short")
            }
            _ => Ok(()),
        }
    }

    fn fmt_door(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { door, address, by, span } => {
                write!(f, "door {door} opened for {address} by {by}, {}", Span(*span))
            }
            Self::Extended { door, address, by, span } => {
                write!(f, "door {door} extended for {address} by {by}, {}", Span(*span))
            }
            Self::Restored { door, address, by, left } => {
                write!(f, "door {door} open again for {address} by {by}, {} left", Span(*left))
            }
            Self::Closed { door, address, after, ending } => {
                write!(
                    f,
                    "door {door} closed for {address} after {}s, {ending}",
                    after.as_secs()
                )
            }
            Self::NotOpened { door, address, by, reason } => {
                write!(f, "door {door} not opened for {address} by {by}, {reason}")
            }
            _ => Ok(()),
        }
    }

    fn fmt_firewall(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { entry, table } => {
                write!(f, "{entry} stood in table {table} before, it will stay there")
            }
            Self::CannotAdd { entry, table, error } => {
                write!(f, "cannot add {entry} to table {table}: {error}")
            }
            Self::CannotDelete { entry, table, error } => {
                write!(f, "cannot delete {entry} from table {table}, trying again: {error}")
            }
            Self::Deleted { entry, table } => {
                write!(f, "{entry} is out of table {table} at last")
            }
            Self::Swept { entry, table } => {
                write!(f, "{entry} was left in table {table} by an earlier run, taken out")
            }
            Self::TableUnusable { table, error } => {
                write!(f, "table {table} cannot be used, its doors stay shut: {error}")
            }
            Self::TableBack { table, restored } => {
                write!(f, "table {table} can be used again, {restored} entries put back")
            }
            Self::TableEmptied { table, restored } => {
                write!(f, "table {table} was emptied, {restored} entries put back")
            }
            Self::TableCreated { table } => write!(f, "table {table} was missing, created"),
            Self::Useless { warning } => write!(f, "{warning}"),
            Self::CannotReview { error } => {
                write!(f, "cannot tell whether doors protect anything: {error}")
            }
            Self::Killed { door, entry, states } => {
                write!(f, "door {door} closed for {entry}, {states} states killed")
            }
            Self::CannotRelease { error } => write!(f, "pf stays enabled: {error}"),
            Self::CannotKill { door, error } => {
                write!(f, "connections through door {door} go on when it closes: {error}")
            }
            _ => Ok(()),
        }
    }

    fn fmt_capture(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attached { interface } => write!(f, "capturing on {interface}"),
            Self::Waiting { interface, why } => {
                write!(f, "cannot capture on {interface}, waiting for it: {why}")
            }
            Self::Lost { interface } => {
                write!(f, "interface {interface} is down or gone, waiting for it")
            }
            Self::Dropped { packets } => {
                write!(
                    f,
                    "the kernel dropped {packets} packets before they were read in the last minute"
                )
            }
            _ => Ok(()),
        }
    }

    fn fmt_refusal(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { source, user, refusal } => {
                match user {
                    Some(user) => {
                        write!(f, "token in the name of {user} from {source} refused")?
                    }
                    None => write!(f, "packet from {source} ignored")?,
                }
                write!(f, ", {}", refusal.reason)?;
                f.write_str(hint(refusal.reason))?;
                if let Some(offset) = refusal.offset {
                    let side = if offset < 0 { "behind" } else { "ahead of" };
                    let seconds = offset.unsigned_abs() / 1_000;
                    let millis = offset.unsigned_abs() % 1_000;
                    write!(f, ", issued {seconds}.{millis:03} s {side} our clock")?;
                }
                Ok(())
            }
            Self::RefusedAgain { source, reasons } => {
                write!(f, "more packets from {source} in the last minute")?;
                fmt_reasons(f, reasons)
            }
            Self::RefusedOthers { reasons } => {
                f.write_str("packets from other sources in the last minute")?;
                fmt_reasons(f, reasons)
            }
            _ => Ok(()),
        }
    }
}

/// What to look at, where the reason alone does not tell.
const fn hint(reason: Reason) -> &'static str {
    match reason {
        Reason::Address => ", behind NAT the user needs source: Observed",
        Reason::Unnamed => ", the user needs source: Observed",
        Reason::Network => ", see networks of the user and from= of the key",
        Reason::Counter => ", there may be a copy of the security key",
        _ => "",
    }
}

fn fmt_reasons(f: &mut fmt::Formatter<'_>, reasons: &[(Reason, u64)]) -> fmt::Result {
    for (reason, times) in reasons {
        write!(f, ", {times} {reason}")?;
    }
    Ok(())
}

/// A span to the second, or to the millisecond below ten seconds.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.subsec_millis();
        if self.0.as_secs() < 10 && millis != 0 {
            write!(f, "{}.{millis:03}s", self.0.as_secs())
        } else {
            write!(f, "{}s", self.0.as_secs())
        }
    }
}
