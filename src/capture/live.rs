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

/// Something that the log should say, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Capture began on an interface.
    Attached {
        /// What the descriptor is called.
        id: u32,
        /// The interface.
        name: String,
    },
    /// Capture will begin when the reason is gone.
    Waiting {
        /// The interface, or `egress` or `any`.
        name: String,
        /// Why not now.
        why: String,
    },
    /// Capture on an interface ended: it is down, gone, or no longer meant.
    Lost {
        /// What the descriptor was called.
        id: u32,
        /// The interface.
        name: String,
    },
}

/// An attached descriptor, for who reads it.
#[derive(Debug, Clone, Copy)]
pub struct Handout<'a> {
    /// What it is called; no other of this process ever is.
    pub id: u32,
    /// The interface's index.
    pub index: u32,
    /// What its frames begin with.
    pub link: Link,
    /// The size of the kernel's buffer, where reading takes it.
    pub buffer: u32,
    /// To be copied.
    pub fd: BorrowedFd<'a>,
}

/// One interface that is captured on.
struct Attached {
    id: u32,
    name: String,
    index: u32,
    attachment: Attachment,
}

/// Descriptors on all interfaces that are meant and there.
pub struct Capture {
    wanted: Vec<Selection>,
    interests: Vec<Interest>,
    watch: Watch,
    attached: Vec<Attached>,
    /// What the next descriptor is called.
    next_id: u32,
    /// What was last reported as waiting, and why.
    waiting: BTreeMap<String, String>,
    /// Dropped packets of attachments that are gone.
    dropped: u64,
    /// Whether the system ever forbade to capture.
    denied: bool,
    /// See [`Self::has_failed`].
    has_failed: bool,
}

impl Capture {
    /// Attaches to what is there, and tells what that was.
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

    /// Attaches again, for other interests, beside what is attached. No
    /// descriptor is called as one of those.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub fn beside(
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
        // Watched before looked at: what changes in between is noticed.
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

    /// Whether of each required selector something is attached.
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

    /// Attaches to interfaces that appeared, came up or came back, detaches
    /// from those that went. To be called after [a change](Self::has_changed).
    /// Where the system cannot be asked, what is attached stays.
    pub fn refresh(&mut self) -> Vec<Change> {
        // Drained before looked at, for the same reason.
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

    /// Whether the last look at the interfaces failed in a way that no change
    /// of theirs will announce the end of: worth another try in a while.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Remembers what is waited for, and tells what of it is new.
    fn wait_for(&mut self, waiting: BTreeMap<String, String>) -> Vec<Change> {
        let new = waiting.iter().filter(|(name, why)| self.waiting.get(*name) != Some(why));
        let new =
            new.map(|(name, why)| Change::Waiting { name: name.clone(), why: why.clone() });
        let changes = new.collect();
        self.waiting = waiting;
        changes
    }

    /// What each selector means now, or why it means nothing.
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

    /// Who reads `id` found that it cannot be read any more: detaches it, and
    /// attaches again at once if the interface is back.
    pub fn failed(&mut self, id: u32) -> Vec<Change> {
        let mut changes = self.detach(|attached| attached.id != id);
        if !changes.is_empty() {
            // Its return may have been announced before its going was read.
            changes.append(&mut self.refresh());
        }
        changes
    }

    /// Detaches what is not to `stay`.
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

    /// The interfaces that are captured on.
    pub fn names(&self) -> Vec<String> {
        self.attached.iter().map(|attached| attached.name.clone()).collect()
    }

    /// What is waited for, and why.
    pub const fn waiting(&self) -> &BTreeMap<String, String> {
        &self.waiting
    }

    /// Everything that is attached.
    pub fn attached(&self) -> impl Iterator<Item = Handout<'_>> {
        self.attached.iter().map(|Attached { id, index, attachment, .. }| Handout {
            id: *id,
            index: *index,
            link: attachment.link(),
            buffer: attachment.buffer(),
            fd: attachment.fd(),
        })
    }

    /// The descriptor that becomes readable when interfaces, addresses or
    /// routes change.
    pub fn watch(&self) -> BorrowedFd<'_> {
        self.watch.fd()
    }

    /// Frames that the kernel had to drop since the start because they were
    /// not read in time.
    pub fn dropped(&mut self) -> u64 {
        let living = self.attached.iter_mut().map(|attached| attached.attachment.dropped());
        living.fold(self.dropped, u64::saturating_add)
    }
}
