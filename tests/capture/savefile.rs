use std::io::Cursor;
use std::path::Path;

use knockd::capture::frame::sight;
use knockd::capture::savefile::Savefile;
use knockd::core::link::Link;
use knockd::core::reason::Reason;
use proptest::prelude::*;

use crate::frames::{LINKS, Shape};

const HOST: [u8; 4] = [198, 51, 100, 7];

/// Writes numbers in one byte order.
#[derive(Clone, Copy)]
struct Order {
    big: bool,
}

const LITTLE: Order = Order { big: false };
const BIG: Order = Order { big: true };

impl Order {
    fn put16(self, number: u16) -> [u8; 2] {
        if self.big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn put32(self, number: u32) -> [u8; 4] {
        if self.big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn words(self, numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| self.put32(*number)).collect()
    }

    fn pcap(self, magic: u32, linktype: u32) -> Vec<u8> {
        let mut file = self.put32(magic).to_vec();
        file.extend(self.put16(2));
        file.extend(self.put16(4));
        file.extend(self.words(&[0, 0, 262_144, linktype]));
        file
    }

    fn pcap_packet(self, seconds: u32, fraction: u32, length: u32, frame: &[u8]) -> Vec<u8> {
        let captured = u32::try_from(frame.len()).unwrap();
        let mut packet = self.words(&[seconds, fraction, captured, length]);
        packet.extend(frame);
        packet
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len().next_multiple_of(4) + 12).unwrap();
        let mut block = self.words(&[kind, length]);
        block.extend(body);
        block.resize(block.len().next_multiple_of(4), 0);
        block.extend(self.put32(length));
        block
    }

    fn section(self) -> Vec<u8> {
        let mut body = self.put32(0x1a2b_3c4d).to_vec();
        body.extend(self.put16(1));
        body.extend(self.put16(0));
        body.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &body)
    }

    fn interface(self, linktype: u16, resolution: Option<u8>, offset: Option<i64>) -> Vec<u8> {
        let mut body = [self.put16(linktype), [0; 2]].concat();
        body.extend(self.put32(0));
        if let Some(resolution) = resolution {
            body.extend([self.put16(9), self.put16(1)].concat());
            body.extend([resolution, 0, 0, 0]);
        }
        if let Some(offset) = offset {
            body.extend([self.put16(14), self.put16(8)].concat());
            body.extend(if self.big { offset.to_be_bytes() } else { offset.to_le_bytes() });
        }
        self.block(1, &body)
    }

    fn packet(self, interface: u32, ticks: u64, frame: &[u8]) -> Vec<u8> {
        let length = u32::try_from(frame.len()).unwrap();
        let (high, low) = ((ticks >> 32) as u32, ticks as u32);
        let mut body = self.words(&[interface, high, low, length, length]);
        body.extend(frame);
        self.block(6, &body)
    }
}

fn frame(link: Link) -> Vec<u8> {
    Shape::plain(link, &HOST).build()
}

/// Link, frame, time and length.
type Packet = (Link, Vec<u8>, u64, u32);

/// All packets of a file, or what is wrong with it.
fn read(file: &[u8]) -> Result<Vec<Packet>, String> {
    let mut savefile = Savefile::new("file".to_owned(), Cursor::new(file.to_vec()))
        .map_err(|error| error.to_string())?;
    let mut records = Vec::new();
    while let Some(record) = savefile.next_record().map_err(|error| error.to_string())? {
        records.push((record.link, record.frame.to_vec(), record.time, record.length));
    }
    Ok(records)
}

#[test]
fn pcap_files_of_both_byte_orders_and_both_resolutions_are_read() {
    let bytes = frame(Link::Ethernet);
    let length = u32::try_from(bytes.len()).unwrap();
    for order in [LITTLE, BIG] {
        for (magic, fraction, nanos) in
            [(0xa1b2_c3d4, 123_456, 123_456_000), (0xa1b2_3c4d, 123_456_789, 123_456_789)]
        {
            let mut file = order.pcap(magic, 1);
            file.extend(order.pcap_packet(1_700_000_000, fraction, length, &bytes));
            file.extend(order.pcap_packet(1_700_000_001, 0, length, &bytes));
            let first = 1_700_000_000_000_000_000 + nanos;
            assert_eq!(
                read(&file).unwrap(),
                [
                    (Link::Ethernet, bytes.clone(), first, length),
                    (Link::Ethernet, bytes.clone(), 1_700_000_001_000_000_000, length),
                ]
            );
        }
    }
}

#[test]
fn pcapng_times_follow_resolution_and_offset_in_both_byte_orders() {
    let bytes = frame(Link::Raw);
    let second = 1_000_000_000_u64;
    for order in [LITTLE, BIG] {
        let mut file = order.section();
        file.extend(order.interface(101, None, None));
        file.extend(order.interface(101, Some(9), Some(100)));
        file.extend(order.interface(101, Some(0x80 | 10), None));
        file.extend(order.interface(101, Some(0xff), Some(-7)));
        file.extend(order.packet(0, 1_500_000, &bytes));
        file.extend(order.packet(1, 5, &bytes));
        file.extend(order.packet(2, 1536, &bytes));
        file.extend(order.packet(3, u64::MAX, &bytes));
        let times: Vec<_> = read(&file).unwrap().iter().map(|record| record.2).collect();
        assert_eq!(times, [second * 3 / 2, 100 * second + 5, second * 3 / 2, 0]);
    }
}

#[test]
fn a_block_shorter_than_its_own_frame_is_malformed() {
    for order in [LITTLE, BIG] {
        // Process information, secrets, statistics, a kind that nobody knows.
        for kind in [0x8000_0001, 0x0a, 5, 0x1234] {
            for length in 0..12 {
                let mut file = order.section();
                file.extend(order.words(&[kind, length, length]));
                let error = read(&file).unwrap_err();
                assert!(error.ends_with("its block is malformed"), "{kind} {length}: {error}");
            }
        }
    }
}

#[test]
fn every_link_type_of_files_is_known_by_its_number() {
    for link in LINKS {
        let numbers: &[u32] = match link {
            Link::Ethernet => &[1],
            Link::Null => &[0],
            Link::Loop => &[108],
            Link::Raw => &[12, 14, 101],
            Link::Ppp => &[9, 50],
            Link::Pflog => &[117],
        };
        let bytes = frame(link);
        let order = Order { big: cfg!(target_endian = "big") };
        for number in numbers {
            let mut file = order.pcap(0xa1b2_c3d4, *number);
            file.extend(order.pcap_packet(1, 0, 99, &bytes));
            let (found, frame, ..) = &read(&file).unwrap()[0];
            assert_eq!(*found, link);
            assert!(sight(*found, frame, 1).unwrap().is_initial_syn());
        }
    }
}

/// Headers that only files have, before a packet of IPv4 or of IPv6, by the
/// number of their link type.
fn file_headers(order: Order, is_v6: bool) -> Vec<(u32, Vec<u8>)> {
    let ethertype: u16 = if is_v6 { 0x86dd } else { 0x0800 };
    let (ethertype, family) = (ethertype.to_be_bytes(), if is_v6 { 24 } else { 2 });
    let ppp = [0, if is_v6 { 0x57 } else { 0x21 }];
    let enc = order.words(&[family, 0x1234_5678, 0]);
    let pktap = |dlt, header: &[u8]| {
        let mut whole = order.words(&[156, 1, dlt]);
        whole.resize(156, 0xa5);
        [&whole[..], header].concat()
    };
    vec![
        (113, [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0][..], &ethertype].concat()),
        (
            113,
            [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0, 0x81, 0, 0, 7][..], &ethertype]
                .concat(),
        ),
        (
            276,
            [&ethertype[..], &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0]].concat(),
        ),
        (109, enc.clone()),
        (13, enc),
        (51, [&[0x11, 0, 0, 1, 0, 0][..], &ppp].concat()),
        (12, u32::to_be_bytes(family).to_vec()),
        (258, pktap(1, &[&[2; 12][..], &ethertype].concat())),
        (258, pktap(12, &[])),
        (258, pktap(108, &u32::to_be_bytes(family))),
    ]
}

#[test]
fn headers_that_only_files_have_are_taken_off() {
    for order in [LITTLE, BIG] {
        for source in [&HOST[..], &[0x20; 16]] {
            let packet = Shape::plain(Link::Raw, source).build();
            for (number, header) in file_headers(order, source.len() == 16) {
                let frame = [&header[..], &packet].concat();
                let mut file = order.pcap(0xa1b2_c3d4, number);
                file.extend(order.pcap_packet(1, 0, 99, &frame));
                for length in 0..header.len() {
                    file.extend(order.pcap_packet(1, 0, 99, &frame[..length]));
                }
                let packets = read(&file).unwrap();
                let (whole, cut) = packets.split_first().unwrap();
                let sighting = sight(whole.0, &whole.1, 1).unwrap();
                assert!(sighting.is_initial_syn(), "{number}");
                for (link, frame, ..) in cut {
                    assert!(sight(*link, frame, 1).is_err(), "{number}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_ip_in_a_header_of_files_is_foreign() {
    let arp = [0, 1, 8, 0, 6, 4, 0, 1];
    let sll = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0, 8, 6];
    let sll2 = [8, 6, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0];
    let pppoe = [0x11, 0, 0, 1, 0, 0, 0xc0, 0x21];
    for (number, header) in [(113, &sll[..]), (276, &sll2), (51, &pppoe)] {
        let mut file = LITTLE.pcap(0xa1b2_c3d4, number);
        file.extend(LITTLE.pcap_packet(1, 0, 99, &[header, &arp].concat()));
        let (link, frame, ..) = &read(&file).unwrap()[0];
        assert_eq!(sight(*link, frame, 1), Err(Reason::Foreign), "{number}");
    }
}

#[test]
fn a_pktap_header_names_the_link_type_that_is_not_supported() {
    for number in [105, 258] {
        let header = [LITTLE.words(&[12, 1, number]), vec![0; 60]].concat();
        let mut file = LITTLE.pcap(0xa1b2_c3d4, 258);
        file.extend(LITTLE.pcap_packet(1, 0, 99, &header));
        let error = read(&file).unwrap_err();
        assert!(error.ends_with(&format!("link type {number} is not supported")), "{error}");
    }
}

#[test]
fn a_pipe_may_give_one_byte_at_a_time() {
    struct Slow(Cursor<Vec<u8>>);
    impl std::io::Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }
    let bytes = frame(Link::Raw);
    for order in [LITTLE, BIG] {
        for file in [
            [order.pcap(0xa1b2_c3d4, 101), order.pcap_packet(1, 0, 99, &bytes)].concat(),
            [order.section(), order.interface(101, None, None), order.packet(0, 1, &bytes)]
                .concat(),
        ] {
            let mut savefile =
                Savefile::new("pipe".to_owned(), Slow(Cursor::new(file))).unwrap();
            assert_eq!(savefile.next_record().unwrap().unwrap().frame, bytes);
            assert!(savefile.next_record().unwrap().is_none());
        }
    }
}

#[test]
fn the_null_link_of_a_big_endian_machine_is_read_in_its_order() {
    let mut file = BIG.pcap(0xa1b2_c3d4, 0);
    let mut bytes = vec![0, 0, 0, 2];
    bytes.extend(frame(Link::Raw));
    file.extend(BIG.pcap_packet(1, 0, 44, &bytes));
    let (link, frame, ..) = &read(&file).unwrap()[0];
    assert!(sight(*link, frame, 1).is_ok());
}

#[test]
fn a_packet_captured_in_part_is_truncated() {
    let bytes = frame(Link::Ethernet);
    let mut file = LITTLE.pcap(0xa1b2_c3d4, 1);
    file.extend(LITTLE.pcap_packet(1, 0, 54, &bytes[..50]));
    let (link, frame, _, length) = &read(&file).unwrap()[0];
    assert_eq!(*length, 54);
    assert_eq!(sight(*link, frame, 1), Err(Reason::Truncated));
}

#[test]
fn errors_name_the_file_and_the_packet() {
    let bytes = frame(Link::Ethernet);
    let good = [LITTLE.pcap(0xa1b2_c3d4, 1), LITTLE.pcap_packet(1, 0, 54, &bytes)].concat();
    let cases = [
        (vec![], "packet 1 of file: the file is empty"),
        (b"no capture file at all, but long".to_vec(), "packet 1 of file: the file is neither"),
        ([&good[..], &[1, 2, 3]].concat(), "packet 2 of file: the file ends"),
        (
            [&good[..], &LITTLE.words(&[1, 0, u32::MAX, 60]), &[0; 1000]].concat(),
            "packet 2 of file: it is larger",
        ),
        (
            [LITTLE.pcap(0xa1b2_c3d4, 147), LITTLE.pcap_packet(1, 0, 54, &bytes)].concat(),
            "packet 1 of file: link type 147 is not supported",
        ),
        (
            [LITTLE.section(), LITTLE.packet(0, 0, &bytes)].concat(),
            "packet 1 of file: its interface 0 is not described",
        ),
        (
            [LITTLE.section(), LITTLE.interface(1, None, None), LITTLE.block(3, &[0; 8])]
                .concat(),
            "packet 1 of file: a simple packet block has no time",
        ),
        (
            [LITTLE.section(), LITTLE.interface(1, None, None).repeat(1025)].concat(),
            "packet 1 of file: it describes more than 1024 interfaces",
        ),
    ];
    for (file, expected) in cases {
        let error = read(&file).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let missing = Savefile::open(Path::new("/nonexistent/x.pcap")).err().unwrap().to_string();
    assert!(missing.starts_with("cannot read packet 1 of /nonexistent/x.pcap: "), "{missing}");
}

#[test]
fn sections_start_over_with_their_own_byte_order_and_interfaces() {
    let bytes = frame(Link::Raw);
    let mut file = LITTLE.section();
    file.extend(LITTLE.interface(101, None, None));
    file.extend(LITTLE.packet(0, 1, &bytes));
    file.extend(BIG.section());
    file.extend(BIG.interface(108, None, None));
    file.extend(BIG.packet(0, 2, &bytes));
    let records = read(&file).unwrap();
    let links: Vec<_> = records.iter().map(|record| record.0).collect();
    assert_eq!(links, [Link::Raw, Link::Loop]);
    assert_eq!(records[1].2, 2000);
}

#[test]
fn files_much_larger_than_the_memory_for_them_are_read() {
    let bytes = vec![0x45; 60_000];
    let mut file = LITTLE.section();
    file.extend(LITTLE.interface(101, None, None));
    file.extend(LITTLE.packet(0, 1, &bytes).repeat(50));
    assert_eq!(read(&file).unwrap().len(), 50);
}

proptest! {
    /// No panic, no endless loop, no more packets than bytes could hold.
    #[test]
    fn broken_files_end_in_packets_or_errors(
        order in any::<bool>(),
        modern in any::<bool>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let order = Order { big: order };
        let bytes = frame(Link::Ethernet);
        let mut file = if modern {
            [
                order.section(),
                order.interface(1, Some(9), Some(3)),
                order.packet(0, 7, &bytes).repeat(3),
            ].concat()
        } else {
            let packet = order.pcap_packet(1, 2, 54, &bytes).repeat(3);
            [order.pcap(0xa1b2_c3d4, 1), packet].concat()
        };
        for (place, value) in flips {
            let place = place.index(file.len());
            file[place] = value;
        }
        file.truncate(cut.index(file.len() + 1));
        if let Ok(records) = read(&file) {
            prop_assert!(records.len() <= file.len());
        }
    }
}
