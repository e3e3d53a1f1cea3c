/*
 * Another machine for a daemon that knows nothing of it, by LD_PRELOAD.
 *
 * KNOCKD_CLOCK names a file of two numbers of 8 bytes: nanoseconds that are
 * added to the clock for spans, and milliseconds that are added to civil time.
 * It is mapped: a process sees it change from where it cannot open files.
 * KNOCKD_BOOT names a file that is read in place of the boot's identity.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define BOOT "/proc/sys/kernel/random/boot_id"

/* Nothing announces a step: sleeps are no longer than this, in milliseconds. */
#define LONGEST_SLEEP 20

static volatile const int64_t *steps;

__attribute__((constructor)) static void map(void)
{
	const char *path = getenv("KNOCKD_CLOCK");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return;
	void *mapped = mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped != MAP_FAILED)
		steps = mapped;
	close(fd);
}

static void add(struct timespec *at, int64_t nanos)
{
	int64_t sum = at->tv_sec * SECOND + at->tv_nsec + nanos;

	if (sum < 1)
		sum = 1;
	at->tv_sec = sum / SECOND;
	at->tv_nsec = sum % SECOND;
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
	int result = syscall(SYS_clock_gettime, clock, at);

	if (result == 0 && steps != NULL && clock == CLOCK_BOOTTIME)
		add(at, steps[0]);
	if (result == 0 && steps != NULL && clock == CLOCK_REALTIME)
		add(at, steps[1] * 1000000);
	return result;
}

/* Only the daemon's own timers come here, of the clock for spans. */
int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	struct itimerspec real = *new;

	if (steps != NULL && flags & TFD_TIMER_ABSTIME)
		add(&real.it_value, -steps[0]);
	return syscall(SYS_timerfd_settime, fd, flags, &real, old);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	struct timespec span;

	if (steps != NULL && (timeout < 0 || timeout > LONGEST_SLEEP))
		timeout = LONGEST_SLEEP;
	span.tv_sec = timeout / 1000;
	span.tv_nsec = timeout % 1000 * 1000000L;
	return syscall(SYS_ppoll, fds, count, timeout < 0 ? NULL : &span, NULL, 0);
}

int open64(const char *path, int flags, ...)
{
	const char *boot = getenv("KNOCKD_BOOT");
	va_list rest;

	va_start(rest, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	if (boot != NULL && strcmp(path, BOOT) == 0)
		path = boot;
	return openat(AT_FDCWD, path, flags, mode);
}
