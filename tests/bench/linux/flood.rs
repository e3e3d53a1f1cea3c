//! A sender of frames, as fast as the kernel takes them or at a steady rate.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, MultiHeaders, SockFlag, SockType, bind, sendmmsg, socket,
};

use super::net::frames::packet;
use super::net::{Lab, Namespace, SERVER4};

/// Frames for each call of the kernel. At 100,000 a second a call comes every
/// 320 us.
const BATCH: usize = 32;
/// Where the source address, the IPv4 header and what follows it begin.
const SOURCE: usize = 26;
const HEADER: usize = 14;
pub const TRANSPORT: usize = 34;

/// A kind of frame, and how the `number`th differs from the others. Each comes
/// from an address of its own.
pub struct Flood {
    frame: Vec<u8>,
    vary: fn(&mut [u8], u32),
    wire: OwnedFd,
}

/// How many frames were sent in which time.
#[derive(Clone, Copy)]
pub struct Sent {
    pub frames: u32,
    pub time: Duration,
}

impl Sent {
    pub fn rate(self) -> f64 {
        f64::from(self.frames) / self.time.as_secs_f64()
    }
}

impl Flood {
    /// Of IPv4 packets from the lab's client to its server.
    pub fn new(lab: &Lab, protocol: u8, payload: &[u8], vary: fn(&mut [u8], u32)) -> Self {
        let any = "192.0.2.100".parse().unwrap();
        let mut frame = packet(any, SERVER4.parse().unwrap(), protocol, payload);
        frame[..6].copy_from_slice(&link(&lab.server).addr().unwrap());
        let wire = lab.client.enter(|| {
            let wire =
                socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None);
            let wire = wire.unwrap();
            bind(wire.as_raw_fd(), &link_here()).unwrap();
            wire
        });
        Self { frame, vary, wire }
    }

    /// Sends `most` frames, or until `ends`; at `rate` a second, or as fast as
    /// the kernel takes them.
    pub fn send(&self, most: u32, rate: Option<u32>, ends: &AtomicBool) -> Sent {
        // The kernel would add 50 us to every pause.
        nix::sys::prctl::set_timerslack(1).unwrap();
        let mut frames = vec![self.frame.clone(); BATCH];
        let mut headers = MultiHeaders::<LinkAddr>::preallocate(BATCH, None);
        let (mut sent, began) = (0, Instant::now());
        while sent < most && !ends.load(Ordering::Relaxed) {
            for (number, frame) in (sent..).zip(&mut frames) {
                self.change(frame, number);
            }
            sent += self.batch(&mut headers, &frames);
            if let Some(rate) = rate {
                let due = Duration::from_secs(1) * sent / rate;
                thread::sleep(due.saturating_sub(began.elapsed()));
            }
        }
        Sent { frames: sent, time: began.elapsed() }
    }

    /// Makes it the `number`th.
    fn change(&self, frame: &mut [u8], number: u32) {
        // 11.0.0.0/8, in an order that is not theirs.
        let source = 0x0b00_0000 | number.wrapping_mul(0x9e37_79b1) >> 8;
        frame[SOURCE..SOURCE + 4].copy_from_slice(&source.to_be_bytes());
        (self.vary)(frame, number);
        frame[HEADER + 10..HEADER + 12].fill(0);
        let words = frame[HEADER..TRANSPORT].chunks(2);
        let sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = !(sum + (sum >> 16)) as u16;
        frame[HEADER + 10..HEADER + 12].copy_from_slice(&sum.to_be_bytes());
    }

    /// Sends these; returns how many of them were taken.
    fn batch(&self, headers: &mut MultiHeaders<LinkAddr>, frames: &[Vec<u8>]) -> u32 {
        let slices: Vec<_> = frames.iter().map(|frame| [IoSlice::new(frame)]).collect();
        let nowhere = vec![None::<LinkAddr>; frames.len()];
        let none = MsgFlags::empty();
        match sendmmsg(self.wire.as_raw_fd(), headers, &slices, nowhere, [], none) {
            Ok(results) => u32::try_from(results.count()).unwrap(),
            Err(Errno::ENOBUFS) => {
                thread::yield_now();
                0
            }
            Err(error) => panic!("cannot send: {error}"),
        }
    }
}

fn link(host: &Namespace) -> LinkAddr {
    host.enter(link_here)
}

/// This host's eth0.
fn link_here() -> LinkAddr {
    let mut all = getifaddrs().unwrap().filter(|entry| entry.interface_name == "eth0");
    all.find_map(|entry| entry.address?.as_link_addr().copied()).unwrap()
}
