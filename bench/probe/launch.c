/* Starts a supervisor inside the groups that account for it, and stamps the moment.
 *
 *   launch BOARD PROCS… -- PROGRAM ARGS…
 *
 * Joining a control group can take milliseconds, so it is done before the clock starts:
 * slot 0 of the board holds the time just before the program is executed.
 */
#include "record.h"

static int is_dashes(const char *word)
{
	return word[0] == '-' && word[1] == '-' && word[2] == 0;
}

__attribute__((used)) void begin(long *stack)
{
	long words = stack[0], at = 2;
	char **argv = (char **)(stack + 1);
	char **environment = argv + words + 1;
	if (words < 4)
		leave(120);
	for (; at < words && !is_dashes(argv[at]); at++) {
		long procs = call(NR_openat, AT_HERE, (long)argv[at], WRITE_ONLY | CLOEXEC, 0, 0);
		if (procs < 0 || call(NR_write, procs, (long)"0", 1, 0, 0) != 1)
			leave(125);
		call(NR_close, procs, 0, 0, 0, 0);
	}
	if (at + 1 >= words)
		leave(120);
	long board = open_board(argv[1]);
	record(board, 0, now(CLOCK_IS_MONOTONIC), 0, 0);
	call(NR_execve, (long)argv[at + 1], (long)(argv + at + 1), (long)environment, 0, 0);
	leave(127);
}
