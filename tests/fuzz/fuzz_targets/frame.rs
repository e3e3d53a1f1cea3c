//! Frames of every link: the filter in the kernel and the parser agree, but
//! for sources that are no host.
#![no_main]

#[path = "../../common/bpf_vm.rs"]
mod bpf_vm;

use std::sync::LazyLock;

use knockd::capture::filter::{Direction, Program, compile};
use knockd::capture::frame::sight;
use knockd::core::interest::{Form, Interest, Packets, Ports};
use knockd::core::link::Link;
use knockd::core::mark::MarkKey;
use knockd::core::reason::Reason;
use knockd::core::sighting::Protocol;
use libfuzzer_sys::fuzz_target;

static INTERESTS: LazyLock<[Interest; 3]> = LazyLock::new(|| {
    let ports = || Ports::Of((0..=199).collect());
    // As short as a marked datagram can be, so that the fuzzer finds them.
    let form = |length, byte| Form { length, mark: MarkKey::new(&[byte; 32]) };
    let tokens = Packets::Tokens(vec![form(16, 1), form(17, 2)]);
    [
        Interest { protocol: Protocol::Tcp, ports: Ports::Any, packets: Packets::INITIAL_SYN },
        Interest { protocol: Protocol::Udp, ports: ports(), packets: Packets::All },
        Interest { protocol: Protocol::Udp, ports: Ports::Of(vec![256]), packets: tokens },
    ]
});

static PROGRAMS: LazyLock<[Program; Link::ALL.len()]> =
    LazyLock::new(|| Link::ALL.map(|link| compile(link, &*INTERESTS, Direction::Both)));

fuzz_target!(|data: &[u8]| {
    for (link, program) in Link::ALL.into_iter().zip(&*PROGRAMS) {
        let passes = bpf_vm::passes(program, data);
        match sight(link, data, 1) {
            Ok(sighting) => {
                let covered = INTERESTS.iter().any(|interest| interest.covers(&sighting));
                assert_eq!(passes, covered, "{link:?}");
            }
            Err(Reason::Source) => {}
            Err(reason) => assert!(!passes, "{link:?}: {reason}"),
        }
    }
});
