// Programs with which nothing is wrong, though they look as if they were stuck. One per name.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static int work;
static sem_t posted;

static void ready(void) {
    printf("ready\n");
    fflush(stdout);
}
static void must(int ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}
static struct sockaddr_in address;
static int listening(void) {
    int server = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(server, (struct sockaddr *)&address, size) == 0 && listen(server, 16) == 0, "listen");
    must(getsockname(server, (struct sockaddr *)&address, &size) == 0, "getsockname");
    return server;
}
static int connected(void) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(client, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    return client;
}
static void watch(int set, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void sleeps(void) {
    ready();
    for (;;) sleep(1000);
}
// Clients are connected, have been answered, and say nothing more.
static void epoll_server(void) {
    char bytes[16];
    int server = listening(), set = epoll_create1(0);
    watch(set, server);
    for (int nth = 0; nth < 4; nth++) {
        int client = connected(), one = accept(server, NULL, NULL);
        must(write(client, "question", 8) == 8 && read(one, bytes, 8) == 8, "question");
        must(write(one, "answer", 6) == 6 && read(client, bytes, 6) == 6, "answer");
        watch(set, one);
    }
    ready();
    struct epoll_event event;
    epoll_wait(set, &event, 1, -1);
}
static void accepting(void) {
    int server = listening();
    ready();
    accept(server, NULL, NULL);
}
static void poll_server(void) {
    struct pollfd watched[2] = {{.fd = listening(), .events = POLLIN}, {.fd = -1}};
    ready();
    poll(watched, 2, -1);
}
static void select_server(void) {
    fd_set set;
    int server = listening();
    FD_ZERO(&set);
    FD_SET(server, &set);
    ready();
    select(server + 1, &set, NULL, NULL, NULL);
}
// A question has come and its answer is kept back on purpose.
static void long_poll(void) {
    char bytes[16];
    int server = listening(), set = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
    int client = connected(), one = accept(server, NULL, NULL);
    struct itimerspec hour = {.it_value.tv_sec = 3600};
    must(write(client, "question", 8) == 8 && read(one, bytes, 8) == 8, "question");
    timerfd_settime(timer, 0, &hour, NULL);
    watch(set, server), watch(set, one), watch(set, timer);
    ready();
    struct epoll_event event;
    epoll_wait(set, &event, 1, -1);
}
static void *takes_work(void *unused) {
    pthread_mutex_lock(&lock);
    while (work == 0) pthread_cond_wait(&filled, &lock);
    pthread_mutex_unlock(&lock);
    return unused;
}
// Workers wait for work, the first thread for connections.
static void pool(void) {
    pthread_t threads[6];
    int server = listening();
    for (int nth = 0; nth < 6; nth++) pthread_create(&threads[nth], NULL, takes_work, NULL);
    ready();
    accept(server, NULL, NULL);
}
static void *takes_posts(void *unused) {
    for (;;) sem_wait(&posted);
    return unused;
}
static void *accepts(void *unused) {
    accept(listening(), NULL, NULL);
    return unused;
}
// The first thread joins the one that accepts.
static void joins_acceptor(void) {
    pthread_t acceptor, worker;
    sem_init(&posted, 0, 0);
    pthread_create(&worker, NULL, takes_posts, NULL);
    pthread_create(&acceptor, NULL, accepts, NULL);
    ready();
    pthread_join(acceptor, NULL);
}
static void *ticks(void *unused) {
    for (;;) {
        struct timespec moment = {.tv_nsec = 20000000};
        nanosleep(&moment, NULL);
        pthread_mutex_lock(&lock);
        work++;
        pthread_mutex_unlock(&lock);
    }
    return unused;
}
static void timer_loop(void) {
    pthread_t ticker;
    pthread_create(&ticker, NULL, ticks, NULL);
    ready();
    pthread_join(ticker, NULL);
}
static void on_signal(int signal) {
    (void)signal;
    sem_post(&posted);
}
// The usual first thread: it waits until a signal's handler lets it go.
static void until_signal(void) {
    sem_init(&posted, 0, 0);
    signal(SIGTERM, on_signal);
    ready();
    sem_wait(&posted);
}
static void sigwaits(void) {
    sigset_t all;
    int got;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    ready();
    sigwait(&all, &got);
}
static void reads_stdin(void) {
    char byte;
    ready();
    must(read(0, &byte, 1) == 1, "read");
}
static void self_pipe(void) {
    int ends[2];
    pthread_t ticker;
    char byte;
    must(pipe(ends) == 0, "pipe");
    pthread_create(&ticker, NULL, ticks, NULL);
    ready();
    must(read(ends[0], &byte, 1) == 1, "read");
}
static void event_counter(void) {
    unsigned long long counted;
    int counter = eventfd(0, 0);
    ready();
    must(read(counter, &counted, sizeof counted) == sizeof counted, "read");
}
// Counts primes and writes what it found: busy on purpose.
static void batch(void) {
    unsigned long found = 0;
    FILE *out = fopen("/dev/null", "w");
    ready();
    for (unsigned long n = 3;; n += 2) {
        unsigned long d = 3;
        while (d * d <= n && n % d != 0) d += 2;
        if (d * d > n && ++found % 1000 == 0) fprintf(out, "%lu\n", n), fflush(out);
    }
}
static void *works(void *unused) {
    batch();
    return unused;
}
static void batch_of_threads(void) {
    pthread_t threads[2];
    for (int nth = 0; nth < 2; nth++) pthread_create(&threads[nth], NULL, works, NULL);
    pthread_join(threads[0], NULL);
}
static void supervises(void) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        accept(listening(), NULL, NULL);
        exit(0);
    }
    ready();
    waitpid(pid, NULL, 0);
}

// A server of one thread that always has something to do, and clients that always wait for it a little.
static void under_load(void) {
    int server = listening(), set = epoll_create1(0);
    char bytes[16];
    fflush(stdout);
    for (int nth = 0; nth < 6; nth++) {
        pid_t pid = fork();
        if (pid == 0) {
            int mine = connected();
            while (write(mine, "question", 8) == 8 && read(mine, bytes, 6) == 6) {
            }
            exit(0);
        }
        if (nth == 0) printf("client=%d ", pid);
    }
    for (int nth = 0; nth < 6; nth++) watch(set, accept(server, NULL, NULL));
    ready();
    for (;;) {
        struct epoll_event event;
        if (epoll_wait(set, &event, 1, -1) != 1 || read(event.data.fd, bytes, 8) != 8) continue;
        for (volatile int work = 0; work < 400000; work++) {
        }
        must(write(event.data.fd, "answer", 6) == 6, "answer");
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"sleeps", sleeps},
    {"epoll-server", epoll_server},
    {"accepting", accepting},
    {"poll-server", poll_server},
    {"select-server", select_server},
    {"long-poll", long_poll},
    {"pool", pool},
    {"joins-acceptor", joins_acceptor},
    {"timer-loop", timer_loop},
    {"until-signal", until_signal},
    {"sigwaits", sigwaits},
    {"reads-stdin", reads_stdin},
    {"self-pipe", self_pipe},
    {"event-counter", event_counter},
    {"batch", batch},
    {"batch-of-threads", batch_of_threads},
    {"supervises", supervises},
    {"under-load", under_load},
};

int main(int count, char **words) {
    for (unsigned nth = 0; count > 1 && nth < sizeof cases / sizeof *cases; nth++)
        if (strcmp(words[1], cases[nth].name) == 0) {
            cases[nth].run();
            return 0;
        }
    return 2;
}
