//! What is true of `programs/waits.go` once it has said that it is ready.

use aplomb_diagnosis::go::{AwaitedKind, Clue, GoState, GoView, Goroutine, Waking};

/// The goroutine with a function of this name among its calls.
fn of<'v>(view: &'v GoView, function: &str) -> &'v Goroutine {
    let name = format!("main.{function}");
    let mut found = view
        .goroutines
        .iter()
        .filter(|goroutine| goroutine.frames.iter().any(|frame| *frame.function == name));
    let goroutine = found
        .next()
        .unwrap_or_else(|| panic!("no goroutine in {name}: {view:#?}"));
    assert!(found.next().is_none(), "two goroutines in {name}");
    goroutine
}

fn kinds(goroutine: &Goroutine) -> Vec<AwaitedKind> {
    let mut kinds: Vec<AwaitedKind> = goroutine
        .waits_for
        .iter()
        .map(|awaited| awaited.kind)
        .collect();
    kinds.sort();
    kinds
}

pub(crate) fn assert_as_expected(view: &GoView) {
    let waits = [
        ("wantsMutex", AwaitedKind::Mutex, Waking::Possible),
        ("reads", AwaitedKind::Receive, Waking::Possible),
        ("wantsToWrite", AwaitedKind::Write, Waking::Possible),
        ("wantsToRead", AwaitedKind::Read, Waking::Possible),
        ("waitsForGroup", AwaitedKind::WaitGroup, Waking::Possible),
        ("waitsForCond", AwaitedKind::Cond, Waking::Possible),
        ("sendsToNobody", AwaitedKind::Send, Waking::Never),
        ("receivesFromNil", AwaitedKind::Receive, Waking::Never),
        ("receives", AwaitedKind::Receive, Waking::Possible),
        ("readsPipe", AwaitedKind::Descriptor, Waking::Possible),
        ("holdsTwice", AwaitedKind::Mutex, Waking::Possible),
    ];
    for (function, kind, waking) in waits {
        let goroutine = of(view, function);
        assert_eq!(goroutine.state, GoState::Waiting, "{function}");
        assert_eq!(kinds(goroutine), [kind], "{function}: {goroutine:#?}");
        assert_eq!(goroutine.waking, waking, "{function}: {goroutine:#?}");
        assert!(!goroutine.is_system, "{function}");
        let maker = if function == "sendsToNobody" {
            "main.forgetsChannel"
        } else {
            "main.main"
        };
        let created_by = goroutine.created_by.as_ref().expect("who made it");
        assert_eq!(&*created_by.function, maker, "{function}");
        assert!(created_by.file.ends_with("waits.go"), "{created_by:?}");
        assert!(created_by.line > 70, "{created_by:?}");
    }
    assert_eq!(
        kinds(of(view, "selects")),
        [AwaitedKind::Receive, AwaitedKind::Send]
    );
    assert_eq!(&*of(view, "holdsMutex").reason, "sleep");
    assert_eq!(of(view, "receivesFromNil").waits_for[0].address, 0);
    assert!(view.goroutines.iter().any(|goroutine| goroutine.is_system));
    assert_eq!(view.unseen, Vec::<String>::new());
    assert_holders(view);
    assert_places(view);
}

fn assert_holders(view: &GoView) {
    for (waits, holds) in [
        ("wantsMutex", "holdsMutex"),
        ("wantsToWrite", "reads"),
        ("holdsTwice", "holdsTwice"),
    ] {
        let lock = of(view, waits).waits_for[0].address;
        let holders: Vec<u64> = view
            .holders
            .iter()
            .filter(|holder| holder.lock.address == lock)
            .map(|holder| holder.goroutine)
            .collect();
        assert_eq!(
            holders,
            [of(view, holds).id],
            "{waits}: {:#?}",
            view.holders
        );
    }
    // One lock, told alike by who wants to read and who wants to write.
    assert_eq!(
        of(view, "wantsToRead").waits_for[0].address,
        of(view, "wantsToWrite").waits_for[0].address
    );
    assert!(
        view.holders
            .iter()
            .any(|holder| holder.clue == Clue::Locked)
    );
}

/// Each frame of `main` is where the source says.
fn assert_places(view: &GoView) {
    let source: Vec<&str> = include_str!("programs/waits.go").lines().collect();
    for (function, text) in [
        ("wantsMutex", "s.mutex.Lock()"),
        ("selects", "select {"),
        ("receives", "<-known"),
    ] {
        let name = format!("main.{function}");
        let frames = of(view, function).frames.clone();
        let frame = frames
            .iter()
            .find(|frame| *frame.function == name)
            .expect("its frame");
        assert!(source[frame.line as usize - 1].contains(text), "{frame:?}");
        assert!(frame.file.ends_with("waits.go"), "{frame:?}");
    }
}
