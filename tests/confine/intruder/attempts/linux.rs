//! Linux: the bare calls, so that no library says no in the kernel's place.

use std::ffi::{c_int, c_long};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;

use super::Attempt;
use super::call::Argument::{Number, Page, Text};
use super::call::{Argument, call};

type Try = (&'static str, c_long, Vec<Argument>);

/// A number of any kind.
fn n(number: impl Into<i64>) -> Argument {
    Number(number.into())
}

const HERE: Argument = Number(libc::AT_FDCWD as i64);

pub fn each(capture: BorrowedFd<'_>, mut tell: impl FnMut(Attempt)) {
    let fd = capture.as_raw_fd();
    let places = [files(), descriptors(fd), sockets(), sending(fd)];
    let powers = [processes(), legacy(), rights(), kernel()];
    for (name, number, arguments) in places.into_iter().chain(powers).flatten() {
        tell((name, call(number, &arguments)));
    }
    // Last: it leaves no memory for the others.
    tell(("hoard", hoard()));
}

/// Maps 4 GB, bit by bit.
fn hoard() -> Result<(), Errno> {
    let map = map(16 << 20, 0);
    (0..256).try_for_each(|_| call(libc::SYS_mmap, &map))
}

/// Arguments of mmap(2) for so many bytes of memory.
fn map(length: i64, more: c_int) -> Vec<Argument> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | more;
    vec![n(0), n(length), n(libc::PROT_READ | libc::PROT_WRITE), n(flags), n(-1), n(0)]
}

fn files() -> Vec<Try> {
    let open = |name, path, flags: c_int| {
        (name, libc::SYS_openat, vec![HERE, Text(path), n(flags), n(0o600)])
    };
    vec![
        open("open-read", c"/etc/passwd", libc::O_RDONLY),
        open("open-write", c"/etc/passwd", libc::O_WRONLY),
        open("open-create", c"/file", libc::O_CREAT | libc::O_RDWR),
        open("open-root", c"/", libc::O_RDONLY | libc::O_DIRECTORY),
        open("open-up", c"../../..", libc::O_PATH),
        open("open-temporary", c"/", libc::O_TMPFILE | libc::O_RDWR),
        open("open-pf", c"/dev/pf", libc::O_RDWR),
        open("open-proc", c"/proc/self/mem", libc::O_RDWR),
        ("openat2", libc::SYS_openat2, vec![HERE, Text(c"/"), Page, n(24)]),
        ("mkdir", libc::SYS_mkdirat, vec![HERE, Text(c"/d"), n(0o700)]),
        ("mknod", libc::SYS_mknodat, vec![HERE, Text(c"/n"), n(0o10600), n(0)]),
        ("link", libc::SYS_linkat, vec![HERE, Text(c"/a"), HERE, Text(c"/b"), n(0)]),
        ("symlink", libc::SYS_symlinkat, vec![Text(c"/a"), HERE, Text(c"/b")]),
        ("rename", libc::SYS_renameat2, vec![HERE, Text(c"/a"), HERE, Text(c"/b"), n(0)]),
        ("unlink", libc::SYS_unlinkat, vec![HERE, Text(c"/a"), n(0)]),
        ("chmod", libc::SYS_fchmodat, vec![HERE, Text(c"/"), n(0o777)]),
        ("chown", libc::SYS_fchownat, vec![HERE, Text(c"/"), n(0), n(0), n(0)]),
        ("truncate", libc::SYS_truncate, vec![Text(c"/a"), n(4096)]),
        ("statx", libc::SYS_statx, vec![HERE, Text(c"/"), n(0), n(0), Page]),
        ("readlink", libc::SYS_readlinkat, vec![HERE, Text(c"/a"), Page, n(64)]),
        ("getcwd", libc::SYS_getcwd, vec![Page, n(4096)]),
        ("chdir-up", libc::SYS_chdir, vec![Text(c"..")]),
        ("chroot", libc::SYS_chroot, vec![Text(c"/")]),
        ("pivot-root", libc::SYS_pivot_root, vec![Text(c"/"), Text(c"/")]),
        ("memfd", libc::SYS_memfd_create, vec![Text(c"m"), n(0)]),
        ("inotify", libc::SYS_inotify_init1, vec![n(0)]),
        ("handle", libc::SYS_open_by_handle_at, vec![HERE, Page, n(0)]),
    ]
}

/// Tricks with what is open already. The channel's number must stay the
/// channel's, in the 32 bits that the kernel looks at.
fn descriptors(fd: c_int) -> Vec<Try> {
    vec![
        ("close-channel", libc::SYS_close, vec![n(0)]),
        ("close-channel-wide", libc::SYS_close, vec![n(1_i64 << 32)]),
        ("close-range", libc::SYS_close_range, vec![n(0), n(0), n(0)]),
        ("dup", libc::SYS_dup, vec![n(fd)]),
        ("dup3", libc::SYS_dup3, vec![n(fd), n(0), n(0)]),
        ("dup-inherited", libc::SYS_fcntl, vec![n(fd), n(libc::F_DUPFD), n(0)]),
        ("own-signals", libc::SYS_fcntl, vec![n(fd), n(libc::F_SETOWN), n(1)]),
        ("async", libc::SYS_fcntl, vec![n(fd), n(libc::F_SETFL), n(libc::O_ASYNC)]),
        ("fchdir", libc::SYS_fchdir, vec![n(fd)]),
        ("fstat", libc::SYS_fstat, vec![n(fd), Page]),
        ("write-stdout", libc::SYS_write, vec![n(1), Text(c"x"), n(1)]),
        ("write-stderr", libc::SYS_write, vec![n(2), Text(c"x"), n(1)]),
        ("push-input", libc::SYS_ioctl, vec![n(0), n(0x5412), Text(c"x")]),
        ("pipe", libc::SYS_pipe2, vec![Page, n(0)]),
        ("epoll", libc::SYS_epoll_create1, vec![n(0)]),
        ("receive-elsewhere", libc::SYS_recvmsg, vec![n(fd), Page, n(libc::MSG_DONTWAIT)]),
    ]
}

fn sockets() -> Vec<Try> {
    let socket = |name, family: c_int, kind: c_int, protocol: c_int| {
        (name, libc::SYS_socket, vec![n(family), n(kind), n(protocol)])
    };
    vec![
        socket("socket-unix", libc::AF_UNIX, libc::SOCK_STREAM, 0),
        socket("socket-tcp", libc::AF_INET, libc::SOCK_STREAM, 0),
        socket("socket-udp", libc::AF_INET, libc::SOCK_DGRAM, 0),
        socket("socket-raw", libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
        socket("socket-tcp6", libc::AF_INET6, libc::SOCK_STREAM, 0),
        socket("socket-udp6", libc::AF_INET6, libc::SOCK_DGRAM, 0),
        socket("socket-netlink", libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER),
        socket("socket-packet", libc::AF_PACKET, libc::SOCK_RAW, 0x300),
        socket("socket-vsock", libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        socket("socket-alg", libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
        ("socketpair", libc::SYS_socketpair, vec![n(1), n(1), n(0), Page]),
        ("connect", libc::SYS_connect, vec![n(0), Page, n(16)]),
        ("listen", libc::SYS_listen, vec![n(0), n(1)]),
        ("accept", libc::SYS_accept4, vec![n(0), n(0), n(0), n(0)]),
        ("getpeername", libc::SYS_getpeername, vec![n(0), Page, Page]),
    ]
}

/// A packet, or less of a filter, by way of a capture descriptor.
fn sending(fd: c_int) -> Vec<Try> {
    let option = |name, level: c_int, option: c_int, length: c_int| {
        (name, libc::SYS_setsockopt, vec![n(fd), n(level), n(option), Page, n(length)])
    };
    let statistics = vec![n(fd), n(libc::SOL_PACKET), n(libc::PACKET_STATISTICS), Page, Page];
    vec![
        ("capture-write", libc::SYS_write, vec![n(fd), Page, n(64)]),
        ("capture-write-wide", libc::SYS_write, vec![n(i64::from(fd) | 1 << 32), Page, n(64)]),
        ("capture-writev", libc::SYS_writev, vec![n(fd), Page, n(1)]),
        ("capture-pwritev2", libc::SYS_pwritev2, vec![n(fd), Page, n(1), n(-1), n(-1)]),
        ("bind", libc::SYS_bind, vec![n(fd), Page, n(20)]),
        ("capture-sendto", libc::SYS_sendto, vec![n(fd), Page, n(64), n(0), Page, n(20)]),
        ("capture-sendmsg", libc::SYS_sendmsg, vec![n(fd), Page, n(0)]),
        ("capture-sendmmsg", libc::SYS_sendmmsg, vec![n(fd), Page, n(1), n(0)]),
        ("channel-sendmmsg", libc::SYS_sendmmsg, vec![n(0), Page, n(1), n(0)]),
        ("sendfile", libc::SYS_sendfile, vec![n(fd), n(0), n(0), n(64)]),
        ("splice", libc::SYS_splice, vec![n(0), n(0), n(fd), n(0), n(64), n(0)]),
        ("capture-ioctl", libc::SYS_ioctl, vec![n(fd), n(0x8913), Page]),
        ("attach-filter", libc::SYS_setsockopt, {
            vec![n(fd), n(libc::SOL_SOCKET), n(libc::SO_ATTACH_FILTER), Page, n(16)]
        }),
        option("detach-filter", libc::SOL_SOCKET, libc::SO_DETACH_FILTER, 4),
        option("unlock-filter", libc::SOL_SOCKET, libc::SO_LOCK_FILTER, 4),
        option("promiscuous", libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, 16),
        option("transmit-ring", libc::SOL_PACKET, libc::PACKET_TX_RING, 16),
        ("hide-drops", libc::SYS_getsockopt, statistics),
        ("read-filter", libc::SYS_getsockopt, {
            vec![n(fd), n(libc::SOL_SOCKET), n(libc::SO_ATTACH_FILTER), Page, Page]
        }),
    ]
}

fn processes() -> Vec<Try> {
    vec![
        ("clone", libc::SYS_clone, vec![n(libc::SIGCHLD)]),
        ("clone3", libc::SYS_clone3, vec![Page, n(88)]),
        ("execve", libc::SYS_execve, vec![Text(c"/bin/sh"), Page, Page]),
        ("execveat", libc::SYS_execveat, vec![HERE, Text(c"/sh"), Page, Page, n(0)]),
        ("kill", libc::SYS_kill, vec![n(1), n(0)]),
        ("kill-all", libc::SYS_kill, vec![n(-1), n(0)]),
        ("tgkill", libc::SYS_tgkill, vec![n(1), n(1), n(0)]),
        ("tkill", libc::SYS_tkill, vec![n(1), n(0)]),
        ("sigqueue", libc::SYS_rt_sigqueueinfo, vec![n(1), n(10), Page]),
        ("ptrace", libc::SYS_ptrace, vec![n(16), n(1), n(0), n(0)]),
        ("traceme", libc::SYS_ptrace, vec![n(0), n(0), n(0), n(0)]),
        ("read-process", libc::SYS_process_vm_readv, vec![n(1), Page, n(1), Page, n(1), n(0)]),
        ("pidfd", libc::SYS_pidfd_open, vec![n(1), n(0)]),
        ("steal-descriptor", libc::SYS_pidfd_getfd, vec![n(0), n(0), n(0)]),
        ("setsid", libc::SYS_setsid, vec![]),
        ("setpgid", libc::SYS_setpgid, vec![n(0), n(0)]),
        ("priority", libc::SYS_setpriority, vec![n(0), n(0), n(0)]),
        ("scheduler", libc::SYS_sched_setscheduler, vec![n(0), n(0), Page]),
        ("shared-memory", libc::SYS_shmget, vec![n(0), n(4096), n(0o1600)]),
        ("message-queue", libc::SYS_msgget, vec![n(0), n(0o1600)]),
        ("semaphore", libc::SYS_semget, vec![n(0), n(1), n(0o1600)]),
    ]
}

/// Calls that newer machines have no more.
#[cfg(target_arch = "x86_64")]
fn legacy() -> Vec<Try> {
    vec![
        ("open", libc::SYS_open, vec![Text(c"/"), n(0), n(0)]),
        ("dup2", libc::SYS_dup2, vec![n(1), n(0)]),
        ("fork", libc::SYS_fork, vec![]),
        ("vfork", libc::SYS_vfork, vec![]),
        // The same kernel's other table of calls.
        ("x32-open", 0x4000_0000 | libc::SYS_open, vec![Text(c"/"), n(0), n(0)]),
        ("x32-write", 0x4000_0000 | libc::SYS_write, vec![n(1), Page, n(1)]),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn legacy() -> Vec<Try> {
    Vec::new()
}

fn rights() -> Vec<Try> {
    let new_user = i64::from(libc::CLONE_NEWUSER);
    vec![
        ("setuid", libc::SYS_setuid, vec![n(0)]),
        ("setgid", libc::SYS_setgid, vec![n(0)]),
        ("seteuid", libc::SYS_setresuid, vec![n(-1), n(0), n(-1)]),
        ("setegid", libc::SYS_setresgid, vec![n(-1), n(0), n(-1)]),
        ("setreuid", libc::SYS_setreuid, vec![n(0), n(0)]),
        ("setfsuid", libc::SYS_setfsuid, vec![n(0)]),
        ("setgroups", libc::SYS_setgroups, vec![n(1), Page]),
        ("capset", libc::SYS_capset, vec![Page, Page]),
        ("unshare", libc::SYS_unshare, vec![n(new_user)]),
        ("setns", libc::SYS_setns, vec![n(0), n(0)]),
        ("mount", libc::SYS_mount, vec![Text(c"n"), Text(c"/"), Text(c"tmpfs"), n(0), n(0)]),
        ("unmount", libc::SYS_umount2, vec![Text(c"/"), n(0)]),
        (
            "be-dumpable",
            libc::SYS_prctl,
            vec![n(libc::PR_SET_DUMPABLE), n(1), n(0), n(0), n(0)],
        ),
        ("prctl", libc::SYS_prctl, vec![n(libc::PR_GET_DUMPABLE), n(0), n(0), n(0), n(0)]),
        ("raise-core", libc::SYS_prlimit64, vec![n(0), n(4), Page, n(0)]),
        ("raise-memory", libc::SYS_prlimit64, vec![n(0), n(9), Page, n(0)]),
        ("raise-locked", libc::SYS_prlimit64, vec![n(0), n(8), Page, n(0)]),
        ("raise-processes", libc::SYS_prlimit64, vec![n(0), n(6), Page, n(0)]),
        ("limit-parent", libc::SYS_prlimit64, vec![n(1), n(7), Page, n(0)]),
        ("setrlimit", libc::SYS_setrlimit, vec![n(4), Page]),
        ("personality", libc::SYS_personality, vec![n(0x0400_0000)]),
        ("seccomp", libc::SYS_seccomp, vec![n(0), n(0), n(0)]),
    ]
}

fn kernel() -> Vec<Try> {
    let anonymous = n(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let code = n(libc::PROT_READ | libc::PROT_EXEC);
    let (page, none) = (n(4096), n(-1));
    vec![
        // More than any limit, also with overcommitment.
        ("map-much", libc::SYS_mmap, map(1 << 36, libc::MAP_NORESERVE)),
        ("map-locked", libc::SYS_mmap, map(1 << 36, libc::MAP_LOCKED | libc::MAP_NORESERVE)),
        ("lock", libc::SYS_mlock, vec![Page, page]),
        ("lock-all", libc::SYS_mlockall, vec![n(libc::MCL_CURRENT)]),
        ("map-code", libc::SYS_mmap, vec![n(0), page, code, anonymous, none, n(0)]),
        ("map-file", libc::SYS_mmap, vec![n(0), page, n(1), n(libc::MAP_SHARED), n(0), n(0)]),
        ("make-code", libc::SYS_mprotect, vec![Page, page, code]),
        ("make-code-keyed", libc::SYS_pkey_mprotect, vec![Page, page, code, none]),
        ("remap-file", libc::SYS_remap_file_pages, vec![Page, page, n(0), n(0), n(0)]),
        ("io-uring", libc::SYS_io_uring_setup, vec![n(8), Page]),
        ("aio", libc::SYS_io_setup, vec![n(8), Page]),
        ("bpf", libc::SYS_bpf, vec![n(5), Page, n(72)]),
        ("perf", libc::SYS_perf_event_open, vec![Page, n(0), none, none, n(0)]),
        ("userfaultfd", libc::SYS_userfaultfd, vec![n(1)]),
        ("keyctl", libc::SYS_keyctl, vec![n(0), none, n(0)]),
        ("add-key", libc::SYS_add_key, vec![Text(c"user"), Text(c"k"), Page, n(1), none]),
        ("reboot", libc::SYS_reboot, vec![n(0), n(0), n(0)]),
        ("set-time", libc::SYS_settimeofday, vec![n(0), n(0)]),
        ("set-clock", libc::SYS_clock_settime, vec![none, Page]),
        ("adjust-clock", libc::SYS_adjtimex, vec![Page]),
        ("sethostname", libc::SYS_sethostname, vec![Page, n(65)]),
        ("load-module", libc::SYS_init_module, vec![Page, n(0), Text(c"")]),
        ("kernel-log", libc::SYS_syslog, vec![n(3), Page, n(64)]),
        ("accounting", libc::SYS_acct, vec![n(0)]),
        ("swap", libc::SYS_swapon, vec![Text(c"/"), n(0)]),
    ]
}
