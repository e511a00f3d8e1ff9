// Programs that get stuck at locks of threads, one per name. Each says who it will be stuck at, and only then is.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER, c = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t table = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static sem_t places;
static pthread_barrier_t gate;
static volatile long tids[8];
static volatile int done;

static int tid(void) { return (int)syscall(SYS_gettid); }

static void say(const char *name, long value) { printf("%s=%ld ", name, value); }

static void ready(void) {
    printf("ready\n");
    fflush(stdout);
}

static void forever(void) {
    for (;;) sleep(1000);
}

static void meet(int nth) {
    tids[nth] = tid();
    pthread_barrier_wait(&gate);
}

// ---- circles

static void *a_then_b(void *unused) {
    pthread_mutex_lock(&a);
    meet(0);
    pthread_mutex_lock(&b);
    return unused;
}
static void *b_then_a(void *unused) {
    pthread_mutex_lock(&b);
    meet(1);
    pthread_mutex_lock(&a);
    return unused;
}
static void circle_of_two(void) {
    pthread_t one, two;
    pthread_barrier_init(&gate, NULL, 3);
    pthread_create(&one, NULL, a_then_b, NULL);
    pthread_create(&two, NULL, b_then_a, NULL);
    meet(2);
    say("cycle", tids[0]), say("cycle", tids[1]);
    ready();
    pthread_join(one, NULL);
}

static void kind_of_mutex(int kind) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, kind);
    pthread_mutex_init(&a, &attributes);
    pthread_mutex_init(&b, &attributes);
}
static void circle_of_recursive(void) {
    kind_of_mutex(PTHREAD_MUTEX_RECURSIVE);
    circle_of_two();
}
static void circle_of_checking(void) {
    kind_of_mutex(PTHREAD_MUTEX_ERRORCHECK);
    circle_of_two();
}
static void circle_of_adaptive(void) {
    kind_of_mutex(PTHREAD_MUTEX_ADAPTIVE_NP);
    circle_of_two();
}
static void circle_of_robust(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&a, &attributes);
    pthread_mutex_init(&b, &attributes);
    circle_of_two();
}

static void *b_then_c(void *unused) {
    pthread_mutex_lock(&b);
    meet(1);
    pthread_mutex_lock(&c);
    return unused;
}
static void *c_then_table(void *unused) {
    pthread_mutex_lock(&c);
    meet(2);
    pthread_rwlock_rdlock(&table);
    return unused;
}
static void *table_then_a(void *unused) {
    pthread_rwlock_wrlock(&table);
    meet(3);
    pthread_mutex_lock(&a);
    return unused;
}
static void circle_of_four(void) {
    pthread_t threads[4];
    pthread_barrier_init(&gate, NULL, 5);
    pthread_create(&threads[0], NULL, a_then_b, NULL);
    pthread_create(&threads[1], NULL, b_then_c, NULL);
    pthread_create(&threads[2], NULL, c_then_table, NULL);
    pthread_create(&threads[3], NULL, table_then_a, NULL);
    meet(4);
    for (int nth = 0; nth < 4; nth++) say("cycle", tids[nth]);
    ready();
    pthread_join(threads[0], NULL);
}

static pthread_t first_thread;
static void *joins_main(void *unused) {
    pthread_join(first_thread, NULL);
    return unused;
}
static void circle_of_joins(void) {
    pthread_t other;
    first_thread = pthread_self();
    say("cycle", tid());
    pthread_create(&other, NULL, joins_main, NULL);
    ready();
    pthread_join(other, NULL);
    forever();
}

// ---- one thread

static void __attribute__((noinline)) lock_again(void) { pthread_mutex_lock(&a); }
static void own_lock(void) {
    pthread_mutex_lock(&a);
    say("root", tid());
    ready();
    lock_again();
}
static void own_write_lock(void) {
    pthread_rwlock_rdlock(&table);
    say("root", tid());
    ready();
    pthread_rwlock_wrlock(&table);
    // The C library sees that only a writer would lock itself out: a reader has nothing to compare with.
    forever();
}

// ---- left behind

static void *locks_and_ends(void *unused) {
    pthread_mutex_lock(&a);
    tids[0] = tid();
    return unused;
}
static void left_behind(void) {
    pthread_t other;
    pthread_create(&other, NULL, locks_and_ends, NULL);
    pthread_join(other, NULL);
    say("root", tids[0]);
    ready();
    pthread_mutex_lock(&a);
}

// ---- held

static void *holds_and_sleeps(void *unused) {
    pthread_mutex_lock(&a);
    meet(0);
    forever();
    return unused;
}
static void held_by_sleeper(void) {
    pthread_t other;
    pthread_barrier_init(&gate, NULL, 2);
    pthread_create(&other, NULL, holds_and_sleeps, NULL);
    meet(1);
    say("root", tids[0]);
    ready();
    pthread_mutex_lock(&a);
}
static void held_timed(void) {
    pthread_t other;
    struct timespec until = {.tv_sec = time(NULL) + 3600};
    pthread_barrier_init(&gate, NULL, 2);
    pthread_create(&other, NULL, holds_and_sleeps, NULL);
    meet(1);
    say("root", tids[0]);
    ready();
    pthread_mutex_timedlock(&a, &until);
}
static void *writes_and_sleeps(void *unused) {
    pthread_rwlock_wrlock(&table);
    meet(0);
    forever();
    return unused;
}
static void *reads(void *unused) {
    pthread_rwlock_rdlock(&table);
    return unused;
}
static void held_for_writing(void) {
    pthread_t other, readers[3];
    pthread_barrier_init(&gate, NULL, 2);
    pthread_create(&other, NULL, writes_and_sleeps, NULL);
    meet(1);
    for (int nth = 0; nth < 3; nth++) pthread_create(&readers[nth], NULL, reads, NULL);
    say("root", tids[0]);
    ready();
    for (int nth = 0; nth < 3; nth++) pthread_join(readers[nth], NULL);
}
static void *holds_and_spins(void *unused) {
    pthread_mutex_lock(&a);
    meet(0);
    while (!done) {
    }
    return unused;
}
static void held_by_spinner(void) {
    pthread_t other;
    pthread_barrier_init(&gate, NULL, 2);
    pthread_create(&other, NULL, holds_and_spins, NULL);
    meet(1);
    say("root", tids[0]);
    ready();
    pthread_mutex_lock(&a);
}
static void *holds_and_prints(void *unused) {
    flockfile(stderr);
    meet(0);
    forever();
    return unused;
}
static void stream_held(void) {
    pthread_t other;
    pthread_barrier_init(&gate, NULL, 2);
    pthread_create(&other, NULL, holds_and_prints, NULL);
    meet(1);
    say("root", tids[0]);
    ready();
    fprintf(stderr, "never\n");
}
// Two steps: the first thread waits for one that waits for the holder.
static void *b_then_held(void *unused) {
    pthread_mutex_lock(&b);
    meet(2);
    pthread_mutex_lock(&a);
    return unused;
}
static void held_in_two_steps(void) {
    pthread_t holder, middle;
    pthread_barrier_init(&gate, NULL, 2);
    pthread_create(&holder, NULL, holds_and_sleeps, NULL);
    meet(1);
    pthread_create(&middle, NULL, b_then_held, NULL);
    meet(1);
    say("root", tids[0]), say("via", tids[2]);
    ready();
    pthread_mutex_lock(&b);
}

// ---- queue

static void *takes_turns(void *unused) {
    for (;;) {
        struct timespec moment = {.tv_nsec = 4000000};
        pthread_mutex_lock(&a);
        nanosleep(&moment, NULL);
        pthread_mutex_unlock(&a);
    }
    return unused;
}
static void convoy(void) {
    pthread_t threads[24];
    for (int nth = 0; nth < 24; nth++) pthread_create(&threads[nth], NULL, takes_turns, NULL);
    ready();
    pthread_join(threads[0], NULL);
}

// ---- events that never come

static void *waits_for_filled(void *unused) {
    pthread_mutex_lock(&a);
    meet(0);
    while (!done) pthread_cond_wait(&filled, &a);
    return unused;
}
static void lost_wakeup(void) {
    pthread_t other;
    pthread_barrier_init(&gate, NULL, 2);
    pthread_create(&other, NULL, waits_for_filled, NULL);
    meet(1);
    say("root", tids[0]);
    ready();
    pthread_join(other, NULL);
}
static void lost_post(void) {
    sem_init(&places, 0, 0);
    say("root", tid());
    ready();
    sem_wait(&places);
}
static void lost_partner(void) {
    pthread_barrier_init(&gate, NULL, 2);
    say("root", tid());
    ready();
    pthread_barrier_wait(&gate);
}

// ---- joins

static void *sleeps_long(void *unused) {
    tids[0] = tid();
    meet(0);
    forever();
    return unused;
}
static void joins_sleeper(void) {
    pthread_t other;
    pthread_barrier_init(&gate, NULL, 2);
    pthread_create(&other, NULL, sleeps_long, NULL);
    meet(1);
    say("root", tids[0]);
    ready();
    pthread_join(other, NULL);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"circle-of-two", circle_of_two},
    {"circle-of-recursive", circle_of_recursive},
    {"circle-of-checking", circle_of_checking},
    {"circle-of-adaptive", circle_of_adaptive},
    {"circle-of-robust", circle_of_robust},
    {"circle-of-four", circle_of_four},
    {"circle-of-joins", circle_of_joins},
    {"own-lock", own_lock},
    {"own-write-lock", own_write_lock},
    {"left-behind", left_behind},
    {"held-by-sleeper", held_by_sleeper},
    {"held-timed", held_timed},
    {"held-for-writing", held_for_writing},
    {"held-by-spinner", held_by_spinner},
    {"held-in-two-steps", held_in_two_steps},
    {"stream-held", stream_held},
    {"convoy", convoy},
    {"lost-wakeup", lost_wakeup},
    {"lost-post", lost_post},
    {"lost-partner", lost_partner},
    {"joins-sleeper", joins_sleeper},
};

int main(int count, char **words) {
    for (unsigned nth = 0; count > 1 && nth < sizeof cases / sizeof *cases; nth++)
        if (strcmp(words[1], cases[nth].name) == 0) {
            cases[nth].run();
            return 0;
        }
    return 2;
}
