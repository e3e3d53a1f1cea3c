//! How the keeper gains and loses its runner.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Service;
use crate::core::time::Monotonic;
use crate::log::event::Event;
use crate::message::channel::{Broken, Channel};
use crate::message::parent::FromKeeper;
use crate::sys;
use crate::sys::wait::Wish;

/// How long the last commands may take to reach the runner.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

impl Service {
    /// Sends commands to another runner from now on. Its channel came with the
    /// parent's message.
    pub(super) fn adopt_runner(&mut self, id: u32, now: Monotonic) {
        let Some(channel) = self.parent.descriptor() else { return };
        let channel = Channel::new(UnixStream::from(channel), 0);
        // The last one died, and may have sent something before.
        self.dispatch_runner(now);
        self.lose_runner(&Broken::Ended);
        if let Err(why) = self.keeper.doors.commands().adopt(id, channel) {
            self.lose_runner(&why);
        }
    }

    /// Dispatches messages of the runner, and sends it what is queued.
    pub(super) fn dispatch_runner(&mut self, now: Monotonic) {
        if let Err(why) = self.keeper.doors.commands().recv(now) {
            self.lose_runner(&why);
        }
    }

    /// Ends a runner that died or misbehaved.
    fn lose_runner(&mut self, why: &Broken) {
        let Some((id, commands)) = self.keeper.doors.commands().lose() else { return };
        self.log.write(&Event::RunnerLost { why, commands });
        self.parent.notify(&FromKeeper::EndRunner { id });
    }

    /// Sends the last commands to the runner, which runs them without us.
    pub(super) fn finish_commands(&mut self) {
        let end = sys::now().map(|now| now.monotonic + LAST_PATIENCE);
        while let (Ok(end), Ok(now)) = (&end, sys::now())
            && now.monotonic < *end
            && let Some(wish @ Wish { write: true, .. }) = self.keeper.doors.commands().wish(())
        {
            if self.waiter.wait(&[wish], Some(*end)).is_err() {
                break;
            }
            self.dispatch_runner(now.monotonic);
        }
        if let Ok(now) = sys::now() {
            self.keeper.doors.commands().give_up(now.monotonic);
            self.log.finish();
        }
    }
}
