// Rust programs that get stuck at locks of the standard library, which do not say who has them. One per name.
use std::io::Write;
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

unsafe extern "C" {
    safe fn gettid() -> i32;
}

static LEFT: Mutex<u64> = Mutex::new(0);
static RIGHT: Mutex<u64> = Mutex::new(0);

fn say(name: &str) {
    print!("{name}={} ", gettid());
}

fn ready() {
    println!("ready");
    std::io::stdout().flush().expect("a reader");
}

fn forever() -> ! {
    loop {
        thread::sleep(Duration::from_secs(1000));
    }
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("a thread");
    }
}

/// Two accounts, locked in either order.
struct Account {
    balance: Mutex<u64>,
}

#[inline(never)]
fn transfer(from: &Account, to: &Account, meet: &Barrier) {
    let mut from = from.balance.lock().expect("a lock");
    say("cycle");
    meet.wait();
    let mut to = to.balance.lock().expect("a lock");
    *from -= 1;
    *to += 1;
}

fn circle() {
    let accounts: Arc<[Account; 2]> = Arc::new([1, 2].map(|balance| Account {
        balance: Mutex::new(balance),
    }));
    let meet = Arc::new(Barrier::new(3));
    let threads = [(0, 1), (1, 0)].map(|(from, to)| {
        let (accounts, meet) = (accounts.clone(), meet.clone());
        thread::spawn(move || transfer(&accounts[from], &accounts[to], &meet))
    });
    meet.wait();
    ready();
    join(threads.into());
}

#[inline(never)]
fn left_then_right(meet: &Barrier) {
    let left = LEFT.lock().expect("a lock");
    say("cycle");
    meet.wait();
    let right = RIGHT.lock().expect("a lock");
    std::hint::black_box((*left, *right));
}

#[inline(never)]
fn right_then_left(meet: &Barrier) {
    let right = RIGHT.lock().expect("a lock");
    say("cycle");
    meet.wait();
    let left = LEFT.lock().expect("a lock");
    std::hint::black_box((*left, *right));
}

fn static_circle() {
    let meet = Arc::new(Barrier::new(3));
    let (one, two) = (meet.clone(), meet.clone());
    let threads = vec![
        thread::spawn(move || left_then_right(&one)),
        thread::spawn(move || right_then_left(&two)),
    ];
    meet.wait();
    ready();
    join(threads);
}

#[inline(never)]
fn lock_again(lock: &Mutex<u64>) {
    *lock.lock().expect("a lock") += 1;
}

fn own_lock() {
    let lock = Mutex::new(1);
    let held = lock.lock().expect("a lock");
    say("root");
    ready();
    lock_again(&lock);
    drop(held);
}

#[inline(never)]
fn keep(lock: &Mutex<u64>, meet: &Barrier) {
    let held = lock.lock().expect("a lock");
    say("root");
    meet.wait();
    std::hint::black_box(&held);
    forever();
}

fn held_by_sleeper() {
    let lock = Arc::new(Mutex::new(1));
    let meet = Arc::new(Barrier::new(2));
    let (theirs, met) = (lock.clone(), meet.clone());
    thread::spawn(move || keep(&theirs, &met));
    meet.wait();
    // Others know the lock and do not have it.
    for _ in 0..3 {
        let known = lock.clone();
        thread::spawn(move || {
            std::hint::black_box(&known);
            forever();
        });
    }
    ready();
    lock_again(&lock);
}

#[inline(never)]
fn keep_reading(lock: &RwLock<u64>, meet: &Barrier) {
    let held = lock.read().expect("a lock");
    say("root");
    meet.wait();
    std::hint::black_box(&held);
    forever();
}

fn held_by_reader() {
    let lock = Arc::new(RwLock::new(1));
    let meet = Arc::new(Barrier::new(2));
    let (theirs, met) = (lock.clone(), meet.clone());
    thread::spawn(move || keep_reading(&theirs, &met));
    meet.wait();
    ready();
    *lock.write().expect("a lock") += 1;
}

fn lost_message() {
    let (sender, receiver) = mpsc::channel::<u64>();
    say("root");
    ready();
    let got = receiver.recv();
    drop((sender, got));
}

fn lost_wakeup() {
    let pair = (Mutex::new(false), Condvar::new());
    say("root");
    ready();
    let mut done = pair.0.lock().expect("a lock");
    while !*done {
        done = pair.1.wait(done).expect("a lock");
    }
}

fn worker_pool() {
    let (sender, receiver) = mpsc::channel::<u64>();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..4 {
        let receiver = receiver.clone();
        thread::spawn(move || {
            loop {
                let work = receiver.lock().expect("a lock").recv();
                std::hint::black_box(work).expect("work");
            }
        });
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    ready();
    for stream in listener.incoming() {
        drop(stream);
        sender.send(1).expect("a worker");
    }
}

fn parked() {
    let worker = thread::spawn(|| {
        loop {
            thread::park();
        }
    });
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    ready();
    for stream in listener.incoming() {
        drop(stream);
        worker.thread().unpark();
    }
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("circle") => circle(),
        Some("static-circle") => static_circle(),
        Some("own-lock") => own_lock(),
        Some("held-by-sleeper") => held_by_sleeper(),
        Some("held-by-reader") => held_by_reader(),
        Some("lost-message") => lost_message(),
        Some("lost-wakeup") => lost_wakeup(),
        Some("worker-pool") => worker_pool(),
        Some("parked") => parked(),
        other => panic!("no case {other:?}"),
    }
}
