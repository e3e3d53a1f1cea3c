//! An agent may be anybody's: what it says is doubted.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use knockd::client::agent::{Agent, parse_identities, parse_signature};
use proptest::prelude::*;

/// What an agent that answers everything with `answer` is taken for.
fn answered(answer: Vec<u8>) -> (Result<usize, String>, Result<(), String>) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let serving = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 5];
            stream.read_exact(&mut request).unwrap();
            // One that has read enough hangs up.
            let _ = stream.write_all(&answer);
        }
    });
    let ask = || Agent::connect(&socket).unwrap();
    let identities = ask().identities().map(|found| found.len());
    let signed = ask().sign(b"key", b"message").map(drop);
    serving.join().unwrap();
    let said = |error: knockd::client::ClientError| error.to_string();
    (identities.map_err(said), signed.map_err(said))
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

#[test]
fn an_agent_that_says_nonsense_is_an_error_and_no_more() {
    for (answer, why) in [
        (vec![], "cannot talk to ssh-agent"),
        (vec![0, 0], "cannot talk to ssh-agent"),
        (framed(&[]), "sent an unexpected answer"),
        (framed(&[99]), "sent an unexpected answer"),
        (vec![0xff; 8], "the answer is too long"),
        (vec![0, 4, 0, 1], "the answer is too long"),
        (framed(&[12, 0xff, 0xff, 0xff, 0xff]), "sent an unexpected answer"),
        (framed(&[14, 0, 0, 0, 9, 1]), "sent an unexpected answer"),
        (framed(&[12, 0, 0, 0, 1, 0, 0, 0, 4, 1]), "sent an unexpected answer"),
    ] {
        let (identities, signed) = answered(answer.clone());
        for result in [identities.map(drop), signed] {
            assert!(result.clone().unwrap_err().contains(why), "{answer:?}: {result:?}");
        }
    }
    let (identities, signed) = answered(framed(&[5]));
    assert!(identities.unwrap_err().contains("sent an unexpected answer"));
    assert!(signed.unwrap_err().contains("did not sign: unlock it, or touch"));
    assert_eq!(answered(framed(&[12, 0, 0, 0, 0])).0, Ok(0));
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for kind in [12, 14] {
            let message = [&[kind], &bytes[..]].concat();
            let _ = (parse_identities(&message), parse_signature(&message));
        }
    }
}
