//! What the kernel keeps, and what administrators do to it.

use std::collections::BTreeMap;

/// Anchor and name.
pub type TableKey = (String, String);

pub fn key(anchor: &str, name: &str) -> TableKey {
    (anchor.to_owned(), name.to_owned())
}

/// `PFR_TFLAG_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    pub const PERSIST: u32 = 1;
    pub const CONST: u32 = 2;
    pub const ACTIVE: u32 = 4;
    pub const REFERENCED: u32 = 16;
}

/// Family, 16 bytes of address, prefix.
pub type Entry = (u8, [u8; 16], u8);

/// And whether it is negated.
pub type Entries = BTreeMap<Entry, bool>;

pub struct Tables {
    pub all: BTreeMap<TableKey, (Flags, Entries)>,
    /// `set limit table-entries`.
    pub limit: usize,
}

impl Tables {
    pub fn new(limit: usize) -> Self {
        Self { all: BTreeMap::new(), limit }
    }

    pub fn define(&mut self, anchor: &str, name: &str, flags: u32) {
        let flags = Flags(flags | Flags::ACTIVE);
        self.all.insert(key(anchor, name), (flags, Entries::new()));
    }

    pub fn entries(&mut self, anchor: &str, name: &str) -> &mut Entries {
        &mut self.all.get_mut(&key(anchor, name)).unwrap().1
    }

    /// Puts in `count` IPv4 hosts, starting at 10.0.0.0 + `start`.
    pub fn fill(&mut self, anchor: &str, name: &str, start: u32, count: u32) {
        for number in start..start + count {
            let mut address = [0; 16];
            address[..4].copy_from_slice(&(0x0a00_0000 + number).to_be_bytes());
            self.entries(anchor, name).insert((2, address, 32), false);
        }
    }

    /// `pfctl -F Tables`, for every anchor.
    pub fn flush(&mut self) {
        self.all.clear();
    }

    /// `pfctl -f` of a file in which these tables of the main ruleset stand,
    /// each with an address list or without.
    pub fn reload(&mut self, defined: &[(&str, Option<Entries>)]) {
        self.all.retain(|(anchor, name), (flags, _)| {
            let kept = flags.0 & Flags::PERSIST != 0;
            !anchor.is_empty() || kept || defined.iter().any(|(defined, _)| defined == name)
        });
        for (name, list) in defined {
            let (flags, entries) =
                self.all.entry(key("", name)).or_insert((Flags(0), Entries::new()));
            flags.0 |= Flags::ACTIVE;
            if let Some(list) = list {
                entries.clone_from(list);
            }
        }
    }

    pub fn total(&self) -> usize {
        self.all.values().map(|(_, entries)| entries.len()).sum()
    }
}
