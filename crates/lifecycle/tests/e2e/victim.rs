//! The program under test, in many modes. Where there are no signals, `stop` on standard input asks it to stop.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use aplomb_lifecycle::{
    App, BoxError, Builder, Ctx, IoBudget, Notice, OnFailure, Stage, app, http,
};
use axum::Router;
use axum::routing::get;
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
        "http" => builder(LONG).lame_duck(Duration::from_secs(2)).run(serve),
        "streams" => builder(SHORT).run(serve),
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

/// Started by the service control manager (and only there).
pub(crate) fn service(report: &str) -> ExitCode {
    builder(LONG)
        .windows_service("AplombLifecycleVictim")
        .report_to(report)
        .run(async |app| idle(&app))
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
                app.stop();
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

/// An operation over its budget is interrupted, releases what it held, and names the resource.
async fn bounded(app: App) -> Result<(), BoxError> {
    heed_stdin(&app);
    struct Held;
    impl Drop for Held {
        fn drop(&mut self) {
            say("RELEASED");
        }
    }
    let db = app.resource(
        Stage::STORES.part("db"),
        IoBudget::new(100, 150),
        || async { Ok(()) },
        |()| async { Ok(()) },
    );
    db.get().await?;
    let error = db
        .bounded(async {
            let _held = Held;
            std::future::pending::<()>().await
        })
        .await
        .unwrap_err();
    say(&format!("ERROR {error}"));
    Ok(())
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

async fn serve(app: App) -> Result<(), BoxError> {
    let router = Router::new()
        .route("/fast", get(|| async { "fast" }))
        .route("/slow", get(|| after(300)))
        .route("/long", get(|| after(3_000)))
        .route("/big", get(|| async { "x".repeat(16 << 20) }))
        .route("/frozen", get(frozen))
        .merge(crate::streams::routes())
        .merge(http::health_routes(&app));
    let listener = http::listen("127.0.0.1:0")?;
    say(&format!("ADDRESS {}", listener.local_addr()?));
    http::Server::new("api", listener, router)
        .head_timeout(Duration::from_secs(1))
        .stall_timeout(Duration::from_secs(2))
        .register(&app);
    Ok(())
}

/// Waits for a dependency that never answers, within the budget of a cache.
async fn frozen() -> Result<&'static str, axum::http::StatusCode> {
    let answer = tokio::time::timeout(IoBudget::CACHE.read, std::future::pending::<()>()).await;
    answer
        .map(|()| "thawed")
        .map_err(|_| axum::http::StatusCode::GATEWAY_TIMEOUT)
}

async fn after(ms: u64) -> String {
    sleep(Duration::from_millis(ms)).await;
    format!("after {ms}")
}
