//! A service that plays the steps it is given, one argument each, `STEP` or `STEP=VALUE`, and then stays.
//!
//! Every way to misbehave is one step, so that a story reads its service's whole character in one line of its unit.
//! Signals are blocked and waited for instead of handled: what arrives is said aloud on standard output and then
//! obeyed, after `slow`'s time, or not at all by the stubborn. Times are whole milliseconds.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{self, Child, Command, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, close, setsid};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

type Played = Result<(), Box<dyn std::error::Error>>;

/// What a signal that asks it to end is answered with.
#[derive(Debug, Clone, Copy)]
enum Manners {
    /// Ends, after this time.
    Obeys(Duration),
    Stubborn,
}

/// The actor between two steps.
#[derive(Debug)]
struct Actor {
    manners: Manners,
    /// Its exit code when it obeyed.
    code: i32,
    /// What a reload tells on the notify socket.
    on_reload: Option<String>,
}

fn main() {
    let steps: Vec<String> = env::args().skip(1).collect();
    let mut actor = Actor {
        manners: Manners::Obeys(Duration::ZERO),
        code: 0,
        on_reload: None,
    };
    if let Err(why) = actor.perform(&steps) {
        eprintln!("actor: {why}");
        process::exit(99);
    }
}

impl Actor {
    fn perform(&mut self, steps: &[String]) -> Played {
        heard().thread_block()?;
        for (at, step) in steps.iter().enumerate() {
            let (name, value) = step.split_once('=').unwrap_or((step, ""));
            let rest = &steps[at + 1..];
            match name {
                "daemon" => {
                    return begin("session", rest).and_then(|mut child| {
                        child.wait()?;
                        self.stay()
                    });
                }
                "forking" => {
                    return begin("session", rest).and_then(|mut child| {
                        child.wait()?;
                        Ok(())
                    });
                }
                "session" => {
                    setsid()?;
                    begin("", rest)?;
                    return Ok(());
                }
                "hand-over" => return hand_over(rest),
                "child" => {
                    begin("", rest)?;
                    return self.stay();
                }
                _ => self.play(name, value)?,
            }
        }
        self.stay()
    }

    /// One step that leaves the others to follow.
    fn play(&mut self, name: &str, value: &str) -> Played {
        match name {
            "say" => println!("{value}"),
            "half" => {
                print!("{value}");
                io::stdout().flush()?;
            }
            "flood" => flood(value.parse()?)?,
            "env" => println!("{value}={}", env::var(value).unwrap_or_default()),
            "append" => append(value)?,
            "file" => fs::write(value, "here\n")?,
            "wait" => thread::sleep(millis(value)?),
            "wait-file" => wait_for_file(value),
            "exit" => process::exit(value.parse()?),
            "first-run" => exit_unless_first(value)?,
            "die" => die(Signal::from_str(value)?)?,
            "stubborn" => self.manners = Manners::Stubborn,
            "slow" => self.manners = Manners::Obeys(millis(value)?),
            "leave" => self.code = value.parse()?,
            "mask" => masked()?,
            "notify" => notify(value)?,
            "reload-notify" => self.on_reload = Some(value.to_owned()),
            "watchdog" => pat(value.parse()?)?,
            "ready-fd" => writeln!(
                File::options()
                    .write(true)
                    .open(format!("/proc/self/fd/{value}"))?
            )?,
            "deaf" => close(value.parse::<i32>()?)?,
            "zombies" => {
                for _ in 0..value.parse::<u32>()? {
                    begin("exit=0", &[])?;
                }
            }
            "orphans" => {
                for _ in 0..20 {
                    let deed = [format!("append={value}:x"), "exit=0".to_owned()];
                    begin("session", &deed)?.wait()?;
                }
            }
            "port" => serve(TcpListener::bind(("127.0.0.1", value.parse()?))?),
            "listen" => serve(TcpListener::from(passed(value.parse()?)?)),
            _ => return Err(format!("no such step: `{name}`").into()),
        }
        Ok(())
    }

    /// Until a signal is obeyed.
    fn stay(&self) -> Played {
        loop {
            let signal = heard().wait()?;
            println!("heard {signal}");
            match (signal, self.manners) {
                (Signal::SIGHUP, _) => {
                    if let Some(text) = &self.on_reload {
                        notify(text)?;
                    }
                }
                (Signal::SIGUSR1 | Signal::SIGUSR2, _) | (_, Manners::Stubborn) => {}
                (_, Manners::Obeys(after)) => {
                    thread::sleep(after);
                    println!("ended");
                    process::exit(self.code);
                }
            }
        }
    }
}

/// The signals an actor answers.
fn heard() -> SigSet {
    use Signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    [SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2]
        .into_iter()
        .collect()
}

/// Blocks every signal that can be blocked and listens to none.
fn masked() -> Played {
    SigSet::all().thread_block()?;
    println!("masked");
    loop {
        thread::park();
    }
}

/// Another actor: this program with `first` and then `rest`.
fn begin(first: &str, rest: &[String]) -> Result<Child, Box<dyn std::error::Error>> {
    let first = Some(first).filter(|first| !first.is_empty());
    Ok(Command::new(env::current_exe()?)
        .args(first)
        .args(rest)
        .stdin(Stdio::null())
        .spawn()?)
}

/// Leaves the main role to a child.
fn hand_over(rest: &[String]) -> Played {
    let child = begin("", rest)?;
    notify(&format!("MAINPID={}\nREADY=1", child.id()))
}

fn die(signal: Signal) -> Played {
    SigSet::all().thread_unblock()?;
    kill(Pid::this(), signal)?;
    loop {
        thread::park();
    }
}

/// Numbered lines without a gap, 64 bytes each.
fn flood(lines: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
    for number in 1..=lines {
        writeln!(out, "flood {number:08} {:-<48}", "")?;
    }
    out.flush()
}

/// `FILE:TEXT`: a line more in a file that several write.
fn append(value: &str) -> Played {
    let (path, text) = value.split_once(':').ok_or("append=FILE:TEXT")?;
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{text}\n").as_bytes())?;
    Ok(())
}

/// `FILE:CODE`: the first run leaves the file and ends with the code, later ones go on.
fn exit_unless_first(value: &str) -> Played {
    let (path, code) = value.split_once(':').ok_or("first-run=FILE:CODE")?;
    if File::create_new(path).is_ok() {
        process::exit(code.parse()?);
    }
    Ok(())
}

fn wait_for_file(path: &str) {
    while fs::metadata(path).is_err() {
        thread::sleep(Duration::from_millis(5));
    }
}

fn millis(value: &str) -> Result<Duration, std::num::ParseIntError> {
    value.parse().map(Duration::from_millis)
}

/// One message on the notify socket.
fn notify(text: &str) -> Played {
    let path = env::var("NOTIFY_SOCKET")?;
    let to = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &to)?;
    Ok(())
}

/// So many signs of life, two in each interval, and then none any more.
fn pat(times: u32) -> Played {
    let interval = Duration::from_micros(env::var("WATCHDOG_USEC")?.parse()?);
    for _ in 0..times {
        notify("WATCHDOG=1")?;
        thread::sleep(interval / 2);
    }
    Ok(())
}

/// The socket passed as this descriptor, by the protocol of `LISTEN_FDS`.
fn passed(descriptor: i32) -> Result<std::os::fd::OwnedFd, Box<dyn std::error::Error>> {
    let (count, whose) = (env::var("LISTEN_FDS")?, env::var("LISTEN_PID")?);
    if whose != process::id().to_string() || 3 + count.parse::<i32>()? <= descriptor {
        return Err(format!("{count} sockets for process {whose}").into());
    }
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(this, descriptor, PidfdGetfdFlags::empty())?)
}

/// Answers every connection with its own number, as HTTP, in a thread beside the steps that follow.
fn serve(listener: TcpListener) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut asked = [0; 1024];
    let _ = stream.read(&mut asked)?;
    let body = format!("pid {}\n", process::id());
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
