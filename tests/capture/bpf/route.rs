//! The question for the default route, and what counts as its answer.

use knockd::capture::bpf::route::{Asker, Family, answer, question};
use proptest::prelude::*;

use super::abi;
use super::fake::System;

const ASKER: Asker = Asker { process: 4711, sequence: 2 };

/// Where a system has the index, the process, the number and the error.
fn places(system: System) -> [usize; 4] {
    if system == System::OpenBsd { [6, 24, 28, 32] } else { [4, 16, 20, 24] }
}

/// The kernel's answer: the question with the index filled in.
fn reply(system: System, index: u16) -> Vec<u8> {
    let mut message = question(abi(system), Family::V4, ASKER);
    let at = places(system)[0];
    message[at..at + 2].copy_from_slice(&index.to_ne_bytes());
    message
}

#[test]
fn the_question_names_the_unspecified_address_of_either_family() {
    for (system, header, inet6, padded) in [
        (System::FreeBsd, 152, 28, 32),
        (System::FreeBsd32, 92, 28, 28),
        (System::FreeBsdI386, 92, 28, 28),
        (System::OpenBsd, 96, 24, 32),
        (System::MacOs, 92, 30, 28),
    ] {
        for (family, length, number, padded) in
            [(Family::V4, 16, 2, 16), (Family::V6, 28, inet6, padded)]
        {
            let message = question(abi(system), family, ASKER);
            assert_eq!(message.len(), header + padded, "{system:?}");
            assert_eq!(message[..4], [(header + padded) as u8, 0, 5, 4]);
            assert_eq!(message[12..16], 1_i32.to_ne_bytes(), "only a destination follows");
            assert_eq!(message[header..header + 2], [length, number]);
            assert!(message[header + 2..].iter().all(|byte| *byte == 0));
        }
    }
}

#[test]
fn only_the_answer_to_our_question_counts() {
    for system in System::ALL {
        let abi = abi(system);
        let [_, process, sequence, error] = places(system);
        let message = reply(system, 3);
        assert_eq!(answer(abi, &message, ASKER), Some(Some(3)), "{system:?}");
        for place in [2, 3, process, sequence] {
            let mut other = message.clone();
            other[place] ^= 1;
            assert_eq!(answer(abi, &other, ASKER), None, "{system:?} {place}");
        }
        assert_eq!(answer(abi, &message[..90], ASKER), None);
        let mut refused = message.clone();
        refused[error..error + 4].copy_from_slice(&nix::libc::ESRCH.to_ne_bytes());
        assert_eq!(answer(abi, &refused, ASKER), Some(None));
        assert_eq!(answer(abi, &reply(system, 0), ASKER), Some(None));
    }
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(
        system in prop::sample::select(System::ALL.to_vec()),
        message in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = answer(abi(system), &message, ASKER);
    }
}
