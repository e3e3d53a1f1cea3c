//! Frames as the wire may bring them, most of them right, some not.

use knockd::core::interest::{Form, Interest, Packets, Ports};
use knockd::core::link::Link;
use knockd::core::mark::MarkKey;
use knockd::core::sighting::{FlagMask, Protocol, TcpFlags};
use proptest::prelude::*;

/// What a frame is made of. Lengths are right unless `lie` changes them.
#[derive(Debug, Clone)]
pub struct Shape {
    pub link: Link,
    pub tags: Vec<u16>,
    pub source: Vec<u8>,
    pub options: u8,
    pub extensions: Vec<(u8, u8)>,
    pub fragment: u16,
    pub transport: u8,
    pub port: u16,
    pub flags: u8,
    pub data_offset: u8,
    pub payload: usize,
    /// How the payload begins, if it is long enough.
    pub salt: [u8; 16],
    pub padding: usize,
    pub ip_lie: i8,
    pub udp_lie: i8,
    pub family: u8,
    pub pflog: u8,
    pub compressed: bool,
    pub outgoing: bool,
}

pub const PORTS: [u16; 6] = [22, 53, 443, 7000, 8000, 9000];
pub const LENGTHS: [usize; 4] = [0, 8, 168, 423];
pub const LINKS: [Link; 6] = Link::ALL;

impl Shape {
    /// A plain initial SYN to port 22.
    pub fn plain(link: Link, source: &[u8]) -> Self {
        Self {
            link,
            tags: Vec::new(),
            source: source.to_vec(),
            options: 0,
            extensions: Vec::new(),
            fragment: 0,
            transport: 6,
            port: 22,
            flags: 0x02,
            data_offset: 5,
            payload: 0,
            salt: [0xa5; 16],
            padding: 0,
            ip_lie: 0,
            udp_lie: 0,
            family: 24,
            pflog: 61,
            compressed: false,
            outgoing: false,
        }
    }

    fn is_v6(&self) -> bool {
        self.source.len() == 16
    }

    pub fn build(&self) -> Vec<u8> {
        let mut frame = self.link_header();
        frame.extend(if self.is_v6() { self.ipv6() } else { self.ipv4() });
        frame.extend(vec![0; self.padding]);
        frame
    }

    fn link_header(&self) -> Vec<u8> {
        let ethertype: u16 = if self.is_v6() { 0x86dd } else { 0x0800 };
        let family = if self.is_v6() { self.family } else { 2 };
        match self.link {
            Link::Ethernet => {
                let mut header = vec![0x02; 12];
                for (place, tag) in self.tags.iter().enumerate() {
                    header.extend(tag.to_be_bytes());
                    header.extend([0, u8::try_from(place).unwrap() + 5]);
                }
                header.extend(ethertype.to_be_bytes());
                header
            }
            Link::Null => u32::from(family).to_ne_bytes().to_vec(),
            Link::Loop => u32::from(family).to_be_bytes().to_vec(),
            Link::Raw => Vec::new(),
            Link::Ppp => {
                let number = if self.is_v6() { 0x57 } else { 0x21 };
                let framing: &[u8] = if self.compressed { &[] } else { &[0xff, 3] };
                [framing, &[0, number]].concat()
            }
            Link::Pflog => {
                let mut header = vec![0; usize::from(self.pflog).next_multiple_of(4).max(64)];
                header[..2].copy_from_slice(&[self.pflog, family]);
                header[60] = if self.outgoing { 2 } else { 1 };
                header
            }
        }
    }

    fn ipv4(&self) -> Vec<u8> {
        let segment = self.segment();
        let header = 20 + usize::from(self.options) * 4;
        let total = lied(header + segment.len(), self.ip_lie);
        let mut packet = vec![0; header];
        packet[0] = 0x40 | (5 + self.options);
        packet[2..4].copy_from_slice(&total.to_be_bytes());
        packet[6..8].copy_from_slice(&self.fragment.to_be_bytes());
        packet[8] = 64;
        packet[9] = self.transport;
        packet[12..16].copy_from_slice(&self.source);
        packet[16..20].copy_from_slice(&[192, 0, 2, 1]);
        packet.extend(segment);
        packet
    }

    fn ipv6(&self) -> Vec<u8> {
        let mut extensions = self.extensions.clone();
        if self.fragment != 0 {
            extensions.push((44, 0));
        }
        let numbers = extensions.iter().map(|extension| extension.0).chain([self.transport]);
        let mut numbers = numbers.collect::<Vec<_>>().into_iter();
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[6] = numbers.next().unwrap();
        packet[8..24].copy_from_slice(&self.source);
        packet[24..40].copy_from_slice(&[0x20; 16]);
        for (extension, next) in extensions.iter().zip(numbers) {
            let mut header = vec![0; (usize::from(extension.1) + 1) * 8];
            header[..2].copy_from_slice(&[next, extension.1]);
            packet.extend(header);
        }
        packet.extend(self.segment());
        let length = lied(packet.len() - 40, self.ip_lie);
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        packet
    }

    fn segment(&self) -> Vec<u8> {
        let mut segment = vec![0; if self.transport == 6 { 20 } else { 8 }];
        segment[0..2].copy_from_slice(&40000_u16.to_be_bytes());
        segment[2..4].copy_from_slice(&self.port.to_be_bytes());
        if self.transport == 6 {
            segment[12] = self.data_offset << 4;
            segment[13] = self.flags;
        } else {
            let length = lied(8 + self.payload, self.udp_lie);
            segment[4..6].copy_from_slice(&length.to_be_bytes());
        }
        let rest = self.payload.saturating_sub(self.salt.len());
        let payload = [&self.salt[..], &vec![0xa5; rest]].concat();
        segment.extend(&payload[..self.payload]);
        segment
    }
}

/// What tokens of two gate keys look like.
pub fn forms() -> [Form; 2] {
    let form = |length, byte| Form { length, mark: MarkKey::new(&[byte; 32]) };
    [form(168, 0x3c), form(423, 0xd7)]
}

/// A nonce with its mark under one of the keys.
pub fn salt(key: &MarkKey, nonce: [u8; 12]) -> [u8; 16] {
    let mut salt = [0; 16];
    salt[..12].copy_from_slice(&nonce);
    salt[12..].copy_from_slice(&key.mark(&nonce));
    salt
}

fn salts() -> impl Strategy<Value = [u8; 16]> {
    let marked = (any::<bool>(), any::<[u8; 12]>()).prop_map(|(other, nonce)| {
        let [one, two] = forms();
        salt(if other { &two.mark } else { &one.mark }, nonce)
    });
    mostly(marked, any::<[u8; 16]>())
}

fn lied(length: usize, lie: i8) -> u16 {
    u16::try_from(length).unwrap().wrapping_add_signed(lie.into())
}

/// Mostly `usual`, sometimes `other`.
fn mostly<T: std::fmt::Debug + Clone + 'static>(
    usual: impl Strategy<Value = T> + 'static,
    other: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = T> {
    prop_oneof![9 => usual, 1 => other]
}

fn source() -> impl Strategy<Value = Vec<u8>> {
    let v4 = mostly(Just(vec![198, 51, 100, 7]), prop::collection::vec(any::<u8>(), 4));
    let v6 = mostly(
        any::<[u8; 8]>()
            .prop_map(|tail| [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0], &tail[..]].concat()),
        prop_oneof![
            prop::collection::vec(any::<u8>(), 16),
            Just([&[0xff; 1][..], &[0; 15]].concat()),
            Just([&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 9]].concat()),
        ],
    );
    prop_oneof![v4, v6]
}

fn link_part() -> impl Strategy<Value = (Link, Vec<u16>, u8, u8, bool, bool)> {
    let tags = prop::sample::select(vec![0x8100, 0x88a8, 0x9100]);
    let tags = mostly(prop::collection::vec(tags, 0..=2), Just(vec![0x8100; 3]));
    let family = mostly(prop::sample::select(vec![24, 28, 30, 10]), any::<u8>());
    let pflog = mostly(prop::sample::select(vec![61, 64, 69, 72, 100]), any::<u8>());
    (prop::sample::select(LINKS.to_vec()), tags, family, pflog, any::<bool>(), any::<bool>())
}

fn network_part() -> impl Strategy<Value = (Vec<u8>, u8, Vec<(u8, u8)>, u16, i8)> {
    let kind = mostly(prop::sample::select(vec![0, 43, 60]), any::<u8>());
    let extensions = prop::collection::vec((kind, 0..3_u8), 0..=2);
    let many = prop::collection::vec((Just(60), 0..2_u8), 3..=6);
    (
        source(),
        mostly(Just(0), 0..=10_u8),
        mostly(extensions, many),
        mostly(
            prop::sample::select(vec![0, 0x4000]),
            prop_oneof![prop::sample::select(vec![1, 0x2000, 0x3fff]), any::<u16>()],
        ),
        mostly(Just(0), -30..30_i8),
    )
}

fn transport_part() -> impl Strategy<Value = (u8, u16, u8, u8, (usize, [u8; 16]), i8)> {
    (
        mostly(prop::sample::select(vec![6, 17]), any::<u8>()),
        mostly(prop::sample::select(PORTS.to_vec()), any::<u16>()),
        mostly(prop::sample::select(vec![0x02, 0xc2, 0x12]), any::<u8>()),
        mostly(Just(5), 0..16_u8),
        (mostly(prop::sample::select(LENGTHS.to_vec()), 0..600_usize), salts()),
        mostly(Just(0), -30..30_i8),
    )
}

/// Any frame that has some structure.
pub fn shape() -> impl Strategy<Value = Shape> {
    (link_part(), network_part(), transport_part(), 0..46_usize).prop_map(
        |(link, network, transport, padding)| {
            let (link, tags, family, pflog, compressed, outgoing) = link;
            let (source, options, extensions, fragment, ip_lie) = network;
            let (transport, port, flags, data_offset, (payload, salt), udp_lie) = transport;
            // IPv6 says "unfragmented" by leaving the header out.
            let fragment = if source.len() == 16 { fragment & 0x3fff } else { fragment };
            Shape {
                link,
                tags,
                source,
                options,
                extensions,
                fragment,
                transport,
                port,
                flags,
                data_offset,
                payload,
                salt,
                padding,
                ip_lie,
                udp_lie,
                family,
                pflog,
                compressed,
                outgoing,
            }
        },
    )
}

/// A frame, perhaps cut off or with some bytes changed.
pub fn frame() -> impl Strategy<Value = (Link, Vec<u8>)> {
    let cut = mostly(Just(None), any::<prop::sample::Index>().prop_map(Some));
    let flips = mostly(
        Just(Vec::new()),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    );
    (shape(), cut, flips).prop_map(|(shape, cut, flips)| {
        let mut frame = shape.build();
        for (place, value) in flips {
            let place = place.index(frame.len().min(80));
            frame[place] = value;
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()));
        }
        (shape.link, frame)
    })
}

/// Some interests, from nothing to everything.
pub fn interests() -> impl Strategy<Value = Vec<Interest>> {
    let some_ports = prop_oneof![
        prop::sample::subsequence(PORTS.to_vec(), 0..=4),
        (1..60_000_u16, 100..250_u16).prop_map(|(from, count)| (from..from + count).collect()),
    ];
    let bounds = (prop::sample::select(PORTS.to_vec()), any::<u16>());
    let except = prop::sample::subsequence(PORTS.to_vec(), 0..=3);
    let within = (bounds, except).prop_map(|((one, other), except)| Ports::Within {
        first: one.min(other),
        last: one.max(other),
        except,
    });
    let ports =
        prop_oneof![1 => Just(Ports::Any), 1 => within, 4 => some_ports.prop_map(Ports::Of)];
    let masks = (any::<u8>(), any::<u8>()).prop_map(|(set, clear)| FlagMask {
        set: TcpFlags(set & 0x15),
        clear: TcpFlags(clear & 0xea),
    });
    let packets = prop_oneof![
        Just(Packets::All),
        Just(Packets::INITIAL_SYN),
        masks.prop_map(Packets::Flags),
        prop::sample::subsequence(LENGTHS.to_vec(), 0..=4).prop_map(Packets::Lengths),
        Just(Packets::Lengths(vec![168, usize::MAX])),
        (0..300_usize, 0..300_usize).prop_map(|(least, most)| Packets::Between(least, most)),
        Just(Packets::Between(1, usize::MAX)),
    ];
    let protocol = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp]);
    let interest = (protocol, ports, packets).prop_map(|(protocol, ports, packets)| Interest {
        protocol,
        ports,
        packets,
    });
    let huge = vec![Form { length: usize::MAX, ..forms()[0].clone() }];
    let forms = prop::sample::subsequence(forms().to_vec(), 0..=2);
    // They go to one port.
    let tokens = (prop::sample::select(PORTS.to_vec()), mostly(forms, Just(huge))).prop_map(
        |(port, forms)| Interest {
            protocol: Protocol::Udp,
            ports: Ports::Of(vec![port]),
            packets: Packets::Tokens(forms),
        },
    );
    prop::collection::vec(prop_oneof![3 => interest, 1 => tokens], 0..=3)
}
