//! A line as a picture that a telephone reads from the terminal.

use std::io::Write;

use super::Error;

/// Draws `line` in half blocks, light on dark as most terminals are.
#[cfg(feature = "client")]
pub(super) fn draw(line: &str, out: &mut dyn Write) -> Result<(), Error> {
    use qrcode::render::unicode::Dense1x2;
    use qrcode::{EcLevel, QrCode};

    let code = QrCode::with_error_correction_level(line, EcLevel::L)
        .map_err(|error| Error::Because(format!("the line cannot be drawn: {error}")))?;
    let mut renderer = code.render::<Dense1x2>();
    let picture = renderer.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Ok(writeln!(out, "{picture}")?)
}

/// Says that this build cannot.
#[cfg(not(feature = "client"))]
pub(super) fn draw(_: &str, _: &mut dyn Write) -> Result<(), Error> {
    Err(Error::Because("this build cannot draw: leave --qr out".into()))
}
