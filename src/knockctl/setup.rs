//! `knockctl setup`: a first configuration where none stands.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::arguments::Setup;
use super::{Error, hint};
use crate::config::{self, Config};
use crate::core::name;
use crate::firewall::{Dialect, NATIVE};
use crate::keep::journal;
use crate::keyfile::{self, KeyKind};
use crate::sys::SYSTEM;

/// SPA ports are drawn from here: above those of services, below those that
/// systems take for connections of their own.
const PORTS: std::ops::Range<u16> = 10_000..32_768;
/// The table of the door that is made.
const TABLE: &str = "knock_ssh";
/// The name of the gate key's file.
const GATE: &str = "gate.key";

/// Writes the configuration and a gate key, and prints what the packet filter
/// needs. Nothing that exists is touched.
pub(super) fn setup(order: &Setup, out: &mut dyn Write) -> Result<(), Error> {
    let file = &order.config;
    if file.exists() {
        return Err(Error::Because(format!(
            "{} exists and stays as it is; check it with knockd -n, or name another with -f",
            file.display()
        )));
    }
    let name = match &order.server {
        Some(name) => name.clone(),
        None => host_name()?,
    };
    if !name::is_server(&name) {
        return Err(Error::Because(format!(
            "{name:?} cannot name a server, give --name with 1 to 64 of a-z 0-9 . -"
        )));
    }
    let user = user(order)?;
    let port = random_port()?;
    let directory = file.parent().filter(|parent| *parent != Path::new(""));
    let directory = directory.unwrap_or(Path::new("."));
    let gate = directory.join("knockd").join(GATE);
    let is_new = make_gate_key(&gate)?;
    let text = configuration(&name, port, &user, NATIVE);
    // Only what the daemon takes is written: else it would be in the way.
    let config = check(&text, file).and_then(|config| {
        write_new(file, &text).map_err(|error| {
            Error::Because(format!("cannot write {}: {error}", file.display()))
        })?;
        Ok(config)
    });
    if config.is_err() && is_new {
        let _ = fs::remove_file(&gate);
    }
    let config = config?;
    // A configuration elsewhere is for a look, and the machine's journal not.
    if is_new && file == Path::new(SYSTEM.config) {
        // Without it the daemon would doubt every token for a while.
        if let Err(error) = journal::create_empty(&config.directories.state) {
            let state = config.directories.state.display();
            hint(&format!("no journal in {state}, the first start will doubt tokens: {error}"));
        }
    }
    out.write_all((NATIVE.hide)(TABLE, 22, port).as_bytes())?;
    out.flush()?;
    explain(file, &gate, is_new, order.user.as_deref());
    Ok(())
}

/// What `text` means as the content of `file`.
fn check(text: &str, file: &Path) -> Result<Config, Error> {
    let absolute = std::path::absolute(file)
        .map_err(|error| Error::Because(format!("cannot find {}: {error}", file.display())))?;
    let directory = absolute.parent().unwrap_or(Path::new("/"));
    config::parse(text, file, directory).map_err(Error::from_display)
}

/// The machine's own name.
pub(super) fn host_name() -> Result<String, Error> {
    let name = nix::unistd::gethostname()
        .map_err(|error| Error::Because(format!("cannot tell the host's name: {error}")))?;
    Ok(name.to_string_lossy().to_ascii_lowercase())
}

/// A port that /etc/services does not name.
fn random_port() -> Result<u16, Error> {
    // Without the file no port is known to be taken.
    let services = fs::read_to_string("/etc/services").unwrap_or_default();
    let taken = |port: u16| services.contains(&format!("{port}/udp"));
    loop {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::Because(format!("cannot get random bytes: {error}")))?;
        let port = u16::from_be_bytes(bytes);
        if PORTS.contains(&port) && !taken(port) {
            return Ok(port);
        }
    }
}

/// The users of the new configuration.
fn user(order: &Setup) -> Result<String, Error> {
    let (Some(user), Some(key)) = (&order.user, &order.key) else {
        return Ok("    users: {},\n".into());
    };
    let source = order.source.ok_or_else(|| {
        Error::Because(
            "give --source bound for a client with an address of its own, or --source observed \
             for one behind NAT, which lets someone in the path redirect the grant"
                .into(),
        )
    })?;
    let text = fs::read_to_string(key)
        .map_err(|error| Error::Because(format!("cannot read {}: {error}", key.display())))?;
    let mut lines = text.lines().map(str::trim);
    let line =
        lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    if let Err(why) = config::check_authorized_key(line) {
        return Err(Error::Because(format!("{}: {why}", key.display())));
    }
    Ok(format!(
        "    users: {{
        {user:?}: (
            credential: AuthorizedKey({line:?}),
            doors: [\"ssh\"],
            source: {source},
        ),
    }},
"
    ))
}

/// Whether it had to be made.
fn make_gate_key(path: &Path) -> Result<bool, Error> {
    if path.exists() {
        let read = keyfile::read(path).map_err(Error::from_display)?;
        if read.kind == KeyKind::Gate {
            return Ok(false);
        }
        return Err(Error::Because(format!(
            "{} is a {} file, move it away",
            path.display(),
            read.kind
        )));
    }
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key)
        .map_err(|error| Error::Because(format!("cannot get random bytes: {error}")))?;
    keyfile::write_new(path, KeyKind::Gate, &key, "").map_err(Error::from_display)?;
    Ok(true)
}

fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    let written = new.write_all(text.as_bytes()).and_then(|()| new.sync_all());
    if written.is_err() {
        // Half a configuration would be in the way of the next try.
        let _ = fs::remove_file(file);
    }
    written?;
    let directory = file.parent().filter(|parent| *parent != Path::new(""));
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn configuration(name: &str, port: u16, users: &str, dialect: &Dialect) -> String {
    let mut firewall = String::new();
    for (comment, field) in dialect.fields {
        if !comment.is_empty() {
            firewall.push_str(&format!("    // {comment}\n"));
        }
        firewall.push_str(&format!("    {field}\n"));
    }
    let anchor = dialect.anchor.map(|anchor| format!(" anchor: {anchor:?},"));
    let anchor = anchor.unwrap_or_default();
    format!(
        "// Configuration of knockd. Every field stands in knockd.ron(5).
// After a change: knockd -n, then knockctl reload.
(
    // The server's own name. Clients pin it, so keep it.
    name: {name:?},

{firewall}
    // Tokens come to this UDP port. Nothing listens there, and the packet
    // filter should drop what comes.
    spa: (port: {port}, gate_keys: [{GATE:?}]),

    // What opens: the table that the packet filter looks at.
    doors: {{
        \"ssh\": (
            table: {TABLE:?},{anchor}
            ports: [Tcp(22)],
            open_for: \"60s\",
            max_open_for: \"8h\",
        ),
    }},

    // Who may open what: knockctl enroll NAME, then put here what the client
    // answers.
{users})
"
    )
}

/// What was done and what comes next.
fn explain(file: &Path, gate: &Path, is_new: bool, user: Option<&str>) {
    let verb = if is_new { "made" } else { "used" };
    hint(&format!("wrote {}, {verb} {}", file.display(), gate.display()));
    hint("what the packet filter needs is on standard output; next, as root:");
    for (number, step) in (1..).zip(steps(user)) {
        hint(&format!("{number}. {step}"));
    }
}

/// In an order that keeps the connection over which they are typed: what is
/// loaded first is taken back by itself, unless all went well.
fn steps(user: Option<&str>) -> Vec<String> {
    let enroll = match user {
        Some(user) => format!("knockctl enroll {user}, and on the client knock --enroll"),
        None => "knockctl enroll NAME --doors ssh --source bound, and on the client knock \
                 --enroll, whose answer belongs into users"
            .into(),
    };
    let start = format!("start knockd; {enroll}");
    let end = "knock, connect anew beside the old connection, and only then end the job, with \
               atrm or kill, and keep the filter for good";
    let load = NATIVE.steps.iter().map(|step| (*step).to_owned());
    load.chain([start, end.into()]).collect()
}
