//! Packets from pcap and pcapng files.
//!
//! The file is not trusted: memory is bounded whatever lengths it states, and
//! everything wrong with it is an error.
#![forbid(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

use super::savefile_block::{Head, Interface, Step};
use crate::core::link::Link;

/// The largest block, in bytes: tcpdump's largest packet and its header.
const BUFFER: usize = 512 * 1024;
/// The most interfaces that one section of a pcapng file may describe.
const MAX_INTERFACES: usize = 1024;
/// What a section of a pcapng file begins with, whatever its byte order.
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const MALFORMED: &str = "its block is malformed";

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavefileError {
    file: String,
    /// The packet that could not be read, from 1 as other tools count.
    packet: u64,
    why: String,
}

impl fmt::Display for SavefileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read packet {} of {}: {}", self.packet, self.file, self.why)
    }
}

impl std::error::Error for SavefileError {}

/// One packet of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The link type of the frame.
    pub link: Link,
    /// Its bytes, as many as were captured.
    pub frame: &'a [u8],
    /// When it was captured: nanoseconds since 1970-01-01 UTC.
    pub time: u64,
    /// Its length on the wire in bytes, as the file has it.
    pub length: u32,
}

/// A file being read.
pub struct Savefile {
    file: String,
    reader: Box<dyn PcapReaderIterator + Send>,
    /// Whether the file is a pcapng file, made of blocks.
    has_blocks: bool,
    interfaces: Vec<Interface>,
    big_endian: bool,
    /// Packets found so far.
    packet: u64,
    /// Bytes of the block that was returned, to be consumed by the next call.
    pending: usize,
}

impl Savefile {
    /// Opens a file of either format; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be opened or begins like neither format.
    pub fn open(path: &Path) -> Result<Self, SavefileError> {
        if path == Path::new("-") {
            return Self::new("standard input".to_owned(), std::io::stdin());
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(name, file),
            Err(error) => Err(SavefileError { file: name, packet: 1, why: error.to_string() }),
        }
    }

    /// Reads from an open file; `name` is for messages.
    ///
    /// # Errors
    /// When it begins like neither format.
    pub fn new(
        name: String,
        mut source: impl Read + Send + 'static,
    ) -> Result<Self, SavefileError> {
        let begin = match first_block(&mut source) {
            Ok(begin) => begin,
            Err(error) => {
                return Err(SavefileError { file: name, packet: 1, why: error.to_string() });
            }
        };
        match create_reader(BUFFER, Cursor::new(begin).chain(source)) {
            Ok(reader) => Ok(Self {
                file: name,
                has_blocks: reader.data().starts_with(&SECTION),
                reader,
                interfaces: Vec::new(),
                big_endian: false,
                packet: 0,
                pending: 0,
            }),
            Err(error) => Err(SavefileError { file: name, packet: 1, why: describe(&error) }),
        }
    }

    /// Returns the next packet, or `None` at the end of the file. After an error
    /// there is nothing more to read.
    ///
    /// # Errors
    /// When the file breaks off, contradicts itself or holds what is not
    /// supported.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, SavefileError> {
        let Some(head) = self.advance()? else {
            return Ok(None);
        };
        // The block is parsed again, now to be borrowed.
        let frame: &[u8] = match self.reader.next() {
            Ok((_, PcapBlockOwned::Legacy(block))) => block.data,
            Ok((_, PcapBlockOwned::NG(Block::EnhancedPacket(block)))) => {
                let captured = usize::try_from(block.caplen).unwrap_or(usize::MAX);
                block.data.get(..captured).unwrap_or(block.data)
            }
            _ => return Ok(None),
        };
        let Head { link, skip, time, length } = head;
        let frame = frame.get(skip..).unwrap_or_default();
        Ok(Some(Record { link, frame, time, length }))
    }

    /// Skips blocks up to that of the next packet.
    fn advance(&mut self) -> Result<Option<Head>, SavefileError> {
        loop {
            self.reader.consume(std::mem::take(&mut self.pending));
            if self.has_blocks && is_too_short(self.reader.data(), self.big_endian) {
                return Err(self.error(MALFORMED.to_owned()));
            }
            let (size, step) = match self.reader.next() {
                Ok((size, block)) => (size, Step::of(&block, &self.interfaces)),
                Err(PcapError::Eof) => return Ok(None),
                Err(PcapError::Incomplete(_)) => {
                    self.refill()?;
                    continue;
                }
                Err(error) => {
                    let why = describe(&error);
                    return Err(self.error(why));
                }
            };
            self.pending = size;
            if let Some(head) = self.take(step)? {
                self.packet += 1;
                return Ok(Some(head));
            }
        }
    }

    fn refill(&mut self) -> Result<(), SavefileError> {
        let before = self.reader.data().len();
        if let Err(why) = self.reader.refill().map_err(|error| describe(&error)) {
            return Err(self.error(why));
        }
        // Without new bytes this would never end.
        if self.reader.data().len() == before && !self.reader.reader_exhausted() {
            return Err(self.error(describe::<&[u8]>(&PcapError::BufferTooSmall)));
        }
        Ok(())
    }

    /// Takes in a block. Returns the head of a packet.
    fn take(&mut self, step: Step) -> Result<Option<Head>, SavefileError> {
        match step {
            Step::Section { big_endian } => {
                self.big_endian = big_endian;
                self.interfaces.clear();
            }
            Step::Interface(description) => {
                if self.interfaces.len() == MAX_INTERFACES {
                    let why = format!("it describes more than {MAX_INTERFACES} interfaces");
                    return Err(self.error(why));
                }
                self.interfaces.push(Interface::new(description, self.big_endian));
            }
            Step::Single { big_endian, description } => {
                self.big_endian = big_endian;
                self.interfaces = vec![Interface::new(description, big_endian)];
            }
            Step::Packet(head) => return head.map(Some).map_err(|why| self.error(why)),
            Step::Timeless => {
                let why = "a simple packet block has no time, use enhanced packet blocks";
                return Err(self.error(why.to_owned()));
            }
            Step::Other => {}
        }
        Ok(None)
    }

    fn error(&self, why: String) -> SavefileError {
        SavefileError { file: self.file.clone(), packet: self.packet + 1, why }
    }
}

/// Reads the header of a pcap file or the first block of a pcapng file, which the
/// parser wants to see in one piece. A pipe gives less at a time.
fn first_block(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut block = Vec::new();
    source.take(24).read_to_end(&mut block)?;
    if block.starts_with(&SECTION)
        && let Some(&[a, b, c, d, first, ..]) = block[4..].first_chunk::<5>()
    {
        // The byte-order magic is 0x1a2b3c4d.
        let decode = if first == 0x1a { u32::from_be_bytes } else { u32::from_le_bytes };
        let length = u64::from(decode([a, b, c, d])).min(BUFFER as u64);
        source.take(length.saturating_sub(24)).read_to_end(&mut block)?;
    }
    Ok(block)
}

/// The parser's own words would show the whole input.
fn describe<I>(error: &PcapError<I>) -> String {
    match error {
        PcapError::Eof => "the file is empty".to_owned(),
        PcapError::Incomplete(_) | PcapError::UnexpectedEof => {
            "the file ends in the middle of it".to_owned()
        }
        PcapError::BufferTooSmall => format!("it is larger than {BUFFER} bytes"),
        PcapError::ReadError => "the file cannot be read".to_owned(),
        PcapError::HeaderNotRecognized => "the file is neither pcap nor pcapng".to_owned(),
        PcapError::NomError(..) | PcapError::OwnedNomError(..) => MALFORMED.to_owned(),
    }
}

/// Whether a block of a pcapng file is shorter than its own frame: its type and
/// twice its length. The parser does not check this for all blocks.
fn is_too_short(block: &[u8], big_endian: bool) -> bool {
    let Some((_, behind)) = block.split_first_chunk::<4>() else { return false };
    let Some((length, _)) = behind.split_first_chunk() else { return false };
    let decode = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
    !block.starts_with(&SECTION) && decode(*length) < 12
}
