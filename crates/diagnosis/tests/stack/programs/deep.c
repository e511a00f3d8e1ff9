/* A recursion of a thousand calls, blocked at its bottom. */
#include <unistd.h>

static volatile int one = 1;

__attribute__((noinline, noclone)) int deeper(int level) {
    char byte;
    if (level == 0) {
        if (write(1, "ready\n", 6) != 6) return 1;
        return (int)read(0, &byte, 1);
    }
    return deeper(level - one) + level;
}

int main(void) { return deeper(1000) + one; }
