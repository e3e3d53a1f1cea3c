//! QR codes for the terminal.

use std::io::Write;

use super::CtlError;

/// Draws `line` as a QR code in half blocks, light on dark as most terminals are.
#[cfg(feature = "client")]
pub(super) fn draw(line: &str, out: &mut dyn Write) -> Result<(), CtlError> {
    use qrcode::render::unicode::Dense1x2;
    use qrcode::{EcLevel, QrCode};

    let code = QrCode::with_error_correction_level(line, EcLevel::L)
        .map_err(|error| CtlError::new(format!("cannot draw the line, omit --qr: {error}")))?;
    let mut renderer = code.render::<Dense1x2>();
    let picture = renderer.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Ok(writeln!(out, "{picture}")?)
}

/// Fails: this build has no QR codes.
#[cfg(not(feature = "client"))]
pub(super) fn draw(_: &str, _: &mut dyn Write) -> Result<(), CtlError> {
    Err(CtlError::new("this knockctl was built without QR codes, omit --qr"))
}
