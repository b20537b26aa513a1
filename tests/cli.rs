//! The command, through the real binary.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const ADULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/adult_2600.csv");

fn fibinet(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
    command.current_dir(directory).env_remove("BURN_DEVICE");
    command.args(args).output().expect("the binary runs")
}

#[track_caller]
fn succeed(directory: &Path, args: &[&str]) -> String {
    let output = fibinet(directory, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The AUC of scores of rows whose label is their first cell, a digit.
fn auc_of(scores: &[f32], rows: &str) -> f64 {
    let rows = rows.lines().skip(1);
    let labels: Vec<f32> = rows
        .map(|line| f32::from(line.as_bytes()[0] - b'0'))
        .collect();
    fibinet::train::auc(scores, &labels).expect("two classes")
}

/// Runs a command that must fail with this code and say this, without a panic.
#[track_caller]
fn fail(directory: &Path, args: &[&str], code: i32, says: &str) {
    let output = fibinet(directory, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(says), "{args:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{args:?}");
}

fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "one object on one line: {text}");
    serde_json::from_str(text).expect("JSON")
}

/// The names in a directory, but for the cache of encoded rows.
fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name != ".fibinet-cache")
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_csv_becomes_a_trained_judged_and_scored_model() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    let report = json(&succeed(
        at,
        &["train", "fibinet.toml", "--out", "runs/a", "--json"],
    ));
    // Logistic regression has about .90 on this sample; 285 test rows have a
    // standard error of .02.
    let test = &report["test"];
    assert!(test["auc"].as_f64().expect("an AUC") > 0.86, "{report}");
    assert!(test["logloss"].as_f64().expect("a loss") < 0.40, "{report}");
    let rows = |split: &str| report[split]["rows"].as_u64().expect("rows");
    let train_rows = report["train_rows"].as_u64().expect("rows");
    assert_eq!(rows("valid") + rows("test") + train_rows, 2600);
    for key in ["best_epoch", "num_parameters", "rows_per_second"] {
        assert!(report[key].as_f64().expect("a number") > 0.0, "{report}");
    }
    let wait = report["data_wait"].as_f64().expect("a share");
    assert!((0.0..=1.0).contains(&wait), "{report}");

    let data = ["--data", ADULT];
    let metrics = json(&succeed(
        at,
        &[&["evaluate", "runs/a", "--json"], &data[..]].concat(),
    ));
    assert_eq!(metrics["rows"], 2600);
    assert!(metrics["auc"].as_f64().expect("an AUC") > 0.88, "{metrics}");

    succeed(
        at,
        &[&["predict", "runs/a", "-o", "scores.csv"], &data[..]].concat(),
    );
    let scores = fs::read_to_string(at.join("scores.csv")).expect("scores");
    let mut lines = scores.lines();
    assert_eq!(lines.next(), Some("probability"));
    let scores: Vec<f32> = lines.map(|line| line.parse().expect("a number")).collect();
    assert_eq!(scores.len(), 2600);
    assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
    // In the rows' order: scored with the labels they give the AUC of `evaluate`.
    let text = fs::read_to_string(ADULT).expect("the sample");
    let auc = auc_of(&scores, &text);
    assert!((auc - metrics["auc"].as_f64().expect("an AUC")).abs() < 1e-6);

    // Without the label's column, and with the columns in another order.
    let without: String = text
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').skip(1).collect();
            format!(
                "{}\n",
                cells.iter().rev().copied().collect::<Vec<_>>().join(",")
            )
        })
        .collect();
    fs::write(at.join("unlabelled.csv"), without).expect("written");
    succeed(
        at,
        &[
            "predict",
            "runs/a",
            "--data",
            "unlabelled.csv",
            "-o",
            "again.csv",
        ],
    );
    let again = fs::read(at.join("again.csv")).expect("scores");
    assert_eq!(again, fs::read(at.join("scores.csv")).expect("scores"));
    assert_eq!(
        entries(at),
        [
            "again.csv",
            "fibinet.toml",
            "runs",
            "scores.csv",
            "unlabelled.csv"
        ]
    );
    assert_eq!(entries(&at.join("runs")), ["a"]);
}

/// 4.4M dense parameters, above the size from which Burn's whole-tensor sums depend on threads.
const LARGE: [&str; 7] = [
    "--set",
    "model.embedding_dim=16",
    "model.hidden_units=[1500]",
    "train.epochs=1",
    "train.batch_size=512",
    "train.net_l2=0.001",
    "train.max_gradient_norm=0.1",
];

#[test]
fn a_seed_gives_the_same_bits_with_one_thread_and_with_two() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    let mut devices = vec!["flex"];
    devices.extend(cfg!(feature = "ndarray").then_some("ndarray"));
    let train = |out: &str, seed: &str, threads: &str, device: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
        command.current_dir(at).env("RAYON_NUM_THREADS", threads);
        command
            .args([
                "train",
                "fibinet.toml",
                "--device",
                device,
                "--seed",
                seed,
                "--out",
                out,
            ])
            .args(LARGE);
        let output = command.output().expect("the binary runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        ["head.safetensors", "tables.safetensors", "history.jsonl"]
            .map(|file| fs::read(at.join(out).join(file)).expect("a file of the run"))
    };
    for device in devices {
        let train = |out: &str, seed: &str, threads: &str| {
            train(&format!("{device}-{out}"), seed, threads, device)
        };
        let one = train("one", "1", "1");
        assert!(one[0].len() > 4 * 4_200_000, "{} bytes", one[0].len());
        assert!(
            train("two", "1", "2") == one,
            "{device}: two threads gave other weights"
        );
        assert!(
            train("again", "1", "2") == one,
            "{device}: the same run gave other weights"
        );
        assert!(
            train("other", "2", "2") != one,
            "{device}: another seed gave the same weights"
        );
    }
}

#[test]
fn early_stopping_keeps_the_best_epochs_weights() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    let set = [
        "--set",
        "train.learning_rate=0.01",
        "train.patience=2",
        "train.monitor=logloss",
        "train.calibration=none",
    ];
    let train = ["train", "fibinet.toml", "--out", "run", "--json"];
    let report = json(&succeed(at, &[&train[..], &set].concat()));
    let history = fs::read_to_string(at.join("run/history.jsonl")).expect("a history");
    let epochs: Vec<Value> = history.lines().map(json).collect();
    let loss = |epoch: &Value| epoch["valid"]["logloss"].as_f64().expect("a loss");
    let best = epochs
        .iter()
        .min_by(|a, b| loss(a).total_cmp(&loss(b)))
        .expect("epochs");
    assert_eq!(report["best_epoch"], best["epoch"]);
    // Stopped two epochs after the best, and judged by the best one's weights, read from disk.
    let best_epoch = report["best_epoch"].as_u64().expect("an epoch");
    assert_eq!(report["epochs"], best_epoch + 2);
    assert_eq!(epochs.len() as u64, best_epoch + 2);
    assert_eq!(report["valid"], best["valid"]);
    assert_ne!(epochs[epochs.len() - 1]["valid"], best["valid"]);
    // Killed and run again: what the dead process left is in nobody's way.
    fs::create_dir(at.join(".again.fibinet-partial")).expect("made");
    fs::write(at.join(".again.fibinet-partial/head.safetensors"), "half").expect("written");
    let table = succeed(
        at,
        &[
            "train",
            "fibinet.toml",
            "--out",
            "again",
            "--set",
            "train.epochs=1",
        ],
    );
    assert_eq!(entries(at), ["again", "fibinet.toml", "run"]);
    // The closing table's share of the time in which training waited for data.
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
fn tabs_and_files_of_their_own_are_splits() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let text = fs::read_to_string(ADULT)
        .expect("the sample")
        .replace(',', "\t");
    let (header, rows) = text.split_once('\n').expect("a header");
    let rows: Vec<&str> = rows.lines().collect();
    for (name, rows) in [
        ("a.tsv", &rows[..2000]),
        ("b.tsv", &rows[2000..2300]),
        ("c.tsv", &rows[2300..]),
    ] {
        let text = format!("{header}\r\n{}\r\n", rows.join("\r\n"));
        fs::write(at.join(name), text).expect("written");
    }
    let init = [
        "init", "a.tsv", "--valid", "b.tsv", "--test", "c.tsv", "--label", "label",
    ];
    succeed(at, &init);
    let report = json(&succeed(
        at,
        &["train", "fibinet.toml", "--out", "run", "--json"],
    ));
    assert_eq!(report["train_rows"], 2000);
    assert_eq!(
        (&report["valid"]["rows"], &report["test"]["rows"]),
        (&Value::from(300), &Value::from(300))
    );
    let test = json(&succeed(
        at,
        &["evaluate", "run", "--data", "c.tsv", "--json"],
    ));
    let difference = |key: &str| {
        let number = |value: &Value| value[key].as_f64().expect("a number");
        (number(&test) - number(&report["test"])).abs()
    };
    assert!(
        difference("auc") < 1e-9 && difference("logloss") < 1e-6,
        "{test} {report}"
    );
}

#[test]
fn bad_input_is_told_with_its_place_and_leaves_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let write = |name: &str, text: &str| fs::write(at.join(name), text).expect("written");
    let good: String = (0..60)
        .map(|i| format!("{},s{},{i}\n", i % 2, i % 5))
        .collect();
    let log = |rows: &str| format!("click,site,age\n{good}{rows}");
    let config = |file: &str, more: &str| {
        format!(
            "[data]\ntrain = \"{file}\"\nlabel = \"click\"\nsplit = {{ valid = 0.3 }}\n\
             [[data.fields]]\nname = \"site\"\nkind = \"categorical\"\n\
             [[data.fields]]\nname = \"age\"\nkind = \"numeric\"\n\
             [model]\nembedding_dim = 2\nhidden_units = [4]\n[train]\nepochs = 1\n{more}"
        )
    };
    let train = |file: &str, more: &str, code: i32, says: &str| {
        write("run.toml", &config(file, more));
        fail(at, &["train", "run.toml", "--out", "run"], code, says);
        let names = entries(at);
        assert!(
            !names
                .iter()
                .any(|name| name == "run" || name.contains("fibinet-")),
            "{names:?}"
        );
    };

    train("none.csv", "", 1, "none.csv: No such file");
    write("empty.csv", "");
    train("empty.csv", "", 1, "empty.csv: the file has no rows");
    write("header.csv", "click,site,age\n");
    train("header.csv", "", 1, "header.csv: the file has no rows");
    write("unlabelled.csv", "clicks,site,age\n1,a,2\n");
    train(
        "unlabelled.csv",
        "",
        2,
        "no column `click`, did you mean `clicks`?",
    );
    write("label.csv", &log("2,s1,3\n"));
    train(
        "label.csv",
        "",
        1,
        "label.csv:62, column `click`: a label must be 0 or 1, but is `2`",
    );
    write("wide.csv", &log("1,s1,3,4\n"));
    train("wide.csv", "", 1, "wide.csv:62: 4 columns, expected 3");
    write("narrow.csv", &log("1,s1\n"));
    train("narrow.csv", "", 1, "narrow.csv:62: 2 columns, expected 3");
    write("number.csv", &log("1,s1,old\n"));
    train(
        "number.csv",
        "",
        1,
        "number.csv:62, column `age`: a number was expected",
    );
    write("good.csv", &log(""));
    train("good.csv", "epoch = 3\n", 2, "did you mean `epochs`?");
    train("good.csv", "learning_rate = 1e30\n", 1, "the loss became");

    write("run.toml", &config("good.csv", ""));
    let run = ["train", "run.toml", "--out", "run"];
    let one_field = [
        "--set",
        "data.fields=[{ name = \"site\", kind = \"categorical\" }]",
    ];
    fail(
        at,
        &[&run[..], &one_field].concat(),
        2,
        "num_fields must be at least 2, but is 1",
    );
    fail(
        at,
        &[&run[..], &["--device", "cudo"]].concat(),
        2,
        "did you mean `cuda`?",
    );
    if !fibinet::nn::Backend::Cuda.is_compiled_in() {
        let cuda = [&run[..], &["--device", "cuda"]].concat();
        fail(at, &cuda, 2, "build with `--features cuda`");
    }
    fail(
        at,
        &[&run[..], &["--set", "model.preset=fuxi"]].concat(),
        2,
        "did you mean `fuxictr`?",
    );
    fail(at, &["train", "none.toml", "--out", "run"], 2, "none.toml");
    fail(
        at,
        &["init", "good.csv", "--label", "clack", "-o", "x.toml"],
        2,
        "no column `clack`",
    );
    fail(
        at,
        &["init", "good.csv", "--label", "click", "-o", "run.toml"],
        2,
        "--force",
    );
    fail(at, &["train"], 2, "--out");

    succeed(at, &run);
    let before = fs::read(at.join("run/SHA256SUMS")).expect("checksums");
    fail(
        at,
        &run,
        2,
        "run exists; write elsewhere, or replace it with --force",
    );
    succeed(at, &[&run[..], &["--force", "--seed", "7"]].concat());
    let after = fs::read(at.join("run/SHA256SUMS")).expect("checksums");
    assert_ne!(before, after);
    // What is no bundle is not replaced, even by force.
    fs::create_dir(at.join("photos")).expect("made");
    write("photos/one", "dear");
    let photos = ["train", "run.toml", "--out", "photos", "--force"];
    fail(at, &photos, 2, "photos exists and is no bundle");
    assert_eq!(entries(&at.join("photos")), ["one"]);
    // A failing run leaves the bundle that it was to replace.
    write("run.toml", &config("number.csv", ""));
    fail(
        at,
        &[&run[..], &["--force"]].concat(),
        1,
        "a number was expected",
    );
    assert_eq!(
        fs::read(at.join("run/SHA256SUMS")).expect("checksums"),
        after
    );

    let predict = ["predict", "run", "-o", "out.csv", "--data"];
    fail(
        at,
        &[&predict[..], &["number.csv"]].concat(),
        1,
        "number.csv:62",
    );
    write("columns.csv", "click,age\n1,2\n");
    fail(
        at,
        &[&predict[..], &["columns.csv"]].concat(),
        2,
        "no column `site`",
    );
    assert!(
        !entries(at).iter().any(|name| name.starts_with("out.csv")),
        "{:?}",
        entries(at)
    );
    fail(
        at,
        &["evaluate", "good.csv", "--data", "good.csv"],
        1,
        "is no bundle",
    );
    for file in [
        "bundle.toml",
        "head.safetensors",
        "tables.safetensors",
        "encoder/fields.toml",
        "encoder/vocabulary.fst",
        "SHA256SUMS",
    ] {
        let path = at.join("run").join(file);
        let bytes = fs::read(&path).expect("a file of the bundle");
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        fs::write(&path, flipped).expect("written");
        fail(at, &["inspect", "run"], 1, "run/");
        fail(at, &["evaluate", "run", "--data", "good.csv"], 1, "run/");
        let predict = [&predict[..], &["good.csv"]].concat();
        // The tables' numbers are read by those alone whom they serve; their length is checked.
        if file == "tables.safetensors" {
            succeed(at, &predict);
            fs::write(&path, &bytes[..bytes.len() - 1]).expect("written");
        }
        fail(at, &predict, 1, "run/");
        fs::write(&path, bytes).expect("written");
    }
    succeed(at, &["evaluate", "run", "--data", "good.csv"]);
}

#[test]
fn criteo_rows_with_their_oddities_train_and_score() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    // Empty cells, negative integers, no header; test rows without a label.
    let row = |i: usize| {
        let integers = (0..13).map(|k| match (i + k) % 5 {
            0 => String::new(),
            1 => format!("-{}", k % 3 + 1),
            _ => format!("{}", i * (k + 1) % 997),
        });
        let categories = (0..26).map(|k| match (i + k) % 7 {
            0 => String::new(),
            _ => format!("{:08x}", i * 31 % (k + 3)),
        });
        integers.chain(categories).collect::<Vec<_>>().join("\t")
    };
    let labelled: String = (0..400)
        .map(|i| format!("{}\t{}\n", i % 4 / 3, row(i)))
        .collect();
    let unlabelled: String = (0..10).map(|i| format!("{}\n", row(i))).collect();
    fs::write(at.join("train.txt"), labelled).expect("written");
    fs::write(at.join("test.txt"), unlabelled).expect("written");
    let config = "[data]\ntrain = \"train.txt\"\nschema = \"criteo\"\nsplit = { valid = 0.2 }\n\
        [model]\nembedding_dim = 2\nhidden_units = [8]\n[train]\nepochs = 1\nbatch_size = 64\n";
    fs::write(at.join("criteo.toml"), config).expect("written");
    let report = json(&succeed(
        at,
        &["train", "criteo.toml", "--out", "run", "--json"],
    ));
    assert_eq!(report["test"], Value::Null);
    succeed(at, &["evaluate", "run", "--data", "train.txt"]);
    succeed(
        at,
        &["predict", "run", "--data", "test.txt", "-o", "out.csv"],
    );
    let scores = fs::read_to_string(at.join("out.csv")).expect("scores");
    assert_eq!(scores.lines().count(), 11);
}

#[test]
fn every_preset_trains_with_numbers_as_they_are() {
    let directory = tempfile::tempdir().expect("a directory");
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
    for preset in fibinet::nn::Preset::ALL {
        let preset_key = format!("model.preset={preset}");
        let mut args = vec![
            "train", "run.toml", "--out", "run", "--force", "--json", "--set",
        ];
        args.push(&preset_key);
        if !preset.name().starts_with("paper-shallow") {
            args.push("model.hidden_units=[8]");
        }
        let report = json(&succeed(at, &args));
        assert!(
            report["valid"]["logloss"]
                .as_f64()
                .expect("a loss")
                .is_finite()
        );
        succeed(
            at,
            &["predict", "run", "--data", "log.csv", "-o", "out.csv"],
        );
    }
}

/// The metrics of a run with nothing edited, one epoch long.
fn one_epoch(directory: &Path, config: &str, out: &str) -> Value {
    let args = ["train", config, "--out", out, "--json"];
    json(&succeed(
        directory,
        &[&args[..], &["--set", "train.epochs=1"]].concat(),
    ))
}

#[test]
fn compressed_and_parquet_files_of_the_same_rows_give_the_same_model() {
    use std::io::Write;

    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let text = fs::read(ADULT).expect("the sample");
    fs::write(at.join("log.csv"), &text).expect("written");
    let file = fs::File::create(at.join("log.csv.gz")).expect("made");
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gzip.write_all(&text).expect("written");
    gzip.finish().expect("written");
    let zstd = zstd::encode_all(text.as_slice(), 1).expect("compressed");
    fs::write(at.join("log.csv.zst"), zstd).expect("written");

    // Parquet, by way of `predict --carry`: text columns, and the scores beside.
    succeed(
        at,
        &["init", "log.csv", "--label", "label", "-o", "csv.toml"],
    );
    let expected = one_epoch(at, "csv.toml", "csv");
    let header = text.split(|byte| *byte == b'\n').next().expect("a header");
    let columns = String::from_utf8(header.to_vec()).expect("UTF-8");
    let carry = ["--carry", columns.trim(), "-o", "log.parquet"];
    let predict = ["predict", "csv", "--data", "log.csv"];
    succeed(at, &[&predict[..], &carry].concat());

    for (name, exclude) in [
        ("log.csv.gz", ""),
        ("log.csv.zst", ""),
        ("log.parquet", "probability"),
    ] {
        let config = format!("{name}.toml");
        let mut init = vec!["init", name, "--label", "label", "-o", &config];
        if !exclude.is_empty() {
            init.extend(["--exclude", exclude]);
        }
        succeed(at, &init);
        let report = one_epoch(at, &config, &format!("run-{name}"));
        for split in ["valid", "test"] {
            assert_eq!(report[split], expected[split], "{name}");
        }
        let weights =
            |run: &str| fs::read(at.join(run).join("tables.safetensors")).expect("tables");
        assert!(weights(&format!("run-{name}")) == weights("csv"), "{name}");
    }

    // A directory of parts, as Spark leaves one: each with a header, and what is no rows' beside.
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let part = |rows: &[&[u8]]| [lines[0].to_vec(), rows.concat()].concat();
    fs::create_dir(at.join("parts")).expect("made");
    let second = zstd::encode_all(part(&lines[1000..]).as_slice(), 1).expect("compressed");
    for (name, bytes) in [
        ("parts/part-00000.csv", part(&lines[1..1000])),
        ("parts/part-00001.csv.zst", second),
        ("parts/_SUCCESS", Vec::new()),
    ] {
        fs::write(at.join(name), bytes).expect("written");
    }
    succeed(
        at,
        &["init", "parts", "--label", "label", "-o", "parts.toml"],
    );
    let report = one_epoch(at, "parts.toml", "run-parts");
    assert_eq!(report["test"], expected["test"]);
    let evaluate = |data| json(&succeed(at, &["evaluate", "csv", "--data", data, "--json"]));
    assert_eq!(evaluate("parts"), evaluate("log.csv"));
    // A column of another type in one part, and one that is no label.
    fs::copy(at.join("log.parquet"), at.join("parts/part-2.parquet")).expect("copied");
    fail(
        at,
        &["evaluate", "csv", "--data", "parts"],
        1,
        "part-2.parquet: the columns",
    );
    let init = [
        "init",
        "log.parquet",
        "--label",
        "probability",
        "-o",
        "x.toml",
    ];
    succeed(at, &init);
    fail(
        at,
        &["train", "x.toml", "--out", "x"],
        1,
        "log.parquet, row 1, column `probability`: a label must be 0 or 1, but is `0.",
    );

    let whole = fs::read(at.join("log.csv.gz")).expect("read");
    fs::write(at.join("cut.csv.gz"), &whole[..whole.len() / 2]).expect("written");
    let init = ["init", "cut.csv.gz", "--label", "label", "-o", "cut.toml"];
    fail(at, &init, 1, "cut.csv.gz: the compressed data ends before");
    let whole = fs::read(at.join("log.parquet")).expect("read");
    fs::write(at.join("cut.parquet"), &whole[..whole.len() / 2]).expect("written");
    let init = ["init", "cut.parquet", "--label", "label", "-o", "cut.toml"];
    fail(at, &init, 1, "cut.parquet: ");
}

#[test]
fn rows_are_ranked_within_their_groups_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let init = ["init", ADULT, "--label", "label", "--group", "education"];
    succeed(at, &init);
    let report = one_epoch(at, "fibinet.toml", "run");
    for split in ["valid", "test"] {
        let within = &report[split]["group_auc"];
        assert!(within["auc"].as_f64().expect("an AUC") > 0.5, "{report}");
        let rows = within["rows"].as_u64().expect("rows");
        assert!(
            (1..=report[split]["rows"].as_u64().expect("rows")).contains(&rows),
            "{report}"
        );
    }
    // By hand, from the scores.
    let data = ["--data", ADULT];
    let metrics = json(&succeed(
        at,
        &[&["evaluate", "run", "--json"], &data[..]].concat(),
    ));
    let carry = ["--carry", "label,education", "-o", "scores.csv"];
    succeed(at, &[&["predict", "run"], &data[..], &carry].concat());
    let scores = fs::read_to_string(at.join("scores.csv")).expect("scores");
    let rows = scores.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        (
            cells[0].parse().expect("0 or 1"),
            cells[1].to_owned(),
            cells[2].parse().expect("a score"),
        )
    });
    let mut names = Vec::new();
    let (mut labels, mut groups, mut probabilities) = (Vec::new(), Vec::new(), Vec::new());
    for (label, name, probability) in rows {
        let known = names.iter().position(|known| *known == name);
        groups.push(known.unwrap_or(names.len()) as u64);
        if known.is_none() {
            names.push(name);
        }
        labels.push(label);
        probabilities.push(probability);
    }
    let within = fibinet::train::group_auc(&probabilities, &labels, &groups).expect("groups");
    let reported = &metrics["group_auc"];
    assert_eq!(reported["groups"], within.groups);
    assert_eq!(reported["rows"], within.rows);
    let auc = reported["auc"].as_f64().expect("an AUC");
    assert!((auc - within.auc).abs() < 1e-6, "{reported} {within:?}");
    assert!((auc - metrics["auc"].as_f64().expect("an AUC")).abs() > 1e-3);

    fs::write(at.join("narrow.csv"), "label,age\n1,30\n").expect("written");
    let init = [
        "init",
        "narrow.csv",
        "--label",
        "label",
        "--group",
        "usr",
        "-o",
        "n.toml",
    ];
    fail(at, &init, 2, "no column `usr`");
}

#[test]
fn carried_columns_stand_beside_the_scores() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    one_epoch(at, "fibinet.toml", "run");
    let predict = ["predict", "run", "--data", ADULT, "-o"];
    let carry = ["--carry", "age,native-country"];
    succeed(at, &[&predict[..], &["plain.csv"]].concat());
    succeed(at, &[&predict[..], &["carried.csv"], &carry].concat());
    let lines = |name: &str| {
        let text = fs::read_to_string(at.join(name)).expect("scores");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let log = fs::read_to_string(ADULT).expect("the sample");
    let (plain, carried) = (lines("plain.csv"), lines("carried.csv"));
    assert_eq!(carried.len(), 2601);
    for ((plain, carried), row) in plain.iter().zip(&carried).zip(log.lines()) {
        let cells: Vec<&str> = row.split(',').collect();
        let country = cells[cells.len() - 1];
        assert_eq!(carried, &format!("{},{country},{plain}", cells[1]));
    }
    let unknown = [&predict[..], &["x.csv", "--carry", "ages"]].concat();
    fail(at, &unknown, 2, "no column `ages`");
    let skip = [&predict[..], &["x.csv", "--on-bad-row", "skip"]].concat();
    fail(at, &skip, 2, "needs --carry");
}

#[test]
fn bad_rows_are_skipped_and_counted_where_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let rows: String = (0..300)
        .map(|i| match i {
            100 => "1,s1\n".to_owned(),
            200 => "maybe,s1,3\n".to_owned(),
            _ => format!("{},s{},{}\n", i * 7 % 3 / 2, i % 5, i * 31 % 97),
        })
        .collect();
    fs::write(at.join("log.csv"), format!("click,site,age\n{rows}")).expect("written");
    let good: String = rows
        .lines()
        .filter(|row| row.split(',').count() == 3 && !row.starts_with("maybe"))
        .map(|row| format!("{row}\n"))
        .collect();
    fs::write(at.join("good.csv"), format!("click,site,age\n{good}")).expect("written");
    succeed(at, &["init", "good.csv", "--label", "click"]);
    let set = [
        "train",
        "fibinet.toml",
        "--out",
        "run",
        "--json",
        "--set",
        "train.epochs=1",
        "data.train=log.csv",
    ];
    fail(at, &set, 1, "log.csv:102: 2 columns, expected 3");
    let report = json(&succeed(
        at,
        &[
            &["train", "fibinet.toml", "--on-bad-row", "skip"],
            &set[2..],
        ]
        .concat(),
    ));
    let rows = |split: &str| report[split]["rows"].as_u64().expect("rows");
    let train_rows = report["train_rows"].as_u64().expect("rows");
    assert_eq!(rows("valid") + rows("test") + train_rows, 298);
    assert_eq!(report["left_out"]["bad_rows"], 2);
    let evaluate = ["evaluate", "run", "--data", "log.csv", "--json"];
    fail(at, &evaluate, 1, "log.csv:102");
    let skip = [&evaluate[..], &["--on-bad-row", "skip"]].concat();
    assert_eq!(json(&succeed(at, &skip))["rows"], 298);
    let predict = ["predict", "run", "--data", "log.csv", "-o", "out.csv"];
    let skip = ["--on-bad-row", "skip", "--carry", "age"];
    succeed(at, &[&predict[..], &skip].concat());
    // A header, and every row that is wide enough: scoring reads no labels.
    let scores = fs::read_to_string(at.join("out.csv")).expect("scores");
    assert_eq!(scores.lines().count(), 300);
}

#[test]
fn avazu_rows_train_with_nothing_edited() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let header = "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,\
        app_category,device_id,device_ip,device_model,device_type,device_conn_type,\
        C14,C15,C16,C17,C18,C19,C20,C21";
    let row = |i: usize, label: &str| {
        // 20 digits, beyond what an i64 holds.
        let id = 10_000_000_000_000_000_000_u64 + i as u64;
        let hour = format!("1410{:02}{:02}", 21 + i % 9, i % 24);
        let codes = |n: usize| (0..n).map(|k| format!("{:08x}", i * 31 % (k + 4)));
        let numbers = |n: usize| (0..n).map(|k| (i * 7 % (k + 5)).to_string());
        let ints = numbers(2).chain(codes(9)).chain(numbers(10));
        let cells: Vec<String> = [id.to_string()]
            .into_iter()
            .chain((!label.is_empty()).then(|| label.to_owned()))
            .chain([hour])
            .chain(ints)
            .collect();
        cells.join(",") + "\n"
    };
    let labelled: String = (0..600)
        .map(|i| row(i, if i % 6 == 0 { "1" } else { "0" }))
        .collect();
    fs::write(at.join("train.csv"), format!("{header}\n{labelled}")).expect("written");
    let unlabelled: String = (0..10).map(|i| row(i, "")).collect();
    let test_header = header.replace("click,", "");
    fs::write(at.join("test.csv"), format!("{test_header}\n{unlabelled}")).expect("written");
    succeed(at, &["init", "train.csv", "--schema", "avazu"]);
    one_epoch(at, "fibinet.toml", "run");
    let predict = ["predict", "run", "--data", "test.csv", "-o", "out.csv"];
    succeed(at, &[&predict[..], &["--carry", "id"]].concat());
    let scores = fs::read_to_string(at.join("out.csv")).expect("scores");
    assert!(
        scores.starts_with("id,probability\n10000000000000000000,"),
        "{scores}"
    );

    let bundle = json(&succeed(at, &["inspect", "run", "--json"]));
    let fields = bundle["fields"].as_array().expect("fields");
    assert_eq!(fields.len(), 24);
    // 276 pairs of 16 numbers a side; a thread forms those of 256 rows, 384 columns at a time.
    let shown = succeed(at, &["inspect", "run"]);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let at_once = (0.375 * threads as f64).min(69.0);
    assert!(
        shown.contains(&format!(
            "69.0 MiB as an array; at most {at_once:.1} MiB at once on flex"
        )),
        "{shown}"
    );
    let pairs = &bundle["pair_bytes"];
    assert_eq!(
        (&pairs["rows"], &pairs["array"]),
        (&2048.into(), &(69 << 20).into())
    );
    let bytes = |key: &str| pairs[key].as_f64().expect("bytes");
    let scoring = bytes("scoring_at_once");
    assert_eq!(scoring, at_once * f64::from(1 << 20), "{pairs}");
    let training = bytes("training_at_once") / f64::from(1 << 20);
    assert!(
        shown.contains(&format!("flex, {training:.1} MiB in training")),
        "{shown}"
    );
    let hour = fields
        .iter()
        .find(|field| field["name"] == "hour.hour")
        .expect("the hour of the day");
    assert_eq!(hour["ids"], 27);
    assert!(!fields.iter().any(|field| field["name"] == "id"));
}

#[test]
fn synthetic_rows_are_prepared_once_and_learnt_from() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let synth = [
        "synth",
        "--rows",
        "20000",
        "--vocabulary",
        "2000",
        "-o",
        "train.txt",
        "--json",
    ];
    let law = json(&succeed(at, &synth));
    assert_eq!(law["rows"], 20_000);
    succeed(at, &["init", "train.txt", "--schema", "criteo"]);
    let prepared = json(&succeed(at, &["prepare", "fibinet.toml", "--json"]));
    let bytes = fs::metadata(at.join("train.txt")).expect("the rows").len();
    assert_eq!(
        (&prepared["source_bytes"], &prepared["reused"]),
        (&bytes.into(), &false.into())
    );
    let number = |key: &str| prepared[key].as_f64().expect("a number");
    let seconds = number("seconds");
    let rows = seconds * number("rows_per_second");
    assert!((rows - 20_000.0).abs() < 1e-3, "{prepared}");
    let read = seconds * number("bytes_per_second");
    assert!((read - bytes as f64).abs() < 1.0, "{prepared}");
    let again = succeed(at, &["prepare", "fibinet.toml"]);
    assert!(!again.contains("/s"), "nothing was prepared: {again}");
    let anew = succeed(at, &["prepare", "fibinet.toml", "--cache", "anew"]);
    assert!(
        anew.contains(" rows/s, ") && anew.contains(" MB/s"),
        "{anew}"
    );
    let at_prepare = prepared["directory"].as_str().expect("a directory");
    let again = json(&succeed(at, &["prepare", "fibinet.toml", "--json"]));
    assert_eq!(again["directory"], at_prepare);
    for speed in ["rows_per_second", "bytes_per_second"] {
        assert_eq!(again.get(speed), Some(&Value::Null), "{again}");
    }
    let output = fibinet(
        at,
        &[
            "train",
            "fibinet.toml",
            "--out",
            "run",
            "--json",
            "--set",
            "train.epochs=3",
        ],
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("are used again"), "{stderr}");
    let report = json(&String::from_utf8(output.stdout).expect("UTF-8"));
    let bayes = law["bayes_logloss"].as_f64().expect("a loss");
    let loss = report["test"]["logloss"].as_f64().expect("a loss");
    // The entropy of a quarter of clicks is .562.
    assert!(bayes < loss && loss < 0.53, "{bayes} {report}");

    // An id out of range in an encoded file: the file of another run, whose vocabulary is larger.
    let synth = [
        "synth",
        "--rows",
        "20000",
        "--vocabulary",
        "900000",
        "-o",
        "train.txt",
    ];
    fs::rename(at.join("train.txt"), at.join("first.txt")).expect("moved");
    succeed(at, &synth);
    let large = ["prepare", "fibinet.toml", "--json", "--set"];
    let large = [&large[..], &["data.train=train.txt"]].concat();
    let other = json(&succeed(at, &large));
    let other = at.join(other["directory"].as_str().expect("a directory"));
    let shard = "train-00000.parquet";
    fs::rename(at.join("first.txt"), at.join("train.txt")).expect("moved back");
    fs::copy(other.join(shard), at.join(at_prepare).join(shard)).expect("copied");
    let train = [
        "train",
        "fibinet.toml",
        "--out",
        "bad",
        "--set",
        "train.epochs=1",
    ];
    fail(at, &train, 1, "is not below");
}

#[test]
fn a_run_that_diverges_names_the_step_and_keeps_its_best_weights() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    let train = |settings: &[&'static str]| {
        let run = ["train", "fibinet.toml", "--out", "run", "--set"];
        let more = [
            "train.evaluate_every=1",
            "train.max_gradient_norm=0",
            "train.patience=99",
        ];
        [&run[..], &more, settings].concat()
    };
    // Gradients that grow from step to step.
    let growing = train(&[
        "train.optimizer=sgd",
        "train.row_optimizer=sgd",
        "train.learning_rate=50",
    ]);
    fail(
        at,
        &growing,
        1,
        "at learning rate 50; the best weights before, of epoch 1, are in run.diverged",
    );
    assert!(!at.join("run").exists());
    succeed(at, &["evaluate", "run.diverged", "--data", ADULT]);
    fs::remove_dir_all(at.join("run.diverged")).expect("removed");
    // And one without a checkpoint.
    let at_once = train(&["train.learning_rate=1e30"]);
    fail(at, &at_once, 1, "after step 1 (epoch 1)");
    fail(at, &at_once, 1, "there was no checkpoint yet");
    assert_eq!(entries(at), ["fibinet.toml"]);
}

#[test]
fn a_pipe_is_read_to_its_end_past_bad_rows() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    one_epoch(at, "fibinet.toml", "run");
    let text = fs::read_to_string(ADULT).expect("the sample");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.insert(3, "1,of another width");
    let log: String = std::iter::repeat_n(&lines[1..], 20)
        .flatten()
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(at.join("log.csv"), format!("{}\n{log}", lines[0])).expect("written");
    let evaluate = |data: &str, input: std::process::Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
        command.current_dir(at).stdin(input);
        let args = [
            "evaluate",
            "run",
            "--json",
            "--on-bad-row",
            "skip",
            "--data",
            data,
        ];
        let output = command.args(args).output().expect("the binary runs");
        json(&String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let mut cat = Command::new("cat")
        .arg(at.join("log.csv"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("cat runs");
    let pipe = cat.stdout.take().expect("a pipe");
    let mut piped = evaluate("/dev/stdin", pipe.into());
    cat.wait().expect("cat ends");
    let mut read = evaluate("log.csv", std::process::Stdio::null());
    assert_eq!(piped["left_out"]["bad_rows"], 20);
    assert_eq!(piped["rows"], 20 * 2600);
    let first = |report: &mut Value| report["left_out"]["first_bad_row"].take().to_string();
    assert!(first(&mut read).contains("log.csv:4: 2 columns, expected 15"));
    assert!(first(&mut piped).contains("/dev/stdin:4: 2 columns, expected 15"));
    assert_eq!(piped, read);

    fs::write(at.join("bad.csv"), format!("{}\nx\ny\n", lines[0])).expect("written");
    for command in [
        &[
            "evaluate",
            "run",
            "--data",
            "bad.csv",
            "--on-bad-row",
            "skip",
        ][..],
        &[
            "predict",
            "run",
            "--data",
            "bad.csv",
            "--on-bad-row",
            "skip",
            "--carry",
            "age",
            "-o",
            "x.csv",
        ],
    ] {
        fail(
            at,
            command,
            1,
            "bad.csv: no row could be read; the first: bad.csv:2: 1 columns",
        );
    }
    assert!(!at.join("x.csv").exists());
}

#[test]
fn a_cache_is_shared_mended_and_left_alone_by_the_seed() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    let prepare = ["prepare", "fibinet.toml", "--json"];
    let both = [(); 2].map(|()| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
        let command = command.current_dir(at).args(prepare);
        command
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the binary runs")
    });
    let both = both.map(|child| child.wait_with_output().expect("it ends"));
    assert!(
        both.iter().all(|output| output.status.success()),
        "{both:?}"
    );
    let [prepared, other] =
        both.map(|output| json(&String::from_utf8(output.stdout).expect("UTF-8")));
    for key in ["directory", "train_rows", "valid_rows", "test_rows"] {
        assert_eq!(prepared[key], other[key]);
    }
    let cached = at.join(prepared["directory"].as_str().expect("a directory"));
    assert_eq!(entries(&at.join(".fibinet-cache")).len(), 1);

    let train = |out: &str, more: &[&str]| {
        let run = ["train", "fibinet.toml", "--out", out, "--json"];
        let output = fibinet(at, &[&run[..], more, &["--set", "train.epochs=1"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        let report = json(&String::from_utf8(output.stdout).expect("UTF-8"));
        (report, stderr.contains("are used again"))
    };
    let (first, reused) = train("a", &[]);
    assert!(reused);
    // Another seed draws other weights and orders; the split is the data's.
    let (other, reused) = train("b", &["--seed", "7"]);
    assert!(reused);
    assert_ne!(other["valid"]["auc"], first["valid"]["auc"]);
    assert_eq!(other["valid"]["rows"], first["valid"]["rows"]);
    for damage in [
        "valid-00000.parquet",
        "encoder/fields.toml",
        "prepared.toml",
    ] {
        fs::write(cached.join(damage), "no more").expect("written");
        let (again, reused) = train(&damage[..2], &[]);
        assert!(!reused, "{damage}");
        assert_eq!(again["valid"], first["valid"], "{damage}");
    }
    train("elsewhere", &["--cache", "rows"]);
    assert_eq!(entries(&at.join("rows")).len(), 1);
    fs::remove_dir_all(at.join(".fibinet-cache")).expect("removed");
    let (_, reused) = train("none", &["--no-cache"]);
    assert!(!reused && !at.join(".fibinet-cache").exists());
}

/// A log with a field of every kind; `times` are written by this.
fn mixed_rows(rows: u64) -> String {
    let draw = |seed, row| fibinet::data::mix_seed(seed, row);
    (0..rows)
        .map(|row| {
            let (site, tag, user) = (draw(1, row) % 9, draw(2, row) % 7, draw(3, row) % 50);
            let hour = draw(4, row) % 24;
            let noise = draw(5, row).is_multiple_of(5);
            let click = u8::from((site + tag) % 3 == 0) ^ u8::from(noise);
            let part = ["train", "valid", "test", "none"]
                [(draw(6, row) % 8).saturating_sub(4) as usize % 4];
            format!(
                "{click},s{site},t{tag};t{},{user},2024-05-{:02} {hour:02}:30,{},{part}\n",
                (tag + 1) % 7,
                1 + row % 28,
                draw(7, row) % 1000,
            )
        })
        .collect()
}

const MIXED_FIELDS: &str = r#"
[[data.fields]]
name = "site"
kind = "categorical"
hash_buckets = 64
[[data.fields]]
name = "tags"
kind = "multi_categorical"
separator = ";"
pooling = "max"
[[data.fields]]
name = "user"
kind = "id"
num_ids = 50
[[data.fields]]
name = "time"
kind = "timestamp"
format = "%Y-%m-%d %H:%M"
[[data.fields]]
name = "price"
kind = "numeric"
encoding = "value"
scaling = "min_max"

[model]
embedding_dim = 4
hidden_units = [16]

[train]
epochs = 3
batch_size = 64
learning_rate = 0.01
"#;

#[test]
fn every_kind_of_field_trains_with_a_header_and_without() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let (columns, rows) = ("click,site,tags,user,time,price,part", mixed_rows(4000));
    fs::write(at.join("with.csv"), format!("{columns}\n{rows}")).expect("written");
    fs::write(at.join("without.csv"), &rows).expect("written");
    // What `init` makes of it, by the options that only it has.
    let split = [
        "--split-column",
        "part",
        "--train-value",
        "train",
        "--valid-value",
        "valid",
        "--test-value",
        "test",
        "--label",
        "click",
    ];
    succeed(
        at,
        &[&["init", "with.csv", "-o", "with.toml"], &split[..]].concat(),
    );
    let names = [
        "init",
        "without.csv",
        "-o",
        "without.toml",
        "--columns",
        columns,
    ];
    succeed(at, &[&names[..], &split].concat());
    let config = |name: &str| fs::read_to_string(at.join(name)).expect("a run file");
    assert!(config("with.toml").contains("kind = \"timestamp\"\nformat = \"%Y-%m-%d %H:%M\""));
    let (with, without) = (
        one_epoch(at, "with.toml", "a"),
        one_epoch(at, "without.toml", "b"),
    );
    assert_eq!(with["test"], without["test"]);
    let rows_in = |part: &str| rows.lines().filter(|row| row.ends_with(part)).count();
    assert_eq!(with["train_rows"], rows_in(",train"));
    assert_eq!(with["test"]["rows"], rows_in(",test"));
    assert_eq!(with["left_out"]["of_no_split"], rows_in(",none"));

    // Every kind, by every optimizer.
    let data = "[data]\ntrain = \"with.csv\"\nlabel = \"click\"\nsplit = { by = \"order\", valid = 0.1, test = 0.1 }\n";
    fs::write(at.join("kinds.toml"), format!("{data}{MIXED_FIELDS}")).expect("written");
    for (optimizer, rule, more) in [
        ("adam", "lazy_adam", "train.row_update=met"),
        ("adamw", "adagrad", "train.weight_decay=0.01"),
        ("sgd", "sgd", "train.momentum=0.9"),
        ("adagrad", "rowwise_adagrad", "train.net_l2=0.0001"),
    ] {
        let (dense, rows) = (
            format!("train.optimizer={optimizer}"),
            format!("train.row_optimizer={rule}"),
        );
        let run = [
            "train",
            "kinds.toml",
            "--out",
            optimizer,
            "--json",
            "--set",
            &dense,
            &rows,
            more,
        ];
        let report = json(&succeed(at, &run));
        assert_eq!(report["test"]["rows"], 400);
        // A fifth of the labels is turned over: .8 is the most.
        let auc = report["test"]["auc"].as_f64().expect("an AUC");
        let least = if optimizer == "sgd" { 0.5 } else { 0.7 };
        assert!(auc > least, "{optimizer} {report}");
    }
}

#[test]
fn a_split_of_one_class_has_no_auc_and_the_rate_is_cut_on_a_plateau() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let rows = mixed_rows(1200);
    let (clicks, others): (Vec<&str>, Vec<&str>) =
        rows.lines().partition(|row| row.starts_with('1'));
    let write = |name: &str, rows: &[&str]| {
        let text = format!(
            "click,site,tags,user,time,price,part\n{}\n",
            rows.join("\n")
        );
        fs::write(at.join(name), text).expect("written");
    };
    write("train.csv", &[&clicks[50..], &others[50..]].concat());
    write("valid.csv", &[&clicks[..50], &others[..25]].concat());
    write("test.csv", &others[25..50]);
    let files = [
        "--valid",
        "valid.csv",
        "--test",
        "test.csv",
        "--label",
        "click",
    ];
    succeed(at, &[&["init", "train.csv"], &files[..]].concat());
    let run = [
        "train",
        "fibinet.toml",
        "--out",
        "run",
        "--json",
        "--set",
        "train.epochs=6",
        "train.learning_rate=0.04",
        "train.plateau_patience=1",
        "train.plateau_factor=0.5",
        "train.min_learning_rate=0.015",
        "train.patience=9",
        "train.monitor=auc_minus_logloss",
        "train.calibration=temperature",
    ];
    let report = json(&succeed(at, &run));
    assert_eq!(report["test"]["auc"], Value::Null);
    assert_eq!(report["test"]["calibration_ratio"], Value::Null);
    assert!(report["test"]["logloss"].as_f64().expect("a loss") > 0.0);
    let table = succeed(at, &["evaluate", "run", "--data", "test.csv"]);
    assert!(table.contains("AUC undefined (one class)"), "{table}");

    let history = fs::read_to_string(at.join("run/history.jsonl")).expect("a history");
    let evaluations: Vec<Value> = history.lines().map(json).collect();
    let mut rate = 0.04;
    for evaluation in &evaluations {
        let met = evaluation["learning_rate"].as_f64().expect("a rate");
        assert!((met - rate).abs() < 1e-12, "{history}");
        if evaluation["best"] == false {
            rate = f64::max(rate * 0.5, 0.015);
        }
    }
    assert!(rate < 0.04, "a plateau: {history}");
}

#[test]
fn sampled_negatives_are_counted_as_what_they_stand_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    // 2,000 rows, one in ten clicks, of which every fifth of the others was kept.
    let row = |i: u64| {
        let draw = fibinet::data::mix_seed(3, i);
        let site = draw % 5;
        let click = (draw / 5).is_multiple_of(10);
        (
            click,
            format!("{},s{site},t{}\n", u8::from(click), draw / 50 % 4),
        )
    };
    let whole: String = (0..20_000).map(|i| row(i).1).collect();
    let kept = (0..20_000).map(row).enumerate();
    let kept: String = kept
        .filter(|(i, (click, _))| *click || i % 5 == 0)
        .map(|(_, (_, row))| row)
        .collect();
    fs::write(at.join("whole.csv"), format!("click,site,tag\n{whole}")).expect("written");
    fs::write(at.join("kept.csv"), format!("click,site,tag\n{kept}")).expect("written");
    succeed(at, &["init", "kept.csv", "--label", "click"]);
    let train = ["train", "fibinet.toml", "--out", "run", "--json", "--set"];
    let set = ["data.negative_rate=0.2", "train.epochs=3"];
    let report = json(&succeed(at, &[&train[..], &set].concat()));
    let ratio = |metrics: &Value| metrics["calibration_ratio"].as_f64().expect("a ratio");
    assert!((ratio(&report["test"]) - 1.0).abs() < 0.2, "{report}");
    let evaluate = [
        "evaluate",
        "run",
        "--data",
        "whole.csv",
        "--json",
        "--negative-rate",
        "1",
    ];
    let metrics = json(&succeed(at, &evaluate));
    assert!((ratio(&metrics) - 1.0).abs() < 0.1, "{metrics}");
    // A tenth of clicks, and nothing to learn: the entropy is .325.
    let loss = metrics["logloss"].as_f64().expect("a loss");
    assert!((loss - 0.325).abs() < 0.02, "{metrics}");
}

#[test]
fn a_run_goes_on_from_another_with_new_tokens() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let log = |first: usize, shift: usize| -> String {
        let row = |i: usize| {
            let draw = fibinet::data::mix_seed(9, i as u64);
            let site = shift + (draw % 20) as usize;
            let click = u8::from(site.is_multiple_of(3) && !(draw / 20).is_multiple_of(8));
            format!("{click},s{site},t{}\n", draw / 160 % 4)
        };
        let rows: String = (first..first + 4000).map(row).collect();
        format!("click,site,tag\n{rows}")
    };
    fs::write(at.join("monday.csv"), log(0, 0)).expect("written");
    fs::write(at.join("tuesday.csv"), log(4000, 5)).expect("written");
    succeed(at, &["init", "monday.csv", "--label", "click"]);
    let train = |out: &str, more: &[&str]| {
        let args = ["train", "fibinet.toml", "--json", "--out", out];
        json(&succeed(at, &[&args[..], more].concat()))
    };
    let monday = train("monday", &[]);
    assert_eq!(monday["warm_start"], Value::Null);
    let tuesday = [
        "data.train=tuesday.csv",
        "train.epochs=1",
        "train.learning_rate=1e-5",
    ];
    let set = [&["--set"][..], &tuesday].concat();
    let warm = train("tuesday", &[&["--warm-start", "monday"][..], &set].concat());
    // Twenty sites and four tags, three more ids each; five sites are new.
    assert_eq!(warm["warm_start"]["kept_rows"], 30);
    assert_eq!(warm["warm_start"]["new_rows"], 5);
    let cold = train("cold", &set);
    let auc = |report: &Value| report["valid"]["auc"].as_f64().expect("an AUC");
    assert!(auc(&warm) > auc(&cold) + 0.05, "{warm} {cold}");
    // What it went on from it still knows: Monday's rows score as well.
    let evaluate = ["evaluate", "tuesday", "--data", "monday.csv", "--json"];
    let metrics = json(&succeed(at, &evaluate));
    let known = monday["valid"]["auc"].as_f64().expect("an AUC");
    let still = metrics["auc"].as_f64().expect("an AUC");
    assert!((still - known).abs() < 0.03, "{still} {known}");

    let run = ["train", "fibinet.toml", "--out", "x", "--warm-start"];
    let other = [&run[..], &["monday", "--set", "model.embedding_dim=4"]].concat();
    fail(
        at,
        &other,
        2,
        "[model] is not that of the run to go on from",
    );
    let fields = "data.fields=[{ name = \"site\", kind = \"categorical\" }, \
        { name = \"tag\", kind = \"categorical\", min_count = 2 }]";
    let other = [&run[..], &["monday", "--set", fields]].concat();
    fail(at, &other, 2, "`site` is encoded otherwise");
    fail(
        at,
        &[&run[..], &["nowhere"]].concat(),
        1,
        "nowhere is no bundle",
    );
}

#[test]
fn tables_of_16_bits_train_score_and_go_on_in_half_the_bytes() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    let train = |dtype: &str, out: &str, more: &[&str]| {
        let args = ["train", "fibinet.toml", "--json", "--out", out];
        let dtype = format!("train.table_dtype={dtype}");
        let set = ["--set", "model.embedding_dim=32", &dtype];
        json(&succeed(at, &[&args[..], more, &set[..]].concat()))
    };
    let bytes = |run: &str| {
        let tables = at.join(run).join("tables.safetensors");
        fs::metadata(tables).expect("tables").len() as f64
    };
    let auc = |report: &Value| report["valid"]["auc"].as_f64().expect("an AUC");
    let f32s = train("f32", "f32", &[]);
    for dtype in ["bf16", "f16"] {
        let report = train(dtype, dtype, &[]);
        // In nine runs it was off by .0005 at most; the AUC's own standard error is .02.
        let off = (auc(&report) - auc(&f32s)).abs();
        assert!(off < 0.005, "{dtype}: {report} {f32s}");
        // Linear weights stay f32: 2 · 32 + 4 bytes of 4 · 32 + 4.
        let share = bytes(dtype) / bytes("f32");
        assert!((share - 68.0 / 132.0).abs() < 0.02, "{dtype}: {share}");

        // What is written is what was judged in training, to the last bit, rows left behind too.
        let history = fs::read_to_string(at.join(dtype).join("history.jsonl")).expect("a history");
        let best = history.lines().map(json).rfind(|line| line["best"] == true);
        let best = best.expect("a best evaluation");
        assert_eq!(
            report["valid_logloss_uncalibrated"],
            best["valid"]["logloss"]
        );

        let inspected = json(&succeed(at, &["inspect", dtype, "--json"]));
        assert_eq!(inspected["table_dtype"], dtype);
        let table_bytes = inspected["table_bytes"].as_f64().expect("bytes");
        assert!(bytes(dtype) - table_bytes < 300.0, "{inspected}");
        let evaluate = ["evaluate", dtype, "--data", ADULT, "--json"];
        let metrics = json(&succeed(at, &evaluate));
        let scores = format!("{dtype}.csv");
        succeed(at, &["predict", dtype, "--data", ADULT, "-o", &scores]);
        let scores = fs::read_to_string(at.join(scores)).expect("scores");
        let scores: Vec<f32> = scores
            .lines()
            .skip(1)
            .map(|line| line.parse().expect("a number"))
            .collect();
        let text = fs::read_to_string(ADULT).expect("the sample");
        let by_hand = auc_of(&scores, &text);
        let evaluated = metrics["auc"].as_f64().expect("an AUC");
        assert!((by_hand - evaluated).abs() < 1e-6, "{metrics}");
    }
    for (from, to) in [("f16", "bf16"), ("bf16", "f32")] {
        let few = ["--warm-start", from, "--set", "train.epochs=1"];
        let warm = train(to, &format!("{from}-{to}"), &few);
        assert_eq!(warm["warm_start"]["new_rows"], 0);
        assert!((auc(&warm) - auc(&f32s)).abs() < 0.02, "{to}: {warm}");
    }

    // Numbers of a type that no table has.
    let path = at.join("bf16/tables.safetensors");
    let mut tables = fs::read(&path).expect("tables");
    let name = tables.windows(4).position(|four| four == b"BF16");
    let name = name.expect("the type's name");
    tables[name..name + 4].copy_from_slice(b"I16\"");
    tables[name + 4] = b' ';
    fs::write(&path, tables).expect("written");
    fs::remove_file(at.join("bf16/SHA256SUMS")).expect("removed");
    let sums = Command::new("sh")
        .args([
            "-c",
            "sha256sum $(find . -type f | sed 's,./,,' | LC_ALL=C sort) > SHA256SUMS",
        ])
        .current_dir(at.join("bf16"))
        .status();
    assert!(sums.is_ok_and(|status| status.success()), "checksums");
    fail(at, &["inspect", "bf16"], 1, "of I16, expected [");
    fail(at, &["inspect", "bf16"], 1, "] of F32, BF16, F16");
}

#[test]
fn other_bad_files_and_settings_are_told_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let rows: String = (0..60)
        .map(|i| format!("{},s{},{i}\n", i % 2, i % 5))
        .collect();
    let text = format!("click,site,age\n{rows}");
    fs::write(at.join("log.csv"), &text).expect("written");
    succeed(at, &["init", "log.csv", "--label", "click"]);
    let run = [
        "train",
        "fibinet.toml",
        "--out",
        "run",
        "--set",
        "train.epochs=1",
    ];
    let with = |more: &[&'static str]| [&run[..], more].concat();

    // Not UTF-8, as Latin-1 writes é.
    let latin = [text.as_bytes(), b"1,caf\xe9,3\n"].concat();
    fs::write(at.join("latin.csv"), latin).expect("written");
    let says = "latin.csv:62, column `site`: the cell is not UTF-8";
    fail(at, &with(&["data.train=latin.csv"]), 1, says);
    // UTF-16, as spreadsheets write it.
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(at.join("wide.csv"), [&[0xff, 0xfe][..], &utf16].concat()).expect("written");
    fail(
        at,
        &with(&["data.train=wide.csv"]),
        1,
        "the header is not UTF-8",
    );
    // Settings.
    fail(
        at,
        &with(&["train.monitr=auc"]),
        2,
        "did you mean `monitor`?",
    );
    fail(
        at,
        &with(&["train.monitor=loglos"]),
        2,
        "did you mean `logloss`?",
    );
    fail(
        at,
        &with(&["data.negative_rate=0"]),
        2,
        "`negative_rate` must be in (0, 1]",
    );
    fail(
        at,
        &with(&["train.plateau_factor=2"]),
        2,
        "`plateau_factor` must be in (0, 1]",
    );
    let twice = "data.fields=[{ name = \"site\", kind = \"categorical\" }, \
        { name = \"site\", kind = \"categorical\" }]";
    fail(
        at,
        &[&run[..], &[twice]].concat(),
        2,
        "field `site`: named twice",
    );
    let hashed = "data.fields=[{ name = \"site\", kind = \"id\", num_ids = 3 }, \
        { name = \"age\", kind = \"id\", num_ids = 60 }]";
    fail(
        at,
        &[&run[..], &[hashed]].concat(),
        1,
        "an id must be an integer below 3",
    );
    fail(at, &with(&["--threads", "0"]), 2, "--threads");
    fail(
        at,
        &[
            "init",
            "log.csv",
            "--label",
            "click",
            "--exclude",
            "sites",
            "-o",
            "x.toml",
        ],
        2,
        "did you mean `site`?",
    );
    fail(
        at,
        &["init", "log.csv", "--schema", "crieto", "-o", "x.toml"],
        2,
        "did you mean `criteo`?",
    );
    fail(
        at,
        &["synth", "--rows", "9", "--vocabulary", "3", "-o", "x"],
        2,
        "--vocabulary",
    );

    // A bundle of a newer program.
    succeed(at, &run);
    let manifest = at.join("run/bundle.toml");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    fs::write(&manifest, text.replace("format = 2", "format = 4")).expect("written");
    let evaluate = ["evaluate", "run", "--data", "log.csv"];
    fail(
        at,
        &evaluate,
        1,
        "has format 4, which is newer than this program reads (3)",
    );
    assert_eq!(
        entries(at),
        ["fibinet.toml", "latin.csv", "log.csv", "run", "wide.csv"]
    );
}

/// Where the machine lets this process mount one, a file system of 256 KiB.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_bundle() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let disk = at.join("disk");
    fs::create_dir(&disk).expect("made");
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&disk)
        .output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        println!("skipped: no file system can be mounted here");
        return;
    }
    succeed(at, &["init", ADULT, "--label", "label"]);
    let train = [
        "train",
        "fibinet.toml",
        "--out",
        "disk/run",
        "--set",
        "train.epochs=1",
    ];
    let small = ["model.hidden_units=[4]", "model.embedding_dim=2"];
    succeed(at, &[&train[..], &small].concat());
    let before = fs::read(disk.join("run/SHA256SUMS")).expect("checksums");
    let large = [&train[..], &["model.hidden_units=[400]", "--force"]].concat();
    let output = fibinet(at, &large);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let after = fs::read(disk.join("run/SHA256SUMS"));
    let left = entries(&disk);
    let scored = fibinet(at, &["evaluate", "disk/run", "--data", ADULT]);
    let unmounted = Command::new("umount").arg(&disk).status();
    assert!(unmounted.is_ok_and(|status| status.success()), "unmounted");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(stderr.to_lowercase().contains("no space"), "{stderr}");
    assert_eq!(after.expect("checksums"), before);
    assert_eq!(left, ["run"]);
    assert!(scored.status.success(), "{scored:?}");
}

/// Six fields of ten tokens whose effects add up; the noise is the clicks' own.
fn additive_rows(rows: std::ops::Range<u64>) -> Vec<String> {
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
    let directory = tempfile::tempdir().expect("a directory");
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
        let figure = |name: &str| report["test"][name].as_f64().expect("a figure");
        (figure("auc"), figure("logloss"))
    };
    let (shuffled, sorted) = (test("shuffled.csv"), test("sorted.csv"));
    assert!(shuffled.0 > 0.75, "{shuffled:?}");
    assert!(
        (shuffled.0 - sorted.0).abs() < 0.003,
        "{shuffled:?}, {sorted:?}"
    );
    // The AUC does not see a bias that comes and goes with the labels, the loss does.
    assert!(
        (shuffled.1 - sorted.1).abs() < 0.003,
        "{shuffled:?}, {sorted:?}"
    );
}
