//! `knockctl setup`: writes a first configuration.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::arguments::Setup;
use super::{CtlError, hint};
use crate::config::{self, Config};
use crate::core::name;
use crate::core::text::unmarked;
use crate::firewall::{Dialect, NATIVE};
use crate::keep::journal;
use crate::keyfile::{self, KeyKind};
use crate::sys::SYSTEM;
use crate::sys::confine::Account;

/// SPA ports are chosen from this range: above the ports of services, below the
/// ports that systems choose for outgoing connections.
const PORTS: std::ops::Range<u16> = 10_000..32_768;
/// The table of the door.
const TABLE: &str = "knock_ssh";
/// The name of the gate key's file.
const GATE: &str = "gate.key";

/// Writes the configuration and a gate key, and prints the rules that the packet
/// filter needs. Changes nothing that exists.
pub(super) fn setup(options: &Setup, out: &mut dyn Write) -> Result<(), CtlError> {
    let file = &options.config;
    if file.exists() {
        return Err(CtlError::new(format!(
            "{} already exists: check it with knockd -n, or name another file with -f",
            file.display()
        )));
    }
    let name = match &options.server {
        Some(name) => name.clone(),
        None => host_name()?,
    };
    if !name::is_server(&name) {
        return Err(CtlError::new(format!(
            "invalid server name {name:?}: use --name with 1 to 64 bytes of a-z 0-9 . and -"
        )));
    }
    let user = user(options)?;
    let port = random_port()?;
    let gate = directory_of(file).join("knockd").join(GATE);
    let is_new = ensure_gate_key(&gate)?;
    let text = configuration(&name, port, &user, NATIVE);
    // An invalid configuration is not written: setup would refuse to replace it.
    let config = check(&text, file).and_then(|config| {
        write_new(file, &text).map_err(|error| {
            CtlError::new(format!("cannot write {}: {error}", file.display()))
        })?;
        Ok(config)
    });
    if config.is_err() && is_new {
        let _ = fs::remove_file(&gate);
    }
    let config = config?;
    // A configuration in another place is a trial: leave the machine's journal.
    if is_new && file == Path::new(SYSTEM.config) {
        // Without a journal the first start refuses tokens for a while.
        if let Err(error) = journal::create_empty(&config.directories.state) {
            let state = config.directories.state.display();
            hint(&format!("no journal in {state}, the first start refuses tokens: {error}"));
        }
    }
    out.write_all((NATIVE.hide)(TABLE, 22, port).as_bytes())?;
    out.flush()?;
    explain(file, &gate, is_new, &config, options.user.as_deref());
    Ok(())
}

/// Checks `text` as the content of `file`.
fn check(text: &str, file: &Path) -> Result<Config, CtlError> {
    let absolute = std::path::absolute(file)
        .map_err(|error| CtlError::new(format!("cannot find {}: {error}", file.display())))?;
    let directory = absolute.parent().unwrap_or(Path::new("/"));
    config::parse(text, file, directory).map_err(CtlError::new)
}

/// The host name in lower case.
pub(super) fn host_name() -> Result<String, CtlError> {
    let name = nix::unistd::gethostname()
        .map_err(|error| CtlError::new(format!("cannot get the host name: {error}")))?;
    Ok(name.to_string_lossy().to_ascii_lowercase())
}

/// A port that /etc/services does not name.
fn random_port() -> Result<u16, CtlError> {
    // Without the file no port is known to be taken.
    let services = fs::read_to_string("/etc/services").unwrap_or_default();
    let is_taken = |port: u16| services.contains(&format!("{port}/udp"));
    loop {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes)
            .map_err(|error| CtlError::new(format!("cannot get random bytes: {error}")))?;
        let port = u16::from_be_bytes(bytes);
        if PORTS.contains(&port) && !is_taken(port) {
            return Ok(port);
        }
    }
}

/// The users of the new configuration.
fn user(options: &Setup) -> Result<String, CtlError> {
    let (Some(user), Some(key)) = (&options.user, &options.key) else {
        return Ok("    users: {},\n".into());
    };
    let source = options.source.ok_or_else(|| {
        CtlError::new(
            "--source is missing: use bound for a client with an address of its own, observed \
             for a client behind NAT, which lets someone in the path redirect the lease",
        )
    })?;
    let bytes = fs::read(key)
        .map_err(|error| CtlError::new(format!("cannot read {}: {error}", key.display())))?;
    let text = String::from_utf8_lossy(unmarked(&bytes));
    let mut lines = text.lines().map(str::trim);
    let line =
        lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    if let Err(why) = config::check_authorized_key(line) {
        return Err(CtlError::new(format!("{}: {why}", key.display())));
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

/// Creates the gate key unless it exists. Returns whether it is new.
fn ensure_gate_key(path: &Path) -> Result<bool, CtlError> {
    if !path.exists() {
        keyfile::create(path, KeyKind::Gate).map_err(CtlError::new)?;
        return Ok(true);
    }
    let kind = keyfile::read(path).map_err(CtlError::new)?.kind;
    if kind == KeyKind::Gate {
        return Ok(false);
    }
    Err(CtlError::new(format!("{} is a {kind} file, move it away", path.display())))
}

fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    let written = new.write_all(text.as_bytes()).and_then(|()| new.sync_all());
    if written.is_err() {
        // Setup would refuse to replace half a configuration.
        let _ = fs::remove_file(file);
    }
    written?;
    File::open(directory_of(file))?.sync_all()
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
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
        "// Configuration of knockd. knockd.ron(5) describes every field.
// After a change: knockd -n, then knockctl reload.
(
    // The name of the server. Clients pin it: do not change it.
    name: {name:?},

{firewall}
    // Clients send tokens to this UDP port. Nothing listens there, and the
    // packet filter should drop the packets.
    spa: (port: {port}, gate_keys: [{GATE:?}]),

    // A door adds addresses to a table of the packet filter.
    doors: {{
        \"ssh\": (
            table: {TABLE:?},{anchor}
            ports: [Tcp(22)],
            open_for: \"60s\",
            max_open_for: \"8h\",
        ),
    }},

    // Users, and the doors that they may open: run knockctl enroll NAME, then
    // add what the client prints.
{users})
"
    )
}

/// Prints what was done and the next steps.
fn explain(file: &Path, gate: &Path, is_new: bool, config: &Config, user: Option<&str>) {
    let verb = if is_new { "created" } else { "using" };
    hint(&format!("wrote {}, {verb} {}", file.display(), gate.display()));
    hint("standard output has the rules for the packet filter; next, as root:");
    let account = &config.user;
    let create = Account::named(account)
        .is_err()
        .then(|| format!("create the account {account}: {} {account}", SYSTEM.add_user));
    for (number, step) in (1..).zip(create.into_iter().chain(steps(user))) {
        hint(&format!("{number}. {step}"));
    }
}

/// The next steps, in an order that keeps the connection that they are typed on:
/// a job takes the new rules back unless it is ended.
fn steps(user: Option<&str>) -> Vec<String> {
    let enroll = match user {
        Some(user) => format!("knockctl enroll {user}; on the client: knock --enroll"),
        None => "knockctl enroll NAME --doors ssh --source bound; on the client: knock \
                 --enroll; add what it prints to users"
            .into(),
    };
    let start = format!("start knockd; {enroll}");
    let end = "knock, and open a second connection; only if that works, end the job with atrm \
               or kill, and make the rules permanent";
    let load = NATIVE.steps.iter().map(|step| (*step).to_owned());
    load.chain([start, end.into()]).collect()
}
