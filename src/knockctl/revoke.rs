//! `knockctl revoke`: ends the leases of a user.

use std::io::Write;
use std::path::Path;

use super::{CtlError, hint, send_order};
use crate::config;
use crate::control::request::Order;

/// Prints where to remove the user, and ends the user's leases.
pub(super) fn revoke(
    name: &str,
    file: &Path,
    socket: &Path,
    out: &mut dyn Write,
) -> Result<(), CtlError> {
    match config::stanza_of_user(file, name) {
        Ok(Some(place)) => {
            let file = file.display();
            writeln!(
                out,
                "{file}:{}:{}: remove the user {name} here",
                place.line, place.column
            )?;
            hint("the user can knock again until you do that and run knockctl reload");
        }
        Ok(None) => hint(&format!("{} has no user {name}", file.display())),
        Err(problems) => hint(&format!("cannot find user {name}: {problems}")),
    }
    out.flush()?;
    // The daemon may still have a user that the file lacks.
    let order = Order::CloseUser { name: name.to_owned() };
    send_order(socket, order, out)
}
