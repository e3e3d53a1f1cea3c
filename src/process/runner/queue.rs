//! Commands that wait, and which of them may run at the same time.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::message::runner::Run;

/// The most commands that wait.
pub const MAX_QUEUED: usize = 256;

/// A door and an address, whose commands run one after the other.
pub type JobKey = (String, IpAddr);

/// Returns the door and the address of `run`.
#[must_use]
pub fn key(run: &Run) -> JobKey {
    (run.door.clone(), run.address)
}

/// Commands in the order in which they were received.
#[derive(Debug, Default)]
pub struct Queue(VecDeque<Run>);

impl Queue {
    /// Adds a command at the end.
    ///
    /// # Errors
    /// The command, if there is no room.
    pub fn push(&mut self, run: Run) -> Result<(), Run> {
        if self.0.len() >= MAX_QUEUED {
            return Err(run);
        }
        self.0.push_back(run);
        Ok(())
    }

    /// Removes the first command whose door and address are not among `busy`. So
    /// `on_open` has ended before `on_close` starts.
    pub fn pop(&mut self, busy: &[&JobKey]) -> Option<Run> {
        let is_free = |run: &Run| {
            !busy.iter().any(|(door, address)| *door == run.door && *address == run.address)
        };
        let place = self.0.iter().position(is_free)?;
        self.0.remove(place)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::runner::Occasion;
    use std::time::Duration;

    fn run(id: u32, door: &str, last: u8) -> Run {
        Run {
            id,
            occasion: Occasion::Open,
            limit: Duration::from_secs(1),
            door: door.into(),
            address: [192, 0, 2, last].into(),
            user: "-".into(),
            seconds: 1,
            words: vec!["/bin/true".into()],
        }
    }

    #[test]
    fn commands_for_a_busy_door_and_address_wait_and_others_do_not() {
        let mut queue = Queue::default();
        for one in [run(1, "ssh", 1), run(2, "ssh", 1), run(3, "web", 1), run(4, "ssh", 2)] {
            queue.push(one).unwrap();
        }
        let first = queue.pop(&[]).unwrap();
        assert_eq!(first.id, 1);
        let busy = key(&first);
        let web = queue.pop(&[&busy]).unwrap();
        assert_eq!(web.id, 3);
        let other = queue.pop(&[&busy, &key(&web)]).unwrap();
        assert_eq!(other.id, 4);
        assert_eq!(queue.pop(&[&busy]), None);
        assert_eq!(queue.pop(&[&key(&web)]).unwrap().id, 2);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_full_queue_accepts_no_command() {
        let mut queue = Queue::default();
        for id in 0..256 {
            queue.push(run(id, "ssh", 1)).unwrap();
        }
        assert_eq!(queue.push(run(256, "ssh", 1)).unwrap_err().id, 256);
        assert_eq!(queue.pop(&[]).unwrap().id, 0);
        assert!(queue.push(run(257, "ssh", 1)).is_ok());
    }
}
