//! Writes a door or a sequence.

use std::path::Path;
use std::time::Duration;

use super::change;
use super::change::Who;
use super::commands;
use super::old::{FLAGS, Quoted, Section};
use super::page::{Page, shown};
use super::plan::{Proposal, title};
use crate::core::duration::Text;
use crate::core::sighting::{FlagMask, Port, Protocol, TcpFlags};
use crate::firewall::Dialect;

/// Writes the field `firewall` and those that belong to it.
pub fn firewall(page: &mut Page, dialect: &Dialect) {
    for (comment, field) in dialect.fields {
        if !comment.is_empty() {
            page.comment(comment);
        }
        page.line(field);
    }
}

/// Writes a section of the old configuration as a comment.
pub fn origin(page: &mut Page, old: &Section) {
    if !old.steps.is_empty() {
        let steps: Vec<String> = old.steps.iter().map(Port::to_string).collect();
        page.literal(&format!("sequence {}", steps.join(" ")));
    }
    for (key, value) in [
        ("one_time_sequences", &old.one_time),
        ("target", &old.target),
        ("start_command", &old.start),
        ("start_command_6", &old.start_6),
        ("stop_command", &old.stop),
        ("stop_command_6", &old.stop_6),
    ] {
        if let Some(value) = value {
            page.literal(&format!("{key} {}", shown(value)));
        }
    }
}

/// Writes a door, after comments with its rules and what differs.
pub fn door(
    page: &mut Page,
    old: &Section,
    door: &Proposal,
    interface: Option<&str>,
    dialect: &Dialect,
) {
    page.comment(&format!("{}, line {}:", title(old), old.line));
    origin(page, old);
    access(page, door, interface, dialect);
    for note in &door.notes {
        page.comment(note);
    }
    if let Some((field, needs_script)) =
        commands::field(&door.name, &door.on_open, &door.on_close)
    {
        page.comment(
            "Its other commands, as a field of the door. They need a runner, see \
             knockd.ron(5). They ran as root; here they run as that user:",
        );
        page.literal(&field);
        if needs_script {
            page.comment(
                "There is no shell. Write a script for what needs one, and use its full path.",
            );
        }
    }
    stanza(page, &door.name, &door_fields(door));
}

/// Writes the rules that the packet filter needs.
fn access(page: &mut Page, door: &Proposal, interface: Option<&str>, dialect: &Dialect) {
    let access = &door.access;
    if access.is_own && dialect.shares_tables {
        page.comment(&format!("The rules that refer to table <{}> stay.", access.table));
        return;
    }
    page.comment(&format!("For {}:", dialect.place));
    for rule in access.rules(interface, dialect) {
        page.literal(&rule);
    }
    match access.who {
        Who::Knocker => {}
        Who::Everybody => page.comment(
            "The old rule did not name %IP%, so it let in everybody: here only the address that \
             knocked gets in.",
        ),
        Who::Clients => page.comment(
            "The old command started a service, which let in everybody. Leave it running: the \
             packet filter hides it from all but the address that knocked. If it has other \
             ports, change them.",
        ),
    }
    if !access.is_known {
        page.comment("Its ports are unknown: write them for PORT, and as ports below.");
    } else if access.ports.is_empty() {
        page.comment("It lets in to every port, as the old rule did.");
    }
    if access.ports.iter().any(|port| change::number(port).is_none()) {
        page.comment("Not all of its ports are numbers: ports below lists those that are.");
    }
    if access.is_doubtful {
        page.comment("Not all of the old rule was understood: compare the two.");
    }
    if access.is_partial {
        page.comment("The old rules let in to more: add rules for it.");
    }
    if access.translates {
        page.comment("The old rule redirected packets: write such a rule for the table.");
    }
}

fn door_fields(door: &Proposal) -> Vec<(&'static str, String)> {
    let access = &door.access;
    let numbers = access.numbers();
    let mut fields = vec![("table", format!("{:?}", access.table))];
    let anchor = access.anchor.as_ref().map(|anchor| format!("{anchor:?}"));
    fields.extend(anchor.map(|anchor| ("anchor", anchor)));
    fields.extend((!numbers.is_empty()).then(|| ("ports", ports(&numbers))));
    fields.extend(door.target.map(|target| ("targets", format!("[\"{target}\"]"))));
    fields.push(("open_for", span(door.open_for)));
    fields.extend(door.max_open_for.map(|most| ("max_open_for", span(most))));
    fields.extend(door.kills.then(|| ("on_close", "KillStates".into())));
    fields
}

/// Writes a sequence, after comments on what differs.
pub fn sequence(page: &mut Page, old: &Section, door: &Proposal) {
    let flags = old.mask().filter(|_| old.has_tcp());
    for note in &door.sequence_notes {
        page.comment(note);
    }
    if let Some(weakness) = door.weakness {
        page.comment(&format!("weak: {weakness}."));
    }
    if old.has_tcp() && flags.is_none() {
        page.comment(if old.set == TcpFlags::default() {
            "Any TCP segment was a knock; now only an initial SYN is, as clients send it."
        } else {
            "SYN with ACK was a knock too; now only an initial SYN is."
        });
    }
    let mut fields = Vec::new();
    match &old.one_time {
        None => fields.push(("steps", ports(&old.steps))),
        Some(file) => {
            page.comment(&format!(
                "Move {} into the directory secrets, mode 0600. Each line of it must begin \
                 with a space or #, and each sequence must be unique. If a scan would find \
                 some of them, add weak: Allowed.",
                Quoted(file)
            ));
            let name = Path::new(file).file_name().unwrap_or_default();
            fields.push(("changing", format!("OneTime({:?})", name.display().to_string())));
        }
    }
    fields.push(("within", span(door.within)));
    fields.extend(flags.map(|mask| ("flags", shown_flags(mask))));
    fields.extend(door.weakness.map(|_| ("weak", "Allowed".into())));
    fields.push(("opens", format!("[{:?}]", door.name)));
    stanza(page, &door.name, &fields);
}

fn stanza(page: &mut Page, name: &str, fields: &[(&str, String)]) {
    page.line(&format!("{name:?}: ("));
    for (name, value) in fields {
        page.line(&format!("    {name}: {value},"));
    }
    page.line("),");
}

/// Shows up to 120 s in seconds, as the old daemon does.
fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ ..=120 => format!("\"{seconds}s\""),
        _ => format!("\"{}\"", Text(span)),
    }
}

fn ports(ports: &[Port]) -> String {
    let show = |port: &Port| match port.protocol {
        Protocol::Tcp => format!("Tcp({})", port.number),
        Protocol::Udp => format!("Udp({})", port.number),
    };
    format!("[{}]", ports.iter().map(show).collect::<Vec<_>>().join(", "))
}

/// The field `flags`.
fn shown_flags(FlagMask { set, clear }: FlagMask) -> String {
    let list = |name: &str, flags: TcpFlags| {
        let names = FLAGS.iter().filter(|(_, flag)| flags.intersects(*flag));
        let names: Vec<&str> = names.map(|(name, _)| *name).collect();
        (!names.is_empty()).then(|| format!("{name}: [{}]", names.join(", ")))
    };
    let lists: Vec<String> =
        [list("set", set), list("clear", clear)].into_iter().flatten().collect();
    format!("({})", lists.join(", "))
}
