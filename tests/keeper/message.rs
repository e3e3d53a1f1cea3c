//! What the processes tell each other, as bytes and over real sockets.
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use knockd::core::address::Entry;
use knockd::core::bytes::Malformed;
use knockd::core::claim::{Authorization, Claim, Ground};
use knockd::core::command::MAX_LENGTH;
use knockd::core::door::{DoorIndex, Table};
use knockd::core::gate::Refusal;
use knockd::core::link::Link;
use knockd::core::reason::Reason;
use knockd::core::replay::{Barrier, Honoured, MAX_CAPACITY, ReplayId};
use knockd::core::sequence::SequenceIndex;
use knockd::core::slot::{Slot, TableIndex};
use knockd::core::time::{Monotonic, Wall};
use knockd::core::user::{CredentialIndex, UserIndex};
use knockd::message::Message;
use knockd::message::channel::{Broken, Channel};
use knockd::message::engine::{FromEngine, ToEngine};
use knockd::message::packet::{BODY, LENGTH, Packet};
use knockd::message::parent::{FromKeeper, ToKeeper};
use knockd::message::runner::{self, FromRunner, Occasion, Outcome, Run, ToRunner};
use proptest::prelude::*;
use zeroize::Zeroizing;

/// Its packet, through a record, and back.
fn again<M: Message>(message: &M) -> Result<M, Malformed> {
    let packet = message.encode();
    let (mut read, length) = Packet::begin(&packet.record(), 1 << 22)?;
    assert_eq!(length, packet.blob.len());
    read.blob = packet.blob.clone();
    assert!(read == packet);
    M::decode(&read)
}

fn address() -> IpAddr {
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()
}

/// The largest of everything that the engine may say.
fn from_engine() -> Vec<FromEngine> {
    let issued = Wall::from_millis(u64::MAX);
    let user = UserIndex(u32::MAX);
    let said = Authorization {
        user,
        credential: CredentialIndex(u8::MAX),
        lifetime: Some(Duration::from_secs(u64::from(u32::MAX))),
        replay: ReplayId { id: [0xff; 16], issued, expires: issued, counter: u32::MAX },
    };
    let last = SequenceIndex(u16::MAX);
    let open = |ground| FromEngine::Open {
        claim: Claim { door: DoorIndex(u16::MAX), address: address(), ground },
        source: address(),
        seen: Monotonic::from_nanos(u64::MAX),
    };
    let refusal = |reason, offset| Refusal { reason, user: Some(user), offset: Some(offset) };
    vec![
        FromEngine::Serving,
        open(Ground::Token(said)),
        open(Ground::Older(Authorization { lifetime: None, ..said })),
        open(Ground::Fixed(last)),
        open(Ground::Rolling(last, u64::MAX)),
        open(Ground::Line(last, u32::MAX)),
        FromEngine::Refused { source: address(), refusal: refusal(Reason::Failed, i64::MIN) },
        FromEngine::Refused { source: address(), refusal: Reason::Truncated.into() },
        FromEngine::Count { reason: Reason::Failed, times: u32::MAX },
        FromEngine::Failed { capture: u32::MAX },
    ]
}

#[test]
fn every_message_is_understood_as_it_was_meant() {
    for message in from_engine() {
        assert_eq!(again(&message).as_ref(), Ok(&message));
    }
    let loss = Some((Monotonic::from_nanos(u64::MAX), Duration::from_millis(30_000)));
    let last = SequenceIndex(u16::MAX);
    let (issued, expires) = (Wall::from_millis(1), Wall::from_millis(u64::MAX));
    let token = ReplayId { id: [7; 16], issued, expires, counter: u32::MAX };
    let at = Monotonic::from_nanos(u64::MAX);
    let honoured = Honoured { user: [8; 8], token, at };
    let start = |account, loss| ToEngine::Start {
        foreground: true,
        verbose: false,
        megabytes: u32::MAX,
        account,
        barrier: Barrier { forgotten: Wall::from_millis(u64::MAX), loss },
        files: Zeroizing::new(vec![1, 2, 3]),
        cell: "/var/empty".into(),
    };
    for message in [
        start(Some((u32::MAX, u32::MAX)), loss),
        start(None, None),
        ToEngine::Capture { id: u32::MAX, index: 7, link: Link::Pflog, buffer: u32::MAX },
        ToEngine::Release { id: 1 },
        ToEngine::Retire,
        ToEngine::Verbose(true),
        ToEngine::Used { tokens: vec![honoured; 3], lines: vec![(last, u32::MAX), (last, 0)] },
        ToEngine::Used { tokens: Vec::new(), lines: Vec::new() },
    ] {
        assert!(again(&message).is_ok_and(|other| other == message));
    }
    let entry = Entry::new(address(), 128).unwrap();
    let network = Entry::new([192, 0, 2, 0].into(), 24).unwrap();
    let table =
        |anchor: Option<&str>| Table { anchor: anchor.map(Into::into), name: "t".into() };
    for message in [
        FromKeeper::Ready,
        FromKeeper::Table { index: TableIndex(u32::MAX), table: table(Some("knockd/inner")) },
        FromKeeper::Table { index: TableIndex(0), table: table(None) },
        FromKeeper::Intend { slot: Slot { table: TableIndex(u32::MAX), entry }, foreign: true },
        FromKeeper::Gone { slot: Slot { table: TableIndex(0), entry: network } },
        FromKeeper::Engine { id: u32::MAX },
        FromKeeper::End { id: 0 },
        FromKeeper::Keep { files: Zeroizing::new(vec![9; 100]) },
        FromKeeper::EndRunner { id: u32::MAX },
    ] {
        assert!(again(&message).is_ok_and(|other| other == message));
    }
    let files = Zeroizing::new(b"files".to_vec());
    for message in [
        ToKeeper::Start { foreground: false, verbose: true, deaths: u32::MAX, files },
        ToKeeper::Reload,
        ToKeeper::Stop,
        ToKeeper::Runner { id: u32::MAX },
    ] {
        assert!(again(&message).is_ok_and(|other| other == message));
    }
}

/// The largest command that a configuration can have.
fn largest_run() -> Run {
    let mut words = vec![format!("/{}", "x".repeat(255))];
    let left = MAX_LENGTH - 258;
    words.extend(std::iter::repeat_n("y".repeat(left / 31 - 2), 31));
    Run {
        id: u32::MAX,
        occasion: Occasion::Close,
        limit: Duration::from_secs(600),
        door: "d".repeat(32),
        address: address(),
        user: "u".repeat(32),
        seconds: u64::MAX,
        words,
    }
}

#[test]
fn every_message_of_the_runner_is_understood_as_it_was_meant() {
    let run = largest_run();
    let packet = ToRunner::Run(run.clone()).encode();
    assert!(LENGTH + packet.blob.len() <= runner::MAX_MESSAGE);
    let short = Run { words: vec!["/x".into(), String::new()], ..run.clone() };
    for message in [
        ToRunner::Start { foreground: true, account: Some((u32::MAX, 0)) },
        ToRunner::Start { foreground: false, account: None },
        ToRunner::Run(run),
        ToRunner::Run(Run { occasion: Occasion::Open, ..short }),
    ] {
        assert_eq!(again(&message), Ok(message));
    }
    for outcome in [
        Outcome::Exited(u8::MAX),
        Outcome::Signalled(9),
        Outcome::Killed,
        Outcome::NotStarted(u32::MAX),
        Outcome::Dropped,
    ] {
        let message = FromRunner::Ended { id: u32::MAX, outcome };
        assert_eq!(again(&message), Ok(message));
    }
}

#[test]
fn a_command_that_no_program_could_be_given_is_none() {
    let run = largest_run();
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    for words in
        [words(&[]), words(&["x"]), words(&[""]), words(&["/x", "\0"]), words(&["/x"; 33])]
    {
        assert_eq!(again(&ToRunner::Run(Run { words, ..run.clone() })), Err(Malformed));
    }
    // Half a length, and a length without its text.
    for rest in [&[0][..], &[0, 1]] {
        let mut packet = ToRunner::Run(run.clone()).encode();
        packet.blob.extend_from_slice(rest);
        assert_eq!(ToRunner::decode(&packet), Err(Malformed));
    }
}

#[test]
fn more_tokens_than_are_remembered_are_not_accepted() {
    let at = Monotonic::default();
    let (issued, expires) = (Wall::default(), Wall::default());
    let token = ReplayId { id: [0; 16], issued, expires, counter: 0 };
    let tokens = vec![Honoured { user: [0; 8], token, at }; MAX_CAPACITY];
    let mut most = ToEngine::Used { tokens, lines: Vec::new() };
    assert!(again(&most).is_ok());
    if let ToEngine::Used { tokens, .. } = &mut most {
        tokens.push(tokens[0]);
    }
    assert!(again(&most).is_err());
}

fn stable<M: Message>(packet: &Packet) -> bool {
    M::decode(packet).map_or(true, |message| {
        let encoded = message.encode();
        M::decode(&encoded).is_ok_and(|again| again.encode() == encoded)
    })
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_mean_something(
        tag in 0_u8..10,
        body in prop::collection::vec(any::<u8>(), BODY),
        blob in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let body = body.try_into().unwrap();
        let packet = Packet { tag, body, blob: Zeroizing::new(blob) };
        prop_assert!(stable::<FromEngine>(&packet));
        prop_assert!(stable::<ToEngine>(&packet));
        prop_assert!(stable::<FromKeeper>(&packet));
        prop_assert!(stable::<ToKeeper>(&packet));
        prop_assert!(stable::<ToRunner>(&packet));
        prop_assert!(stable::<FromRunner>(&packet));
    }
}

#[test]
fn messages_come_whole_however_they_were_cut() {
    let (mut channel, theirs) = Channel::pair(0).unwrap();
    let mut theirs = UnixStream::from(theirs);
    let all = from_engine();
    for message in &all {
        for byte in message.encode().record() {
            assert!(channel.recv::<FromEngine>().unwrap().is_none());
            theirs.write_all(&[byte]).unwrap();
        }
        assert_eq!(channel.recv::<FromEngine>().unwrap().as_ref(), Some(message));
    }
    assert!(channel.recv::<FromEngine>().unwrap().is_none());
    // Half a message is none, and then there is no more.
    theirs.write_all(&[1; LENGTH / 2]).unwrap();
    assert!(channel.recv::<FromEngine>().unwrap().is_none());
    drop(theirs);
    assert!(matches!(channel.recv::<FromEngine>(), Err(Broken::Ended)));
}

#[test]
fn what_nobody_says_is_not_listened_to() {
    let tag = [9, 0, 0, 0, 0, 0, 0, 0];
    let blob = [1, 0, 0, 0, 0, 0, 0, 1];
    let reserved = [1, 0, 1, 0, 0, 0, 0, 0];
    for head in [tag, blob, reserved] {
        let (mut channel, theirs) = Channel::pair(0).unwrap();
        let mut record = [0; LENGTH];
        record[..8].copy_from_slice(&head);
        UnixStream::from(theirs).write_all(&record).unwrap();
        assert!(matches!(channel.recv::<FromEngine>(), Err(Broken::Senseless)), "{head:?}");
    }
}

#[test]
fn descriptors_come_in_order_with_their_messages() {
    let (mut channel, theirs) = Channel::pair(1 << 20).unwrap();
    let mut theirs = Channel::new(UnixStream::from(theirs), 1);
    for id in 0..3 {
        let (mut near, far) = UnixStream::pair().unwrap();
        channel.send(&FromKeeper::Engine { id }, Some(OwnedFd::from(far))).unwrap();
        near.write_all(&[u8::try_from(id).unwrap()]).unwrap();
    }
    for id in 0..3 {
        assert!(matches!(theirs.recv(), Ok(Some(FromKeeper::Engine { id: it })) if it == id));
        let mut word = Vec::new();
        UnixStream::from(theirs.descriptor().unwrap()).read_to_end(&mut word).unwrap();
        assert_eq!(word, [u8::try_from(id).unwrap()]);
    }
}

#[test]
fn descriptors_are_not_left_with_who_takes_none() {
    let (mut channel, theirs) = Channel::pair(1 << 20).unwrap();
    // Who takes no blobs takes no descriptors either.
    let mut theirs = Channel::new(UnixStream::from(theirs), 0);
    let (mut near, far) = UnixStream::pair().unwrap();
    channel.send(&FromKeeper::Engine { id: 0 }, Some(OwnedFd::from(far))).unwrap();
    let received = theirs.recv::<FromKeeper>();
    let is_silent = cfg!(any(target_os = "openbsd", target_os = "macos"));
    assert!(matches!(received, Err(Broken::Senseless)) || (is_silent && received.is_ok()));
    assert_eq!(near.read(&mut [0]).unwrap(), 0, "it was closed");
}

#[test]
fn who_does_not_read_is_not_waited_for_without_end() {
    let (mut channel, _theirs) = Channel::pair(0).unwrap();
    let files = Zeroizing::new(vec![7; 30 << 20]);
    let keep = FromKeeper::Keep { files };
    let queued = (0..10).take_while(|_| channel.queue(&keep, None).is_ok()).count();
    assert_eq!(queued, 2, "what waits is bounded");
    assert!(matches!(channel.queue(&keep, None), Err(Broken::Stuck)));
    channel.flush().unwrap();
    assert!(channel.has_output());
}
