//! `knockd --demo`: a real daemon and a real client in a network of their own,
//! and what they do. Succeeds only if all of it is as expected.

#[cfg(target_os = "linux")]
mod namespace;
#[cfg(not(target_os = "linux"))]
mod no_namespace;
mod world;

#[cfg(target_os = "linux")]
use namespace as in_namespace;
#[cfg(not(target_os = "linux"))]
use no_namespace as in_namespace;

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use world::World;

const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SPA_PORT: u16 = 40123;
const WEB_SPAN: Duration = Duration::from_secs(2);
const SSH_SPAN: Duration = Duration::from_secs(3);
/// How long to wait for what should take a moment.
const PATIENCE: Duration = Duration::from_secs(20);
/// How late a line about an expiry may be read: the daemon has 100 ms, the rest
/// is for a busy machine.
const TOLERANCE: Duration = Duration::from_millis(400);

/// A step of the demonstration, or what went wrong.
type Step<T = ()> = Result<T, String>;

/// Whether this process is the client of the demonstration.
#[must_use]
pub fn is_client() -> bool {
    std::env::args_os().next().is_some_and(|name| name == "knock")
}

/// Runs the demonstration.
#[must_use]
pub fn run() -> ExitCode {
    let played = World::create()
        .map_err(|error| format!("cannot make a network of its own: {error}"))
        .and_then(|world| Demo::start(world)?.play());
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            super::complain(format_args!("the demonstration failed: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// The daemon, and the lines that it logs.
struct Demo {
    started: Instant,
    world: World,
    daemon: Child,
    lines: Receiver<(Instant, String)>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended already unless a step failed.
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}

impl Demo {
    fn start(world: World) -> Step<Self> {
        let mut daemon = Command::new(&world.program)
            .args(["-d", "-f"])
            .arg(&world.config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start knockd: {error}"))?;
        let (sender, lines) = channel();
        if let Some(stderr) = daemon.stderr.take() {
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let line = line.trim_start_matches("knockd: ").to_owned();
                    if sender.send((Instant::now(), line)).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { started: Instant::now(), world, daemon, lines })
    }

    fn play(mut self) -> Step {
        self.expect("ready, ")?;
        self.scan()?;
        self.knock()?;
        let token = self.send_token()?;
        self.replay(&token)?;
        self.expect_closed("door ssh closed", SSH_SPAN)?;
        self.stop()?;
        self.print(Instant::now(), "demo", "everything happened as expected");
        Ok(())
    }

    /// A stranger finds nothing.
    fn scan(&mut self) -> Step {
        let open = (1..=u16::MAX).filter(|port| answers(*port)).count();
        let now = Instant::now();
        self.print(now, "stranger", &format!("tried 65535 tcp ports of {HOST}: {open} open"));
        let sockets = in_namespace::sockets().map_err(|error| error.to_string())?;
        self.print(now, "kernel", &format!("network sockets held by knockd: {sockets}"));
        if open == 0 && sockets == 0 { Ok(()) } else { Err("a socket is open".into()) }
    }

    /// A sequence opens door web, until it expires.
    fn knock(&mut self) -> Step {
        self.client(&["127.0.0.1", "7000", "9000:udp", "8000"])?;
        self.expect("door web opened")?;
        self.expect_closed("door web closed", WEB_SPAN)
    }

    /// A token opens door ssh. Returns its bytes.
    fn send_token(&mut self) -> Step<Vec<u8>> {
        let wire = in_namespace::Wiretap::on(SPA_PORT).map_err(|error| error.to_string())?;
        self.client(&["demo", "ssh"])?;
        self.expect("door ssh opened")?;
        let token = wire.first(PATIENCE).map_err(|error| error.to_string())?;
        let now = Instant::now();
        self.print(now, "stranger", &format!("recorded a datagram of {} bytes", token.len()));
        Ok(token)
    }

    /// A recorded token opens nothing, and neither does a forged one.
    fn replay(&mut self, token: &[u8]) -> Step {
        self.print(Instant::now(), "stranger", "sends the recorded token again");
        send(token)?;
        self.expect("refused, replayed")?;
        let mut forged = token.to_vec();
        forged[40] ^= 1;
        self.print(Instant::now(), "stranger", "sends it with one bit changed");
        send(&forged)?;
        self.expect("ignored, stranger")?;
        Ok(())
    }

    fn stop(&mut self) -> Step {
        let id = i32::try_from(self.daemon.id()).map_err(|error| error.to_string())?;
        kill(Pid::from_raw(id), Signal::SIGTERM).map_err(|error| error.to_string())?;
        self.expect("stopping")?;
        let status = self.daemon.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("knockd ended with {status}")) }
    }

    /// Runs the client, which is this program, too.
    fn client(&mut self, arguments: &[&str]) -> Step {
        self.print(Instant::now(), "client", &format!("knock {}", arguments.join(" ")));
        let output = self
            .world
            .client()
            .args(arguments)
            .output()
            .map_err(|error| format!("cannot start knock: {error}"))?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    /// Prints what the daemon logs, until a line contains `part`. Any other door
    /// that opens is an error.
    fn expect(&mut self, part: &str) -> Step<Instant> {
        let end = Instant::now() + PATIENCE;
        loop {
            let patience = end.saturating_duration_since(Instant::now());
            let (at, line) = self
                .lines
                .recv_timeout(patience)
                .map_err(|_| format!("knockd did not log \"{part}\""))?;
            self.print(at, "knockd", &line);
            if line.contains(part) {
                return Ok(at);
            }
            if line.contains(" opened for ") {
                return Err("an unexpected door opened".into());
            }
        }
    }

    fn expect_closed(&mut self, part: &str, span: Duration) -> Step {
        let line = format!("{part} for {HOST} after {}s, expired", span.as_secs());
        let opened = Instant::now();
        let closed = self.expect(&line)?;
        if closed.saturating_duration_since(opened) > span + TOLERANCE {
            return Err(format!("{part} too late"));
        }
        Ok(())
    }

    fn print(&self, at: Instant, who: &str, what: &str) {
        let seconds = at.saturating_duration_since(self.started).as_secs_f64();
        // Without standard output nobody reads it.
        drop(writeln!(io::stdout(), "{seconds:7.3}s  {who:<9} {what}"));
    }
}

/// Whether something accepts connections on `port`. A socket that is connected
/// to its own port reached nobody.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((HOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(200))
        .is_ok_and(|stream| stream.local_addr().ok() != Some(address))
}

fn send(datagram: &[u8]) -> Step {
    let socket = UdpSocket::bind((HOST, 0)).map_err(|error| error.to_string())?;
    socket.send_to(datagram, (HOST, SPA_PORT)).map_err(|error| error.to_string())?;
    Ok(())
}
