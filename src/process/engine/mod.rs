//! Meets the packets, in a cell: no files, no sockets to open, no way back.

mod decide;

use std::fs::File;
use std::io::{self, Stdin};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use nix::poll::PollTimeout;
use nix::unistd::{Gid, Uid};

use super::signals;
use crate::capture::Frames;
use crate::config::{self, Files};
use crate::core::gate::Gate;
use crate::core::reason::{Reason, Tally};
use crate::core::replay::Barrier;
use crate::log::Log;
use crate::log::event::Event;
use crate::message::channel::{Broken, Channel};
use crate::message::engine::{FromEngine, ToEngine};
use crate::message::packet::MAX_BLOB;
use crate::sys::confine::{self, Account, Cell};
use crate::sys::wait::{Waiter, Wish};
use crate::{faults, sys};

pub use decide::{Decider, Decision};

/// Frames read from one interface before anything else has its turn.
const FRAME_BUDGET: usize = 256;
/// Frames read from one interface before the end, more than the kernel keeps.
const LAST_BUDGET: usize = 1 << 16;

/// The engine's life, from its first message to its exit code.
#[must_use]
pub fn run() -> ExitCode {
    match Confined::new().and_then(Engine::start).and_then(Engine::serve) {
        // Without a keeper there is nobody to decide for.
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

/// What an engine has once it is confined. The configuration is not read yet.
pub struct Confined {
    /// To the keeper.
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
    /// What the engine ends for; where it cannot be confined, the log says why.
    pub fn new() -> Result<Self, Broken> {
        faults::role("engine");
        let mut channel = Channel::of_child(MAX_BLOB);
        // A keeper that is gone, or of another version, says so itself.
        let start = channel.wait().map_err(|_| Broken::Senseless)?;
        let ToEngine::Start { foreground, verbose, account, barrier, files, cell } = start
        else {
            return Err(Broken::Senseless);
        };
        signals::leave_to_parent()?;
        let waiter = Waiter::new()?;
        // A copy that can be closed. In the background it is the terminal until the
        // daemon is ready.
        let terminal = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let mut logs = vec![Log::to_lines(terminal, false)];
        if !foreground {
            logs.push(Log::to_syslog(false));
        }
        sys::silence(sys::Silence::Output)?;
        let account = account
            .map(|(uid, gid)| Account { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) });
        let cell = Cell { directory: Path::new(&cell), account: account.as_ref() };
        if let Err(error) = confine::engine(&cell) {
            logs.iter().for_each(|log| log.write(&Event::CannotConfine { error: &error }));
            return Err(Broken::System(io::Error::other(error.to_string())));
        }
        drop(logs);
        let files = Files::decode(&files)?;
        Ok(Self { channel, files, waiter, barrier, verbose })
    }
}

struct Engine {
    channel: Channel<Stdin>,
    waiter: Waiter,
    frames: Frames,
    decider: Decider,
    /// What was counted and not told yet.
    tally: Tally,
    verbose: bool,
    is_retired: bool,
}

impl Engine {
    /// Reads the configuration, behind the bars.
    fn start(confined: Confined) -> Result<Self, Broken> {
        let Confined { channel, files, waiter, barrier, verbose } = confined;
        let config = config::parse_files(&files).map_err(|_| Broken::Senseless)?;
        Ok(Self {
            channel,
            waiter,
            frames: Frames::default(),
            decider: Decider::new(Gate::with_barrier(config.policy, barrier)),
            tally: Tally::default(),
            verbose,
            is_retired: false,
        })
    }

    fn serve(mut self) -> Result<(), Broken> {
        self.channel.queue(&FromEngine::Serving, None)?;
        // What came with the first message is not announced again.
        self.listen()?;
        loop {
            // The keeper may be slow: frames wait in the kernel meanwhile.
            self.channel.finish(PollTimeout::NONE)?;
            let mut wishes = vec![Wish::read(Who::Keeper, &self.channel)];
            wishes.extend(self.frames.fds().map(|fd| Wish {
                who: Who::Packets,
                fd,
                write: false,
            }));
            let ready = self.waiter.wait(&wishes, None)?;
            let is_ready = |who| ready.iter().any(|ready| ready.who == who);
            if is_ready(Who::Packets) {
                self.read_frames(FRAME_BUDGET)?;
            }
            if is_ready(Who::Keeper) {
                self.listen()?;
            }
            if self.is_retired {
                // What came before its successor's time is still its own.
                self.read_frames(LAST_BUDGET)?;
                return self.channel.finish(PollTimeout::NONE);
            }
        }
    }

    fn listen(&mut self) -> Result<(), Broken> {
        while let Some(message) = self.channel.recv()? {
            match message {
                ToEngine::Start { .. } => return Err(Broken::Senseless),
                ToEngine::Capture { id, index, link, buffer } => {
                    let fd = self.channel.descriptor().ok_or(Broken::Senseless)?;
                    self.frames.adopt(id, fd, index, link, buffer);
                }
                ToEngine::Release { id } => self.frames.release(id),
                ToEngine::Retire => self.is_retired = true,
                ToEngine::Verbose(verbose) => self.verbose = verbose,
            }
        }
        Ok(())
    }

    /// Reads from every interface, and tells the keeper what to do.
    fn read_frames(&mut self, budget: usize) -> Result<(), Broken> {
        let mut now = sys::now()?;
        let mut told = Ok(());
        let Self { channel, decider, tally, verbose, .. } = self;
        let failed = self.frames.read(budget, |frame, link, interface| {
            // Each frame has its own time, lest attempts of one batch seem to
            // have begun at once. A clock that worked before works now.
            now = sys::now().unwrap_or(now);
            let decision = decider.decide(link, frame, interface, now);
            if told.is_ok() {
                told = tell(channel, decision, now.monotonic, *verbose, tally);
            }
        });
        told?;
        for capture in failed {
            self.channel.queue(&FromEngine::Failed { capture }, None)?;
        }
        for (reason, times) in std::mem::take(&mut self.tally).counted() {
            let times = u32::try_from(times).unwrap_or(u32::MAX);
            self.channel.queue(&FromEngine::Count { reason, times }, None)?;
        }
        Ok(())
    }
}

/// Tells what somebody could be told about; counts the rest.
fn tell(
    channel: &mut Channel<Stdin>,
    decision: Decision,
    seen: crate::core::time::Monotonic,
    verbose: bool,
    tally: &mut Tally,
) -> Result<(), Broken> {
    let is_news = |reason: Reason| verbose || !reason.is_noise();
    match decision {
        Decision::Open { claims, source } => {
            for claim in claims {
                channel.queue(&FromEngine::Open { claim, source, seen }, None)?;
            }
            // A door is not to wait for the rest of the batch.
            channel.finish(PollTimeout::NONE)
        }
        Decision::Refuse { source, refusal } if is_news(refusal.reason) => {
            channel.queue(&FromEngine::Refused { source, refusal }, None)
        }
        Decision::Refuse { refusal: crate::core::gate::Refusal { reason, .. }, .. }
        | Decision::Drop(reason) => {
            tally.count(reason);
            Ok(())
        }
    }
}
