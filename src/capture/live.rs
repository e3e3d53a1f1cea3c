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
            has_failed: false,
        };
        let changes = capture.refresh();
        if capture.denied && capture.attached.is_empty() {
            let text = "cannot capture, run as root";
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
        self.attached.iter().any(|attachment| attachment.name() == name)
    }

    /// Attaches to interfaces that appeared, came up or came back, detaches
    /// from those that went. To be called when [`watch`](Self::watch) becomes
    /// readable. Where the system cannot be asked, what is attached stays.
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
        let mut changes = self.detach(|attachment| {
            let target = targets.get(attachment.name());
            target.is_some_and(|target| target.index == attachment.index())
        });
        for (name, target) in targets {
            if self.has(&name) {
                continue;
            }
            match Attachment::open(&target, &self.interests) {
                Ok(attachment) => {
                    self.attached.push(attachment);
                    changes.push(Change::Attached(name));
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
        let choose = |wanted: &Wanted| {
            let chosen = wanted.selector.choose(&present, &egress)?;
            Ok(chosen.into_iter().cloned().collect())
        };
        Ok(self.wanted.iter().map(choose).collect())
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
