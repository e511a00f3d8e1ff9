/* A signal handler that blocks, interrupting a function; with an argument: on a stack of its own. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noclone))

static volatile int spinning = 1;

KEEP void blocked(void) {
    char byte;
    if (write(1, "ready\n", 6) != 6) return;
    spinning = (int)read(0, &byte, 1);
}

KEEP void handler(int number) {
    blocked();
    spinning = number;
}

KEEP void interrupted(void) {
    alarm(1);
    while (spinning) {
    }
}

KEEP void outer(void) {
    interrupted();
    spinning = 2;
}

int main(void) {
    struct sigaction action = {0};
    action.sa_handler = handler;
#ifdef OWN_STACK
    stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
    sigaltstack(&stack, 0);
    action.sa_flags = SA_ONSTACK;
#endif
    sigaction(SIGALRM, &action, 0);
    outer();
    return spinning;
}
