/* main -> first -> second (with an array of variable size) -> third -> fourth -> read, and a thread beside it. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noclone))

static volatile int depth = 3;
static pthread_barrier_t both;

KEEP int fourth(int number) {
    char byte = (char)number;
    pthread_barrier_wait(&both);
    if (write(1, "ready\n", 6) != 6) return 1;
    long got = read(0, &byte, 1);
    return (int)got + byte;
}

KEEP int third(int number) {
    volatile int local = number * 2;
    int got = fourth(local + 1);
    return got + local;
}

KEEP int second(int number) {
    volatile char room[number * 16 + depth];
    memset((char *)room, number, sizeof room);
    int got = third(number + room[3]);
    return got + room[number];
}

KEEP int first(int number) {
    int got = second(number + depth);
    return got ^ number;
}

KEEP void sleeper(void) {
    pthread_barrier_wait(&both);
    for (;;) pause();
}

static void *beside(void *nothing) {
    sleeper();
    return nothing;
}

int main(void) {
    pthread_t thread;
    pthread_barrier_init(&both, 0, 2);
    pthread_create(&thread, 0, beside, 0);
    return first(depth) + depth;
}
