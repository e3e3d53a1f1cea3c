//! Read buffers give exactly the packets that were put in, or stop.

use knockd::capture::bpf::abi::Record;
use knockd::capture::bpf::records::Records;
use knockd::capture::frame::sight;
use knockd::core::link::Link;
use proptest::prelude::*;

use super::abi;
use super::fake::System;

fn layout(system: System) -> Record {
    abi(system).record
}

fn packets(system: System, buffer: &[u8]) -> Vec<(Vec<u8>, usize)> {
    let records = Records::new(layout(system), buffer);
    records.map(|captured| (captured.bytes.to_vec(), captured.length)).collect()
}

fn systems() -> impl Strategy<Value = System> {
    prop::sample::select(System::ALL.to_vec())
}

/// Packets, how much longer they were, and the length of their link header.
fn traffic() -> impl Strategy<Value = Vec<(Vec<u8>, usize, usize)>> {
    let packet = prop::collection::vec(any::<u8>(), 0..80);
    let link = prop::sample::select(vec![0, 4, 14, 100]);
    prop::collection::vec((packet, 0_usize..3000, link), 0..8)
}

fn fill(system: System, traffic: &[(Vec<u8>, usize, usize)]) -> Vec<u8> {
    let mut buffer = Vec::new();
    for (packet, more, link) in traffic {
        system.write(&mut buffer, packet, packet.len() + more, *link);
    }
    buffer
}

proptest! {
    #[test]
    fn every_packet_comes_out_as_it_went_in(
        system in systems(),
        traffic in traffic(),
        padded: bool,
    ) {
        let mut buffer = fill(system, &traffic);
        if padded {
            buffer.resize(buffer.len().next_multiple_of(layout(system).alignment), 0);
        }
        let expected: Vec<_> =
            traffic.into_iter().map(|(packet, more, _)| (packet.clone(), packet.len() + more))
                .collect();
        prop_assert_eq!(packets(system, &buffer), expected);
    }

    #[test]
    fn a_buffer_cut_anywhere_loses_its_end_and_nothing_else(
        system in systems(),
        traffic in traffic(),
        cut: prop::sample::Index,
    ) {
        let buffer = fill(system, &traffic);
        let whole = packets(system, &buffer);
        let some = packets(system, &buffer[..cut.index(buffer.len() + 1)]);
        prop_assert_eq!(&some[..], &whole[..some.len()]);
    }

    #[test]
    fn lying_lengths_end_the_reading_within_the_buffer(
        system in systems(),
        traffic in traffic(),
        lies in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut buffer = fill(system, &traffic);
        for (place, byte) in lies {
            if !buffer.is_empty() {
                let place = place.index(buffer.len());
                buffer[place] = byte;
            }
        }
        let found = packets(system, &buffer);
        let least = layout(system).least();
        // Each took its header and its bytes out of the buffer.
        let taken: usize = found.iter().map(|(bytes, _)| bytes.len() + least).sum();
        prop_assert!(taken <= buffer.len());
        for (bytes, length) in &found {
            prop_assert!(bytes.len() <= *length);
            for link in Link::ALL {
                let _ = sight(link, bytes, 1);
            }
        }
    }

    #[test]
    fn noise_never_makes_it_panic(
        system in systems(),
        noise in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let found = packets(system, &noise);
        prop_assert!(found.len() * layout(system).least() <= noise.len());
    }
}

/// The lengths of one record in a buffer of its own, changed.
fn changed(system: System, change: impl FnOnce(&Record, &mut [u8])) -> usize {
    let mut buffer = Vec::new();
    system.write(&mut buffer, &[7; 40], 40, 14);
    change(&layout(system), &mut buffer);
    packets(system, &buffer).len()
}

#[test]
fn each_length_that_cannot_be_true_is_found() {
    for system in System::ALL {
        assert_eq!(changed(system, |_, _| {}), 1);
        let lie = |pick: fn(&Record) -> knockd::ioctl::layout::Field, value: u64| {
            changed(system, |record, buffer| pick(record).put(buffer, value))
        };
        assert_eq!(lie(|record| record.captured, 41), 0, "beyond the buffer");
        assert_eq!(lie(|record| record.captured, u32::MAX.into()), 0);
        assert_eq!(lie(|record| record.length, 39), 0, "captured more than there was");
        assert_eq!(lie(|record| record.header, 0), 0, "inside the header");
        assert_eq!(lie(|record| record.header, 17), 0);
        assert_eq!(lie(|record| record.header, u16::MAX.into()), 0);
    }
}

#[test]
fn headers_are_as_long_as_the_systems_make_them() {
    for (system, ethernet, null) in
        [(System::FreeBsd, 26, 28), (System::OpenBsd, 30, 28), (System::MacOs, 18, 20)]
    {
        for (link, expected) in [(14, ethernet), (4, null)] {
            let mut buffer = Vec::new();
            system.write(&mut buffer, &[], 0, link);
            assert_eq!(layout(system).header.get(&buffer), expected, "{system:?}");
        }
    }
}
