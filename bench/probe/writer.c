/* The service that logs: writes numbered lines of 100 bytes to its output as fast as it can.
 *
 *   writer BOARD:NUMBER LINES BYTES-PER-WRITE
 *
 * A line is its number in 20 digits, a blank, filler and the line end, so that a reader of the
 * log files can tell what was torn or lost. It waits for SIGUSR1 before the first line, so that
 * starting the supervisor is not counted as logging; after the last it says what it cost and
 * sleeps, so that no supervisor has an exit to treat while bytes are still on their way.
 */
#include "record.h"

enum { LINE = 100, DIGITS = 20, MOST = 4096 };

static char line[LINE];
static char block[MOST];

/* The compiler asks for this one by name. */
void *memcpy(void *to, const void *from, unsigned long length)
{
#if defined(__x86_64__)
	void *at = to;
	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(length) : : "memory");
#else
	for (unsigned long byte = 0; byte < length; byte++)
		((volatile char *)to)[byte] = ((const char *)from)[byte];
#endif
	return to;
}

static void write_all(const char *from, u64 length)
{
	while (length) {
		long written = call(NR_write, 1, (long)from, (long)length, 0, 0);
		if (written <= 0)
			leave(124);
		from += written;
		length -= (u64)written;
	}
}

static void next_line(void)
{
	for (int digit = DIGITS - 1; digit >= 0; digit--) {
		if (line[digit]++ < '9')
			return;
		line[digit] = '0';
	}
}

static void write_lines(u64 lines, u64 batch)
{
	u64 filled = 0;
	for (; lines; lines--, next_line())
		for (u64 taken = 0; taken < LINE;) {
			u64 piece = LINE - taken < batch - filled ? LINE - taken : batch - filled;
			__builtin_memcpy(block + filled, line + taken, piece);
			taken += piece;
			filled += piece;
			if (filled == batch) {
				write_all(block, batch);
				filled = 0;
			}
		}
	write_all(block, filled);
}

__attribute__((used)) void begin(long *stack)
{
	u64 gate = 1UL << (USR1 - 1);
	char **argv = (char **)(stack + 1);
	if (stack[0] < 4)
		leave(120);
	u64 index = cut(argv[1]) + 1, lines = number(argv[2]), batch = number(argv[3]);
	if (batch < 1 || batch > MOST)
		leave(120);
	long board = open_board(argv[1]);
	for (int at = 0; at < LINE; at++)
		line[at] = at < DIGITS ? '0' : at == DIGITS ? ' ' : (char)('a' + at % 26);
	line[LINE - 1] = '\n';
	call(NR_rt_sigprocmask, 0, (long)&gate, 0, sizeof gate, 0);
	record(board, index, now(CLOCK_IS_MONOTONIC), 0, 0);
	call(NR_rt_sigtimedwait, (long)&gate, 0, 0, sizeof gate, 0);
	u64 begun = now(CLOCK_IS_MONOTONIC);
	write_lines(lines, batch);
	record(board, index, begun, now(CLOCK_IS_MONOTONIC), now(CLOCK_IS_CPU));
	sleep_for_ever();
}
