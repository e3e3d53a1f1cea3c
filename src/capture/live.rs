//! Capturing on interfaces that come and go.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;

use super::interfaces;
use super::system::{self, Attachment};
use super::watch::Watch;
use crate::core::interest::Interest;
use crate::core::interface::{Interface, Selection, Selector};
use crate::core::link::Link;

/// A change, to be logged once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Capture began on an interface.
    Attached {
        /// The number of the descriptor.
        id: u32,
        /// The interface.
        name: String,
    },
    /// Capture will begin once the reason is gone.
    Waiting {
        /// The interface, or `egress` or `any`.
        name: String,
        /// The reason.
        why: String,
    },
    /// Capture on an interface ended: it is down, gone, or no longer selected.
    Lost {
        /// The number of the descriptor.
        id: u32,
        /// The interface.
        name: String,
    },
}

/// An attached descriptor, to be sent to the process that reads it.
#[derive(Debug, Clone, Copy)]
pub struct Handout<'a> {
    /// Its number. No other descriptor of this process ever gets it.
    pub id: u32,
    /// The interface's index.
    pub index: u32,
    /// The link type of its frames.
    pub link: Link,
    /// The size of the kernel's buffer, for readers of bpf.
    pub buffer: u32,
    /// The descriptor.
    pub fd: BorrowedFd<'a>,
}

/// An interface that is captured on.
struct Attached {
    id: u32,
    name: String,
    index: u32,
    attachment: Attachment,
}

/// Descriptors on all selected interfaces that are up.
pub struct Capture {
    wanted: Vec<Selection>,
    interests: Vec<Interest>,
    watch: Watch,
    attached: Vec<Attached>,
    /// The number of the next descriptor.
    next_id: u32,
    /// What was last reported as waiting, and why.
    waiting: BTreeMap<String, String>,
    /// Dropped packets of attachments that are gone.
    dropped: u64,
    /// Whether the system ever denied capture.
    denied: bool,
    /// See [`Self::has_failed`].
    has_failed: bool,
}

impl Capture {
    /// Attaches to the selected interfaces. Returns the changes to log.
    ///
    /// # Errors
    /// When interfaces cannot be watched, when the system forbids to capture,
    /// or when nothing could be attached for a required selector.
    pub fn new(
        wanted: Vec<Selection>,
        interests: Vec<Interest>,
    ) -> io::Result<(Self, Vec<Change>)> {
        Self::with_ids_from(0, wanted, interests)
    }

    /// Attaches again for other interests. What is attached stays, and its numbers
    /// are not used again.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub fn reopen(
        &self,
        wanted: Vec<Selection>,
        interests: Vec<Interest>,
    ) -> io::Result<(Self, Vec<Change>)> {
        Self::with_ids_from(self.next_id, wanted, interests)
    }

    fn with_ids_from(
        next_id: u32,
        wanted: Vec<Selection>,
        interests: Vec<Interest>,
    ) -> io::Result<(Self, Vec<Change>)> {
        // Before the interfaces are listed, so that no change is missed.
        let watch = Watch::open()?;
        let mut capture = Self {
            wanted,
            interests,
            watch,
            attached: Vec::new(),
            next_id,
            waiting: BTreeMap::new(),
            dropped: 0,
            denied: false,
            has_failed: false,
        };
        let changes = capture.refresh();
        if capture.denied && capture.attached.is_empty() {
            let text = "cannot capture, run as root, and allow it in a container or jail";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        capture.check_required()?;
        Ok((capture, changes))
    }

    /// Fails unless every required selector has an attachment.
    fn check_required(&self) -> io::Result<()> {
        for (wanted, targets) in self.wanted.iter().zip(self.targets()?) {
            let why = match targets {
                Ok(targets) if targets.iter().any(|target| self.has(&target.name)) => continue,
                Ok(targets) => {
                    targets.iter().find_map(|target| self.waiting.get(&target.name)).cloned()
                }
                Err(why) => Some(why),
            };
            if wanted.required {
                let why = why.unwrap_or_default();
                let text = format!("cannot capture on {}: {why}", wanted.selector);
                return Err(io::Error::other(text));
            }
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.attached.iter().any(|attached| attached.name == name)
    }

    /// Whether interfaces, addresses or routes changed. To be called when
    /// [`watch`](Self::watch) becomes readable.
    pub fn has_changed(&mut self) -> bool {
        self.watch.drain()
    }

    /// Attaches to interfaces that appeared or came up, and detaches from those that
    /// are gone or down. Call it after [a change](Self::has_changed). If the
    /// interfaces cannot be listed, what is attached stays.
    pub fn refresh(&mut self) -> Vec<Change> {
        // Before the interfaces are listed, too.
        self.watch.drain();
        self.has_failed = false;
        let chosen = match self.targets() {
            Ok(chosen) => chosen,
            Err(error) => {
                self.has_failed = true;
                let mut waiting = self.waiting.clone();
                waiting.insert("interfaces".into(), error.to_string());
                return self.wait_for(waiting);
            }
        };
        let mut targets = BTreeMap::new();
        let mut waiting = BTreeMap::new();
        for (wanted, chosen) in self.wanted.iter().zip(chosen) {
            match chosen {
                Ok(chosen) => {
                    targets.extend(chosen.into_iter().map(|one| (one.name.clone(), one)))
                }
                Err(why) => drop(waiting.insert(wanted.selector.to_string(), why)),
            }
        }
        let mut changes = self.detach(|attached| {
            let target = targets.get(&attached.name);
            target.is_some_and(|target| target.index == attached.index)
        });
        for (name, target) in targets {
            if self.has(&name) {
                continue;
            }
            match Attachment::open(&target, &self.interests) {
                Ok(attachment) => {
                    let id = self.next_id;
                    self.next_id = id.wrapping_add(1);
                    changes.push(Change::Attached { id, name: name.clone() });
                    self.attached.push(Attached { id, name, index: target.index, attachment });
                }
                Err(error) => {
                    self.has_failed = true;
                    self.denied |= error.kind() == io::ErrorKind::PermissionDenied;
                    waiting.insert(name, error.to_string());
                }
            }
        }
        changes.append(&mut self.wait_for(waiting));
        changes
    }

    /// Whether the last [`refresh`](Self::refresh) failed for a reason whose end no
    /// change of the interfaces announces. Try again in a while.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Stores what is waited for. Returns what of it is new.
    fn wait_for(&mut self, waiting: BTreeMap<String, String>) -> Vec<Change> {
        let new = waiting.iter().filter(|(name, why)| self.waiting.get(*name) != Some(why));
        let new =
            new.map(|(name, why)| Change::Waiting { name: name.clone(), why: why.clone() });
        let changes = new.collect();
        self.waiting = waiting;
        changes
    }

    /// Returns the interfaces of each selector, or why it has none.
    fn targets(&self) -> io::Result<Vec<Result<Vec<Interface>, String>>> {
        let present = interfaces::list()?;
        let asks = self.wanted.iter().any(|wanted| wanted.selector == Selector::Egress);
        let egress = if asks { system::egress()? } else { Vec::new() };
        let choose = |wanted: &Selection| {
            let chosen = wanted.selector.choose(&present, &egress)?;
            Ok(chosen.into_iter().cloned().collect())
        };
        Ok(self.wanted.iter().map(choose).collect())
    }

    /// Detaches the descriptor `id`, which cannot be read any more, and attaches
    /// again at once if the interface is back.
    pub fn failed(&mut self, id: u32) -> Vec<Change> {
        let mut changes = self.detach(|attached| attached.id != id);
        if !changes.is_empty() {
            // It may have come back before the reader saw that it was gone.
            changes.append(&mut self.refresh());
        }
        changes
    }

    /// Detaches all that does not `stay`.
    fn detach(&mut self, stay: impl Fn(&Attached) -> bool) -> Vec<Change> {
        let mut lost = Vec::new();
        let dropped = &mut self.dropped;
        self.attached.retain_mut(|attached| {
            let stays = stay(attached);
            if !stays {
                *dropped = dropped.saturating_add(attached.attachment.dropped());
                lost.push(Change::Lost { id: attached.id, name: attached.name.clone() });
            }
            stays
        });
        lost
    }

    /// Returns the names of the interfaces that are captured on.
    pub fn names(&self) -> Vec<String> {
        self.attached.iter().map(|attached| attached.name.clone()).collect()
    }

    /// Returns what is waited for, and why.
    pub const fn waiting(&self) -> &BTreeMap<String, String> {
        &self.waiting
    }

    /// Returns all attached descriptors.
    pub fn attached(&self) -> impl Iterator<Item = Handout<'_>> {
        self.attached.iter().map(|Attached { id, index, attachment, .. }| Handout {
            id: *id,
            index: *index,
            link: attachment.link(),
            buffer: attachment.buffer(),
            fd: attachment.fd(),
        })
    }

    /// Returns the descriptor that becomes readable when interfaces, addresses or
    /// routes change.
    pub fn watch(&self) -> BorrowedFd<'_> {
        self.watch.fd()
    }

    /// Returns how many frames the kernel dropped since the start because they were
    /// not read in time.
    pub fn dropped(&mut self) -> u64 {
        let living = self.attached.iter_mut().map(|attached| attached.attachment.dropped());
        living.fold(self.dropped, u64::saturating_add)
    }
}
