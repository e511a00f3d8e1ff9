/* What the probes and the harness agree on: the board.
 *
 * The board is a file on tmpfs that every probe writes its own slot of, with one pwrite: no
 * wake-up of the harness, no lock, no page fault, and the time is taken by the probe itself.
 * bench/src/board.rs is the other half and must say the same.
 *
 * No libc here: a probe is to be as small as a process can be, so that what is measured is
 * the supervisor and not the service.
 */
#ifndef APLOMB_BENCH_RECORD_H
#define APLOMB_BENCH_RECORD_H

typedef unsigned int u32;
typedef unsigned long u64;

/* One per service, in native byte order. `check` tells a half-read slot from a whole one. */
struct slot {
	u64 pid;
	u64 begun_ns; /* CLOCK_MONOTONIC of the first instructions */
	u64 ended_ns; /* CLOCK_MONOTONIC when the work was done; 0 for a child that only sleeps */
	u64 cpu_ns;   /* CPU time of the process at `ended_ns` */
	u64 check;    /* the xor of the four above and CHECK */
};
#define CHECK 0x61706c6f6d62UL /* "aplomb" */
/* Slot 0 belongs to `launch`; service number i writes slot i + 1. */

#if defined(__x86_64__)
enum { NR_write = 1, NR_close = 3, NR_openat = 257, NR_rt_sigprocmask = 14, NR_pwrite = 18, NR_getpid = 39,
	NR_execve = 59, NR_exit = 231, NR_clock_gettime = 228, NR_ppoll = 271, NR_rt_sigtimedwait = 128 };
static inline long call(long nr, long a, long b, long c, long d, long e)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ volatile("syscall" : "=a"(result)
		: "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return result;
}
/* The kernel enters with the stack pointer at argc. */
__asm__(".globl _start\n_start:\n\txor %ebp,%ebp\n\tmov %rsp,%rdi\n\tand $-16,%rsp\n\tcall begin\n");
#elif defined(__aarch64__)
enum { NR_write = 64, NR_close = 57, NR_openat = 56, NR_rt_sigprocmask = 135, NR_pwrite = 68, NR_getpid = 172,
	NR_execve = 221, NR_exit = 94, NR_clock_gettime = 113, NR_ppoll = 73, NR_rt_sigtimedwait = 137 };
static inline long call(long nr, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}
__asm__(".globl _start\n_start:\n\tmov x29,xzr\n\tmov x0,sp\n\tbl begin\n");
#else
#error "the probes know x86_64 and aarch64 only"
#endif

enum { AT_HERE = -100, WRITE_ONLY = 1, CLOEXEC = 02000000, CLOCK_IS_MONOTONIC = 1, CLOCK_IS_CPU = 2, USR1 = 10 };

static inline u64 now(long clock)
{
	struct { long s, ns; } t = { 0, 0 };
	call(NR_clock_gettime, clock, (long)&t, 0, 0, 0);
	return (u64)t.s * 1000000000UL + (u64)t.ns;
}

static inline void leave(int code)
{
	for (;;)
		call(NR_exit, code, 0, 0, 0, 0);
}

static inline void record(long board, u64 index, u64 begun, u64 ended, u64 cpu)
{
	struct slot slot = { (u64)call(NR_getpid, 0, 0, 0, 0, 0), begun, ended, cpu, 0 };
	slot.check = slot.pid ^ begun ^ ended ^ cpu ^ CHECK;
	if (call(NR_pwrite, board, (long)&slot, sizeof slot, (long)(index * sizeof slot), 0) != sizeof slot)
		leave(121);
}

static inline u64 number(const char *text)
{
	u64 value = 0;
	while (*text >= '0' && *text <= '9')
		value = value * 10 + (u64)(*text++ - '0');
	return value;
}

/* Splits `PATH:NUMBER` in place at the last colon; a shebang line can pass one word only. */
static inline u64 cut(char *word)
{
	char *colon = 0;
	for (char *at = word; *at; at++)
		if (*at == ':')
			colon = at;
	if (!colon)
		leave(122);
	*colon = 0;
	return number(colon + 1);
}

static inline long open_board(const char *path)
{
	long board = call(NR_openat, AT_HERE, (long)path, WRITE_ONLY | CLOEXEC, 0, 0);
	if (board < 0)
		leave(123);
	return board;
}

/* Sleeps until a signal ends it: without a handler ppoll never returns. */
static inline void sleep_for_ever(void)
{
	for (;;)
		call(NR_ppoll, 0, 0, 0, 0, 0);
}

#endif
