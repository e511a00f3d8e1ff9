/* The physical limit of logging: pipe to file with rotation at 16 MiB, and nothing else.
 *
 *   rawlog copy|bigpipe|splice DIRECTORY PROGRAM ARGS…
 *
 * `copy` reads 64 KiB at a time, writes up to the last line end and rotates there; `bigpipe`
 * is the same with a pipe of 1 MiB; `splice` lets the kernel move the bytes and therefore
 * cannot see line ends: it tears a line at nearly every rotation, and shows what not looking costs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 65536, ROTATE = 16 << 20, BIG = 1 << 20 };

static const char *directory;
static int file, rotations;
static size_t size;

static void must(int holds, const char *what)
{
	if (!holds) {
		perror(what);
		exit(1);
	}
}

static void open_current(void)
{
	file = open("current", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	must(file >= 0, directory);
	size = 0;
}

static void rotate(void)
{
	char name[32];
	snprintf(name, sizeof name, "old.%06d", rotations++);
	close(file);
	must(rename("current", name) == 0, "rename");
	open_current();
}

static void write_all(const char *from, size_t length)
{
	while (length) {
		ssize_t written = write(file, from, length);
		must(written > 0, "write");
		from += written;
		length -= (size_t)written;
		size += (size_t)written;
	}
}

/* Writes the whole lines that fit before a rotation, and rotates if they do not all; returns
 * what was taken. A line is shorter than a file. */
static size_t store(const char *buffer, size_t held)
{
	size_t room = ROTATE - size < held ? ROTATE - size : held;
	const char *end = memrchr(buffer, '\n', room);
	size_t lines = end ? (size_t)(end + 1 - buffer) : 0;
	write_all(buffer, lines);
	if (room < held && memchr(buffer + lines, '\n', held - lines)) {
		rotate();
		return lines + store(buffer + lines, held - lines);
	}
	return lines;
}

static void copy(int from)
{
	static char buffer[2 * CHUNK];
	size_t held = 0;
	ssize_t got;
	while ((got = read(from, buffer + held, CHUNK)) > 0) {
		held += (size_t)got;
		size_t done = store(buffer, held);
		memmove(buffer, buffer + done, held - done);
		held -= done;
	}
	write_all(buffer, held);
}

static void move(int from)
{
	for (;;) {
		size_t room = ROTATE - size;
		ssize_t moved = splice(from, NULL, file, NULL, room < BIG ? room : BIG, SPLICE_F_MOVE);
		must(moved >= 0, "splice");
		if (moved == 0)
			return;
		size += (size_t)moved;
		if (size == ROTATE)
			rotate();
	}
}

int main(int argc, char **argv)
{
	int ends[2];
	if (argc < 4)
		return 120;
	directory = argv[2];
	must(chdir(directory) == 0, directory);
	open_current();
	must(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
	if (strcmp(argv[1], "bigpipe") == 0)
		must(fcntl(ends[1], F_SETPIPE_SZ, BIG) >= 0, "F_SETPIPE_SZ");
	pid_t pid = vfork();
	if (pid == 0) {
		dup2(ends[1], 1);
		execv(argv[3], argv + 3);
		_exit(127);
	}
	must(pid > 0, "vfork");
	close(ends[1]);
	if (strcmp(argv[1], "splice") == 0)
		move(ends[0]);
	else
		copy(ends[0]);
	return 0;
}
