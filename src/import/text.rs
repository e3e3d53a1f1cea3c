//! Writes the configuration with comments.

use super::old::{Old, Section};
use super::page::{Page, shown};
use super::plan::{Fate, title};
use super::stanza;
use crate::core::name;
use crate::firewall::Dialect;

/// The origin and the target of an import.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'f> {
    /// The old file, as messages name it.
    pub from: &'f str,
    /// The name of the host, which becomes the server's if it is valid.
    pub host: &'f str,
    /// The packet filter to write rules for.
    pub dialect: &'f Dialect,
}

/// Returns the configuration, which is valid if at least one section is taken.
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
    for (place, (old, fate)) in old.sections.iter().zip(fates).enumerate() {
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
    for (old, fate) in old.sections.iter().zip(fates) {
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
        "It is a proposal: check each name, table, time and interface. knockd-migrate(7) \
         lists the differences between the daemons.",
    );
    page.comment("Next:");
    page.comment(&format!(
        "1. Add the rules above each door to {place}, and one that blocks the same ports for \
         everybody else. {note}"
    ));
    page.comment("2. Check this file: knockd -n -f FILE");
    page.comment("3. Stop the old daemon, start this one, and run knockctl doctor.");
    page.comment("Whoever sees a sequence can repeat it. knockctl enroll sets up tokens.");
}

/// Writes the fields of the whole daemon.
fn top(page: &mut Page, old: &Old, interface: Option<&str>, frame: Frame<'_>) {
    let host = if name::is_server(frame.host) { frame.host } else { "server" };
    page.comment("The server's own name. Clients pin it, so keep it.");
    page.line(&format!("name: {host:?},\n"));
    match (interface, &old.interface) {
        (Some(name), _) => page.line(&format!("interfaces: [{name:?}],")),
        (None, Some(odd)) => page.comment(&format!(
            "Interface {} is not a valid name. This one uses those of the default routes.",
            shown(odd)
        )),
        (None, None) => page.comment(
            "No Interface was set. The old daemon used eth0, or that of -i; this one uses those \
             of the default routes.",
        ),
    }
    for (name, path, instead) in [
        ("LogFile", &old.log_file, "knockd logs to syslogd(8), facility daemon."),
        ("PidFile", &old.pid_file, "knockd -p FILE writes one, if it is needed."),
    ] {
        if let Some(path) = path {
            page.comment(&format!("{name} {}: {instead}", shown(path)));
        }
    }
    for (line, directive) in &old.unknown {
        let directive = shown(directive);
        page.comment(&format!("Left out, unknown to the old daemon: line {line}, {directive}"));
    }
    if old.more_unknown > 0 {
        page.comment(&format!("Left out too: {} more.", old.more_unknown));
    }
    stanza::firewall(page, frame.dialect);
    page.line("");
}

/// Writes a section that becomes no door.
fn left(page: &mut Page, old: &Section, why: &str) {
    page.comment(&format!("{}, line {}, is left out: {why}.", title(old), old.line));
    stanza::origin(page, old);
}
