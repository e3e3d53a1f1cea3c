//! Capture files: whatever they state, reading ends, and no packet is longer
//! than its file.
#![no_main]

use std::io::Cursor;

use knockd::capture::savefile::Savefile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let source = Cursor::new(data.to_vec());
    let Ok(mut file) = Savefile::new("it".to_owned(), source) else { return };
    let mut packets = 0;
    while let Ok(Some(record)) = file.next_record() {
        packets += 1;
        assert!(record.frame.len() <= data.len());
    }
    assert!(packets <= data.len());
});
