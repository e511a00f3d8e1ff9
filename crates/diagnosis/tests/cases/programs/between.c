// Programs that get stuck between processes: pipes, files, children, sockets. One per name.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int tid(void) { return (int)syscall(SYS_gettid); }
static void say(const char *name, long value) { printf("%s=%ld ", name, value); }
static void ready(void) {
    printf("ready\n");
    fflush(stdout);
}
static void forever(void) {
    for (;;) sleep(1000);
}
static void must(int ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}
// A child that runs a function; it does not keep what was printed and not written.
static pid_t child(void (*run)(int), int with) {
    fflush(stdout);
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        run(with);
        exit(0);
    }
    return pid;
}
static void sleeper(int unused) {
    (void)unused;
    forever();
}
static void __attribute__((noinline)) spinner(int unused) {
    (void)unused;
    volatile int more = 1;
    while (more) {
    }
}

// ---- pipes

static void fill(int pipe_end) {
    char page[4096];
    memset(page, 'x', sizeof page);
    for (;;) must(write(pipe_end, page, sizeof page) > 0, "write");
}
// The child keeps the reading end and sleeps.
static void pipe_full(void) {
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    pid_t reader = child(sleeper, 0);
    close(ends[0]);
    say("root", reader);
    ready();
    fill(ends[1]);
}
// The parent waits for a child that waits for the parent to read.
static void pipe_unread(void) {
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    pid_t writer = child(fill, ends[1]);
    close(ends[1]);
    say("writer", writer);
    ready();
    waitpid(writer, NULL, 0);
}
static void pipe_to_itself(void) {
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    ready();
    fill(ends[1]);
}
// The end of the pipe never comes: a grandchild that has left the family keeps its other end.
static void pipe_held_open(void) {
    int ends[2], tell[2];
    must(pipe(ends) == 0 && pipe(tell) == 0, "pipe");
    fflush(stdout);
    pid_t first = fork();
    if (first == 0) {
        pid_t stray = fork();
        if (stray == 0) {
            setsid();
            close(0), close(1), close(2);
            pid_t own = getpid();
            must(write(tell[1], &own, sizeof own) == sizeof own, "write");
            forever();
        }
        _exit(0);
    }
    close(ends[1]);
    waitpid(first, NULL, 0);
    pid_t stray = 0;
    must(read(tell[0], &stray, sizeof stray) == sizeof stray, "read");
    close(tell[0]), close(tell[1]);
    say("root", stray), say("stray", stray);
    ready();
    char byte;
    must(read(ends[0], &byte, 1) == 1, "read");
}
static void pipe_own_end(void) {
    int ends[2];
    char byte;
    must(pipe(ends) == 0, "pipe");
    ready();
    must(read(ends[0], &byte, 1) == 1, "read");
}

// ---- locks on files

static int temporary(void) {
    char name[] = "/tmp/aplomb-case-XXXXXX";
    int file = mkstemp(name);
    must(file >= 0, "mkstemp");
    unlink(name);
    return file;
}
static int tell_ready[2];
static void tell(void) { must(write(tell_ready[1], "x", 1) == 1, "write"); }
static void told(void) {
    char byte;
    must(read(tell_ready[0], &byte, 1) == 1, "read");
    close(tell_ready[0]), close(tell_ready[1]);
}
static void locks_range(int file) {
    struct flock whole = {.l_type = F_WRLCK};
    must(fcntl(file, F_SETLKW, &whole) == 0, "fcntl");
    tell();
    forever();
}
static void file_posix(void) {
    struct flock whole = {.l_type = F_WRLCK};
    int file = temporary();
    must(pipe(tell_ready) == 0, "pipe");
    say("root", child(locks_range, file));
    told();
    ready();
    fcntl(file, F_SETLKW, &whole);
}
static char lock_path[] = "/tmp/aplomb-case-XXXXXX";
static void locks_file(int unused) {
    (void)unused;
    must(flock(open(lock_path, O_RDWR), LOCK_EX) == 0, "flock");
    tell();
    forever();
}
static void file_flock(void) {
    int file = mkstemp(lock_path);
    must(file >= 0 && pipe(tell_ready) == 0, "mkstemp");
    say("root", child(locks_file, 0));
    told();
    unlink(lock_path);
    ready();
    flock(file, LOCK_EX);
}
static void locks_description(int unused) {
    (void)unused;
    struct flock whole = {.l_type = F_WRLCK};
    must(fcntl(open(lock_path, O_RDWR), F_OFD_SETLKW, &whole) == 0, "fcntl");
    tell();
    forever();
}
static void file_description(void) {
    struct flock whole = {.l_type = F_WRLCK};
    int file = mkstemp(lock_path);
    must(file >= 0 && pipe(tell_ready) == 0, "mkstemp");
    say("root", child(locks_description, 0));
    told();
    unlink(lock_path);
    ready();
    fcntl(file, F_OFD_SETLKW, &whole);
}

// ---- children

static void waits_for_child(void) {
    pid_t pid = child(sleeper, 0);
    say("root", pid);
    ready();
    waitpid(pid, NULL, 0);
}
static void waits_for_spinner(void) {
    pid_t pid = child(spinner, 0);
    say("root", pid);
    ready();
    waitpid(-1, NULL, 0);
}
static void waits_for_stopped(void) {
    pid_t pid = child(sleeper, 0);
    kill(pid, SIGSTOP);
    waitpid(pid, NULL, WUNTRACED);
    say("root", pid);
    ready();
    waitpid(pid, NULL, 0);
}
static void ends(int unused) { _exit(unused); }
static void never_reaps(void) {
    for (int nth = 0; nth < 12; nth++) child(ends, 0);
    ready();
    forever();
}

// ---- sockets

static int listening(int backlog, struct sockaddr_in *at) {
    int server = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof *at;
    memset(at, 0, sizeof *at);
    at->sin_family = AF_INET;
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(server, (struct sockaddr *)at, size) == 0 && listen(server, backlog) == 0, "listen");
    must(getsockname(server, (struct sockaddr *)at, &size) == 0, "getsockname");
    return server;
}
static struct sockaddr_in address;
static int connected(void) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(client, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    return client;
}
static void ask(int client) {
    char answer[64];
    must(write(client, "question\n", 9) == 9, "write");
    must(read(client, answer, sizeof answer) > 0, "read");
}
static void takes_and_sleeps(int server) {
    char question[64];
    int one = accept(server, NULL, NULL);
    must(read(one, question, sizeof question) > 0, "read");
    tell();
    forever();
}
static void takes_and_spins(int server) {
    char question[64];
    int one = accept(server, NULL, NULL);
    must(read(one, question, sizeof question) > 0, "read");
    tell();
    spinner(0);
}
// Reads everything and never answers: both ends wait.
static void takes_and_reads(int server) {
    char question[64];
    int one = accept(server, NULL, NULL);
    must(read(one, question, sizeof question) > 0, "read");
    tell();
    must(read(one, question, sizeof question) > 0, "read");
}
static void served_by(void (*serve)(int)) {
    int server = listening(8, &address);
    must(pipe(tell_ready) == 0, "pipe");
    pid_t pid = child(serve, server);
    close(server);
    int client = connected();
    must(write(client, "question\n", 9) == 9, "write");
    told();
    say("root", pid);
    ready();
    char answer[64];
    must(read(client, answer, sizeof answer) > 0, "read");
}
static void server_sleeps(void) { served_by(takes_and_sleeps); }
static void server_spins(void) { served_by(takes_and_spins); }
static void server_reads(void) { served_by(takes_and_reads); }
static void server_stopped(void) {
    int server = listening(8, &address);
    pid_t pid = child(sleeper, 0);
    close(server);
    int client = connected();
    kill(pid, SIGSTOP);
    waitpid(pid, NULL, WUNTRACED);
    say("root", pid);
    ready();
    ask(client);
}
// A client of a proxy of a server that sleeps.
static struct sockaddr_in behind;
static void proxy(int server) {
    char bytes[64];
    int one = accept(server, NULL, NULL);
    must(read(one, bytes, sizeof bytes) > 0, "read");
    address = behind;
    int upstream = connected();
    must(write(upstream, bytes, 9) == 9, "write");
    must(read(upstream, bytes, sizeof bytes) > 0, "read");
}
static void chain_of_three(void) {
    struct sockaddr_in front;
    must(pipe(tell_ready) == 0, "pipe");
    int back = listening(8, &behind);
    pid_t last = child(takes_and_sleeps, back);
    close(back);
    int server = listening(8, &front);
    pid_t middle = child(proxy, server);
    close(server);
    address = front;
    int client = connected();
    must(write(client, "question\n", 9) == 9, "write");
    told();
    say("via", middle), say("root", last);
    ready();
    char answer[64];
    must(read(client, answer, sizeof answer) > 0, "read");
}
static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;
static void locked_server(int server) {
    char bytes[64];
    int one = accept(server, NULL, NULL);
    must(read(one, bytes, sizeof bytes) > 0, "read");
    pthread_mutex_lock(&inner);
    tell();
    pthread_mutex_lock(&inner);
}
static void server_deadlocked(void) { served_by(locked_server); }
static void unix_server(int server) {
    char bytes[64];
    int one = accept(server, NULL, NULL);
    must(read(one, bytes, sizeof bytes) > 0, "read");
    tell();
    forever();
}
static void unix_sleeps(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "aplomb-case-%d", getpid());
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    must(bind(server, (struct sockaddr *)&at, sizeof at) == 0 && listen(server, 5) == 0, "listen");
    must(pipe(tell_ready) == 0, "pipe");
    pid_t pid = child(unix_server, server);
    close(server);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    must(connect(client, (struct sockaddr *)&at, sizeof at) == 0, "connect");
    must(write(client, "question\n", 9) == 9, "write");
    told();
    say("root", pid);
    ready();
    char answer[64];
    must(read(client, answer, sizeof answer) > 0, "read");
}
// The server never accepts; the client has been let in by the system alone.
static void never_accepted(void) {
    int server = listening(8, &address);
    pid_t pid = child(sleeper, 0);
    close(server);
    int client = connected();
    say("root", pid);
    ready();
    ask(client);
}
// More clients than the queue has room for; asked is the one who should accept.
static void queue_full(void) {
    listening(2, &address);
    for (int nth = 0; nth < 8; nth++) {
        int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(client, (struct sockaddr *)&address, sizeof address);
    }
    say("root", tid());
    ready();
    forever();
}
// A question lies unread while the one thread sleeps.
static void loop_sleeps(void) {
    int server = listening(8, &address);
    int client = connected();
    int one = accept(server, NULL, NULL);
    must(one >= 0 && write(client, "question\n", 9) == 9, "write");
    say("root", tid());
    ready();
    forever();
}
static void send_full(void) {
    int server = listening(8, &address);
    must(pipe(tell_ready) == 0, "pipe");
    pid_t pid = child(takes_and_sleeps, server);
    close(server);
    int client = connected();
    must(write(client, "question\n", 9) == 9, "write");
    told();
    say("root", pid);
    ready();
    fill(client);
}

// ---- limits and signals

static void out_of_files(void) {
    struct rlimit few = {.rlim_cur = 32, .rlim_max = 32};
    must(setrlimit(RLIMIT_NOFILE, &few) == 0, "setrlimit");
    while (open("/dev/null", O_RDONLY) >= 0) {
    }
    ready();
    forever();
}
static void out_of_memory(void) {
    struct rlimit few = {.rlim_cur = 64 << 20, .rlim_max = 64 << 20};
    must(setrlimit(RLIMIT_AS, &few) == 0, "setrlimit");
    while (malloc(1 << 20) != NULL) {
    }
    ready();
    forever();
}
static void ignores(void) {
    signal(SIGTERM, SIG_IGN);
    ready();
    forever();
}
static void blocks(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    kill(getpid(), SIGTERM);
    ready();
    forever();
}
static void leaves_slowly(int unused) {
    (void)unused;
    ready();
    forever();
}
static void cleans_up(void) {
    signal(SIGTERM, leaves_slowly);
    raise(SIGTERM);
}
static void stopped(void) {
    ready();
    raise(SIGSTOP);
}
static void circles(void) {
    ready();
    spinner(0);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"pipe-full", pipe_full},
    {"pipe-unread", pipe_unread},
    {"pipe-to-itself", pipe_to_itself},
    {"pipe-held-open", pipe_held_open},
    {"pipe-own-end", pipe_own_end},
    {"file-posix", file_posix},
    {"file-flock", file_flock},
    {"file-description", file_description},
    {"waits-for-child", waits_for_child},
    {"waits-for-spinner", waits_for_spinner},
    {"waits-for-stopped", waits_for_stopped},
    {"never-reaps", never_reaps},
    {"server-sleeps", server_sleeps},
    {"server-spins", server_spins},
    {"server-reads", server_reads},
    {"server-stopped", server_stopped},
    {"server-deadlocked", server_deadlocked},
    {"chain-of-three", chain_of_three},
    {"unix-sleeps", unix_sleeps},
    {"never-accepted", never_accepted},
    {"queue-full", queue_full},
    {"loop-sleeps", loop_sleeps},
    {"send-full", send_full},
    {"out-of-files", out_of_files},
    {"out-of-memory", out_of_memory},
    {"ignores", ignores},
    {"blocks", blocks},
    {"cleans-up", cleans_up},
    {"stopped", stopped},
    {"circles", circles},
};

int main(int count, char **words) {
    for (unsigned nth = 0; count > 1 && nth < sizeof cases / sizeof *cases; nth++)
        if (strcmp(words[1], cases[nth].name) == 0) {
            cases[nth].run();
            return 0;
        }
    return 2;
}
