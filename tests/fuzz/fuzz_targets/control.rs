//! Records of the control socket, as the daemon and as knockctl read them.
#![no_main]

use knockd::control::answer::Answer;
use knockd::control::record::{Joiner, MAX_MESSAGE, Record};
use knockd::control::request::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut joiner = Joiner::default();
    let records = data.chunks_exact(size_of::<Record>());
    for record in records.filter_map(|record| Record::try_from(record).ok()) {
        let Ok(Some(message)) = joiner.take(&record) else { continue };
        assert!(message.body.len() <= MAX_MESSAGE);
        if let Ok(request) = Request::decode(&message) {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        // What fills a message is cut when it is said again.
        if let Ok(answer) = Answer::decode(&message) {
            let again = answer.encode();
            assert!(Answer::decode(&again).is_ok());
            assert!(again.body.len() <= message.body.len());
        }
    }
});
