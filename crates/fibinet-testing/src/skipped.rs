use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Says once per process what a test leaves out, and why. `cargo test` shows the line.
pub fn skipped(what: &'static str, why: &'static str) {
    static SAID: Mutex<Vec<[&str; 2]>> = Mutex::new(Vec::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if !said.contains(&[what, why]) {
        said.push([what, why]);
        // Not `eprintln`, which the test harness captures.
        let _ = writeln!(std::io::stderr(), "skipped: {what}, because {why}");
    }
}
