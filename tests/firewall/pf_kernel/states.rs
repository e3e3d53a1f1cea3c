//! States are killed, those that are meant and no others.

use std::net::IpAddr;

use knockd::core::address::Entry;
use knockd::core::sighting::{Port, Protocol};
use knockd::firewall::pf::states::{self, End, Match};
use knockd::firewall::pf::{Pf, freebsd, freebsd32, nvlist};
use knockd::firewall::{Firewall, FirewallErrorKind, Kill};
use knockd::ioctl::Device;
use nix::libc;
use proptest::prelude::*;

use super::fake::{Kernel, State, System};
use super::{abi, on_all};

const CLIENT: &str = "192.0.2.7";
const SSH: Port = Port { protocol: Protocol::Tcp, number: 22 };

fn kill(kernel: &mut Kernel, kill: &Kill) -> Result<u64, knockd::firewall::FirewallError> {
    let abi = abi(kernel.system);
    Pf::new(kernel, abi).kill(kill)
}

fn bytes(address: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    match address.parse().unwrap() {
        IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => bytes = v6.octets(),
    }
    bytes
}

fn state(system: System, source: &str, destination: &str, port: Port) -> State {
    State {
        af: if source.contains(':') { system.inet6() } else { 2 },
        protocol: if port.protocol == Protocol::Tcp { 6 } else { 17 },
        source: (bytes(source), 40_000),
        destination: (bytes(destination), port.number),
        rdomain: 0,
    }
}

fn everything(address: &str) -> Kill {
    let (address, prefix) = address.split_once('/').unwrap_or((address, ""));
    let address = address.parse().unwrap();
    let prefix = prefix.parse().ok();
    let entry =
        prefix.map_or(Entry::host(address), |prefix| Entry::new(address, prefix).unwrap());
    Kill { entry, ports: Vec::new(), rdomain: 0 }
}

fn to_ports(address: &str, ports: &[Port]) -> Kill {
    Kill { ports: ports.to_vec(), ..everything(address) }
}

#[test]
fn states_to_a_door_s_ports_die_and_no_others() {
    on_all(|mut kernel| {
        let system = kernel.system;
        let udp = Port { protocol: Protocol::Udp, number: 22 };
        let web = Port { protocol: Protocol::Tcp, number: 443 };
        let bystanders = [
            state(system, CLIENT, "198.51.100.1", udp),
            state(system, CLIENT, "198.51.100.1", web),
            state(system, "192.0.2.8", "198.51.100.1", SSH),
            state(system, "198.51.100.1", CLIENT, SSH),
            state(system, "2001:db8::7", "2001:db8::1", SSH),
        ];
        kernel.states = bystanders.to_vec();
        kernel.states.push(state(system, CLIENT, "198.51.100.1", SSH));
        kernel.states.push(state(system, CLIENT, "198.51.100.2", SSH));
        assert_eq!(kill(&mut kernel, &to_ports(CLIENT, &[SSH])).unwrap(), 2);
        assert_eq!(kernel.states, bystanders);
        assert_eq!(kill(&mut kernel, &to_ports(CLIENT, &[SSH, udp, web])).unwrap(), 2);
    });
}

#[test]
fn without_ports_all_states_of_the_address_die_whoever_began_them() {
    on_all(|mut kernel| {
        let system = kernel.system;
        for (client, server) in [(CLIENT, "198.51.100.1"), ("2001:db8::7", "2001:db8::1")] {
            let bystander = state(system, server, server, SSH);
            kernel.states = vec![
                bystander,
                state(system, client, server, SSH),
                state(system, server, client, SSH),
            ];
            assert_eq!(kill(&mut kernel, &everything(client)).unwrap(), 2);
            assert_eq!(kernel.states, [bystander]);
        }
    });
}

#[test]
fn states_of_a_whole_network_die_and_those_of_its_neighbours_go_on() {
    on_all(|mut kernel| {
        let system = kernel.system;
        for (network, inside, outside, server) in [
            ("192.0.2.0/25", "192.0.2.127", "192.0.2.128", "198.51.100.1"),
            ("2001:db8:0:8::/61", "2001:db8:0:f::1", "2001:db8:0:10::1", "2001:db8::1"),
        ] {
            let bystander = state(system, outside, server, SSH);
            kernel.states = vec![bystander, state(system, inside, server, SSH)];
            assert_eq!(kill(&mut kernel, &to_ports(network, &[SSH])).unwrap(), 1);
            assert_eq!(kernel.states, [bystander]);
        }
    });
}

#[test]
fn openbsd_kills_in_the_routing_domain_of_the_door() {
    let mut kernel = Kernel::new(System::OpenBsd);
    let here = state(System::OpenBsd, CLIENT, "198.51.100.1", SSH);
    let there = State { rdomain: 3, ..here };
    kernel.states = vec![here, there];
    let wanted = Kill { rdomain: 3, ..to_ports(CLIENT, &[SSH]) };
    assert_eq!(kill(&mut kernel, &wanted).unwrap(), 1);
    assert_eq!(kernel.states, [here]);
}

#[test]
fn macos_counts_modulo_256_and_kills_all_the_same() {
    let mut kernel = Kernel::new(System::MacOs);
    let one = state(System::MacOs, CLIENT, "198.51.100.1", SSH);
    kernel.states = vec![one; 300];
    // The count stands where the family was; the second request is made anew.
    let web = Port { number: 443, ..SSH };
    kernel.states.push(state(System::MacOs, CLIENT, "198.51.100.1", web));
    assert_eq!(kill(&mut kernel, &to_ports(CLIENT, &[SSH, web])).unwrap(), 300 - 256 + 1);
    assert_eq!(kernel.states, []);
}

#[test]
fn where_the_securelevel_forbids_killing_asking_for_nothing_tells() {
    on_all(|mut kernel| {
        kernel.states = vec![state(kernel.system, CLIENT, "198.51.100.1", SSH)];
        assert_eq!(kill(&mut kernel, &Kill::nothing()).unwrap(), 0);
        assert_eq!(kernel.states.len(), 1);
        kernel.secure = true;
        let error = kill(&mut kernel, &Kill::nothing()).unwrap_err();
        assert_eq!(error.kind, FirewallErrorKind::Denied);
        assert!(error.to_string().contains("kern.securelevel"), "{error}");
    });
}

#[test]
fn a_kernel_that_knows_no_request_of_ours_is_said_to_know_none() {
    for (system, abi) in [(System::FreeBsd12, &freebsd32::ABI), (System::MacOs, &freebsd::ABI)]
    {
        let mut kernel = Kernel::new(system);
        let error = Pf::new(&mut kernel, abi).kill(&everything(CLIENT)).unwrap_err();
        assert_eq!(error.kind, FirewallErrorKind::Unsupported, "{error}");
        assert_eq!(
            Pf::new(&mut kernel, abi).status().unwrap_err().kind,
            FirewallErrorKind::Unsupported
        );
    }
}

fn vector() -> Vec<u8> {
    let digits: String = include_str!("../abi_tables/kill.nvlist").split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn the_packed_request_is_byte_for_byte_what_freebsd_s_own_library_makes() {
    let wanted = Match {
        entry: Entry::host(CLIENT.parse().unwrap()),
        end: End::Source,
        port: Some(SSH),
        rdomain: 0,
    };
    assert_eq!(nvlist::encode(&states::list(&freebsd::ABI, &wanted)), vector());
}

#[test]
fn freebsd_refuses_a_request_that_is_empty_or_lacks_a_name() {
    let nv = freebsd::ABI.nv.as_ref().unwrap();
    let mut kernel = Kernel::new(System::FreeBsd15);
    let mut ask = |packed: &[u8]| {
        let mut argument = vec![0; 24];
        nv.used.put(&mut argument, packed.len() as u64);
        let error =
            (&mut &mut kernel).ioctl(&nv.kill, &mut argument, &mut packed.to_vec()).err();
        error.and_then(|error| error.raw_os_error())
    };
    assert_eq!(ask(&[]), Some(libc::EBADMSG));
    assert_eq!(ask(&vector()), None, "room 0 asks for no count");
    let mut list = states::list(
        &freebsd::ABI,
        &Match {
            entry: Entry::host(CLIENT.parse().unwrap()),
            end: End::Source,
            port: None,
            rdomain: 0,
        },
    );
    for _ in 0..list.len() {
        list.rotate_left(1);
        assert_eq!(ask(&nvlist::encode(&list[1..].to_vec())), Some(libc::EINVAL));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_list_reader_panic(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        cut in 0_usize..1338,
        place in 0_usize..1338,
        byte: u8,
    ) {
        let mut packed = vector();
        packed[place] = byte;
        packed.truncate(cut);
        for bytes in [&noise, &packed, &[&[0x6c, 0, byte & 0x80], &noise[..]].concat()] {
            let _ = (nvlist::number(bytes, "killed"), nvlist::bool(bytes, "running"));
        }
    }
}

#[test]
fn a_name_in_a_list_within_is_not_the_outer_one() {
    let inner = vec![("killed", nvlist::Value::Number(1))];
    let outer = |number| {
        nvlist::encode(&vec![
            ("cmp", nvlist::Value::List(inner.clone())),
            ("other", nvlist::Value::Number(2)),
            (if number == 3 { "killed" } else { "nothing" }, nvlist::Value::Number(number)),
        ])
    };
    assert_eq!(nvlist::number(&outer(3), "killed"), Some(3));
    assert_eq!(nvlist::number(&outer(4), "killed"), None);
    assert_eq!(nvlist::bool(&outer(3), "killed"), None, "a number is no truth");
}
