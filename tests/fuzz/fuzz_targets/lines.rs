//! What people paste and agents answer: lines of authorized_keys, enrolments,
//! lists of keys and signatures.
#![no_main]

use knockd::client::agent;
use knockd::config;
use knockd::enrolment::Enrolment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = agent::parse_signature(bytes);
    let _ = agent::parse_identities(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(why) = config::check_authorized_key(text) {
        assert!(why.len() < 300 && !why.contains('\n'));
    }
    if let Ok(enrolment) = Enrolment::decode(text) {
        let line = enrolment.encode().map(|line| line.to_string());
        let again = line.map(|line| Enrolment::decode(&line).is_ok());
        assert_eq!(again, Ok(true));
    }
});
