//! Lies that are no messages: bytes and descriptors as no engine sends them.

use std::io;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use knockd::message::Message;
use knockd::message::channel::Broken;
use knockd::message::engine::FromEngine;

/// The offset of a claim's ground in its record, after the door, the address, the
/// source and the time.
const GROUND: usize = 8 + 2 + 16 + 16 + 8;

/// Sends them by their name, and behind them what would be a good message.
pub fn send(
    channel: BorrowedFd<'_>,
    capture: &OwnedFd,
    deed: &str,
    good: &FromEngine,
) -> Result<(), Broken> {
    let (name, number) = deed.split_once('=').unwrap_or((deed, "0"));
    let number: usize = number.parse().map_err(|_| Broken::Senseless)?;
    let mut record = good.encode().record();
    let mut copies = 0;
    match name {
        "tag" => record[0] = u8::try_from(number).map_err(|_| Broken::Senseless)?,
        // A claim on no known ground.
        "ground" => record[GROUND] = 9,
        // A lifetime that is marked as neither there nor missing.
        "flag" => record[GROUND + 1 + 4 + 1] = 2,
        "reserved" => record[1] = 1,
        "blob" => record[7] = 1,
        "descriptors" => copies = number,
        "half" => return write(channel, &record[..record.len() / 2], &[]),
        _ => return Err(Broken::Senseless),
    }
    write(channel, &record, &vec![capture.as_raw_fd(); copies])?;
    write(channel, &good.encode().record(), &[])
}

fn write(channel: BorrowedFd<'_>, bytes: &[u8], descriptors: &[i32]) -> Result<(), Broken> {
    let rights = [ControlMessage::ScmRights(descriptors)];
    let rights = if descriptors.is_empty() { &[][..] } else { &rights[..] };
    let bytes = [IoSlice::new(bytes)];
    let sent = sendmsg::<()>(channel.as_raw_fd(), &bytes, rights, MsgFlags::empty(), None);
    sent.map(drop).map_err(|error| io::Error::from(error).into())
}
