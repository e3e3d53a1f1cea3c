//! What was planned, as a configuration of ours with comments.

use super::old::{self, Old};
use super::page::{Page, shown};
use super::plan::{Fate, title};
use super::stanza;
use crate::core::name;
use crate::firewall::Dialect;

/// Where it comes from, and what for.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'f> {
    /// The old file, as a person would call it.
    pub from: &'f str,
    /// The name of the host, which the server gets if it can.
    pub host: &'f str,
    /// Which packet filter there is.
    pub dialect: &'f Dialect,
}

/// The configuration. It is a good one if at least one door is taken.
#[must_use]
pub fn write(old: &Old, fates: &[Fate], frame: Frame<'_>) -> String {
    let interface = old.interface.as_deref().filter(|name| name::is_interface(name));
    let mut page = Page::default();
    header(&mut page, frame);
    page.line("(");
    page.indent(4);
    top(&mut page, old, interface, frame);
    page.line("doors: {");
    page.indent(8);
    for (place, (old, fate)) in old.doors.iter().zip(fates).enumerate() {
        if place > 0 {
            page.line("");
        }
        match fate {
            Fate::Taken(door) => stanza::door(&mut page, old, door, interface, frame.dialect),
            Fate::Left(why) => left(&mut page, old, why),
        }
    }
    page.indent(4);
    page.line("},\n");
    page.line("sequences: {");
    page.indent(8);
    for (old, fate) in old.doors.iter().zip(fates) {
        if let Fate::Taken(door) = fate {
            stanza::sequence(&mut page, old, door);
        }
    }
    page.indent(4);
    page.line("},");
    page.indent(0);
    page.line(")");
    page.into_text()
}

fn header(page: &mut Page, frame: Frame<'_>) {
    let Dialect { place, note, .. } = frame.dialect;
    page.comment(&format!("Made by knockctl import knockd from {}.", shown(frame.from)));
    page.comment(
        "It is a proposal: look at each name, table, time and interface. What differs for all \
         doors stands in knockd-migrate(7).",
    );
    page.comment("Next:");
    page.comment(&format!(
        "1. Write the rules that stand at the doors into {place}, and one that blocks the same \
         ports for everybody else. {note}"
    ));
    page.comment("2. Check this file: knockd -n -f FILE");
    page.comment("3. Stop the old daemon, start this one, and ask knockctl doctor.");
    page.comment("Whoever sees a sequence can repeat it. knockctl enroll leads to tokens.");
}

/// What concerns the whole daemon.
fn top(page: &mut Page, old: &Old, interface: Option<&str>, frame: Frame<'_>) {
    let host = if name::is_server(frame.host) { frame.host } else { "server" };
    page.comment("The server's own name. Clients pin it, so keep it.");
    page.line(&format!("name: {host:?},\n"));
    match (interface, &old.interface) {
        (Some(name), _) => page.line(&format!("interfaces: [{name:?}],")),
        (None, Some(odd)) => page.comment(&format!(
            "Interface {} is the name of none. This one takes those of the default routes.",
            shown(odd)
        )),
        (None, None) => page.comment(
            "No Interface was written. The old daemon took eth0, or what -i named; this one \
             takes those of the default routes.",
        ),
    }
    for (name, path, instead) in [
        ("LogFile", &old.log_file, "knockd logs to syslogd(8), facility daemon."),
        ("PidFile", &old.pid_file, "knockd -p FILE keeps one, where it is needed."),
    ] {
        if let Some(path) = path {
            page.comment(&format!("{name} {}: {instead}", shown(path)));
        }
    }
    for (line, directive) in &old.unknown {
        let directive = shown(directive);
        page.comment(&format!(
            "Left out, no directive of the old daemon: line {line}, {directive}"
        ));
    }
    if old.more_unknown > 0 {
        page.comment(&format!("Left out likewise: {} more.", old.more_unknown));
    }
    stanza::firewall(page, frame.dialect);
    page.line("");
}

/// A door that ours cannot be.
fn left(page: &mut Page, old: &old::Door, why: &str) {
    page.comment(&format!("{}, line {}, is not taken over: {why}.", title(old), old.line));
    stanza::origin(page, old);
}
