//! The runner alone: the real program, with the test as its keeper.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::modes;
use crate::net::proc::{self, is_gone};
use crate::net::{PATIENCE, until};
use crate::programs;
use crate::scripts::{self, Scripts};
use knockd::message::channel::Channel;
use knockd::message::packet::LENGTH;
use knockd::message::runner::{FromRunner, Occasion, Outcome, Run, ToRunner};
use knockd::process::runner::{GRACE, MAX_QUEUED, MAX_RUNNING, UNREPORTED};
use knockd::sys::confine::Account;
use nix::unistd::geteuid;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// A runner and the keeper's end of its channel.
struct Runner {
    child: Child,
    channel: Channel<UnixStream>,
}

impl Runner {
    /// Starts one that becomes another user if it can.
    fn start() -> Self {
        let account = Account::named("daemon").unwrap();
        let account = (account.uid.as_raw(), account.gid.as_raw());
        Self::begin(geteuid().is_root().then_some(account))
    }

    fn begin(account: Option<(u32, u32)>) -> Self {
        let (mut channel, theirs) = Channel::pair(0).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_knockd"));
        command.arg0("knockd: runner").stdin(theirs).env("SECRET", "of the daemon");
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        channel.send(&ToRunner::Start { foreground: false, account }, None).unwrap();
        Self { child, channel }
    }

    fn run(&mut self, run: Run) {
        self.channel.send(&ToRunner::Run(run), None).unwrap();
    }

    /// Returns the next report.
    fn ended(&mut self) -> (u32, Outcome) {
        let FromRunner::Ended { id, outcome } = self.channel.wait().unwrap();
        (id, outcome)
    }

    /// Closes the channel and waits. Returns the exit code.
    fn end(mut self) -> Option<i32> {
        drop(self.channel);
        self.child.wait().unwrap().code()
    }
}

/// Returns a command for an address of its own.
fn run(id: u32, words: &[&str]) -> Run {
    Run {
        id,
        occasion: Occasion::Open,
        limit: LONG,
        door: "ssh".into(),
        address: std::net::Ipv4Addr::from_bits(0xc612_0000 + id).into(),
        user: "alice".into(),
        seconds: 60,
        words: words.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_command_gets_its_words_unchanged_and_no_shell_interprets_them() {
    let scripts = Scripts::new();
    let program = scripts.add("report", "echo \"$(tr '\\0' '|' </proc/$$/cmdline)\" >$FIFO");
    let mut runner = Runner::start();
    let words = ["$(id)", "a  b ", "", "*", "'\"\\", "; rm -rf x", "é", "-n"];
    runner.run(run(1, &[&[program.as_str()], &words[..]].concat()));
    assert_eq!(scripts.line(), format!("/bin/sh|{program}|{}|", words.join("|")));
    assert_eq!(runner.ended(), (1, Outcome::Exited(0)));
    assert_eq!(runner.end(), Some(0));
}

#[test]
fn a_command_has_this_environment_and_none_of_the_daemons_variables() {
    let scripts = Scripts::new();
    let text = "echo $(tr '\\0' '\\n' </proc/$$/environ | sort | tr '\\n' '|') >$FIFO";
    let program = scripts.add("report", text);
    let mut runner = Runner::start();
    let address = "2001:db8::7".parse().unwrap();
    runner.run(Run { address, occasion: Occasion::Close, ..run(1, &[&program]) });
    let expected = [
        "HOME=/",
        "KNOCKD_ADDRESS=2001:db8::7",
        "KNOCKD_DOOR=ssh",
        "KNOCKD_EVENT=close",
        "KNOCKD_SECONDS=60",
        "KNOCKD_USER=alice",
        "PATH=/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin:/usr/local/sbin",
        "",
    ];
    assert_eq!(scripts.line(), expected.join("|"));
}

#[test]
fn a_command_has_no_descriptors_but_dev_null_three_times() {
    let mut runner = Runner::start();
    runner.run(run(1, &["/bin/sleep", "1000"]));
    let own = runner.child.id();
    let mut pid = String::new();
    until("the command", || {
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
        pid = children.trim().to_owned();
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|words| words.starts_with(b"/bin/sleep"))
    });
    let command = format!("/proc/{pid}");
    let standard =
        ["0", "1", "2"].map(|number| PathBuf::from(format!("{command}/fd/{number}")));
    // An inherited descriptor stays open; one that its start needs is closed soon.
    until("no descriptor but three", || {
        let descriptors = fs::read_dir(format!("{command}/fd")).unwrap();
        let mut found: Vec<_> = descriptors.map(|found| found.unwrap().path()).collect();
        found.sort();
        found == standard
    });
    for descriptor in standard {
        assert_eq!(fs::read_link(descriptor).unwrap().to_str(), Some("/dev/null"));
    }
    assert_eq!(fs::read_link(format!("{command}/cwd")).unwrap().to_str(), Some("/"));
    assert_eq!((&*proc::status(&pid, "Umask"), proc::blocked_signals(&pid)), ("0022", 0));
}

#[test]
fn a_command_runs_as_a_user_that_cannot_become_root_again() {
    needs!(root);
    let scripts = Scripts::new();
    // A set-user-ID program of root.
    let setuid = scripts.path("setuid");
    programs::copy("/usr/bin/id", &setuid);
    modes::set_mode(&setuid, 0o4755);
    let text = format!(
        "echo $({} -u; grep -E '^(Uid|Gid|Groups|CapPrm|CapEff|NoNewPrivs)' /proc/$$/status) >$FIFO",
        setuid.display()
    );
    let program = scripts.add("report", &text);
    let mut runner = Runner::start();
    runner.run(run(1, &[&program]));
    let Account { uid, gid } = Account::named("daemon").unwrap();
    let none = "0000000000000000";
    assert_eq!(
        scripts.line(),
        format!(
            "{uid} Uid: {uid} {uid} {uid} {uid} Gid: {gid} {gid} {gid} {gid} \
             Groups: {gid} CapPrm: {none} CapEff: {none} NoNewPrivs: 1"
        )
    );
}

#[test]
fn nothing_runs_as_root() {
    needs!(root);
    let mut runner = Runner::begin(None);
    assert_eq!(runner.child.wait().unwrap().code(), Some(1));
    let mut runner = Runner::begin(Some((0, 0)));
    assert_eq!(runner.child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_command_is_killed_with_its_children_at_its_time_limit() {
    let scripts = Scripts::new();
    let program = scripts.add("hang", "sleep 1000 & echo $$ $! >$FIFO; sleep 1000");
    let mut runner = Runner::start();
    let limit = Duration::from_millis(300);
    let began = Instant::now();
    runner.run(Run { limit, ..run(1, &[&program]) });
    let pids = scripts.line();
    assert_eq!(runner.ended(), (1, Outcome::Killed));
    assert!(began.elapsed() >= limit);
    for pid in pids.split(' ') {
        until("the group's end", || is_gone(pid));
    }
    assert_eq!(runner.end(), Some(0));
}

#[test]
fn processes_that_a_command_leaves_are_killed_when_it_ends() {
    let scripts = Scripts::new();
    let program = scripts.add("leave", "sleep 1000 & echo $! >$FIFO");
    let mut runner = Runner::start();
    runner.run(run(1, &[&program]));
    let left = scripts.line();
    assert_eq!(runner.ended(), (1, Outcome::Exited(0)));
    until("its end", || is_gone(&left));
}

#[test]
fn the_runner_reports_how_each_command_ended() {
    let scripts = Scripts::new();
    let exit = scripts.add("exit", "exit 7");
    let die = scripts.add("die", "kill -SEGV $$");
    let closed = scripts.add("closed", "exit 0");
    modes::set_mode(&closed, 0o600);
    let mut runner = Runner::start();
    for (id, program, outcome) in [
        (1, exit.as_str(), Outcome::Exited(7)),
        (2, &die, Outcome::Signalled(11)),
        (3, "/nonexistent", Outcome::NotStarted(2)),
        (4, &closed, Outcome::NotStarted(13)),
        (5, "/bin/true", Outcome::Exited(0)),
    ] {
        runner.run(run(id, &[program]));
        assert_eq!(runner.ended(), (id, outcome), "{program}");
    }
    assert_eq!(runner.end(), Some(0));
}

#[test]
fn four_run_at_once_256_wait_and_the_rest_is_dropped() {
    let scripts = Scripts::new();
    let program = scripts.add("wait", "echo began >$FIFO; read line <$GATE");
    let mut runner = Runner::start();
    for id in 0..400 {
        runner.run(run(id, &[&program]));
    }
    let room = MAX_RUNNING + MAX_QUEUED;
    // Dropped commands are reported at once, all others later.
    for _ in room..400 {
        assert_eq!(runner.ended().1, Outcome::Dropped);
    }
    let mut began = 0;
    while began < MAX_RUNNING {
        assert_eq!(scripts.line(), "began");
        began += 1;
    }
    assert_eq!(scripts.line_within(Duration::from_millis(300)), None, "no more run at once");
    let mut ended = 0;
    scripts.open_gate(400);
    while ended < MAX_QUEUED {
        match runner.ended().1 {
            Outcome::Exited(0) => ended += 1,
            outcome => assert_eq!(outcome, Outcome::Dropped),
        }
    }
}

#[test]
fn commands_for_one_door_and_address_run_in_order_and_do_not_delay_others() {
    let scripts = Scripts::new();
    let wait =
        scripts.add("wait", "echo $1 began >$FIFO; read line <$GATE; echo $1 ended >$FIFO");
    let report = scripts.add("report", "echo $1 >$FIFO");
    let mut runner = Runner::start();
    let address = "192.0.2.7".parse().unwrap();
    let door = |door: &str, run: Run| Run { door: door.into(), address, ..run };
    runner.run(door("ssh", run(1, &[&wait, "first"])));
    runner.run(door("ssh", run(2, &[&report, "second"])));
    runner.run(door("web", run(3, &[&report, "another door"])));
    runner.run(run(4, &[&report, "another address"]));
    let mut lines = [scripts.line(), scripts.line(), scripts.line()];
    lines.sort();
    assert_eq!(lines, ["another address", "another door", "first began"]);
    scripts.open_gate(1);
    assert_eq!([scripts.line(), scripts.line()], ["first ended", "second"]);
}

#[test]
fn an_invalid_message_ends_the_runner_and_all_commands() {
    let scripts = Scripts::new();
    let program = scripts.add("hang", "echo $$ >$FIFO; sleep 1000");
    for bytes in [[0_u8; LENGTH], [9; LENGTH], [2; LENGTH]] {
        let mut runner = Runner::start();
        runner.run(run(1, &[&program]));
        let pid = scripts.line();
        let mut socket = runner.channel.into_socket();
        socket.write_all(&bytes).unwrap();
        assert_eq!(runner.child.wait().unwrap().code(), Some(1));
        until("its end", || is_gone(&pid));
    }
}

#[test]
fn a_runner_without_a_keeper_runs_what_is_queued_and_ends() {
    let scripts = Scripts::new();
    let program = scripts.add("report", "echo $1 >$FIFO");
    let mut runner = Runner::start();
    for id in 0..20 {
        runner.run(run(id, &[&program, &id.to_string()]));
    }
    assert_eq!(runner.end(), Some(0));
    let mut lines: Vec<u32> = (0..20).map(|_| scripts.line().parse().unwrap()).collect();
    lines.sort_unstable();
    assert!(lines.into_iter().eq(0..20));
}

#[test]
fn the_exit_code_reports_commands_that_failed_without_a_keeper() {
    let scripts = Scripts::new();
    let program = scripts.add("fail", "echo $$ >$FIFO; read line <$GATE; exit 1");
    let mut runner = Runner::start();
    runner.run(run(1, &[&program]));
    scripts.line();
    scripts.open_gate(1);
    // Reported, because the keeper is there.
    assert_eq!(runner.ended(), (1, Outcome::Exited(1)));
    runner.run(run(2, &[&program]));
    scripts.line();
    drop(runner.channel);
    // The command ends only after the runner has found this.
    until("the channel's end", || scripts::waits_without_channel(runner.child.id()));
    scripts.open_gate(1);
    assert_eq!(runner.child.wait().unwrap().code(), Some(UNREPORTED.into()));
}

#[test]
fn a_runner_without_a_keeper_ends_after_ten_seconds() {
    let scripts = Scripts::new();
    let program = scripts.add("hang", "echo $$ >$FIFO; sleep 1000");
    let mut runner = Runner::start();
    runner.run(run(1, &[&program]));
    let pid = scripts.line();
    let began = Instant::now();
    assert_eq!(runner.end(), Some(UNREPORTED.into()));
    assert!(began.elapsed() >= GRACE - Duration::from_secs(1));
    assert!(began.elapsed() < GRACE + PATIENCE);
    until("its end", || is_gone(&pid));
}
