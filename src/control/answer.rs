//! What the daemon answers.

use std::net::IpAddr;
use std::time::Duration;

use super::record::ControlMessage;
use crate::core::bytes::{Malformed, Reader, Writer};
use crate::core::door::Table;

/// An answer. A request gets any number of answers, the last of which is
/// [`Answer::Done`] or [`Answer::Failed`]; monitoring has no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A door.
    Door(DoorState),
    /// A lease.
    Lease(LeaseState),
    /// A counter.
    Stat {
        /// The name; see [`Desk::stats`](super::server::Desk::stats).
        name: String,
        /// The value.
        value: u64,
    },
    /// A part of the health report.
    Fact {
        /// One of [`KEYS`](super::health::KEYS).
        key: String,
        /// The value.
        value: String,
    },
    /// A line of the log, without its line break.
    Event(String),
    /// How many lines of the log were not sent, because the client did not read.
    Missed(u64),
    /// A line of a longer text, without its line break.
    Line(String),
    /// The request succeeded, with a result that may be empty.
    Done(String),
    /// The request failed, for a reason in one line.
    Failed(String),
}

/// A door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorState {
    /// The name.
    pub name: String,
    /// The table.
    pub table: Table,
    /// The number of its leases.
    pub leases: u32,
    /// Whether the table can be used.
    pub usable: bool,
}

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseState {
    /// The name of the door.
    pub door: String,
    /// The host that the door is open for.
    pub address: IpAddr,
    /// Who opened it.
    pub holder: HolderName,
    /// The time since it began, to the millisecond.
    pub age: Duration,
    /// The time until it ends, to the millisecond.
    pub remaining: Duration,
    /// Whether the entry was in the table before, and stays there.
    pub foreign: bool,
}

/// Who opened a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HolderName {
    /// A user, by name.
    User(String),
    /// A knock sequence.
    Sequence,
    /// `knockctl open`.
    Administrator,
    /// A user that is no longer configured.
    Former,
}

impl Answer {
    /// Encodes it.
    #[must_use]
    pub fn encode(&self) -> ControlMessage {
        ControlMessage::new(|write| match self {
            Self::Door(door) => (1, door.write(write)),
            Self::Lease(lease) => (2, lease.write(write)),
            Self::Stat { name, value } => (3, write.text(name).u64(*value)),
            Self::Fact { key, value } => (4, write.text(key).text(value)),
            Self::Event(text) => (5, write.text(text)),
            Self::Missed(lines) => (6, write.u64(*lines)),
            Self::Line(text) => (7, write.text(text)),
            Self::Done(text) => (8, write.text(text)),
            Self::Failed(text) => (9, write.text(text)),
        })
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// When it is not an answer.
    pub fn decode(message: &ControlMessage) -> Result<Self, Malformed> {
        let mut read = Reader::new(&message.body);
        let answer = match message.tag {
            1 => Self::Door(DoorState::read(&mut read)?),
            2 => Self::Lease(LeaseState::read(&mut read)?),
            3 => Self::Stat { name: text(&mut read)?, value: read.u64()? },
            4 => Self::Fact { key: text(&mut read)?, value: text(&mut read)? },
            5 => Self::Event(text(&mut read)?),
            6 => Self::Missed(read.u64()?),
            7 => Self::Line(text(&mut read)?),
            8 => Self::Done(text(&mut read)?),
            9 => Self::Failed(text(&mut read)?),
            _ => return Err(Malformed),
        };
        read.end().map(|()| answer)
    }
}

impl DoorState {
    fn write(&self, write: Writer) -> Writer {
        write
            .text(&self.name)
            .text(&self.table.name)
            .option(self.table.anchor.as_deref(), Writer::text)
            .u32(self.leases)
            .flag(self.usable)
    }

    fn read(read: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (name, table) = (text(read)?, text(read)?);
        let table = Table { name: table, anchor: read.option(text)? };
        Ok(Self { name, table, leases: read.u32()?, usable: read.flag()? })
    }
}

impl LeaseState {
    fn write(&self, write: Writer) -> Writer {
        self.holder
            .write(write.text(&self.door).address(self.address))
            .span(self.age)
            .span(self.remaining)
            .flag(self.foreign)
    }

    fn read(read: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            door: text(read)?,
            address: read.address()?,
            holder: HolderName::read(read)?,
            age: read.span()?,
            remaining: read.span()?,
            foreign: read.flag()?,
        })
    }
}

impl HolderName {
    fn write(&self, write: Writer) -> Writer {
        match self {
            Self::User(name) => write.u8(1).text(name),
            Self::Sequence => write.u8(2),
            Self::Administrator => write.u8(3),
            Self::Former => write.u8(4),
        }
    }

    fn read(read: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match read.u8()? {
            1 => Self::User(text(read)?),
            2 => Self::Sequence,
            3 => Self::Administrator,
            4 => Self::Former,
            _ => return Err(Malformed),
        })
    }
}

fn text(read: &mut Reader<'_>) -> Result<String, Malformed> {
    read.text().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::record::{MAX_MESSAGE, MAX_RECORDS};
    use proptest::prelude::*;

    fn texts() -> impl Strategy<Value = String> {
        "\\PC{0,100}"
    }

    fn answers() -> impl Strategy<Value = Answer> {
        let holders = prop_oneof![
            texts().prop_map(HolderName::User),
            Just(HolderName::Sequence),
            Just(HolderName::Administrator),
            Just(HolderName::Former),
        ];
        let spans = any::<u64>().prop_map(Duration::from_millis);
        prop_oneof![
            (texts(), texts(), proptest::option::of(texts()), any::<u32>(), any::<bool>())
                .prop_map(|(name, table, anchor, leases, usable)| {
                    let table = Table { name: table, anchor };
                    Answer::Door(DoorState { name, table, leases, usable })
                }),
            (texts(), any::<IpAddr>(), holders, spans.clone(), spans, any::<bool>()).prop_map(
                |(door, address, holder, age, remaining, foreign)| {
                    let address = address.to_canonical();
                    Answer::Lease(LeaseState { door, address, holder, age, remaining, foreign })
                }
            ),
            (texts(), any::<u64>()).prop_map(|(name, value)| Answer::Stat { name, value }),
            (texts(), texts()).prop_map(|(key, value)| Answer::Fact { key, value }),
            texts().prop_map(Answer::Event),
            any::<u64>().prop_map(Answer::Missed),
            texts().prop_map(Answer::Line),
            texts().prop_map(Answer::Done),
            texts().prop_map(Answer::Failed),
        ]
    }

    #[test]
    fn the_longest_names_fit() {
        let table = Table { name: "t".repeat(31), anchor: Some("a".repeat(1023)) };
        let door = DoorState { name: "d".repeat(32), table, leases: 1, usable: true };
        let answer = Answer::Door(door);
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        let lease = LeaseState {
            door: "d".repeat(32),
            address: "2001:db8::7".parse().unwrap(),
            holder: HolderName::User("u".repeat(32)),
            age: Duration::MAX,
            remaining: Duration::MAX,
            foreign: true,
        };
        assert_eq!(Answer::Lease(lease).encode().records().count(), 1);
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_and_still_decoded() {
        let message = Answer::Failed("ä".repeat(MAX_MESSAGE)).encode();
        assert!(message.records().count() <= MAX_RECORDS);
        assert!(matches!(Answer::decode(&message), Ok(Answer::Failed(text))
            if text.len() > 1_800));
    }

    proptest! {
        #[test]
        fn an_encoded_answer_is_decoded_to_the_same(answer in answers()) {
            prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }

        #[test]
        fn no_bytes_make_it_panic(
            tag in 0_u8..12,
            body in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            if let Ok(answer) = Answer::decode(&ControlMessage { tag, body: body.clone() }) {
                prop_assert_eq!(answer.encode().body.len(), body.len());
            }
        }
    }
}
