//! How often to wake up while strangers keep sending.

use std::time::Duration;

use crate::core::time::Monotonic;

/// Turns that follow each other this closely make a flood.
const CLOSE: Duration = Duration::from_millis(2);
/// So many close turns are no flood yet: a client's knocks.
const TURNS: u8 = 16;
/// How long frames gather in a flood. A fresh token waits no longer.
const PAUSE: Duration = Duration::from_micros(300);

/// Lets frames gather while turn after turn opens nothing. A wake-up costs more
/// than the frame that caused it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Monotonic>,
    /// Close turns until the last one.
    turns: u8,
}

impl Pace {
    /// Takes note of a turn that ended `now`. Returns until when to let frames
    /// gather, if they should.
    pub fn turn(&mut self, now: Monotonic, has_opened: bool) -> Option<Monotonic> {
        let is_close = self.last.is_some_and(|last| now.since(last) < CLOSE);
        self.turns = if is_close && !has_opened { self.turns.saturating_add(1) } else { 0 };
        self.last = Some(now);
        (self.turns >= TURNS).then(|| now + PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Monotonic {
        Monotonic::from_nanos(1_000_000_000 + micros * 1000)
    }

    /// The number of pauses in `turns`, each `apart` after the last one.
    fn pauses(pace: &mut Pace, turns: u64, apart: u64) -> usize {
        (0..turns).filter(|turn| pace.turn(at(turn * apart), false).is_some()).count()
    }

    #[test]
    fn a_knock_sequence_is_never_delayed() {
        assert_eq!(pauses(&mut Pace::default(), TURNS.into(), 100), 0);
    }

    #[test]
    fn turns_apart_are_never_delayed() {
        assert_eq!(pauses(&mut Pace::default(), 1000, 2000), 0);
    }

    #[test]
    fn a_flood_is_read_in_batches() {
        let mut pace = Pace::default();
        assert_eq!(pauses(&mut pace, 1000, 500), 1000 - usize::from(TURNS));
        assert_eq!(pace.turn(at(500_000), false), Some(at(500_300)));
    }

    #[test]
    fn what_opens_a_door_ends_the_pauses() {
        let mut pace = Pace::default();
        assert!(pauses(&mut pace, 100, 500) > 0);
        assert_eq!(pace.turn(at(50_000), true), None);
        assert_eq!(pace.turn(at(50_010), false), None);
    }
}
