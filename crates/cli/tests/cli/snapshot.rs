//! Texts kept in files: what was said once is what is said now. `UPDATE_SNAPSHOTS=1 cargo test` writes them anew.

use std::fs;
use std::path::Path;

/// Compares with `tests/snapshots/NAME.txt`.
pub(crate) fn assert_snapshot(name: &str, now: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&file, now).expect("written");
        return;
    }
    let then = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        then == now,
        "`{name}` has changed.\n--- kept in {}\n{then}\n--- now\n{now}\n--- \
         If the new text is right: UPDATE_SNAPSHOTS=1 cargo test -p aplomb",
        file.display()
    );
}
