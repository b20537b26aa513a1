//! `init` on a log that is damaged after the rows that its guess reads.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::formats::gzip;
use crate::cli::{fail, fibinet, scratch};

/// What `init` says on stderr.
#[track_caller]
fn init(at: &Path) -> String {
    let init = ["init", "log.csv.gz", "--label", "click", "--force"];
    let output = fibinet(at, &init);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    stderr
}

/// A compressed log of more rows than the guess reads at once.
fn log() -> Vec<u8> {
    let mut text = "click,user,site\n".to_owned();
    for row in 0..600_000 {
        let drawn = |seed, below| fibinet::data::mix_seed(seed, row) % below;
        let (click, user, site) = (drawn(1, 2), drawn(2, 5000), drawn(3, 90));
        writeln!(text, "{click},u{user},s{site}").expect("written");
    }
    gzip(text.as_bytes())
}

#[test]
fn init_says_where_training_will_stop() {
    let directory = scratch();
    let at = directory.path();
    let path = at.join("log.csv.gz");
    let whole = log();
    fs::write(&path, &whole).expect("written");
    let stderr = init(at);
    assert!(!stderr.contains("stop"), "{stderr}");

    let most = whole.len() * 9 / 10;
    // The last bytes are a checksum and the length.
    let mut corrupted = whole.clone();
    corrupted[whole.len() - 8] ^= 1;
    for damaged in [&whole[..most], &corrupted] {
        fs::write(&path, damaged).expect("written");
        let stderr = init(at);
        let warning = stderr.lines().find(|line| line.starts_with("warning: "));
        let error = warning.and_then(|line| {
            line.strip_prefix("warning: ")?
                .strip_suffix(": only the rows before were looked at, and training will stop there")
        });
        let error = error.unwrap_or_else(|| panic!("no such warning: {stderr}"));
        assert!(error.starts_with("log.csv.gz: "), "{error}");
        fail(
            at,
            &["prepare", "fibinet.toml", "--cache", "cache"],
            1,
            error,
        );
    }
}
