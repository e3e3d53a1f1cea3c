//! What stands in front of a key in authorized_keys counts.

use super::lab::{SshLab, said};
use crate::net::*;

#[test]
fn the_options_of_a_line_hold() {
    needs!(root);
    let mut lab = SshLab::new();
    let mut line = |name: &str, options: &str| {
        let line = format!("{options}{}", lab.ssh_keygen(name, ""));
        lab.user(name, &format!("AuthorizedKey({line:?})"), name, "");
    };
    line("near", "from=\"192.0.2.0/24,!192.0.2.99,2001:db8::/64\" ");
    line("far", "from=\"198.51.100.0/24\" ");
    line("except", "from=\"192.0.2.0/24,!192.0.2.100\" ");
    line("now", "expiry-time=\"29990101Z\",from=\"192.0.2.0/24\" ");
    line("over", "expiry-time=\"20200101Z\" ");
    let daemon = lab.daemon();
    for (host, expected) in [
        ("near4", "opened for 192.0.2.100 by near"),
        ("near6", "opened for 2001:db8::100 by near"),
        ("now4", "for 192.0.2.100 by now"),
    ] {
        let sent = lab.knock(&[], &[host, "ssh"]);
        assert!(sent.status.success(), "{}", said(&sent));
        daemon.expect(expected);
    }
    for (host, reason, times) in
        [("far4", "network", 1), ("except4", "network", 2), ("over6", "expired", 1)]
    {
        let sent = lab.knock(&[], &[host, "ssh"]);
        assert!(sent.status.success(), "{}", said(&sent));
        until(reason, || lab.refused(reason) == times);
    }
}

#[test]
fn a_file_of_keys_gives_one_user_several() {
    needs!(root);
    let mut lab = SshLab::new();
    let (home, work) = (lab.ssh_keygen("home", ""), lab.ssh_keygen("work", ""));
    lab.lab
        .write("alice.keys", &format!("# alice's\n\n{home}\nfrom=\"2001:db8::/64\" {work}\n"));
    lab.user("alice", "AuthorizedKeys(\"alice.keys\")", "home", "");
    lab.host("work4", SERVER4, "work", "");
    lab.host("work6", SERVER6, "work", "");
    let daemon = lab.daemon();
    for (host, expected) in [
        ("alice4", "opened for 192.0.2.100 by alice"),
        ("work6", "opened for 2001:db8::100 by alice"),
        ("work4", "in the name of alice from 192.0.2.100 refused, network"),
    ] {
        let sent = lab.knock(&[], &[host, "ssh"]);
        assert!(sent.status.success(), "{}", said(&sent));
        daemon.expect(expected);
    }
}
