//! The question for a default route, and its answer.

use knockd::capture::bpf::route::{Asker, answer, is_question, question};
use knockd::core::address::Family;
use proptest::prelude::*;

use super::abi;
use super::fake::System;

const ASKER: Asker = Asker { process: 4711, sequence: 2 };

/// Flags of routes, in `<net/route.h>` of all systems.
const GATEWAY: u32 = 0x2;
const REJECT: u32 = 0x8;
const BLACKHOLE: u32 = 0x1000;

/// Where a system has the index, the process, the number, the error, the flags,
/// and which addresses follow.
fn places(system: System) -> [usize; 6] {
    if system == System::OpenBsd { [6, 24, 28, 32, 16, 12] } else { [4, 16, 20, 24, 8, 12] }
}

/// The kernel's answer: the question with index and flags filled in.
fn reply_to(mut message: Vec<u8>, system: System, index: u16, flags: u32) -> Vec<u8> {
    let [at, .., flags_at, _] = places(system);
    message[at..at + 2].copy_from_slice(&index.to_ne_bytes());
    message[flags_at..flags_at + 4].copy_from_slice(&flags.to_ne_bytes());
    message
}

fn reply(system: System, index: u16) -> Vec<u8> {
    reply_to(question(abi(system), Family::V4, ASKER), system, index, GATEWAY)
}

/// What a kernel answers that has these routes to prefixes of `::`: the one of
/// the longest prefix to a question without a netmask, else that of the mask.
fn kernel(system: System, routes: &[(u32, u16, u32)]) -> Option<Option<u32>> {
    let message = question(abi(system), Family::V6, ASKER);
    let at = places(system)[5];
    let addresses = u32::from_ne_bytes(message[at..at + 4].try_into().unwrap());
    let route = match addresses {
        1 => routes.iter().max_by_key(|(prefix, ..)| prefix),
        5 => {
            let mask = &message[message.len() - 28..];
            let prefix = mask[8..24].iter().map(|byte| byte.count_ones()).sum::<u32>();
            routes.iter().find(|route| route.0 == prefix)
        }
        _ => panic!("{addresses}"),
    };
    let (_, index, flags) = *route.unwrap();
    answer(abi(system), &reply_to(message, system, index, flags), ASKER)
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
            let total = header + 2 * padded;
            assert_eq!(message.len(), total, "{system:?}");
            assert_eq!(message[..4], [total as u8, 0, 5, 4]);
            assert_eq!(message[12..16], 5_i32.to_ne_bytes(), "destination and netmask");
            for address in message[header..].chunks(padded) {
                assert_eq!(address[..2], [length, number]);
                assert!(address[2..].iter().all(|byte| *byte == 0));
            }
        }
    }
}

#[test]
fn the_reject_routes_that_rc_adds_are_not_the_default_route() {
    let (compatible, default) = ((96, 1, GATEWAY | REJECT), (0, 3, GATEWAY));
    for system in System::ALL {
        assert_eq!(kernel(system, &[compatible, default]), Some(Some(3)), "{system:?}");
        for flags in [REJECT, BLACKHOLE, GATEWAY | REJECT] {
            assert_eq!(kernel(system, &[(0, 3, flags)]), Some(None), "{system:?} {flags:x}");
        }
    }
}

#[test]
fn only_the_answer_to_our_question_counts() {
    for system in System::ALL {
        let abi = abi(system);
        let [_, process, sequence, error, ..] = places(system);
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

/// Who asks after each change would never have rest otherwise.
#[test]
fn questions_and_their_answers_are_no_changes() {
    for system in System::ALL {
        let mut message = reply(system, 3);
        assert!(is_question(abi(system), &message[..16]), "{system:?}");
        // RTM_ADD is 1, RTM_GET 4.
        message[3] = 1;
        assert!(!is_question(abi(system), &message[..16]), "{system:?}");
        assert!(!is_question(abi(system), &[]), "{system:?}");
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
