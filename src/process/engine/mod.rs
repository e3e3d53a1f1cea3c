//! Reads packets and decides about them, confined: it can open no file and no
//! socket.

mod decide;
mod pace;
mod reports;

use std::io::{self, Stdin};
use std::path::Path;
use std::process::ExitCode;

use nix::poll::PollTimeout;

use super::{child, signals};
use crate::capture::Frames;
use crate::config::{self, Files};
use crate::core::gate::Gate;
use crate::core::reason::Reason;
use crate::core::replay::Barrier;
use crate::core::time::Monotonic;
use crate::message::channel::{Broken, Channel};
use crate::message::engine::{FromEngine, ToEngine};
use crate::message::packet::MAX_BLOB;
use crate::sys::confine::{self, Cell};
use crate::sys::wait::{Waiter, Wish};
use crate::{faults, sys};

pub use decide::{Decision, decide};
use pace::Pace;
use reports::Reports;

/// Frames read from one interface before other work is done.
const FRAME_BUDGET: usize = 256;
/// Frames read from one interface before the engine ends, more than the kernel
/// keeps.
const LAST_BUDGET: usize = 1 << 16;

/// Runs the process, from the keeper's first message to the exit code.
#[must_use]
pub fn run() -> ExitCode {
    match Confined::new().and_then(Engine::start).and_then(Engine::serve) {
        // Without a keeper there is nothing to do.
        Ok(()) | Err(Broken::Ended) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What a turn of the loop waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Keeper,
    Packets,
}

/// A confined engine, before it reads its configuration.
pub struct Confined {
    /// The channel to the keeper.
    pub channel: Channel<Stdin>,
    /// The configuration and the files that it names.
    pub files: Files,
    waiter: Waiter,
    barrier: Barrier,
    verbose: bool,
}

impl Confined {
    /// Takes the first message, acquires what the engine needs, and confines
    /// the process.
    ///
    /// # Errors
    /// [`Broken`]. Why the process cannot be confined is also logged.
    pub fn new() -> Result<Self, Broken> {
        faults::role("engine");
        let mut channel = Channel::of_child(MAX_BLOB);
        // If the keeper is gone or of another version, it or the parent logs it.
        let start = channel.wait().map_err(|_| Broken::Senseless)?;
        let ToEngine::Start { foreground, verbose, megabytes, account, barrier, files, cell } =
            start
        else {
            return Err(Broken::Senseless);
        };
        signals::leave_to_parent()?;
        let waiter = Waiter::new()?;
        child::confine(foreground, account, |account| {
            confine::engine(&Cell { directory: Path::new(&cell), account, megabytes })
        })?;
        let files = Files::decode(&files)?;
        Ok(Self { channel, files, waiter, barrier, verbose })
    }
}

struct Engine {
    channel: Channel<Stdin>,
    waiter: Waiter,
    frames: Frames,
    gate: Gate,
    reports: Reports,
    pace: Pace,
    verbose: bool,
    is_retired: bool,
}

impl Engine {
    /// Reads the configuration.
    fn start(confined: Confined) -> Result<Self, Broken> {
        let Confined { channel, files, waiter, barrier, verbose } = confined;
        let config = config::parse_files(&files).map_err(|_| Broken::Senseless)?;
        let mut copy_key = [0; 16];
        getrandom::fill(&mut copy_key).map_err(io::Error::other)?;
        Ok(Self {
            channel,
            waiter,
            frames: Frames::default(),
            gate: Gate::with_barrier(config.policy, barrier, copy_key),
            reports: Reports::default(),
            pace: Pace::default(),
            verbose,
            is_retired: false,
        })
    }

    fn serve(mut self) -> Result<(), Broken> {
        self.channel.queue(&FromEngine::Serving, None)?;
        // The system does not announce again what came with the first message.
        self.dispatch()?;
        loop {
            // While the keeper is slow, frames wait in the kernel.
            self.channel.finish(PollTimeout::NONE)?;
            let mut wishes = vec![Wish::read(Who::Keeper, &self.channel)];
            wishes.extend(self.frames.fds().map(|fd| Wish {
                who: Who::Packets,
                fd,
                write: false,
            }));
            let ready = self.waiter.wait(&wishes, self.reports.due())?;
            let is_ready = |who| ready.iter().any(|ready| ready.who == who);
            if is_ready(Who::Packets) {
                let has_opened = self.read_frames(FRAME_BUDGET)?;
                // What came before an opening is known soon after it.
                self.send_numbers(has_opened)?;
                self.pause(has_opened)?;
            } else {
                self.send_numbers(false)?;
            }
            if is_ready(Who::Keeper) {
                self.dispatch()?;
            }
            if self.is_retired {
                // Its successor does not see packets that came before it.
                self.read_frames(LAST_BUDGET)?;
                self.send_numbers(true)?;
                return self.channel.finish(PollTimeout::NONE);
            }
        }
    }

    /// In a flood, waits a moment so that more frames come at once.
    fn pause(&mut self, has_opened: bool) -> Result<(), Broken> {
        if let Some(end) = self.pace.turn(sys::now()?.monotonic, has_opened) {
            self.waiter.wait(&[Wish::read(Who::Keeper, &self.channel)], Some(end))?;
        }
        Ok(())
    }

    /// Dispatches messages of the keeper.
    fn dispatch(&mut self) -> Result<(), Broken> {
        while let Some(message) = self.channel.recv()? {
            match message {
                ToEngine::Start { .. } => return Err(Broken::Senseless),
                ToEngine::Capture { id, index, link, buffer } => {
                    let fd = self.channel.descriptor().ok_or(Broken::Senseless)?;
                    self.frames.adopt(id, fd, index, link, buffer)?;
                }
                ToEngine::Used { tokens, lines } => self.gate.remember(&tokens, &lines),
                ToEngine::Release { id } => self.frames.release(id),
                ToEngine::Retire => self.is_retired = true,
                ToEngine::Verbose(verbose) => self.verbose = verbose,
            }
        }
        Ok(())
    }

    /// Reads frames of every interface, and sends the keeper what comes of them.
    /// Returns whether one of them may open a door.
    fn read_frames(&mut self, budget: usize) -> Result<bool, Broken> {
        let mut now = sys::now()?;
        let mut sent = Ok(());
        let mut has_opened = false;
        let Self { channel, gate, reports, verbose, .. } = self;
        let failed = self.frames.read(budget, |frame, link, interface| {
            // Each frame has its own time: otherwise all attempts of one batch
            // would begin at once. A clock that worked before works now.
            now = sys::now().unwrap_or(now);
            let decision = decide(gate, link, frame, interface, now);
            has_opened |= matches!(decision, Decision::Open { .. });
            if sent.is_ok() {
                sent = send(channel, decision, now.monotonic, *verbose, reports);
            }
        });
        sent?;
        for capture in failed {
            self.channel.queue(&FromEngine::Failed { capture }, None)?;
        }
        Ok(has_opened)
    }

    /// Sends how many packets opened nothing, if it is time or at once.
    fn send_numbers(&mut self, at_once: bool) -> Result<(), Broken> {
        if self.reports.due().is_none() {
            return Ok(());
        }
        for (reason, times) in self.reports.take(sys::now()?.monotonic, at_once).counted() {
            let times = u32::try_from(times).unwrap_or(u32::MAX);
            self.channel.queue(&FromEngine::Count { reason, times }, None)?;
        }
        Ok(())
    }
}

/// Sends what the keeper opens or logs; counts the rest.
fn send(
    channel: &mut Channel<Stdin>,
    decision: Decision,
    seen: Monotonic,
    verbose: bool,
    reports: &mut Reports,
) -> Result<(), Broken> {
    let is_logged = |reason: Reason| verbose || !reason.is_noise();
    match decision {
        Decision::Open { claims, source } => {
            for claim in claims {
                channel.queue(&FromEngine::Open { claim, source, seen }, None)?;
            }
            // A door must not wait for the rest of the batch.
            channel.finish(PollTimeout::NONE)
        }
        Decision::Refuse { source, refusal } if is_logged(refusal.reason) => {
            if reports.is_single(&refusal, seen) {
                channel.queue(&FromEngine::Refused { source, refusal }, None)?;
            }
            Ok(())
        }
        Decision::Refuse { refusal, .. } => {
            reports.count(refusal.reason);
            Ok(())
        }
        Decision::Drop(reason) => {
            reports.count(reason);
            Ok(())
        }
    }
}
