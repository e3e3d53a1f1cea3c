//! Read buffers of bpf, as each system lays them out, and what is in them.
#![no_main]

use knockd::capture::bpf::records::Records;
use knockd::capture::bpf::{freebsd, freebsd_i386, freebsd32, macos, openbsd};
use knockd::capture::frame::sight;
use knockd::core::link::Link;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for abi in [&freebsd::ABI, &freebsd32::ABI, &freebsd_i386::ABI, &openbsd::ABI, &macos::ABI]
    {
        let mut taken = 0;
        for captured in Records::new(abi.record, data) {
            assert!(captured.bytes.len() <= captured.length);
            taken += captured.bytes.len() + abi.record.least();
            for link in Link::ALL {
                let _ = sight(link, captured.bytes, 1);
            }
        }
        assert!(taken <= data.len());
    }
});
