//! Records of the control socket, as the daemon and as knockctl read them.
#![no_main]

use knockd::control::answer::Answer;
use knockd::control::record::{ControlRecord, Joiner, MAX_MESSAGE};
use knockd::control::request::ControlRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut joiner = Joiner::default();
    let records = data.chunks_exact(size_of::<ControlRecord>());
    for record in records.filter_map(|record| ControlRecord::try_from(record).ok()) {
        let Ok(Some(message)) = joiner.push(&record) else { continue };
        assert!(message.body.len() <= MAX_MESSAGE);
        if let Ok(request) = ControlRequest::decode(&message) {
            assert_eq!(ControlRequest::decode(&request.encode()), Ok(request));
        }
        // A text that fills a message is cut when it is encoded again.
        if let Ok(answer) = Answer::decode(&message) {
            let again = answer.encode();
            assert!(Answer::decode(&again).is_ok());
            assert!(again.body.len() <= message.body.len());
        }
    }
});
