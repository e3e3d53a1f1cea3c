//! The runner, from the keeper's side: its coming and going.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Keeper;
use super::service::Service;
use crate::core::time::Monotonic;
use crate::log::event::Event;
use crate::message::channel::{Broken, Channel};
use crate::message::parent::FromKeeper;
use crate::sys;
use crate::sys::wait::Wish;

/// How long the last commands may take to reach the runner.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

impl Service {
    /// Gives commands to another runner, whose channel came with the parent's
    /// message.
    pub(super) fn adopt_runner(&mut self, id: u32, now: Monotonic) {
        let parent = self.keeper.books.parent();
        let Some(channel) = parent.and_then(|parent| parent.descriptor()) else { return };
        let channel = Channel::new(UnixStream::from(channel), 0);
        // One that died is replaced before we heard of its end.
        self.hear_runner(now);
        self.lose_runner(&Broken::Ended);
        if let Err(why) = self.keeper.commands.adopt(id, channel) {
            self.lose_runner(&why);
        }
    }

    /// Hears the runner, and sends on what waits for it.
    pub(super) fn hear_runner(&mut self, now: Monotonic) {
        if let Err(why) = self.keeper.hear_runner(now) {
            self.lose_runner(&why);
        }
    }

    /// The runner is gone, or is not listened to any more.
    fn lose_runner(&mut self, why: &Broken) {
        let Some((id, commands)) = self.keeper.commands.lose() else { return };
        self.keeper.log().say(&Event::RunnerLost { why, commands });
        if let Some(parent) = self.keeper.books.parent() {
            drop(parent.send(&FromKeeper::EndRunner { id }, None));
        }
    }

    /// Sends the last commands to the runner, which runs them without us.
    pub(super) fn finish_commands(&mut self) {
        let end = sys::now().map(|now| now.monotonic + LAST_PATIENCE);
        while let (Ok(end), Ok(now)) = (&end, sys::now())
            && now.monotonic < *end
            && let Some(wish @ Wish { write: true, .. }) = self.keeper.commands.wish(())
        {
            if self.waiter.wait(&[wish], Some(*end)).is_err() {
                break;
            }
            self.hear_runner(now.monotonic);
        }
        if let Ok(now) = sys::now() {
            let Keeper { commands, log, .. } = &mut self.keeper;
            commands.give_up(log, now.monotonic);
            log.finish();
        }
    }
}
