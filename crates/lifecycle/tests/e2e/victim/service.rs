//! Victims of Windows: a service under its manager, and one that types at its own console.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use aplomb_lifecycle::{App, BoxError, Stage};
use tokio::time::sleep;
use windows_sys::Win32::System::Console::CTRL_C_EVENT;

use super::{LONG, SHORT, builder, idle, no_start, progress};

/// Started by the service control manager, as `MODE,NAME,REPORT`: it passes arguments, but not our environment.
pub(crate) fn run(words: &str) -> ExitCode {
    let words: Vec<&str> = words.splitn(3, ',').collect();
    let [mode, name, report] = words[..] else {
        panic!("not `MODE,NAME,REPORT`: {words:?}")
    };
    let builder = builder(SHORT).windows_service(name).report_to(report);
    let said = std::path::Path::new(report).with_extension("said");
    let write = move |line: &str| {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&said);
        writeln!(file.unwrap(), "{line}").unwrap();
    };
    let also = write.clone();
    let builder = builder.on_pause(move || write("paused"), move || also("continued"));
    match mode {
        "plain" => builder.run(async |app| idle(&app)),
        "slow-stop" => builder.run(progress),
        "slow-start" => builder.run(creeping_start),
        "fails" => builder
            .start_deadline(Duration::from_millis(700))
            .run(no_start),
        other => panic!("no mode `{other}`"),
    }
}

/// Takes four seconds to start, and says that it gets on.
async fn creeping_start(app: App) -> Result<(), BoxError> {
    app.spawn(Stage::WORKERS.part("index").announces(), async |ctx| {
        for part in 0..40 {
            ctx.progress(format!("part {part} of 40"));
            sleep(Duration::from_millis(100)).await;
        }
        ctx.ready();
        ctx.stopping().await;
        Ok(())
    });
    Ok(())
}

/// Presses a key of its own console: once it is ready, and again once it stops.
pub(super) fn console(event: u32) -> ExitCode {
    crate::sys::own_console().unwrap();
    builder(LONG).run_sync(move |app| {
        app.thread(Stage::WORKERS.part("typist"), move |ctx| {
            crate::sys::console_event(event)?;
            ctx.park();
            if event == CTRL_C_EVENT {
                crate::sys::console_event(event)?;
                // Holds the stop until it is forced.
                loop {
                    std::thread::park();
                }
            }
            Ok(())
        });
        Ok(())
    })
}
