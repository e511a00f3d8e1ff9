// main -> store::Pool::take -> (a condition that never comes true), with a template and an operator on the way.
#include <condition_variable>
#include <mutex>
#include <unistd.h>

namespace store {
struct Ready {
    __attribute__((noinline)) bool operator()() const;
};

template <typename Key> struct Pool {
    std::mutex mutex;
    std::condition_variable came;
    __attribute__((noinline)) int take(Key key);
};

volatile int free_ones = 0;

bool Ready::operator()() const { return free_ones > 0; }

template <typename Key> int Pool<Key>::take(Key key) {
    std::unique_lock<std::mutex> lock(mutex);
    came.wait(lock, Ready{});
    return key + free_ones;
}

template struct Pool<long>;
} // namespace store

store::Pool<long> pool;

int main() {
    if (write(1, "ready\n", 6) != 6) return 1;
    int got = pool.take(store::free_ones);
    return got + store::free_ones;
}
