//! Every line of the log: its level, its name and fields, its text.
//!
//! A text is lower case, one line, without a full stop. It names the object,
//! and the system's error comes last. knockd-messages(7) explains the events in
//! the same order.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::time::Duration;

use super::Level;
use crate::core::address::Entry;
use crate::core::door::Table;
use crate::core::gate::Refusal;
use crate::core::reason::{Reason, Tally};

/// Makes [`Event`] of rows `LEVEL NAME { FIELDS } TEXT;`.
macro_rules! events {
    ($($level:ident $name:ident $({ $($field:ident: $type:ty),+ })?
        $text:literal $(, $argument:expr)*;)+) => {
        /// One line of the log.
        #[expect(missing_docs, reason = "the texts name the fields")]
        pub enum Event<'a> {
            $(#[doc = $text] $name $({ $($field: $type),+ })?,)+
        }

        /// Level and format of every event.
        pub const ALL: &[(Level, &str)] = &[$((Level::$level, $text)),+];

        impl Event<'_> {
            /// How much it matters.
            #[must_use]
            pub const fn level(&self) -> Level {
                match self {
                    $(Self::$name $({ $($field: _),+ })? => Level::$level,)+
                }
            }
        }

        impl Display for Event<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name $({ $($field),+ })? => write!(f, $text $(, $argument)*),)+
                }
            }
        }
    };
}

events! {
    // The daemon.
    Notice Ready { interfaces: usize, doors: usize }
        "ready, capturing on {interfaces} interfaces, guarding {doors} doors";
    Notice Stopping
        "stopping, closing all doors";
    Notice Reloaded { doors: usize }
        "configuration reloaded, guarding {doors} doors";
    Error NotReloaded { text: &'a str }
        "configuration not reloaded, the old one stays: {text}";
    Notice Barrier { span: Duration, why: &'a dyn Display }
        "tokens issued in the first {} are refused, uncertain: {why}", Span(*span);
    Error JournalBroken { why: &'a dyn Display }
        "every token is refused until the journal can be written: {why}";
    Notice JournalBack
        "the journal can be written again";
    Warning ListUsedUp { sequence: &'a str, list: &'a dyn Display }
        "sequence {sequence} is used up, add lines to {list} and run knockctl reload";
    Error CannotStrike { list: &'a dyn Display, error: &'a dyn Display }
        "cannot strike out a line of {list}: {error}";
    Warning CannotKeepLeases { error: &'a dyn Display }
        "cannot write the lease file, leases will end with the daemon: {error}";
    Warning LeasesLost { why: &'a dyn Display }
        "cannot recover the leases of the last run, flush the tables: {why}";
    Error KeeperDied { how: &'a str, shut: usize }
        "the keeper died, {how}: removed {shut} entries";
    Error KeeperStuck
        "the keeper did not end in time, killed";
    Error EngineDied { how: &'a str }
        "an engine died, {how}";
    Error RunnerDied { how: &'a str }
        "the runner died, {how}";
    Warning RunnerLost { why: &'a dyn Display, commands: usize }
        "starting another runner: {why}, {commands} commands lost";
    Warning CommandFailed { command: &'a str, door: &'a str, how: &'a dyn Display }
        "command {command} for door {door} failed: {how}";
    Warning CommandDropped { command: &'a str, door: &'a str }
        "command {command} for door {door} dropped, too many are queued";
    Warning CommandsDropped { commands: u64 }
        "{commands} more commands dropped in the last minute, too many are queued";
    Warning CommandsUnreported
        "commands that outlived the keeper failed or were killed";
    Warning EngineLost { why: &'a dyn Display }
        "starting another engine: {why}";
    Error CannotStart { what: &'a str, error: &'a dyn Display }
        "cannot start {what}, trying again: {error}";
    Error CannotConfine { error: &'a dyn Display }
        "cannot confine a process: {error}";
    Error CannotGoOn { error: &'a dyn Display }
        "cannot continue: {error}";
    Warning Doubtful { text: &'a str }
        "{text}";
    Notice Omitted { lines: u64 }
        "{lines} lines about doors dropped, too many";

    // Doors.
    Notice Opened { door: &'a str, address: IpAddr, by: By<'a>, span: Duration }
        "door {door} opened for {address} by {by}, {}", Span(*span);
    Notice Extended { door: &'a str, address: IpAddr, by: By<'a>, span: Duration }
        "door {door} extended for {address} by {by}, {}", Span(*span);
    Notice Restored { door: &'a str, address: IpAddr, by: By<'a>, left: Duration }
        "door {door} open again for {address} by {by}, {} left", Span(*left);
    Notice Closed { door: &'a str, address: IpAddr, after: Duration, ending: Ending }
        "door {door} closed for {address} after {}, {ending}", Span::whole(*after);
    Warning NotOpened { door: &'a str, address: IpAddr, by: By<'a>, reason: Reason }
        "door {door} not opened for {address} by {by}, {reason}";

    // The packet filter.
    Warning Foreign { entry: Entry, table: &'a Table }
        "{entry} was already in {table}, leaving it";
    Warning Swept { entry: Entry, table: &'a Table }
        "removed {entry} from {table}, an earlier run had left it";
    Error CannotAdd { entry: Entry, table: &'a Table, error: &'a dyn Display }
        "cannot add {entry} to table {table}: {error}";
    Error CannotDelete { entry: Entry, table: &'a Table, error: &'a dyn Display }
        "cannot delete {entry} from table {table}, trying again: {error}";
    Notice Deleted { entry: Entry, table: &'a Table }
        "removed {entry} from {table}";
    Error TableUnusable { table: &'a Table, error: &'a dyn Display }
        "table {table} cannot be used, its doors cannot open: {error}";
    Notice TableBack { table: &'a Table, restored: usize }
        "table {table} can be used again, {restored} entries put back";
    Notice TableEmptied { table: &'a Table, restored: usize }
        "table {table} was emptied, {restored} entries put back";
    Notice TableCreated { table: &'a Table }
        "table {table} was missing, created";
    Warning Useless { warning: &'a dyn Display }
        "{warning}";
    Notice Useful { over: &'a str }
        "{over}";
    Warning CannotReview { error: &'a dyn Display }
        "cannot tell whether doors protect anything: {error}";
    Notice CanReview
        "can tell again whether doors protect anything";
    Notice Killed { door: &'a str, entry: Entry, states: u64 }
        "door {door} closed for {entry}, {states} states killed";
    Warning CannotKill { door: &'a str, error: &'a dyn Display }
        "cannot end connections through door {door} when it closes: {error}";
    Warning CannotRelease { error: &'a dyn Display }
        "cannot release the reference to pf, it stays enabled: {error}";

    // Capture.
    Notice Attached { interface: &'a str }
        "capturing on {interface}";
    Warning Waiting { interface: &'a str, why: &'a str }
        "cannot capture on {interface}, waiting for it: {why}";
    Warning Lost { interface: &'a str }
        "interface {interface} is down or gone, waiting for it";
    Warning Dropped { packets: u64 }
        "the kernel dropped {packets} packets before they were read in the last minute";

    // Refusals.
    Notice Refused { user: &'a str, source: IpAddr, refusal: Refusal }
        "token in the name of {user} from {source} refused, {refusal}";
    Notice Ignored { source: IpAddr, refusal: Refusal }
        "packet from {source} ignored, {refusal}";
    Notice RefusedAgain { source: IpAddr, reasons: &'a Tally }
        "more packets from {source} in the last minute, {reasons}";
    Notice RefusedOthers { reasons: &'a Tally }
        "packets from other sources in the last minute, {reasons}";
}

/// What opened a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'a> {
    /// The user of this name.
    User(&'a str),
    /// A knock sequence.
    Sequence,
    /// `knockctl open`.
    Administrator,
    /// A user that is no longer configured.
    Nobody,
}

impl Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User(name) => name,
            Self::Sequence => "a sequence",
            Self::Administrator => "the administrator",
            Self::Nobody => "a former user",
        })
    }
}

/// Why a door was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The deadline of the lease passed.
    Expired,
    /// The entry was deleted from the table by another program.
    Revoked,
    /// `knockctl close`.
    Ordered,
    /// The configuration no longer allows the lease.
    Removed,
    /// The daemon stops.
    Stopped,
}

impl Display for Ending {
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

/// Shows whole seconds, and milliseconds below ten seconds.
struct Span(Duration);

impl Span {
    const fn whole(span: Duration) -> Self {
        Self(Duration::from_secs(span.as_secs()))
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.subsec_millis();
        if self.0.as_secs() < 10 && millis != 0 {
            write!(f, "{}.{millis:03}s", self.0.as_secs())
        } else {
            write!(f, "{}s", self.0.as_secs())
        }
    }
}
