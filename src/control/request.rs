//! What an administrator asks the daemon.

use std::net::IpAddr;

use super::record::ControlMessage;
use crate::core::bytes::{Malformed, Reader, Writer};

/// A request: one message of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlRequest {
    /// List the leases.
    Leases,
    /// List the doors.
    Doors,
    /// List the counters.
    Stats,
    /// Report the health.
    Health,
    /// Send what is logged from now on.
    Monitor,
    /// Do something.
    Order(Order),
}

/// Something to do. Names and addresses are not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Open a door.
    Open {
        /// The name of the door.
        door: String,
        /// The host.
        address: IpAddr,
        /// For how long; none means the door's own time.
        seconds: Option<u32>,
    },
    /// Extend a lease; never shortens it.
    Extend {
        /// The name of the door.
        door: String,
        /// The host.
        address: IpAddr,
        /// The time from now to the new end.
        seconds: u32,
    },
    /// Close a door for one address.
    CloseLease {
        /// The name of the door.
        door: String,
        /// The host.
        address: IpAddr,
    },
    /// End the leases of a user.
    CloseUser {
        /// The name of the user.
        name: String,
    },
    /// End all leases.
    CloseAll,
    /// Read the configuration again.
    Reload,
    /// Set what is logged.
    Log {
        /// Whether to log also what strangers do.
        verbose: bool,
    },
}

impl ControlRequest {
    /// Encodes it.
    #[must_use]
    pub fn encode(&self) -> ControlMessage {
        ControlMessage::new(|write| match self {
            Self::Leases => (1, write),
            Self::Doors => (2, write),
            Self::Stats => (3, write),
            Self::Health => (4, write),
            Self::Monitor => (5, write),
            Self::Order(order) => order.write(write),
        })
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// When it is not a request.
    pub fn decode(message: &ControlMessage) -> Result<Self, Malformed> {
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
}

impl Order {
    fn write(&self, write: Writer) -> (u8, Writer) {
        match self {
            // No time is 0 seconds, so 0 is the door's own time.
            Self::Open { door, address, seconds } => {
                (16, write.text(door).address(*address).u32(seconds.unwrap_or(0)))
            }
            Self::Extend { door, address, seconds } => {
                (17, write.text(door).address(*address).u32(*seconds))
            }
            Self::CloseLease { door, address } => (18, write.text(door).address(*address)),
            Self::CloseUser { name } => (19, write.text(name)),
            Self::CloseAll => (20, write),
            Self::Reload => (21, write),
            Self::Log { verbose } => (22, write.flag(*verbose)),
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
        for request in [
            ControlRequest::Leases,
            ControlRequest::Doors,
            ControlRequest::Stats,
            ControlRequest::Health,
            ControlRequest::Monitor,
        ] {
            assert_eq!(ControlRequest::decode(&request.encode()), Ok(request));
        }
        let (door, address) = ("d".repeat(32), "2001:db8::7".parse().unwrap());
        let order = Order::Open { door, address, seconds: Some(u32::MAX) };
        assert_eq!(ControlRequest::Order(order).encode().records().count(), 1);
    }

    proptest! {
        #[test]
        fn an_encoded_request_is_decoded_to_the_same(order in orders()) {
            let request = ControlRequest::Order(order);
            prop_assert_eq!(ControlRequest::decode(&request.encode()), Ok(request));
        }

        #[test]
        fn no_bytes_make_it_panic(
            tag in 0_u8..24,
            body in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let message = ControlMessage { tag, body };
            // A decoded request is encoded to the same bytes, except addresses,
            // which have two forms.
            if let Ok(request) = ControlRequest::decode(&message) {
                prop_assert_eq!(request.encode().body.len(), message.body.len());
            }
        }
    }
}
