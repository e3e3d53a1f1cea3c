//! The system calls that the engine may make on Linux.
//!
//! All others return ENOSYS and have no effect. Killing the engine would stop an
//! intruder one call earlier, but also the daemon when a C library makes a call
//! that is not listed here. After ENOSYS a library falls back to an older call.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_long};
use std::io;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

use super::packet_ring::RING;

/// For each call, the conditions on its arguments: all those of one entry must hold.
/// Without entries, any arguments are allowed.
type Calls = BTreeMap<c_long, Vec<SeccompRule>>;

/// Calls with any arguments: memory, time, signals, and reading open descriptors.
const FREE: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// Calls whose first argument must be the channel.
const ON_CHANNEL: &[c_long] = &[
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_write,
    libc::SYS_writev,
];

/// Compares the argument at `place` with `value`: 32 bits, as many as the kernel
/// reads of a descriptor or a flag.
fn is(place: u8, value: c_int) -> Result<SeccompCondition, BackendError> {
    compare(place, SeccompCmpOp::Eq, value)
}

/// Compares the bits of `mask` in the argument at `place` with `value`.
fn masked(place: u8, mask: c_int, value: c_int) -> Result<SeccompCondition, BackendError> {
    compare(place, SeccompCmpOp::MaskedEq(word(mask)), value)
}

fn word(value: c_int) -> u64 {
    u64::from(u32::from_ne_bytes(value.to_ne_bytes()))
}

fn compare(
    place: u8,
    operator: SeccompCmpOp,
    value: c_int,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(place, SeccompCmpArgLen::Dword, operator, word(value))
}

/// Returns all calls that are allowed to the process `own`.
fn allowed(own: c_int) -> Result<Calls, BackendError> {
    let mut calls: Calls = FREE.iter().map(|call| (*call, Vec::new())).collect();
    let mut allow = |call, conditions: Vec<SeccompCondition>| {
        SeccompRule::new(conditions).map(|one| calls.entry(call).or_default().push(one))
    };
    for call in ON_CHANNEL {
        allow(*call, vec![is(0, libc::STDIN_FILENO)?])?;
    }
    // If the channel's number were free, a capture descriptor could get it, and
    // could then send.
    allow(libc::SYS_close, vec![compare(0, SeccompCmpOp::Ne, libc::STDIN_FILENO)?])?;
    // A library may check whether a descriptor that it closes is open.
    allow(libc::SYS_fcntl, vec![is(1, libc::F_GETFD)?])?;
    let anonymous = masked(3, libc::MAP_ANONYMOUS, libc::MAP_ANONYMOUS)?;
    allow(libc::SYS_mmap, vec![masked(2, libc::PROT_EXEC, 0)?, anonymous])?;
    // The ring of a capture descriptor: no other descriptor can be mapped.
    let ring = c_int::try_from(RING).unwrap_or(0);
    let both = libc::PROT_READ | libc::PROT_WRITE;
    allow(libc::SYS_mmap, vec![is(1, ring)?, is(2, both)?, is(3, libc::MAP_SHARED)?])?;
    allow(libc::SYS_mprotect, vec![masked(2, libc::PROT_EXEC, 0)?])?;
    // abort(3)
    allow(libc::SYS_tgkill, vec![is(0, own)?, is(2, libc::SIGABRT)?])?;
    Ok(calls)
}

/// Denies all other calls to every thread of the process, for good. Sets
/// `no_new_privs`.
///
/// # Errors
/// When the kernel has no seccomp.
pub fn install() -> io::Result<()> {
    let own = nix::unistd::getpid().as_raw();
    let missing = SeccompAction::Errno(u32::from_ne_bytes(libc::ENOSYS.to_ne_bytes()));
    let program = TargetArch::try_from(std::env::consts::ARCH)
        .and_then(|machine| {
            SeccompFilter::new(allowed(own)?, missing, SeccompAction::Allow, machine)
        })
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)?;
    apply_filter_all_threads(&program).map_err(|error| match error {
        seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => error,
        other => io::Error::other(other),
    })
}
