//! What an administrator asks.

use std::net::IpAddr;

use super::record::Message;
use crate::core::bytes::{Malformed, Reader, Writer};

/// A request: one message of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Every lease.
    Leases,
    /// Every door.
    Doors,
    /// The counters.
    Stats,
    /// What doctor wants to know.
    Health,
    /// What is logged from now on.
    Monitor,
    /// To do something.
    Order(Order),
}

/// Something to do. Names and addresses are as they came: who carries it out
/// looks them up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Open a door, for so many seconds or for the door's own time.
    Open {
        /// Its name.
        door: String,
        /// To which host.
        address: IpAddr,
        /// For how long.
        seconds: Option<u32>,
    },
    /// Have a lease end not before so many seconds from now.
    Extend {
        /// The door's name.
        door: String,
        /// To which host.
        address: IpAddr,
        /// From now on.
        seconds: u32,
    },
    /// Close a door for one address.
    CloseLease {
        /// Its name.
        door: String,
        /// For which host.
        address: IpAddr,
    },
    /// End every lease of a user.
    CloseUser {
        /// The user's name.
        name: String,
    },
    /// End every lease.
    CloseAll,
    /// Read the configuration again.
    Reload,
    /// Log what strangers do, too, or do not.
    Log {
        /// Whether to.
        verbose: bool,
    },
}

impl Request {
    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> Message {
        Message::of(self.tag(), |write| match self {
            Self::Order(order) => order.write(write),
            _ => write,
        })
    }

    /// From what came.
    ///
    /// # Errors
    /// When it is no request.
    pub fn decode(message: &Message) -> Result<Self, Malformed> {
        let mut read = Reader::new(&message.body);
        let request = match message.tag {
            1 => Self::Leases,
            2 => Self::Doors,
            3 => Self::Stats,
            4 => Self::Health,
            5 => Self::Monitor,
            tag => Self::Order(Order::read(tag, &mut read)?),
        };
        read.end().map(|()| request)
    }

    const fn tag(&self) -> u8 {
        match self {
            Self::Leases => 1,
            Self::Doors => 2,
            Self::Stats => 3,
            Self::Health => 4,
            Self::Monitor => 5,
            Self::Order(order) => order.tag(),
        }
    }
}

impl Order {
    const fn tag(&self) -> u8 {
        match self {
            Self::Open { .. } => 16,
            Self::Extend { .. } => 17,
            Self::CloseLease { .. } => 18,
            Self::CloseUser { .. } => 19,
            Self::CloseAll => 20,
            Self::Reload => 21,
            Self::Log { .. } => 22,
        }
    }

    fn write(&self, write: Writer) -> Writer {
        match self {
            // No span is zero: it stands for the door's own.
            Self::Open { door, address, seconds } => {
                write.text(door).address(*address).u32(seconds.unwrap_or(0))
            }
            Self::Extend { door, address, seconds } => {
                write.text(door).address(*address).u32(*seconds)
            }
            Self::CloseLease { door, address } => write.text(door).address(*address),
            Self::CloseUser { name } => write.text(name),
            Self::CloseAll | Self::Reload => write,
            Self::Log { verbose } => write.flag(*verbose),
        }
    }

    fn read(tag: u8, read: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match tag {
            16 => Self::Open {
                door: read.text()?.to_owned(),
                address: read.address()?,
                seconds: Some(read.u32()?).filter(|seconds| *seconds > 0),
            },
            17 => Self::Extend {
                door: read.text()?.to_owned(),
                address: read.address()?,
                seconds: read.u32()?,
            },
            18 => Self::CloseLease { door: read.text()?.to_owned(), address: read.address()? },
            19 => Self::CloseUser { name: read.text()?.to_owned() },
            20 => Self::CloseAll,
            21 => Self::Reload,
            22 => Self::Log { verbose: read.flag()? },
            _ => return Err(Malformed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn orders() -> impl Strategy<Value = Order> {
        let address = any::<IpAddr>().prop_map(|address| address.to_canonical());
        let lease = ("\\PC{0,32}", address);
        prop_oneof![
            (lease.clone(), any::<u32>()).prop_map(|((door, address), seconds)| {
                let seconds = Some(seconds).filter(|seconds| *seconds > 0);
                Order::Open { door, address, seconds }
            }),
            (lease.clone(), any::<u32>()).prop_map(|((door, address), seconds)| {
                Order::Extend { door, address, seconds }
            }),
            lease.prop_map(|(door, address)| Order::CloseLease { door, address }),
            "\\PC{0,32}".prop_map(|name| Order::CloseUser { name }),
            Just(Order::CloseAll),
            Just(Order::Reload),
            any::<bool>().prop_map(|verbose| Order::Log { verbose }),
        ]
    }

    #[test]
    fn a_request_fits_one_record() {
        for request in
            [Request::Leases, Request::Doors, Request::Stats, Request::Health, Request::Monitor]
        {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        let (door, address) = ("d".repeat(32), "2001:db8::7".parse().unwrap());
        let order = Order::Open { door, address, seconds: Some(u32::MAX) };
        assert_eq!(Request::Order(order).encode().records().count(), 1);
    }

    proptest! {
        #[test]
        fn what_is_asked_is_understood(order in orders()) {
            let request = Request::Order(order);
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }

        #[test]
        fn no_bytes_make_it_panic(
            tag in 0_u8..24,
            body in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let message = Message { tag, body };
            // Whatever is understood is said again in the same bytes, but for
            // addresses, which have two forms.
            if let Ok(request) = Request::decode(&message) {
                prop_assert_eq!(request.encode().body.len(), message.body.len());
            }
        }
    }
}
