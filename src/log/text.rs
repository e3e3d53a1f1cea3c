//! How everything that the daemon can say reads, in one place.
//!
//! Lower case, one line, no full stop; the object is named and the system's
//! error comes last. knockd(8) lists them under DIAGNOSTICS.

use std::fmt;
use std::time::Duration;

use super::event::Event;
use crate::core::reason::Reason;

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
