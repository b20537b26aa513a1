//! Numbers a single value of which most rows have.

use std::fs;

use crate::cli::{json, number, scratch, succeed};

/// A draw from 0 to `below`.
fn draw(seed: u64, row: u64, below: u64) -> u64 {
    fibinet::data::mix_seed(seed, row) % below
}

/// How many gains there are, of the same range: as many as in UCI Adult, and so many that few occur twice.
const NUM_GAINS: [u64; 2] = [119, 5_000];

/// The gain of a row: 0 in 92% of them.
fn gain(row: u64, num_gains: u64) -> u64 {
    if draw(1, row, 100) < 92 {
        0
    } else {
        let step = draw(2, row, num_gains) * 118;
        114 + step * step * 7 / (num_gains - 1).pow(2)
    }
}

/// The probability of a click: a threshold in the gains other than 0, and an effect of the job.
fn probability(row: u64, num_gains: u64) -> f64 {
    let by_gain = match gain(row, num_gains) {
        0 => -1.4,
        1..5000 => -3.0,
        5000.. => 2.5,
    };
    let logit = by_gain + [0.6, 0.2, -0.3, -0.8][draw(3, row, 4) as usize];
    1.0 / (1.0 + f64::exp(-logit))
}

fn is_click(row: u64, num_gains: u64) -> bool {
    draw(4, row, 1 << 32) as f64 / f64::from(1 << 16).powi(2) < probability(row, num_gains)
}

/// The AUC of the true probabilities of these rows.
fn best_auc(rows: std::ops::Range<u64>, num_gains: u64) -> f64 {
    let by_score = rows.map(|row| (probability(row, num_gains), is_click(row, num_gains)));
    let mut by_score: Vec<(f64, bool)> = by_score.collect();
    by_score.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut pairs) = (0, 0.0);
    for equal in by_score.chunk_by(|a, b| a.0 == b.0) {
        let clicks = equal.iter().filter(|(_, is_click)| *is_click).count();
        let others = equal.len() - clicks;
        pairs += clicks as f64 * (below as f64 + others as f64 / 2.0);
        below += others;
    }
    pairs / ((by_score.len() - below) as f64 * below as f64)
}

#[test]
fn a_threshold_beside_many_zeros_is_learnt() {
    NUM_GAINS.into_iter().for_each(learns_the_threshold);
}

fn learns_the_threshold(num_gains: u64) {
    const ROWS: u64 = 30_000;
    let part = |row| match row {
        0..12_000 => "train",
        12_000..16_000 => "valid",
        _ => "test",
    };
    let cells = |row| {
        let (click, gain, job) = (
            u8::from(is_click(row, num_gains)),
            gain(row, num_gains),
            draw(3, row, 4),
        );
        format!("{click},{gain},job {job},{}\n", part(row))
    };
    let log = format!(
        "click,gain,job,part\n{}",
        (0..ROWS).map(cells).collect::<String>()
    );
    let directory = scratch();
    let at = directory.path();
    fs::write(at.join("log.csv"), log).expect("written");
    let init = "init log.csv --label click --split-column part --train-value train --valid-value valid --test-value test -o run.toml";
    let init: Vec<&str> = init.split(' ').collect();
    succeed(at, &init);
    let report = succeed(
        at,
        &["train", "run.toml", "--out", "run", "--no-cache", "--json"],
    );
    let (found, best) = (
        number(&json(&report)["test"], "auc"),
        best_auc(16_000..ROWS, num_gains),
    );
    assert!(
        found > best - 0.003,
        "{num_gains} gains: {found}, not {best}"
    );
}
