//! Lists of sequences: each line opens the door once, in order, whatever dies
//! in between.

use std::fs;

use crate::house::{House, conf};
use crate::modes;
use crate::policy::{Parts, SSH, at, ip, outcome, sequence, syn, tcp};
use knockd::core::claim::Ground;
use knockd::core::gate::Gate;
use knockd::core::interest::{self, Ports};
use knockd::core::one_time::{Line, OneTime};
use knockd::core::reason::Reason;
use knockd::core::sequence::{Sequence, SequenceIndex, Steps};
use knockd::keep::list;

fn parts() -> Parts {
    let line = |offset, ports: [u16; 3]| Line {
        number: offset,
        offset,
        text: String::new(),
        steps: ports.map(tcp).to_vec(),
    };
    let lines = vec![line(0, [7, 1, 9]), line(40, [8, 2, 6]), line(90, [9, 3, 5])];
    let steps = Steps::OneTime(OneTime { lines });
    Parts { sequences: vec![Sequence { steps, ..sequence(&[]) }], ..Parts::default() }
}

/// The offset of the line that these knocks opened by.
fn knock(gate: &mut Gate, ports: [u16; 3], second: u64) -> Result<u32, Reason> {
    let mut last = Err(Reason::Idle);
    for (number, port) in (0..).zip(ports) {
        let now = at(1_000 * second + u64::from(number));
        let number = u32::try_from(second).unwrap() * 10 + number;
        last = outcome(gate.judge(&syn(ip("192.0.2.7"), port, number), now))
            .map_err(|refusal| refusal.reason)
            .map(|claims| {
                assert_eq!((claims.len(), claims[0].door), (1, SSH));
                let Ground::Line(SequenceIndex(0), offset) = claims[0].ground else {
                    panic!("{:?}", claims[0])
                };
                offset
            });
    }
    last
}

#[test]
fn lines_open_in_order_and_each_but_once() {
    let mut gate = parts().gate();
    assert!(knock(&mut gate, [8, 2, 6], 0).is_err(), "not yet its turn");
    assert_eq!(knock(&mut gate, [7, 1, 9], 10), Ok(0));
    assert!(knock(&mut gate, [7, 1, 9], 20).is_err(), "used");
    assert_eq!(knock(&mut gate, [8, 2, 6], 30), Ok(40));
    assert_eq!(knock(&mut gate, [9, 3, 5], 40), Ok(90));
    assert!(knock(&mut gate, [9, 3, 5], 50).is_err(), "the list is used up");
}

#[test]
fn lines_that_another_gate_used_are_behind_it() {
    let mut gate = parts().gate();
    gate.remember(&[], &[(SequenceIndex(0), 40), (SequenceIndex(1), 0)]);
    // Late news, of an earlier line.
    gate.remember(&[], &[(SequenceIndex(0), 0)]);
    assert!(knock(&mut gate, [7, 1, 9], 10).is_err());
    assert!(knock(&mut gate, [8, 2, 6], 20).is_err());
    assert_eq!(knock(&mut gate, [9, 3, 5], 30), Ok(90));
    gate.remember(&[], &[(SequenceIndex(0), u32::MAX)]);
    assert!(knock(&mut gate, [9, 3, 5], 40).is_err());
}

#[test]
fn steps_of_one_line_do_not_go_on_as_those_of_the_next() {
    let mut gate = parts().gate();
    let see = |gate: &mut Gate, source, port, number| {
        outcome(gate.judge(&syn(ip(source), port, number), at(u64::from(number)))).is_ok()
    };
    // Another source has done two steps of the first line when that is used.
    assert!(!see(&mut gate, "192.0.2.8", 7, 1));
    assert!(!see(&mut gate, "192.0.2.8", 1, 2));
    assert_eq!(knock(&mut gate, [7, 1, 9], 1), Ok(0));
    assert!(!see(&mut gate, "192.0.2.8", 6, 1_100));
    assert!(!see(&mut gate, "192.0.2.8", 9, 1_101));
}

#[test]
fn the_kernel_is_asked_for_the_steps_of_every_line() {
    let mut parts = parts();
    parts.sequences[0].strict = false;
    let interests = interest::of(&parts.policy());
    let all = Ports::Of(vec![1, 2, 3, 5, 6, 7, 8, 9]);
    assert!(interests.iter().any(|interest| interest.ports == all), "{interests:?}");
}

#[test]
fn a_struck_line_is_struck_for_good_and_other_text_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list");
    fs::write(&path, " 7,1,9\n 8,2,6\n").unwrap();
    let line =
        |offset, text: &str| Line { number: 1, offset, text: text.into(), steps: Vec::new() };
    let (first, second) = (line(0, " 7,1,9"), line(7, " 8,2,6"));
    assert!(list::strike(&path, std::slice::from_ref(&second)).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), " 7,1,9\n#8,2,6\n");
    let both = [first.clone(), second.clone()];
    assert_eq!(list::struck(&path, &both).unwrap(), [&second]);
    assert!(!list::strike(&path, &[second]).unwrap(), "it was struck out before");
    fs::write(&path, " 7,1,8\n").unwrap();
    let error = list::strike(&path, &[first]).unwrap_err();
    assert_eq!(error.to_string(), "it was changed since it was read");
    assert_eq!(fs::read_to_string(&path).unwrap(), " 7,1,8\n");
}

fn listed(text: &str) -> House {
    let house = House::new();
    let path = house.path("list");
    modes::write_secret(&path, text);
    house
}

fn sequences(path: &str, rest: &str) -> String {
    let opens = if rest.contains("opens") { "" } else { ", opens: [\"ssh\"]" };
    format!("sequences: {{\"s\": (changing: OneTime(\"{path}\"){opens}{rest})}}")
}

#[test]
fn what_is_no_list_is_reported_by_its_line() {
    for (text, expected) in [
        ("7,1,9\n", "1: the line must begin with a space, which a # replaces after use"),
        ("\n 7,1,0\n", "2: not a sequence of 1 to 32 ports like 7000,8000:udp,9000"),
        (" 7,,9\n", "1: not a sequence of 1 to 32 ports like 7000,8000:udp,9000"),
        (" 7,+1,9\n", "1: not a sequence of 1 to 32 ports like 7000,8000:udp,9000"),
        (" 7,1:icmp,9\n", "1: not a sequence of 1 to 32 ports like 7000,8000:udp,9000"),
        (
            " 7,1,9\n 8,2,6\n\t7, 1:tcp, 9\n",
            "3: this sequence was used or appears above, change it",
        ),
        ("#7,1,9\n 7,1,9\n", "2: this sequence was used or appears above, change it"),
    ] {
        let problems = listed(text).problems(&conf(&[&sequences("list", "")]));
        assert_eq!(problems, [format!("7:37: ETC/knockd/list:{expected}")], "{text:?}");
    }
    let weak = listed(" 1,2,3\n");
    assert_eq!(
        weak.problems(&conf(&[&sequences("list", "")])),
        [
            "7:37: weak sequence in line 1: its ports only rise, as in a scan; change it or write weak: Allowed"
        ]
    );
    assert!(weak.parse(&conf(&[&sequences("list", ", weak: Allowed")])).is_ok());
    let tokens = listed(" 7,40123:udp,9\n");
    assert_eq!(
        tokens.problems(&conf(&[&sequences("list", "")])),
        ["7:37: 40123/udp is a port of tokens and cannot be a step, use another"]
    );
}

#[test]
fn a_list_lies_with_the_keys_and_opens_one_door() {
    let house = listed(" 7,1,9\n");
    assert_eq!(
        house.problems(&conf(&[&sequences("/etc/hosts", "")])),
        ["7:37: the daemon writes to a list: move it to the directory secrets"]
    );
    let doors = "doors: {\"ssh\": (table: \"a\"), \"web\": (table: \"b\")}";
    let two = sequences("list", ", opens: [\"ssh\", \"web\"]");
    assert_eq!(
        house.problems(&conf(&[doors, &two])),
        ["7:53: a list opens one door, name one"]
    );
    let both = "sequences: {\"s\": (changing: OneTime(\"list\"), opens: [\"ssh\"]),
        \"t\": (changing: OneTime(\"list\"), opens: [\"ssh\"])}";
    assert_eq!(
        house.problems(&conf(&[both])),
        ["8:33: another sequence already uses this list, name another"]
    );
    modes::set_mode(house.path("list"), 0o644);
    let problems = house.problems(&conf(&[&sequences("list", "")]));
    assert!(problems[0].contains("open to others, mode 0644"), "{problems:?}");
}

#[test]
fn a_list_that_is_used_up_or_short_is_doubtful() {
    for (text, expected) in [
        ("# one\n#7,1,9\n", "list \"list\" is used up and opens nothing, add lines"),
        (" 7,1,9\n", "list \"list\" has 1 lines left, add some"),
    ] {
        let warnings = listed(text).warnings(&conf(&[&sequences("list", "")]));
        assert!(warnings.contains(&format!("7:37: {expected}")), "{warnings:?}");
    }
}

#[cfg(target_os = "linux")]
mod live {
    use std::fs;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use crate::modes;
    use crate::net::{Daemon, Lab, Plan, SERVER4, furnish, until};

    const LINES: &str = " 7001,9001:udp,8001\n 7002,9002:udp,8002\n 7003,9003:udp,8003\n";

    fn start(lab: &Lab) -> (Daemon, std::path::PathBuf) {
        let sequences = format!(
            r#"{}
        "list": (changing: OneTime("list"), opens: ["ssh"]),"#,
            furnish::MARK
        );
        let list = lab.write("list", LINES);
        modes::set_mode(&list, 0o600);
        let plan = Plan { sequences: &sequences, ..Plan::default() };
        let config = plan.furnish(lab);
        let daemon = lab.start(&config, &["-v"]);
        daemon.ready();
        (daemon, list)
    }

    fn knock(lab: &Lab, line: u16) {
        let steps = [7_000 + line, 9_000 + line, 8_000 + line];
        let [first, second, third] = steps.map(|step| step.to_string());
        let second = format!("{second}:udp");
        assert!(lab.knock(&["-d", "20", SERVER4, &first, &second, &third]).status.success());
    }

    fn struck(list: &std::path::Path) -> Vec<bool> {
        let text = fs::read_to_string(list).unwrap();
        text.lines().map(|line| line.starts_with('#')).collect()
    }

    #[test]
    fn no_line_opens_twice_whatever_dies_and_the_last_is_said() {
        needs!(root);
        let lab = Lab::new();
        let (daemon, list) = start(&lab);
        let opened = "door ssh opened for 192.0.2.100 by a sequence, 2s";
        let is_shut_to = |line, times| {
            knock(&lab, line);
            lab.mark(&daemon);
            assert_eq!(daemon.count("door ssh opened"), times, "line {line}");
        };
        knock(&lab, 1);
        daemon.expect(opened);
        assert_eq!(struck(&list), [true, false, false]);
        daemon.expect("door ssh closed");
        is_shut_to(1, 1);

        daemon.kill("engine");
        // Died, says the parent, or lost, says the keeper: who sees it first.
        daemon.expect(" engine");
        is_shut_to(1, 1);
        knock(&lab, 2);
        daemon.expect(opened);
        daemon.expect("door ssh closed");

        daemon.kill("keeper");
        daemon.expect("ready, ");
        is_shut_to(1, 2);
        is_shut_to(2, 2);
        knock(&lab, 3);
        daemon.expect("sequence list is used up, add lines to ");
        daemon.expect(opened);
        assert_eq!(struck(&list), [true, true, true]);
        daemon.expect("door ssh closed");
        is_shut_to(3, 3);
    }

    /// Has the engine read the knocks of `line` only after the next engine was
    /// started, which does not see them. Returns the engine.
    fn knock_before_reload(lab: &Lab, daemon: &Daemon, line: u16, edit: impl Fn()) -> Pid {
        let old = daemon.one("engine");
        kill(old, Signal::SIGSTOP).unwrap();
        knock(lab, line);
        edit();
        daemon.signal(Signal::SIGHUP);
        daemon.expect("configuration reloaded, ");
        until("the next engine", || daemon.children("engine").len() == 2);
        kill(old, Signal::SIGCONT).unwrap();
        old
    }

    fn await_end(daemon: &Daemon, old: Pid) {
        until("its end", || !daemon.children("engine").contains(&old));
    }

    #[test]
    fn a_reload_in_the_middle_of_a_knock_leaves_the_list_where_it_is() {
        needs!(root);
        let lab = Lab::new();
        let (daemon, list) = start(&lab);
        let old = knock_before_reload(&lab, &daemon, 1, || ());
        daemon.expect("door ssh opened for 192.0.2.100 by a sequence");
        await_end(&daemon, old);
        assert_eq!(struck(&list), [true, false, false]);
        daemon.expect("door ssh closed");
        knock(&lab, 2);
        daemon.expect("door ssh opened for 192.0.2.100 by a sequence");
        daemon.expect("door ssh closed");
        knock(&lab, 1);
        lab.mark(&daemon);
        assert_eq!(daemon.count("door ssh opened"), 2, "it was used");
        assert_eq!(struck(&list), [true, true, false]);
    }

    #[test]
    fn a_line_knocked_before_a_reload_uses_up_no_other_line() {
        needs!(root);
        let lab = Lab::new();
        let (daemon, list) = start(&lab);
        let other = LINES.replace("00", "01");
        let old = knock_before_reload(&lab, &daemon, 1, || fs::write(&list, &other).unwrap());
        await_end(&daemon, old);
        lab.mark(&daemon);
        assert_eq!(struck(&list), [false, false, false]);
        assert_eq!(daemon.count("door ssh"), 0);
        knock(&lab, 11);
        daemon.expect("door ssh opened for 192.0.2.100 by a sequence");
        // A line that moved is the same line.
        let moved = format!("# one more\n{}", fs::read_to_string(&list).unwrap());
        daemon.expect("door ssh closed");
        let old = knock_before_reload(&lab, &daemon, 12, || fs::write(&list, &moved).unwrap());
        daemon.expect("door ssh opened for 192.0.2.100 by a sequence");
        await_end(&daemon, old);
        assert_eq!(struck(&list), [true, true, true, false]);
    }

    #[test]
    fn a_list_that_was_changed_under_the_daemon_opens_nothing() {
        needs!(root);
        let lab = Lab::new();
        let (daemon, list) = start(&lab);
        fs::write(&list, LINES.replace("7001", "7009")).unwrap();
        knock(&lab, 1);
        let (_, line) = daemon.expect("cannot strike out a line of ");
        assert!(line.ends_with(": it was changed since it was read"), "{line}");
        daemon.expect("door ssh not opened for 192.0.2.100 by a sequence, failed");
        assert_eq!(struck(&list), [false, false, false]);
    }
}
