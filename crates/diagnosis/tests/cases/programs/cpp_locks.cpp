// C++ programs that get stuck at locks of its own library. One per name.
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <chrono>

static void say(const char *name) { std::printf("%s=%ld ", name, syscall(SYS_gettid)); }
static void ready() {
    std::puts("ready");
    std::fflush(stdout);
}
[[noreturn]] static void forever() {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

struct Gate {
    std::mutex lock;
    std::condition_variable changed;
    int missing;
    void arrive() {
        std::unique_lock<std::mutex> held(lock);
        if (--missing == 0) changed.notify_all();
        changed.wait(held, [&] { return missing == 0; });
    }
};

namespace bank {
struct Account {
    std::mutex lock;
    long balance = 0;
};
// Takes both locks in the order they come.
__attribute__((noinline)) void transfer(Account &from, Account &to, Gate &gate) {
    std::lock_guard<std::mutex> first(from.lock);
    say("cycle");
    gate.arrive();
    std::lock_guard<std::mutex> second(to.lock);
    from.balance--, to.balance++;
}
} // namespace bank

static void circle() {
    static bank::Account one, two;
    static Gate gate{{}, {}, 3};
    std::thread first([] { bank::transfer(one, two, gate); });
    std::thread second([] { bank::transfer(two, one, gate); });
    gate.arrive();
    ready();
    first.join();
}

static void shared() {
    static std::shared_mutex table;
    static Gate gate{{}, {}, 2};
    std::thread writer([] {
        std::unique_lock<std::shared_mutex> held(table);
        say("root");
        gate.arrive();
        forever();
    });
    gate.arrive();
    ready();
    std::shared_lock<std::shared_mutex> read(table);
}

static void lost_promise() {
    static std::promise<int> promise;
    say("root");
    ready();
    promise.get_future().get();
}

int main(int, char **words) {
    std::string name = words[1];
    if (name == "circle") circle();
    if (name == "shared") shared();
    if (name == "lost-promise") lost_promise();
    return 2;
}
