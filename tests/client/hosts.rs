//! What `knock` says when it does not know the way.
#![forbid(unsafe_code)]

use super::home::{Home, udp};

#[test]
fn an_unknown_host_is_named_with_the_file_and_an_example() {
    let home = Home::with_keys();
    home.write_host("127.0.0.1", 40123, "key: \"id.key\"");
    let said = home.knock("gw2 ssh");
    assert_eq!((said.code, &*said.out), (Some(1), ""));
    let file = home.file("hosts.ron");
    let start = format!("knock: no host gw2 in {}; add one, for example\n", file.display());
    let stanza = said.err.strip_prefix(&start).unwrap();

    // The example works as it stands: what is missing next is its key.
    let text = std::fs::read_to_string(&file).unwrap().replace(") }", "),");
    home.write("hosts.ron", &format!("{text}{stanza}}}"), 0o644);
    std::fs::remove_file(home.file("gw1.gate")).unwrap();
    let said = home.knock("gw2 ssh");
    assert!(said.err.contains("gw1.gate"), "{}", said.err);
}

#[test]
fn without_a_hosts_file_it_shows_how_to_write_one() {
    let home = Home::with_keys();
    let said = home.knock("gw1 ssh");
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains(&home.file("hosts.ron").display().to_string()), "{}", said.err);

    let (_, file) = said.err.split_once("for example\n").unwrap();
    home.write("hosts.ron", file, 0o644);
    std::fs::remove_file(home.file("gw1.gate")).unwrap();
    assert!(home.knock("gw1 ssh").err.contains("gw1.gate"));
}

#[test]
fn a_byte_order_mark_is_skipped_in_the_hosts_file_and_in_keys() {
    let home = Home::with_keys();
    let (_socket, port) = udp("127.0.0.1");
    home.write_host("127.0.0.1", port, "key: \"id.key\"");
    for (name, mode) in [("hosts.ron", 0o644), ("gw1.gate", 0o600), ("id.key", 0o600)] {
        let text = std::fs::read_to_string(home.file(name)).unwrap();
        home.write(name, &format!("\u{feff}{text}"), mode);
    }
    home.knock("gw1 ssh").nothing();
}

#[test]
fn a_malformed_hosts_file_is_refused_where_it_is_wrong() {
    let home = Home::with_keys();
    home.write_host("127.0.0.1", 40123, "key: \"id.key\",\n  prot: 1");
    let said = home.knock("gw1 ssh");
    let start = format!("knock: {}:2:", home.file("hosts.ron").display());
    assert_eq!(said.code, Some(1));
    assert!(said.err.starts_with(&start) && said.err.contains("prot"), "{}", said.err);
}

#[test]
fn a_host_is_found_by_its_address_if_no_other_has_it() {
    let home = Home::with_keys();
    let (_socket, port) = udp("127.0.0.1");
    home.write_host("127.0.0.1", port, "key: \"id.key\"");
    home.knock("127.0.0.1 ssh").nothing();

    let one = std::fs::read_to_string(home.file("hosts.ron")).unwrap();
    let other = one.replace("gw1\": (", "gw2\": (").replace('{', ",").replace('}', "");
    home.write("hosts.ron", &one.replace('}', &format!("{other}}}")), 0o644);
    home.knock("gw2 ssh").nothing();
    let said = home.knock("127.0.0.1 ssh");
    assert_eq!(said.code, Some(1));
    assert!(said.err.starts_with("knock: no host 127.0.0.1 in "), "{}", said.err);
}
