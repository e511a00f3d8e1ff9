//! The program under test, in many modes. Where there are no signals, `stop` on standard input asks it to stop.

#[cfg(windows)]
pub(crate) mod service;
mod web;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aplomb_lifecycle::{App, BoxError, Builder, Ctx, IoBudget, Notice, OnFailure, Stage, app};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}

fn builder(grace: Duration) -> Builder {
    app("victim")
        .grace(grace)
        .kill_margin(Duration::from_millis(500))
        .lame_duck(Duration::ZERO)
        .observe(|notice| match notice {
            Notice::Ready { .. } => say("READY"),
            Notice::Stopping { .. } => say(&format!("STOPPING {notice}")),
            Notice::StillWaiting { .. } => say(&format!("WAITING {notice}")),
            Notice::Failed { .. } => say(&format!("FAILED {notice}")),
            Notice::Forced => say("FORCED"),
            Notice::Extended { .. } | Notice::Finished(_) | _ => {}
        })
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(3_500);

pub(crate) fn run(mode: &str) -> ExitCode {
    let (mode, argument) = mode.split_once(':').unwrap_or((mode, ""));
    let argument = argument.to_owned();
    match mode {
        "threads" => threads(),
        "nested" => builder(LONG).run(nested),
        #[cfg(unix)]
        "custom" => builder(LONG)
            .on_signal(
                aplomb_lifecycle::Signal::HUP,
                aplomb_lifecycle::OnSignal::call(|| say("CALLED")),
            )
            .run(async |app| idle(&app)),
        "panic" => builder(LONG).run(async move |app| panics(&app, stage(&argument))),
        "setup-panic" => builder(LONG).run(async |app| {
            app.spawn(Stage::WORKERS.part("worker"), until_stopped);
            panic!("while setting up")
        }),
        "hang" => builder(SHORT).run(async move |app| hangs(&app, stage(&argument))),
        "thread-hang" => builder(SHORT).run_sync(|app| {
            heed_stdin(&app);
            app.thread(Stage::WORKERS.part("deaf"), |_| {
                loop {
                    std::thread::park();
                }
            });
            Ok(())
        }),
        "setup-hang" => builder(SHORT).run_sync(|app| {
            heed_stdin(&app);
            say("SETUP");
            loop {
                std::thread::park();
            }
        }),
        "main-hang" => builder(LONG).run(async |app| {
            heed_stdin(&app);
            // Dropped with the runtime, after the last stage: the guard must end what this holds.
            app.spawn(Stage::WORKERS.part("bad-drop"), async |ctx| {
                tokio::task::spawn_blocking(|| {
                    loop {
                        std::thread::park();
                    }
                });
                ctx.stopping().await;
                Ok(())
            });
            Ok(())
        }),
        "slow-start" => builder(LONG).run(slow_start),
        "no-start" => builder(LONG)
            .start_deadline(Duration::from_millis(700))
            .run(no_start),
        "blocked" => builder(SHORT).run(blocked),
        "lifecycle" => install(),
        "restart" => builder(LONG).run(restarts),
        "bounded" => builder(LONG).run(bounded),
        "progress" => builder(SHORT).run(progress),
        "resignal" => builder(LONG)
            .exit_style(aplomb_lifecycle::ExitStyle::Resignal)
            .run(async |app| idle(&app)),
        "child" => builder(LONG).run(child),
        "http" => builder(LONG)
            .lame_duck(Duration::from_secs(2))
            .run(web::serve),
        #[cfg(windows)]
        "as-service" => builder(LONG)
            .windows_service("AplombNotInstalled")
            .run(async |app| idle(&app)),
        #[cfg(windows)]
        "console" => service::console(argument.parse().unwrap()),
        "queue" => web::queue(),
        "leaky-pool" => builder(SHORT).run(leaky_pool),
        #[cfg(unix)]
        "leaves" => builder(LONG).run(leaves),
        #[cfg(unix)]
        "chained" => chained(),
        "dependency" => builder(SHORT).run(web::dependency),
        "mute" => builder(SHORT).run(web::mute),
        "streams" => builder(SHORT).run(web::serve),
        "health" => builder(SHORT)
            .health(([127, 0, 0, 1], argument.parse().unwrap()).into())
            .run(async |app| {
                app.spawn(Stage::WORKERS.part("stuck"), async |_| {
                    std::future::pending().await
                });
                Ok(())
            }),
        other => panic!("no mode `{other}`"),
    }
}

fn stage(name: &str) -> Stage {
    Stage::at(name.parse().unwrap())
}

/// Where there are no signals, a line on standard input asks for the stop.
#[cfg(windows)]
fn heed_stdin(app: &App) {
    let app = app.clone();
    std::thread::spawn(move || {
        for line in std::io::BufRead::lines(std::io::stdin().lock()).map_while(Result::ok) {
            if line.trim() == "stop" {
                app.stop_after_lame_duck();
            }
        }
    });
}

#[cfg(unix)]
fn heed_stdin(_: &App) {}

async fn until_stopped(ctx: Ctx) -> Result<(), BoxError> {
    ctx.stopping().await;
    Ok(())
}

fn idle(app: &App) -> Result<(), BoxError> {
    heed_stdin(app);
    app.spawn(Stage::WORKERS.part("worker"), until_stopped);
    Ok(())
}

fn threads() -> ExitCode {
    builder(LONG).run_sync(|app| {
        heed_stdin(&app);
        let db = app.resource_blocking(
            Stage::STORES.part("db"),
            IoBudget::DATABASE,
            || Ok(7),
            |_| Ok(()),
        );
        let used = db.clone();
        app.thread(Stage::WORKERS.part("tail").after(&db), move |ctx| {
            let seven = used.get_blocking()?;
            while !ctx.park_timeout(Duration::from_millis(seven)) {}
            ctx.progress("one left");
            Ok(())
        });
        Ok(())
    })
}

async fn nested(app: App) -> Result<(), BoxError> {
    heed_stdin(&app);
    let ingest = app.nest(Stage::INTAKE.part("ingest"), |sub: App| async move {
        let commit = sub.spawn(Stage::EGRESS.part("commit"), async |ctx| {
            ctx.stopping().await;
            say("COMMIT-STOPS");
            Ok(())
        });
        sub.spawn(Stage::INTAKE.part("consumer").after(&commit), async |ctx| {
            say("CONSUMER-RUNS");
            ctx.stopping().await;
            say("CONSUMER-STOPS");
            Ok(())
        });
        Ok(())
    });
    app.spawn(
        Stage::WORKERS.part("outer").after(&ingest),
        async move |ctx| {
            ingest.restart();
            ctx.stopping().await;
            say("OUTER-STOPS");
            Ok(())
        },
    );
    Ok(())
}

fn panics(app: &App, stage: Stage) -> Result<(), BoxError> {
    heed_stdin(app);
    app.spawn(stage.part("bad"), async |ctx| {
        ctx.stopping().await;
        panic!("at the stop")
    });
    app.spawn(Stage::TELEMETRY.part("last"), until_stopped);
    Ok(())
}

fn hangs(app: &App, stage: Stage) -> Result<(), BoxError> {
    heed_stdin(app);
    app.spawn(stage.part("stuck"), async |ctx| {
        let _busy = ctx.in_flight("the long thing");
        std::future::pending().await
    });
    app.spawn(Stage::at(750).part("last"), async |ctx| {
        ctx.stopping().await;
        say("LAST");
        Ok(())
    });
    Ok(())
}

async fn slow_start(app: App) -> Result<(), BoxError> {
    heed_stdin(&app);
    let fast = app.resource(
        Stage::STORES.part("fast"),
        IoBudget::CACHE,
        || async {
            say("FAST-OPEN");
            Ok(1)
        },
        |_| async {
            say("FAST-CLOSED");
            Ok(())
        },
    );
    fast.get().await?;
    let slow = app.resource(
        Stage::STORES.part("slow"),
        IoBudget::DATABASE,
        || async {
            for tenth in 0..10 {
                say(&format!("SLOW-{tenth}"));
                sleep(Duration::from_millis(60)).await;
            }
            Ok(2)
        },
        |_| async { Ok(()) },
    );
    slow.get().await?;
    Ok(())
}

async fn no_start(app: App) -> Result<(), BoxError> {
    app.spawn(Stage::WORKERS.part("worker"), until_stopped);
    let open = || async { Err::<(), BoxError>("connection refused".into()) };
    app.resource(
        Stage::STORES.part("db"),
        IoBudget::DATABASE,
        open,
        |()| async { Ok(()) },
    )
    .get()
    .await?;
    Ok(())
}

/// Every worker of the runtime is held by code that never yields.
async fn blocked(app: App) -> Result<(), BoxError> {
    heed_stdin(&app);
    for index in 0..std::thread::available_parallelism()?.get() + 1 {
        app.spawn(
            Stage::WORKERS.part(format!("blocker-{index}")),
            async |_| loop {
                std::thread::park();
            },
        );
    }
    Ok(())
}

fn install() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = runtime.block_on(async {
        let life = builder(LONG).install().unwrap();
        heed_stdin(life.app());
        life.app()
            .spawn(Stage::WORKERS.part("worker"), until_stopped);
        life.registered();
        life.wait().await
    });
    say("AFTER");
    ExitCode::from(report.exit)
}

async fn restarts(app: App) -> Result<(), BoxError> {
    heed_stdin(&app);
    let mut lives = 0;
    let part = Stage::WORKERS.part("moody").on_failure(OnFailure::Restart);
    app.spawn_restarting(part, move |ctx| {
        lives += 1;
        async move {
            say(&format!("LIFE-{lives}"));
            if lives < 3 {
                panic!("not yet")
            }
            ctx.stopping().await;
            Ok(())
        }
    });
    let part = Stage::WORKERS.part("useless").on_failure(OnFailure::Ignore);
    app.spawn(part, async |_| Err("no use".into()));
    Ok(())
}

/// An operation over its budget is interrupted, releases what it held and closes its connection; its error names the
/// resource, and the rest goes on.
async fn bounded(app: App) -> Result<(), BoxError> {
    heed_stdin(&app);
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let address = silent.local_addr()?;
    let db = app
        .resource(
            Stage::STORES.part("db"),
            IoBudget::new(100, 150),
            || async { Ok(Arc::new(Semaphore::new(1))) },
            |_| async { Ok(()) },
        )
        .lending(1, "connections");
    let pool = db.get().await?;
    let asking = async {
        let _out = pool.acquire().await?;
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(b"?").await?;
        connection.read_u8().await?;
        Ok::<(), BoxError>(())
    };
    let error = db.bounded(asking).await.unwrap_err();
    say(&format!("ERROR {error}"));
    let (mut other_side, _) = silent.accept().await?;
    let mut heard = Vec::new();
    other_side.read_to_end(&mut heard).await?;
    say(&format!("CLOSED after {} byte", heard.len()));
    // What it held is free again.
    db.bounded(pool.acquire()).await??.forget();
    say("GOES ON");
    Ok(())
}

/// A pool that waits for a connection which somebody keeps.
async fn leaky_pool(app: App) -> Result<(), BoxError> {
    heed_stdin(&app);
    let close = |pool: Arc<Semaphore>| async move {
        pool.acquire_many(2).await?.forget();
        Ok(())
    };
    let db = app
        .resource(
            Stage::STORES.part("db"),
            IoBudget::DATABASE,
            || async { Ok(Arc::new(Semaphore::new(2))) },
            close,
        )
        .lending(2, "connections");
    db.get().await?.acquire().await?.forget();
    // Nobody drops it: that is the leak.
    std::mem::forget(db.lend());
    Ok(())
}

/// What people forget: a child, a listener, a file. And the last line of a log.
#[cfg(unix)]
async fn leaves(app: App) -> Result<(), BoxError> {
    let child = std::process::Command::new("sleep")
        .arg("60")
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    say(&format!("LEFT {} {}", child.id(), listener.local_addr()?));
    let log = std::fs::File::create(std::env::var("LOG")?)?;
    std::mem::forget((child, listener, log.try_clone()?));
    let mut log = app.sink(Stage::TELEMETRY.part("log"), log);
    app.spawn(Stage::STORES.part("last"), async move |ctx| {
        ctx.stopping().await;
        writeln!(log, "stores are closed")?;
        Ok(())
    });
    Ok(())
}

/// Other code of this process has handlers of its own: one was there before us, one came later.
#[cfg(unix)]
fn chained() -> ExitCode {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = runtime.block_on(async {
        let mut before = signal(SignalKind::terminate()).unwrap();
        let life = builder(LONG)
            .on_signal(
                aplomb_lifecycle::Signal::USR1,
                aplomb_lifecycle::OnSignal::call(|| say("CALLED")),
            )
            .install()
            .unwrap();
        let mut later = signal(SignalKind::user_defined1()).unwrap();
        life.registered();
        tokio::spawn(async move {
            later.recv().await;
            say("LATER HEARD");
        });
        let heard = tokio::spawn(async move {
            before.recv().await;
            say("EARLIER HEARD");
        });
        let report = life.wait().await;
        heard.await.unwrap();
        report
    });
    ExitCode::from(report.exit)
}

/// Longer than the grace period, but always getting on: what a notify socket grants extensions for.
async fn progress(app: App) -> Result<(), BoxError> {
    heed_stdin(&app);
    app.spawn(Stage::DRAIN.part("upload"), async |ctx| {
        ctx.stopping().await;
        for part in 0..40 {
            ctx.progress(format!("part {part} of 40"));
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    });
    Ok(())
}

async fn child(app: App) -> Result<(), BoxError> {
    let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
    say(&format!("CHILD {}", child.id()));
    app.thread(Stage::WORKERS.part("waiter"), move |ctx| {
        let ended = child.wait()?;
        say(&format!("CHILD-ENDED {ended}"));
        ctx.park();
        Ok(())
    });
    Ok(())
}
