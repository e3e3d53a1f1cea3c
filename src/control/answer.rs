//! What the daemon answers.

use std::net::IpAddr;
use std::time::Duration;

use super::record::Message;
use crate::core::bytes::{Malformed, Reader, Writer};
use crate::core::door::Table;

/// An answer. A request gets any number of them, and [`Answer::Done`] or
/// [`Answer::Failed`] last; monitoring has no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A door.
    Door(DoorState),
    /// A lease.
    Lease(LeaseState),
    /// A counter.
    Stat {
        /// Its name; see [`Desk::stats`](super::server::Desk::stats).
        name: String,
        /// Its value.
        value: u64,
    },
    /// What doctor wants to know.
    Fact {
        /// What it is about.
        key: String,
        /// What is so.
        value: String,
    },
    /// A line of the log.
    Event {
        /// Without the line's end.
        text: String,
    },
    /// Lines of the log that were not sent, because they were not read.
    Missed {
        /// How many.
        lines: u64,
    },
    /// A line of a text that goes on.
    Line {
        /// Without the line's end.
        text: String,
    },
    /// It is done.
    Done {
        /// What there is to say about it; may be empty.
        text: String,
    },
    /// It is not done.
    Failed {
        /// Why; one line.
        text: String,
    },
}

/// A door, and how it is with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorState {
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: Table,
    /// To how many addresses it is open.
    pub leases: u32,
    /// Whether its table can be used.
    pub usable: bool,
}

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseState {
    /// The door's name.
    pub door: String,
    /// To which host it is open.
    pub address: IpAddr,
    /// Who holds it.
    pub holder: HolderName,
    /// For how long it is open already, to the millisecond.
    pub age: Duration,
    /// For how long it will be, to the millisecond.
    pub remaining: Duration,
    /// Whether the entry stood in the table before, and will stay there.
    pub foreign: bool,
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HolderName {
    /// A user, by name.
    User(String),
    /// Whoever knew a sequence.
    Sequence,
    /// Whoever ordered it on the machine.
    Administrator,
    /// A user who is not configured any more.
    Former,
}

impl Answer {
    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> Message {
        Message::of(self.tag(), |write| match self {
            Self::Door(door) => write
                .text(&door.name)
                .text(&door.table.name)
                .option(door.table.anchor.as_deref(), Writer::text)
                .u32(door.leases)
                .flag(door.usable),
            Self::Lease(lease) => lease
                .holder
                .write(write.text(&lease.door).address(lease.address))
                .span(lease.age)
                .span(lease.remaining)
                .flag(lease.foreign),
            Self::Stat { name, value } => write.text(name).u64(*value),
            Self::Fact { key, value } => write.text(key).text(value),
            Self::Missed { lines } => write.u64(*lines),
            Self::Event { text }
            | Self::Line { text }
            | Self::Done { text }
            | Self::Failed { text } => write.text(text),
        })
    }

    /// From what came.
    ///
    /// # Errors
    /// When it is no answer.
    pub fn decode(message: &Message) -> Result<Self, Malformed> {
        let mut read = Reader::new(&message.body);
        let answer = match message.tag {
            1 => Self::Door(DoorState::read(&mut read)?),
            2 => Self::Lease(LeaseState::read(&mut read)?),
            3 => Self::Stat { name: text(&mut read)?, value: read.u64()? },
            4 => Self::Fact { key: text(&mut read)?, value: text(&mut read)? },
            5 => Self::Event { text: text(&mut read)? },
            6 => Self::Missed { lines: read.u64()? },
            7 => Self::Line { text: text(&mut read)? },
            8 => Self::Done { text: text(&mut read)? },
            9 => Self::Failed { text: text(&mut read)? },
            _ => return Err(Malformed),
        };
        read.end().map(|()| answer)
    }

    const fn tag(&self) -> u8 {
        match self {
            Self::Door(_) => 1,
            Self::Lease(_) => 2,
            Self::Stat { .. } => 3,
            Self::Fact { .. } => 4,
            Self::Event { .. } => 5,
            Self::Missed { .. } => 6,
            Self::Line { .. } => 7,
            Self::Done { .. } => 8,
            Self::Failed { .. } => 9,
        }
    }
}

impl DoorState {
    fn read(read: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (name, table) = (text(read)?, text(read)?);
        let table = Table { name: table, anchor: read.option(text)? };
        Ok(Self { name, table, leases: read.u32()?, usable: read.flag()? })
    }
}

impl LeaseState {
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
            texts().prop_map(|text| Answer::Event { text }),
            any::<u64>().prop_map(|lines| Answer::Missed { lines }),
            texts().prop_map(|text| Answer::Line { text }),
            texts().prop_map(|text| Answer::Done { text }),
            texts().prop_map(|text| Answer::Failed { text }),
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
    fn a_text_without_end_is_cut_and_still_understood() {
        let message = Answer::Failed { text: "ä".repeat(MAX_MESSAGE) }.encode();
        assert!(message.records().count() <= MAX_RECORDS);
        assert!(matches!(Answer::decode(&message), Ok(Answer::Failed { text })
            if text.len() > 1_800));
    }

    proptest! {
        #[test]
        fn what_is_said_is_understood(answer in answers()) {
            prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }

        #[test]
        fn no_bytes_make_it_panic(
            tag in 0_u8..12,
            body in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            if let Ok(answer) = Answer::decode(&Message { tag, body: body.clone() }) {
                prop_assert_eq!(answer.encode().body.len(), body.len());
            }
        }
    }
}
