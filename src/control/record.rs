//! What travels over the control socket: records of one size.
//!
//! | offset | size | |
//! |---|---|---|
//! | 0 | 1 | version |
//! | 1 | 1 | tag: what it is |
//! | 2 | 1 | bit 0: the next record goes on with this one; the others are zero |
//! | 3 | 1 | length of the body |
//! | 4 | 252 | body; zero behind its length |
//!
//! A message is one record, or up to [`MAX_RECORDS`] of the same tag, of which
//! all but the last are full and say that more comes.

use std::fmt;

use crate::core::bytes::Writer;

/// Of this description. Both ends are of one installation, so there is nothing
/// to negotiate: another version is refused.
pub const VERSION: u8 = 1;
/// Bytes of a record.
pub const SIZE: usize = 256;
/// Bytes of a record that its message has for itself.
pub const BODY: usize = SIZE - 4;
/// Records of a message.
pub const MAX_RECORDS: usize = 8;
/// Bytes of a message; what a longer one has to say is cut.
pub const MAX_MESSAGE: usize = MAX_RECORDS * BODY;

/// One record, as it travels.
pub type Record = [u8; SIZE];

const MORE: u8 = 1;

/// Something that one of us would not have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRecord {
    /// It has another version.
    Version(u8),
    /// It is no record, or not the one that had to follow.
    Malformed,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(
                f,
                "version {VERSION} of the protocol met version {version}, restart knockd"
            ),
            Self::Malformed => f.write_str("what came is no message of knockd"),
        }
    }
}

impl std::error::Error for BadRecord {}

/// Bytes of a message that texts leave to what comes after them. A text that is
/// too long for the rest is cut.
const RESERVE: usize = 128;

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub tag: u8,
    /// Up to [`MAX_MESSAGE`] bytes.
    pub body: Vec<u8>,
}

impl Message {
    /// The message of what `write` writes.
    pub fn of(tag: u8, write: impl FnOnce(Writer) -> Writer) -> Self {
        let body = write(Writer::within(MAX_MESSAGE - RESERVE)).end().to_vec();
        Self { tag, body }
    }

    /// The records that carry it, at least one. What exceeds
    /// [`MAX_MESSAGE`] is left out.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let body = self.body.get(..MAX_MESSAGE).unwrap_or(&self.body);
        let last = body.len().saturating_sub(1) / BODY;
        (0..=last).map(move |place| {
            let rest = body.get(place * BODY..).unwrap_or_default();
            let flags = if place < last { MORE } else { 0 };
            record(self.tag, flags, rest)
        })
    }
}

/// A record of as much of `rest` as it holds.
fn record(tag: u8, flags: u8, rest: &[u8]) -> Record {
    let body = rest.get(..BODY).unwrap_or(rest);
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    Writer::new().u8(VERSION).u8(tag).u8(flags).u8(length).bytes(body).padded()
}

/// Puts messages together again.
#[derive(Debug, Default)]
pub struct Joiner(Option<Message>);

impl Joiner {
    /// Takes the next record; returns the message that it completes.
    ///
    /// # Errors
    /// When it is no record, or does not go on where the last one ended. What
    /// was joined so far is lost then.
    pub fn take(&mut self, record: &Record) -> Result<Option<Message>, BadRecord> {
        let (tag, more, body) = split(record)?;
        let mut message = match self.0.take() {
            None => Message { tag, body: Vec::new() },
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

/// Tag, whether more comes, and body.
fn split(record: &Record) -> Result<(u8, bool, &[u8]), BadRecord> {
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

    fn join(records: &[Record]) -> Result<Option<Message>, BadRecord> {
        let mut joiner = Joiner::default();
        let mut last = None;
        for record in records {
            assert_eq!(last, None, "a message ended before its records did");
            last = joiner.take(record)?;
        }
        Ok(last)
    }

    #[test]
    fn a_message_takes_the_records_that_it_needs() {
        for (length, records) in [(0, 1), (1, 1), (BODY, 1), (BODY + 1, 2), (MAX_MESSAGE, 8)] {
            let message = Message { tag: 3, body: vec![7; length] };
            assert_eq!(message.records().count(), records, "{length}");
        }
        let long = Message { tag: 3, body: vec![7; MAX_MESSAGE + 1] };
        let records: Vec<_> = long.records().collect();
        assert_eq!(join(&records).unwrap().unwrap().body.len(), MAX_MESSAGE);
    }

    #[test]
    fn what_we_would_not_send_is_refused() {
        let good: Vec<_> = Message { tag: 3, body: vec![7; BODY + 1] }.records().collect();
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
        fn what_is_split_is_joined(
            tag in any::<u8>(),
            body in proptest::collection::vec(any::<u8>(), 0..=MAX_MESSAGE),
        ) {
            let message = Message { tag, body };
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
                if let Ok(Some(message)) = joiner.take(&record) {
                    prop_assert!(message.body.len() <= MAX_MESSAGE);
                }
            }
        }
    }
}
