//! What waits to be run, and what may run beside what.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::message::runner::Run;

/// Commands that wait at most.
pub const MAX_WAITING: usize = 256;

/// What commands come one after the other for: a door and an address.
pub type JobKey = (String, IpAddr);

/// Which commands `run` waits for.
#[must_use]
pub fn key(run: &Run) -> JobKey {
    (run.door.clone(), run.address)
}

/// Commands in the order in which they came.
#[derive(Debug, Default)]
pub struct Queue(VecDeque<Run>);

impl Queue {
    /// Puts a command behind all others, or gives it back when there is no
    /// room.
    ///
    /// # Errors
    /// The command.
    pub fn push(&mut self, run: Run) -> Result<(), Run> {
        if self.0.len() >= MAX_WAITING {
            return Err(run);
        }
        self.0.push_back(run);
        Ok(())
    }

    /// The first that is for none of `busy`: what opened a door has ended
    /// before what closes it begins.
    pub fn pop(&mut self, busy: &[&JobKey]) -> Option<Run> {
        let is_free = |run: &Run| {
            !busy.iter().any(|(door, address)| *door == run.door && *address == run.address)
        };
        let place = self.0.iter().position(is_free)?;
        self.0.remove(place)
    }

    /// Whether nothing waits.
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
    fn what_is_for_the_same_door_and_address_waits_and_lets_others_pass() {
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
    fn no_more_wait_than_may() {
        let mut queue = Queue::default();
        for id in 0..256 {
            queue.push(run(id, "ssh", 1)).unwrap();
        }
        assert_eq!(queue.push(run(256, "ssh", 1)).unwrap_err().id, 256);
        assert_eq!(queue.pop(&[]).unwrap().id, 0);
        assert!(queue.push(run(257, "ssh", 1)).is_ok());
    }
}
