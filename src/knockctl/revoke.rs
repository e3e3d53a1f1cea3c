//! `knockctl revoke`: shuts a user out.

use std::io::Write;
use std::path::Path;

use super::connection::Connection;
use super::{Error, carry_out, hint};
use crate::config;
use crate::control::request::Order;

/// Prints the change that the configuration needs, and ends the user's leases.
pub(super) fn revoke(
    name: &str,
    file: &Path,
    socket: &Path,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match config::stanza_of_user(file, name) {
        Ok(Some(place)) => {
            let file = file.display();
            writeln!(
                out,
                "{file}:{}:{}: remove the user {name} here",
                place.line, place.column
            )?;
            hint("until that is done and knockctl reload is run, the user can knock again");
        }
        Ok(None) => hint(&format!("{} has no user {name}", file.display())),
        Err(problems) => hint(&format!("where {name} stands is not known: {problems}")),
    }
    out.flush()?;
    // Also of a user who is gone from the file, but not from the daemon.
    let order = Order::CloseUser { name: name.to_owned() };
    Connection::open(socket).and_then(|mut daemon| carry_out(&mut daemon, order, out))
}
