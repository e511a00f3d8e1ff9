/* The service of every measurement: says when it began, then sleeps until a signal ends it.
 *
 *   child BOARD:NUMBER
 *
 * It keeps no file open, writes nothing to its output and has two pages of its own.
 */
#include "record.h"

__attribute__((used)) void begin(long *stack)
{
	u64 begun = now(CLOCK_IS_MONOTONIC);
	char **argv = (char **)(stack + 1);
	if (stack[0] < 2)
		leave(120);
	u64 index = cut(argv[1]) + 1;
	long board = open_board(argv[1]);
	record(board, index, begun, 0, 0);
	call(NR_close, board, 0, 0, 0, 0);
	sleep_for_ever();
}
