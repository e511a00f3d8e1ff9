// main -> Worker::run -> (a closure) -> thread::park.
use std::io::Write;

struct Worker;

impl Worker {
    #[inline(never)]
    fn run(&self, action: &dyn Fn()) {
        action();
        std::hint::black_box(self);
    }
}

fn main() {
    println!("ready");
    std::io::stdout().flush().expect("written");
    Worker.run(&|| {
        std::thread::park();
        std::hint::black_box(());
    });
}
