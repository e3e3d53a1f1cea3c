//! Runs pfctl(8), the only program that prints a ruleset.
#![forbid(unsafe_code)]

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Its path on every system that has it.
pub const PROGRAM: &str = "/sbin/pfctl";
/// The longest output that is read, in bytes.
pub const MAX_OUTPUT: u64 = 1 << 20;
/// How long one call may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `program` with `arguments` and an empty environment. Returns what it
/// prints.
///
/// # Errors
/// In one line, when it does not start, fails, prints more than
/// [`MAX_OUTPUT`], or has not ended after `patience`.
pub fn ask(program: &Path, arguments: &[&str], patience: Duration) -> Result<String, String> {
    let name = program.display();
    let fail = |why: String| format!("cannot ask {name} {}: {why}", arguments.join(" "));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| fail(error.to_string()))?;
    let answered = read_output(&mut child, Instant::now() + patience);
    if answered.is_err() {
        // That it may have ended already is no error.
        let _ = child.kill();
        let _ = child.wait();
    }
    let (output, status) = answered.map_err(|why| fail(why.to_owned()))?;
    if !status.success() {
        return Err(fail(format!("it failed with {status}, run it yourself")));
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}

fn read_output(
    child: &mut Child,
    deadline: Instant,
) -> Result<(Vec<u8>, ExitStatus), &'static str> {
    let late = "it does not end";
    let output = child.stdout.take().ok_or("it has no output")?;
    let (sender, receiver) = mpsc::channel();
    // The thread ends with the program, which is killed when it is late.
    let reader = thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let read = output.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
        // Nobody receives it when it is late.
        let _ = sender.send(read.map(|_| bytes));
    });
    reader.map_err(|_| "there is no room for a thread")?;
    let left = deadline.saturating_duration_since(Instant::now());
    let bytes = receiver.recv_timeout(left).map_err(|_| late)?;
    let bytes = bytes.map_err(|_| "its output cannot be read")?;
    if bytes.len() as u64 > MAX_OUTPUT {
        return Err("it prints more than 1 MiB");
    }
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok((bytes, status)),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            Ok(None) => return Err(late),
            Err(_) => return Err("its end cannot be waited for"),
        }
    }
}
