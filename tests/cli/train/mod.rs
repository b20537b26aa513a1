mod classes;
mod determinism;
mod members;
mod memory;
mod split_by_time;
mod stopping;
mod table_dtype;
mod warm_start;

use std::fs;
use std::ops::Range;

use crate::cli::small::{TRAIN, small_directory};
use crate::cli::{json, number, scratch, succeed};

#[test]
fn the_closing_table_has_the_share_of_time_spent_waiting_for_data() {
    let directory = small_directory();
    let table = succeed(directory.path(), &TRAIN);
    let wait = table.lines().find_map(|line| {
        let percent = line.strip_prefix("waited for data ")?;
        percent.strip_suffix("% of training")?.trim().parse().ok()
    });
    assert!(
        wait.is_some_and(|wait: f64| (0.0..=100.0).contains(&wait)),
        "{table}"
    );
}

#[test]
fn every_preset_trains_and_scores_with_numbers_as_they_are() {
    let directory = scratch();
    let at = directory.path();
    let rows: String = (0..200)
        .map(|i| format!("{},s{},{},t{}\n", i % 2, i % 5, i % 17, i % 3))
        .collect();
    fs::write(at.join("log.csv"), format!("click,site,age,tag\n{rows}")).expect("written");
    let config = "[data]\ntrain = \"log.csv\"\nlabel = \"click\"\nsplit = { valid = 0.3 }\n\
        [[data.fields]]\nname = \"site\"\nkind = \"categorical\"\n\
        [[data.fields]]\nname = \"age\"\nkind = \"numeric\"\nencoding = \"value\"\n\
        [[data.fields]]\nname = \"tag\"\nkind = \"categorical\"\n[train]\nepochs = 1\n";
    fs::write(at.join("run.toml"), config).expect("written");
    for preset in fibinet::nn::models::fibinet::Preset::ALL {
        let preset_key = format!("model.preset={preset}");
        let mut args = [&TRAIN[..], &["--force", "--json", "--set", &preset_key]].concat();
        if !preset.name().starts_with("paper-shallow") {
            args.push("model.hidden_units=[8]");
        }
        let report = json(&succeed(at, &args));
        let loss = number(&report["valid"], "logloss");
        assert!(loss.is_finite(), "{preset}: {report}");
        let predict = ["predict", "run", "--data", "log.csv", "-o", "out.csv"];
        succeed(at, &predict);
    }
}

/// Six fields of ten tokens whose effects add up. Clicks are drawn, so there is noise.
fn additive_rows(rows: Range<u64>) -> Vec<String> {
    let unit = |seed, index| fibinet::data::mix_seed(seed, index) as f64 / u64::MAX as f64;
    rows.map(|row| {
        let tokens = (0..6).map(|field| (unit(1 + field, row) * 10.0) as u64);
        let cells: Vec<u64> = tokens.collect();
        let effects = (0..6).zip(&cells);
        let logit: f64 = effects
            .map(|(f, token)| 2.0 * unit(20 + f, *token) - 1.0)
            .sum();
        let click = unit(50, row) < 1.0 / (1.0 + (-1.5 * logit).exp());
        let cells: Vec<String> = cells.iter().map(|token| format!("t{token}")).collect();
        format!("{},{}\n", u8::from(click), cells.join(","))
    })
    .collect()
}

#[test]
fn a_file_sorted_by_label_and_larger_than_the_buffer_trains_as_a_shuffled_one() {
    let directory = scratch();
    let at = directory.path();
    let write = |name: &str, rows: &[String]| {
        let text = format!("y,a,b,c,d,e,f\n{}", rows.concat());
        fs::write(at.join(name), text).expect("written");
    };
    let mut rows = additive_rows(0..20_000);
    write("shuffled.csv", &rows);
    rows.sort();
    write("sorted.csv", &rows);
    write("valid.csv", &additive_rows(20_000..24_000));
    write("test.csv", &additive_rows(24_000..34_000));
    let test = |train: &str| {
        let config = format!("{train}.toml");
        let files = ["--valid", "valid.csv", "--test", "test.csv", "-o", &config];
        succeed(at, &[&["init", train, "--label", "y"], &files[..]].concat());
        let out = train.trim_end_matches(".csv");
        let run = ["train", &config, "--out", out, "--json", "--set"];
        let settings = [
            "data.shuffle_rows=1000",
            "model.embedding_dim=4",
            "train.epochs=4",
            "train.calibration=none",
        ];
        let report = json(&succeed(at, &[&run[..], &settings].concat()));
        let figure = |name: &str| number(&report["test"], name);
        (figure("auc"), figure("logloss"))
    };
    let (shuffled, sorted) = (test("shuffled.csv"), test("sorted.csv"));
    assert!(shuffled.0 > 0.75, "{shuffled:?}");
    assert!(
        (shuffled.0 - sorted.0).abs() < 0.003,
        "{shuffled:?}, {sorted:?}"
    );
    // A bias that comes and goes with the labels shows in the loss, not in the AUC.
    assert!(
        (shuffled.1 - sorted.1).abs() < 0.003,
        "{shuffled:?}, {sorted:?}"
    );
}
