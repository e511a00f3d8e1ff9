/* The physical limit: the least a supervisor of COUNT children can do on this system.
 *
 *   raw fork|vfork|clone3|lean|bare BOARD CHILD COUNT
 *
 * Starts every child with a pipe for its output, waits in epoll for output and ends, starts a
 * child that ended anew at once, and on SIGTERM passes it on, waits for all and goes.
 * `lean` is `clone3` that spares the copy of the table of open files: a child otherwise gets one as large
 * as its parent's, and keeps that much kernel memory after exec has closed all of them. It shares the
 * table and unshares, before exec, what lies below HANDOVER only.
 * `bare` gives the children no pipe: the memory they take by themselves.
 * No configuration, no state, no policy, no groups: not a supervisor, only its price in system calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum mode { FORK, VFORK, CLONE3, LEAN, BARE };
static const char *const modes[] = { "fork", "vfork", "clone3", "lean", "bare" };

struct child {
	char *argument;
	pid_t pid;
	int reads, writes; /* the two ends of its output */
	int ends;          /* a pidfd: readable once it has ended */
};

/* Where `lean` puts the child's output before it starts. */
enum { HANDOVER = 3 };

/* What an epoll event is about: a kind above, the child's number below. */
enum { SIGNALS, OUTPUT, END };
#define ABOUT(kind, child) ((uint64_t)(kind) << 32 | (uint32_t)(child))

static enum mode mode;
static char *program;
static struct child *children;
static int count, alive, stopping, loop;
static int has_pidfds; /* or signals */
static int number_of[1 << 22]; /* by pid; pages never touched cost nothing */
static sigset_t watched;

static void must(int holds, const char *what)
{
	if (!holds) {
		perror(what);
		exit(1);
	}
}

static void watch(int fd, uint64_t about)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = about };
	must(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

/* In the child, between fork and exec. */
__attribute__((noreturn, noinline)) static void become(struct child *child)
{
	char *argv[] = { program, child->argument, NULL };
	char *environment[] = { NULL };
	int output = mode == LEAN ? HANDOVER : child->writes;
	if (mode == LEAN && syscall(SYS_close_range, HANDOVER + 1, ~0U, CLOSE_RANGE_UNSHARE) < 0)
		_exit(126);
	if (mode != BARE) {
		dup2(output, 1);
		dup2(output, 2);
	}
	if (mode == LEAN)
		close(HANDOVER);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(program, argv, environment);
	_exit(127);
}

/* As vfork, but through clone3 and with a pidfd. Inline, because the child must not return
 * from a function its parent has yet to return from. */
static inline __attribute__((always_inline)) pid_t clone3_here(int *ends)
{
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (mode == LEAN ? CLONE_FILES : 0),
		.pidfd = (uintptr_t)ends,
		.exit_signal = SIGCHLD,
	};
#if defined(__x86_64__)
	long result;
	__asm__ volatile("syscall" : "=a"(result)
		: "a"(SYS_clone3), "D"(&args), "S"(sizeof args) : "rcx", "r11", "memory");
	return (pid_t)result;
#else
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)&args;
	register long x1 __asm__("x1") = sizeof args;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
	return (pid_t)x0;
#endif
}

__attribute__((noinline)) static void spawn(struct child *child)
{
	volatile pid_t pid;
	if (mode == LEAN)
		must(dup2(child->writes, HANDOVER) == HANDOVER, "dup2");
	if (has_pidfds)
		pid = clone3_here(&child->ends);
	else
		pid = mode == VFORK ? vfork() : fork();
	if (pid == 0)
		become(child);
	must(pid > 0, "spawn");
	child->pid = pid;
	alive++;
	number_of[pid] = (int)(child - children);
	if (has_pidfds)
		watch(child->ends, ABOUT(END, child - children));
}

static void first_start(int number, const char *board)
{
	struct child *child = &children[number];
	int ends[2];
	must(asprintf(&child->argument, "%s:%d", board, number) > 0, "asprintf");
	if (mode != BARE) {
		must(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "pipe2");
		child->reads = ends[0];
		child->writes = ends[1];
		watch(child->reads, ABOUT(OUTPUT, number));
	}
	spawn(child);
}

static void ended(struct child *child)
{
	alive--;
	if (!stopping)
		spawn(child);
}

static void stop_all(void)
{
	stopping = 1;
	for (int number = 0; number < count; number++)
		kill(children[number].pid, SIGTERM);
}

static void on_signal(int signals)
{
	struct signalfd_siginfo told;
	pid_t pid;
	while (read(signals, &told, sizeof told) == sizeof told)
		if (told.ssi_signo == SIGTERM)
			stop_all();
	while (!has_pidfds && (pid = waitpid(-1, NULL, WNOHANG)) > 0)
		ended(&children[number_of[pid]]);
}

static void on_end(struct child *child)
{
	siginfo_t how;
	must(waitid(P_PIDFD, (id_t)child->ends, &how, WEXITED) == 0, "waitid");
	close(child->ends);
	ended(child);
}

static void on_event(int signals, uint64_t about)
{
	static char output[65536];
	struct child *child = &children[(uint32_t)about];
	switch (about >> 32) {
	case SIGNALS:
		on_signal(signals);
		return;
	case OUTPUT:
		must(read(child->reads, output, sizeof output) >= 0 || errno == EAGAIN, "read");
		return;
	case END:
		on_end(child);
		return;
	}
}

static int prepare(void)
{
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	sigemptyset(&watched);
	sigaddset(&watched, SIGTERM);
	if (!has_pidfds)
		sigaddset(&watched, SIGCHLD);
	sigprocmask(SIG_BLOCK, &watched, NULL);
	int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	loop = epoll_create1(EPOLL_CLOEXEC);
	must(signals >= 0 && loop >= 0, "prepare");
	watch(signals, ABOUT(SIGNALS, 0));
	return signals;
}

int main(int argc, char **argv)
{
	struct epoll_event events[256];
	if (argc != 5)
		return 120;
	for (mode = FORK; mode < BARE && strcmp(argv[1], modes[mode]); mode++)
		;
	has_pidfds = mode == CLONE3 || mode == LEAN;
	if (mode == LEAN)
		must(dup2(0, HANDOVER) == HANDOVER, "dup2");
	program = argv[3];
	count = atoi(argv[4]);
	children = calloc((size_t)count, sizeof *children);
	must(children != NULL, "calloc");
	int signals = prepare();
	for (int number = 0; number < count; number++)
		first_start(number, argv[2]);
	while (!stopping || alive) {
		int ready = epoll_wait(loop, events, 256, -1);
		must(ready >= 0 || errno == EINTR, "epoll_wait");
		for (int at = 0; at < ready; at++)
			on_event(signals, events[at].data.u64);
	}
	return 0;
}
