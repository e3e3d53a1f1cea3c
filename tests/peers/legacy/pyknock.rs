//! What the gate makes of the packets of pyknock's client.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use knockd::core::claim::Claim;
use knockd::core::gate::{Gate, Refusal};
use knockd::core::legacy::{Format, Legacy, Way, pyknock};
use knockd::core::reason::Reason;
use knockd::core::time::{Monotonic, Now, Wall};
use knockd::core::user::{CredentialIndex, SourcePolicy, UserIndex};

use super::clients::{PSK, pyknock as packet, pyknock_credential};
use crate::policy::{Key, Parts, SKEW, SSH, WEB, datagram, ip, outcome, user};

fn after(span: Duration) -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + span;
    let nanos = u64::try_from(wall.as_nanos()).unwrap();
    Now { monotonic: Monotonic::from_nanos(nanos), wall: Wall::default() + wall }
}

fn gate(source: SourcePolicy) -> Gate {
    let mut pat = user("pat", &Key::alice());
    pat.credentials = vec![pyknock_credential()];
    pat.source = source;
    let parts = Parts { users: vec![pat], ..Parts::default() };
    let way = Way {
        format: Format::Pyknock,
        port: pyknock::PORT,
        keys: vec![(UserIndex(0), CredentialIndex(0))],
    };
    let policy = std::sync::Arc::into_inner(parts.policy()).unwrap();
    let legacy = Legacy { ways: vec![way], max_skew: SKEW };
    Gate::new(policy.with_legacy(Some(legacy)).into(), Wall::default())
}

fn judge(gate: &mut Gate, source: &str, packet: &[u8]) -> Result<Vec<Claim>, Refusal> {
    let sighting = datagram(ip(source), pyknock::PORT, packet);
    outcome(gate.judge(&sighting, after(Duration::ZERO)))
}

fn reason(judged: Result<Vec<Claim>, Refusal>) -> Reason {
    judged.unwrap_err().reason
}

#[test]
fn a_packet_opens_all_doors_of_its_user_once() {
    needs!(tool("pyknock-client"));
    let mut gate = gate(SourcePolicy::Bound);
    for (address, length) in [("192.0.2.7", 49), ("2001:db8::7", 61)] {
        let packet = packet("open", PSK, &["-S", address]);
        assert_eq!(packet.len(), length);
        let claims = judge(&mut gate, address, &packet).unwrap();
        let opened: Vec<_> = claims.iter().map(|claim| (claim.door, claim.address)).collect();
        assert_eq!(opened, [(SSH, ip(address)), (WEB, ip(address))]);
        assert_eq!(reason(judge(&mut gate, address, &packet)), Reason::Replayed);
    }
}

#[test]
fn the_signed_address_is_bound_to_the_source_unless_the_user_may_delegate() {
    needs!(tool("pyknock-client"));
    let named = packet("open", PSK, &["-S", "198.51.100.9"]);
    let unnamed = packet("open", PSK, &["-S", "0.0.0.0"]);
    for (policy, of_named, of_unnamed) in [
        (SourcePolicy::Bound, Err(Reason::Address), Err(Reason::Unnamed)),
        (SourcePolicy::Observed, Err(Reason::Address), Ok(ip("192.0.2.7"))),
        (SourcePolicy::Delegate, Ok(ip("198.51.100.9")), Err(Reason::Unnamed)),
    ] {
        let mut gate = gate(policy);
        for (packet, expected) in [(&named, of_named), (&unnamed, of_unnamed)] {
            let judged = judge(&mut gate, "192.0.2.7", packet);
            let judged = judged.map(|claims| claims[0].address).map_err(|why| why.reason);
            assert_eq!(judged, expected, "{policy:?}");
        }
    }
}

#[test]
fn to_close_is_refused_by_that_name() {
    needs!(tool("pyknock-client"));
    let packet = packet("close", PSK, &["-S", "192.0.2.7"]);
    assert_eq!(
        reason(judge(&mut gate(SourcePolicy::Bound), "192.0.2.7", &packet)),
        Reason::Unsupported
    );
}

#[test]
fn what_is_changed_or_stale_or_of_another_key_opens_nothing() {
    needs!(tool("pyknock-client"));
    let mut gate = gate(SourcePolicy::Bound);
    let good = packet("open", PSK, &["-S", "192.0.2.7"]);
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        assert_eq!(reason(judge(&mut gate, "192.0.2.7", &changed)), Reason::Stranger, "{at}");
    }
    let other = packet("open", "another horse's staple", &["-S", "192.0.2.7"]);
    assert_eq!(reason(judge(&mut gate, "192.0.2.7", &other)), Reason::Stranger);
    let longer = [&good[..], b"\0"].concat();
    assert_eq!(reason(judge(&mut gate, "192.0.2.7", &longer)), Reason::Length);
    let late = datagram(ip("192.0.2.7"), pyknock::PORT, &good);
    let late = outcome(gate.judge(&late, after(Duration::from_secs(90)))).unwrap_err();
    assert_eq!(late.reason, Reason::Stale);
    assert!((-92_000..=-88_000).contains(&late.offset.unwrap()), "{late:?}");
}
