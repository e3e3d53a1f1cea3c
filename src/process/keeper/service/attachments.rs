//! Interfaces that are captured on, and the engines that get their descriptors.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::{LOOK_INTERVAL, Service};
use crate::capture::{Change, Handout};
use crate::core::time::Monotonic;
use crate::log::event::Event;
use crate::message::engine::ToEngine;
use crate::sys;
use crate::sys::confine;

impl Service {
    /// Opens a capture again that an engine could not read.
    pub(super) fn recapture(&mut self, capture: u32, now: Monotonic) {
        // A compromised engine must not keep us busy with this.
        let is_often = self.last_failure.is_some_and(|last| now.since(last) < LOOK_INTERVAL);
        if is_often {
            self.next_look.get_or_insert(now + LOOK_INTERVAL);
            return;
        }
        self.last_failure = Some(now);
        let changes = self.capture.failed(capture);
        self.log_changes(&changes);
        self.hand_out_changes(&changes);
    }

    /// Enumerates the interfaces, if they changed or that is due.
    pub(super) fn look(&mut self, changed: bool, now: Monotonic) {
        if changed || self.next_look.is_some_and(|due| due <= now) {
            let changes = self.capture.refresh();
            self.log_changes(&changes);
            self.hand_out_changes(&changes);
        }
        if !self.capture.has_failed() {
            self.next_look = None;
        } else if self.next_look.is_none_or(|due| due <= now) {
            self.next_look = Some(now + LOOK_INTERVAL);
        }
        let dropped = self.capture.dropped();
        if let Some(more @ 1..) = dropped.checked_sub(self.logged_drops) {
            self.log.lost_packets(more, now);
            self.dropped += more;
        }
        self.logged_drops = dropped;
    }

    fn hand_out_changes(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Attached { id, .. } => {
                    let handout = self.capture.attached().find(|handout| handout.id == *id);
                    if let Some(Ok((message, fd))) = handout.map(|handout| hand_out(&handout)) {
                        self.engines.send(&message, fd);
                    }
                }
                Change::Lost { id, .. } => {
                    self.engines.send(&ToEngine::Release { id: *id }, None);
                }
                Change::Waiting { .. } => {}
            }
        }
    }

    pub(super) fn log_changes(&mut self, changes: &[Change]) {
        for change in changes {
            self.log.write(&match change {
                Change::Attached { name, .. } => Event::Attached { interface: name },
                Change::Waiting { name, why } => Event::Waiting { interface: name, why },
                Change::Lost { name, .. } => Event::Lost { interface: name },
            });
        }
        if changes.iter().any(|change| matches!(change, Change::Attached { .. }))
            && let Ok(now) = sys::now()
        {
            self.keeper.doors.watch(&self.capture.names(), now.monotonic);
        }
    }
}

/// The message that hands out a capture descriptor, and a copy of it.
pub(super) fn hand_out(handout: &Handout<'_>) -> io::Result<(ToEngine, Option<OwnedFd>)> {
    let copy = handout.fd.try_clone_to_owned()?;
    confine::limit_capture(copy.as_fd())?;
    let message = ToEngine::Capture {
        id: handout.id,
        index: handout.index,
        link: handout.link,
        buffer: handout.buffer,
    };
    Ok((message, Some(copy)))
}
