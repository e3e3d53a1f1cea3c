//! For which addresses a user may open: clients behind a translating router,
//! and users who open for others.

use crate::net::*;

/// Sends a token for door ssh from the hidden host, with the real client.
fn ask(lab: &Lab, hidden: &Namespace, options: &[&str], host: &str) {
    let mut knock = hidden.command(KNOCK);
    let knock =
        knock.env("XDG_CONFIG_HOME", lab.files.path()).args(options).args([host, "ssh"]);
    assert!(knock.status().unwrap().success());
}

#[test]
fn behind_nat_only_who_may_be_observed_gets_in() {
    needs!(root);
    let lab = Lab::new();
    let hidden = hide_behind(&lab);
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    let _service = lab.listen(22);
    let connects = || {
        let server = std::net::SocketAddr::new(SERVER4.parse().unwrap(), 22);
        let patience = std::time::Duration::from_millis(300);
        hidden.enter(|| std::net::TcpStream::connect_timeout(&server, patience).is_ok())
    };

    ask(&lab, &hidden, &["--address", HIDDEN], "alice4");
    daemon.expect("token in the name of alice from 192.0.2.100 refused, address");
    assert!(!connects());
    assert_eq!(lab.set("knock_ssh_v4"), "");

    ask(&lab, &hidden, &[], "carol4");
    daemon.expect("door ssh opened for 192.0.2.100 by carol");
    assert!(connects());
    daemon.expect("door ssh closed for 192.0.2.100");
    assert!(!connects());

    // A delegate's word counts, even for an address that never comes.
    ask(&lab, &hidden, &["--address", HIDDEN], "dave4");
    daemon.expect("door ssh opened for 10.0.0.2 by dave");
    assert_eq!(lab.set("knock_ssh_v4"), HIDDEN);
    assert!(!connects());
}

#[test]
fn a_delegate_opens_for_the_address_that_the_token_names_and_no_other() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan { span: "60s", ..Plan::default() }.furnish(&lab));
    let _service = lab.listen(22);
    lab.client.add_address("192.0.2.66", "eth0");
    lab.send(CLIENT4, &lab.token("dave", "192.0.2.66"));
    daemon.expect("door ssh opened for 192.0.2.66 by dave");
    assert!(lab.connects_from("192.0.2.66", SERVER4, 22));
    assert!(!lab.connects(SERVER4, 22));
    // Of the other family, too.
    lab.send(CLIENT4, &lab.token("dave", CLIENT6));
    daemon.expect("door ssh opened for 2001:db8::100 by dave");
    assert!(lab.connects(SERVER6, 22));
    // Who is observed gets what was seen, even without a name.
    assert_eq!(lab.set("knock_ssh_v4"), "192.0.2.66");
}
