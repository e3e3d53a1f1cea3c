//! The records of the control socket, all of one size.
//!
//! | offset | size | |
//! |---|---|---|
//! | 0 | 1 | version |
//! | 1 | 1 | tag: the kind of the message |
//! | 2 | 1 | bit 0: the next record continues the message; the others are zero |
//! | 3 | 1 | length of the body |
//! | 4 | 252 | body; zero after its length |
//!
//! A message is one record, or up to [`MAX_RECORDS`] of the same tag, of which
//! all but the last are full and have bit 0 set.

use std::fmt;

use crate::core::bytes::Writer;

/// The version of the protocol. Both ends belong to one installation, so another
/// version is rejected, not negotiated.
pub const VERSION: u8 = 1;
/// Bytes of a record.
pub const SIZE: usize = 256;
/// The most bytes of a record's body.
pub const BODY: usize = SIZE - 4;
/// The most records of a message.
pub const MAX_RECORDS: usize = 8;
/// The most bytes of a message; the texts in a longer one are cut.
pub const MAX_MESSAGE: usize = MAX_RECORDS * BODY;

/// One record, encoded.
pub type ControlRecord = [u8; SIZE];

const MORE: u8 = 1;

/// Why a record is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRecord {
    /// It has another version.
    Version(u8),
    /// It is not a record, or does not continue the one before.
    Malformed,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(f, "protocol version {version}, expected {VERSION}: restart knockd")
            }
            Self::Malformed => f.write_str("not a message of knockd"),
        }
    }
}

impl std::error::Error for BadRecord {}

/// Bytes of a message that texts leave free for what follows them. A longer text
/// is cut.
const RESERVE: usize = 128;

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlMessage {
    /// The kind.
    pub tag: u8,
    /// The content, at most [`MAX_MESSAGE`] bytes.
    pub body: Vec<u8>,
}

impl ControlMessage {
    /// Creates a message of what `write` writes; it returns the tag, too.
    pub fn new(write: impl FnOnce(Writer) -> (u8, Writer)) -> Self {
        let (tag, body) = write(Writer::within(MAX_MESSAGE - RESERVE));
        Self { tag, body: body.end().to_vec() }
    }

    /// Returns the records of the message, at least one. Omits what exceeds
    /// [`MAX_MESSAGE`].
    pub fn records(&self) -> impl Iterator<Item = ControlRecord> + '_ {
        let body = self.body.get(..MAX_MESSAGE).unwrap_or(&self.body);
        let last = body.len().saturating_sub(1) / BODY;
        (0..=last).map(move |place| {
            let rest = body.get(place * BODY..).unwrap_or_default();
            let flags = if place < last { MORE } else { 0 };
            record(self.tag, flags, rest)
        })
    }
}

/// A record of as much of `rest` as fits.
fn record(tag: u8, flags: u8, rest: &[u8]) -> ControlRecord {
    let body = rest.get(..BODY).unwrap_or(rest);
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    Writer::new().u8(VERSION).u8(tag).u8(flags).u8(length).bytes(body).padded()
}

/// Joins records to messages.
#[derive(Debug, Default)]
pub struct Joiner(Option<ControlMessage>);

impl Joiner {
    /// Adds the next record. Returns the message that it completes.
    ///
    /// # Errors
    /// When it is not a record, or does not continue the one before. The records
    /// added so far are lost then.
    pub fn push(
        &mut self,
        record: &ControlRecord,
    ) -> Result<Option<ControlMessage>, BadRecord> {
        let (tag, more, body) = split(record)?;
        let mut message = match self.0.take() {
            None => ControlMessage { tag, body: Vec::new() },
            Some(message) if message.tag == tag => message,
            Some(_) => return Err(BadRecord::Malformed),
        };
        message.body.extend_from_slice(body);
        if !more {
            return Ok(Some(message));
        }
        if body.len() < BODY || message.body.len() >= MAX_MESSAGE {
            return Err(BadRecord::Malformed);
        }
        self.0 = Some(message);
        Ok(None)
    }
}

/// The tag, whether more follows, and the body.
fn split(record: &ControlRecord) -> Result<(u8, bool, &[u8]), BadRecord> {
    let [version, tag, flags, length, rest @ ..] = record;
    if *version != VERSION {
        return Err(BadRecord::Version(*version));
    }
    let (body, padding) =
        rest.split_at_checked((*length).into()).ok_or(BadRecord::Malformed)?;
    if *flags > MORE || padding.iter().any(|byte| *byte != 0) {
        return Err(BadRecord::Malformed);
    }
    Ok((*tag, *flags == MORE, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn join(records: &[ControlRecord]) -> Result<Option<ControlMessage>, BadRecord> {
        let mut joiner = Joiner::default();
        let mut last = None;
        for record in records {
            assert_eq!(last, None, "a message ended before its records did");
            last = joiner.push(record)?;
        }
        Ok(last)
    }

    fn message(length: usize) -> ControlMessage {
        ControlMessage { tag: 3, body: vec![7; length] }
    }

    #[test]
    fn a_message_has_as_many_records_as_it_needs() {
        for (length, records) in [(0, 1), (1, 1), (BODY, 1), (BODY + 1, 2), (MAX_MESSAGE, 8)] {
            assert_eq!(message(length).records().count(), records, "{length}");
        }
        let records: Vec<_> = message(MAX_MESSAGE + 1).records().collect();
        assert_eq!(join(&records).unwrap().unwrap().body.len(), MAX_MESSAGE);
    }

    #[test]
    fn a_malformed_record_is_rejected() {
        let good: Vec<_> = message(BODY + 1).records().collect();
        let with = |place: usize, byte| {
            let mut records = good.clone();
            records[1][place] = byte;
            join(&records)
        };
        assert_eq!(with(0, 2), Err(BadRecord::Version(2)));
        for (place, byte) in [(1, 4), (2, 2), (2, 1), (3, 253), (3, 0), (SIZE - 1, 1)] {
            assert_eq!(with(place, byte), Err(BadRecord::Malformed), "{place}");
        }
        let endless = vec![good[0]; MAX_RECORDS];
        assert_eq!(join(&endless), Err(BadRecord::Malformed));
    }

    proptest! {
        #[test]
        fn a_split_message_is_joined(
            tag in any::<u8>(),
            body in proptest::collection::vec(any::<u8>(), 0..=MAX_MESSAGE),
        ) {
            let message = ControlMessage { tag, body };
            let records: Vec<_> = message.records().collect();
            prop_assert_eq!(join(&records), Ok(Some(message)));
        }

        #[test]
        fn no_bytes_make_it_panic_or_grow(
            records in proptest::collection::vec(
                (0_u8..3, any::<u8>(), 0_u8..4, any::<u8>(), any::<bool>()),
                0..20,
            ),
        ) {
            let mut joiner = Joiner::default();
            for (version, tag, flags, length, padded) in records {
                let mut record = [u8::from(padded); SIZE];
                record[..4].copy_from_slice(&[version, tag, flags, length]);
                if let Ok(Some(message)) = joiner.push(&record) {
                    prop_assert!(message.body.len() <= MAX_MESSAGE);
                }
            }
        }
    }
}
