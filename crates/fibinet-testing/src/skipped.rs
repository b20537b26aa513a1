use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Says once per process why a test, or a part of one, does not run. The line is not captured, so `cargo test` shows it.
pub fn skipped(reason: &'static str) {
    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.insert(reason) {
        // Not `eprintln`, which the test harness captures.
        let _ = writeln!(std::io::stderr(), "skipped: {reason}");
    }
}
