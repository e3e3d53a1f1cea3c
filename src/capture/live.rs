//! Capturing on interfaces that come and go.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;

use super::Link;
use super::interfaces::{self, Interface, Selector};
use super::system::{self, Attachment, Watch};
use crate::core::interest::Interest;

/// Where to capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// On which interfaces.
    pub selector: Selector,
    /// Whether capture must not start without.
    pub required: bool,
}

/// Something that the log should say, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Capture began on this interface.
    Attached(String),
    /// Capture will begin when the reason is gone.
    Waiting {
        /// The interface, or `egress` or `any`.
        name: String,
        /// Why not now.
        why: String,
    },
    /// Capture on this interface ended: it is down, gone, or no longer meant.
    Lost(String),
}

/// Descriptors on all interfaces that are meant and there.
pub struct Capture {
    wanted: Vec<Wanted>,
    interests: Vec<Interest>,
    watch: Watch,
    attached: Vec<Attachment>,
    /// What was last reported as waiting, and why.
    waiting: BTreeMap<String, String>,
    /// Dropped packets of attachments that are gone.
    dropped: u64,
    /// Whether the system ever forbade to capture.
    denied: bool,
}

impl Capture {
    /// Attaches to what is there, and tells what that was.
    ///
    /// # Errors
    /// When interfaces cannot be watched, when the system forbids to capture,
    /// or when nothing could be attached for a required selector.
    pub fn new(
        wanted: Vec<Wanted>,
        interests: Vec<Interest>,
    ) -> io::Result<(Self, Vec<Change>)> {
        // Watched before looked at: what changes in between is noticed.
        let watch = Watch::open()?;
        let mut capture = Self {
            wanted,
            interests,
            watch,
            attached: Vec::new(),
            waiting: BTreeMap::new(),
            dropped: 0,
            denied: false,
        };
        let changes = capture.refresh();
        if capture.denied && capture.attached.is_empty() {
            let text = "cannot capture, run as root";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        for wanted in capture.wanted.iter().filter(|wanted| wanted.required) {
            let name = wanted.selector.to_string();
            let why = capture.waiting.get(&name).or_else(|| {
                // All that it means may have failed under their own names.
                capture.waiting.values().next().filter(|_| capture.attached.is_empty())
            });
            if let Some(why) = why {
                return Err(io::Error::other(format!("cannot capture on {name}: {why}")));
            }
        }
        Ok((capture, changes))
    }

    /// Attaches to interfaces that appeared, came up or came back, detaches
    /// from those that went. To be called when [`watch`](Self::watch) becomes
    /// readable.
    pub fn refresh(&mut self) -> Vec<Change> {
        // Drained before looked at, for the same reason.
        self.watch.drain();
        let (targets, mut waiting) = self.targets();
        let mut changes = self.detach(|attachment| {
            let target = targets.get(attachment.name());
            target.is_some_and(|target| target.index == attachment.index())
        });
        for (name, target) in targets {
            if self.attached.iter().any(|attachment| attachment.name() == name) {
                continue;
            }
            match Attachment::open(&target, &self.interests) {
                Ok(attachment) => {
                    self.attached.push(attachment);
                    changes.push(Change::Attached(name));
                }
                Err(error) => {
                    self.denied |= error.kind() == io::ErrorKind::PermissionDenied;
                    waiting.insert(name, error.to_string());
                }
            }
        }
        for (name, why) in &waiting {
            if self.waiting.get(name) != Some(why) {
                changes.push(Change::Waiting { name: name.clone(), why: why.clone() });
            }
        }
        self.waiting = waiting;
        changes
    }

    /// What the selectors mean now, by name; and which mean nothing, and why.
    fn targets(&self) -> (BTreeMap<String, Interface>, BTreeMap<String, String>) {
        let mut targets = BTreeMap::new();
        let mut waiting = BTreeMap::new();
        let present = interfaces::list();
        for Wanted { selector, .. } in &self.wanted {
            let chosen = match &present {
                Ok(present) => selector.choose(present, system::egress),
                Err(error) => Err(format!("cannot list interfaces: {error}")),
            };
            match chosen {
                Ok(chosen) => targets.extend(
                    chosen.into_iter().map(|chosen| (chosen.name.clone(), chosen.clone())),
                ),
                Err(why) => {
                    waiting.insert(selector.to_string(), why);
                }
            }
        }
        (targets, waiting)
    }

    /// Reads at most `budget` frames from each interface, without waiting.
    /// `each` gets the frame's bytes, its link type and the interface's index.
    ///
    /// An interface that went down or away is detached, and attached again at
    /// once if it is back: the returned changes say so.
    pub fn read(
        &mut self,
        budget: usize,
        mut each: impl FnMut(&[u8], Link, u32),
    ) -> Vec<Change> {
        let mut failed = Vec::new();
        for attachment in &mut self.attached {
            let (link, index) = (attachment.link(), attachment.index());
            if attachment.read(budget, |frame| each(frame, link, index)).is_err() {
                failed.push(index);
            }
        }
        if failed.is_empty() {
            return Vec::new();
        }
        let mut changes = self.detach(|attachment| !failed.contains(&attachment.index()));
        // Its return may have been announced before its going was read.
        changes.append(&mut self.refresh());
        changes
    }

    /// Detaches what is not to `stay`.
    fn detach(&mut self, stay: impl Fn(&Attachment) -> bool) -> Vec<Change> {
        let mut lost = Vec::new();
        let dropped = &mut self.dropped;
        self.attached.retain_mut(|attachment| {
            let stays = stay(attachment);
            if !stays {
                *dropped = dropped.saturating_add(attachment.dropped());
                lost.push(Change::Lost(attachment.name().to_owned()));
            }
            stays
        });
        lost
    }

    /// The interfaces that are captured on.
    pub fn names(&self) -> Vec<String> {
        self.attached.iter().map(|attachment| attachment.name().to_owned()).collect()
    }

    /// Descriptors to wait on for frames. They change with every reported
    /// change.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.attached.iter().map(Attachment::fd)
    }

    /// The descriptor that becomes readable when interfaces, addresses or
    /// routes change.
    pub fn watch(&self) -> BorrowedFd<'_> {
        self.watch.fd()
    }

    /// Frames that the kernel had to drop since the start because they were
    /// not read in time.
    pub fn dropped(&mut self) -> u64 {
        let living = self.attached.iter_mut().map(Attachment::dropped);
        living.fold(self.dropped, u64::saturating_add)
    }
}
