use std::fs;
use std::process::{Command, Stdio};

use super::adult::{ADULT_RUN, adult_rows};
use super::small::small_directory;
use super::{ADULT, auc_of, closed_pipe, entries, fail, number, scores, scratch, text};

#[test]
fn every_row_has_one_probability() {
    let directory = scratch();
    let at = directory.path();
    ADULT_RUN.predict(at, ADULT, "scores.csv", &[]);
    let written = fs::read_to_string(at.join("scores.csv")).expect("scores");
    assert_eq!(written.lines().next(), Some("probability"));
    let scores = scores(&at.join("scores.csv"));
    assert_eq!(scores.len(), 2600);
    assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
}

#[test]
fn scores_have_the_order_of_the_rows() {
    // With the labels in that order they give the AUC of `evaluate`.
    let directory = scratch();
    let at = directory.path();
    ADULT_RUN.predict(at, ADULT, "scores.csv", &[]);
    let auc = auc_of(&scores(&at.join("scores.csv")), &adult_rows());
    let evaluated = number(&ADULT_RUN.evaluate(at, ADULT), "auc");
    assert!((auc - evaluated).abs() < 1e-6, "{auc} {evaluated}");
}

#[test]
fn the_label_is_not_needed_and_columns_may_stand_in_any_order() {
    let directory = scratch();
    let at = directory.path();
    let unlabelled: String = adult_rows()
        .lines()
        .map(|line| {
            let mut cells: Vec<&str> = line.split(',').skip(1).collect();
            cells.reverse();
            format!("{}\n", cells.join(","))
        })
        .collect();
    fs::write(at.join("unlabelled.csv"), unlabelled).expect("written");
    ADULT_RUN.predict(at, ADULT, "scores.csv", &[]);
    ADULT_RUN.predict(at, "unlabelled.csv", "again.csv", &[]);
    let again = fs::read(at.join("again.csv")).expect("scores");
    assert_eq!(again, fs::read(at.join("scores.csv")).expect("scores"));
}

#[test]
fn an_address_is_refused_as_an_output_before_anything_is_read() {
    let directory = scratch();
    let at = directory.path();
    let says =
        "s3://bucket/out: only files of this machine are written; write to one and copy it there";
    let remote = "s3://bucket/out";
    let commands: [&[&str]; 3] = [
        &["predict", "no-bundle", "--data", "none.csv", "-o", remote],
        &["init", "none.csv", "--label", "click", "-o", remote],
        &["synth", "--rows", "9", "-o", remote],
    ];
    for command in commands {
        fail(at, command, 2, says);
    }
    assert_eq!(entries(at), [""; 0]);
    let directory = small_directory();
    let at = directory.path();
    fail(at, &["train", "run.toml", "--out", remote], 2, says);
    fail(at, &["prepare", "run.toml", "--cache", remote], 2, says);
}

#[test]
fn scoring_leaves_the_scores_and_nothing_else() {
    let directory = scratch();
    let at = directory.path();
    ADULT_RUN.predict(at, ADULT, "scores.csv", &[]);
    assert_eq!(entries(at), ["scores.csv"]);
}

#[test]
fn scores_on_standard_output_come_after_what_is_in_its_file() {
    let directory = scratch();
    let at = directory.path();
    ADULT_RUN.predict(at, ADULT, "scores.csv", &[]);
    let kept = at.join("kept.csv");
    fs::write(&kept, "before\n").expect("written");
    let output = fs::OpenOptions::new().append(true).open(&kept);
    let status = Command::new(env!("CARGO_BIN_EXE_fibinet"))
        .current_dir(at)
        .arg("predict")
        .arg(ADULT_RUN.bundle())
        .args(["--data", ADULT, "-o", "-"])
        .stdout(output.expect("the file"))
        .status();
    assert!(status.expect("the binary runs").success());
    let scores = fs::read_to_string(at.join("scores.csv")).expect("scores");
    let kept = fs::read_to_string(kept).expect("text");
    assert!(kept == format!("before\n{scores}"), "{kept:.80}");
}

#[test]
fn carried_columns_stand_beside_the_scores() {
    let directory = scratch();
    let at = directory.path();
    ADULT_RUN.predict(at, ADULT, "plain.csv", &[]);
    let carry = ["--carry", "age,native-country"];
    ADULT_RUN.predict(at, ADULT, "carried.csv", &carry);
    let lines = |name: &str| {
        let text = fs::read_to_string(at.join(name)).expect("scores");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let log = adult_rows();
    let (plain, carried) = (lines("plain.csv"), lines("carried.csv"));
    assert_eq!(carried.len(), 2601);
    for ((plain, carried), row) in plain.iter().zip(&carried).zip(log.lines()) {
        let cells: Vec<&str> = row.split(',').collect();
        let country = cells[cells.len() - 1];
        assert_eq!(carried, &format!("{},{country},{plain}", cells[1]));
    }
}

/// Scores the Adult sample with arguments that must be refused.
#[track_caller]
fn refused(more: &[&str], says: &str) {
    let directory = scratch();
    let bundle = ADULT_RUN.bundle();
    let predict = ["predict", text(&bundle), "--data", ADULT, "-o", "x.csv"];
    fail(directory.path(), &[&predict[..], more].concat(), 2, says);
    assert!(entries(directory.path()).is_empty());
}

#[test]
fn a_carried_column_that_is_not_there_is_named() {
    refused(&["--carry", "ages"], "no column `ages`");
}

#[test]
fn skipping_rows_needs_a_column_that_tells_them_apart() {
    refused(&["--on-bad-row", "skip"], "needs --carry");
}

#[test]
fn a_column_called_as_the_scores_are_cannot_be_carried() {
    let directory = scratch();
    let at = directory.path();
    let rows = fs::read_to_string(ADULT).expect("the log");
    let rows = rows.lines().enumerate().map(|(line, row)| {
        let cell = if line == 0 { "probability" } else { "0.5" };
        format!("{row},{cell}\n")
    });
    fs::write(at.join("rows.csv"), rows.collect::<String>()).expect("written");
    let bundle = ADULT_RUN.bundle();
    let predict = ["predict", text(&bundle), "--data", "rows.csv"];
    let carry = ["-o", "scores.csv", "--carry", "probability"];
    let says = "--carry probability: the scores have a column of that name";
    fail(at, &[&predict[..], &carry].concat(), 2, says);
    assert_eq!(entries(at), ["rows.csv"]);
}

#[test]
fn rows_come_from_standard_input_and_scores_go_to_standard_output() {
    let directory = scratch();
    let at = directory.path();
    ADULT_RUN.predict(at, ADULT, "scores.csv", &[]);
    let output = Command::new(env!("CARGO_BIN_EXE_fibinet"))
        .current_dir(at)
        .arg("predict")
        .arg(ADULT_RUN.bundle())
        .args(["--data", "-", "-o", "-"])
        .stdin(fs::File::open(ADULT).expect("the log"))
        .output()
        .expect("the binary runs");
    assert!(output.stdout == fs::read(at.join("scores.csv")).expect("scores"));
    assert_eq!(entries(at), ["scores.csv"]);
}

#[test]
fn parquet_on_a_pipe_is_refused_in_words() {
    let directory = scratch();
    let at = directory.path();
    ADULT_RUN.predict(at, ADULT, "log.parquet", &["--carry", "age"]);
    let mut cat = Command::new("cat")
        .arg(at.join("log.parquet"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("cat runs");
    let output = Command::new(env!("CARGO_BIN_EXE_fibinet"))
        .current_dir(at)
        .arg("predict")
        .arg(ADULT_RUN.bundle())
        .args(["--data", "-", "-o", "x.csv"])
        .stdin(cat.stdout.take().expect("a pipe"))
        .output()
        .expect("the binary runs");
    cat.wait().expect("cat ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("standard input: Parquet cannot be read from a pipe"),
        "{stderr}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn scores_into_a_closed_pipe_are_a_success() {
    let directory = scratch();
    let bundle = ADULT_RUN.bundle();
    let predict = ["predict", text(&bundle), "--data", ADULT, "-o"];
    let args = [&predict[..], &["/dev/stdout"]].concat();
    closed_pipe(directory.path(), &args);
}

#[test]
fn parquet_scores_into_a_closed_pipe_are_a_success() {
    let directory = scratch();
    let at = directory.path();
    std::os::unix::fs::symlink("/dev/stdout", at.join("scores.parquet")).expect("linked");
    let bundle = ADULT_RUN.bundle();
    let predict = ["predict", text(&bundle), "--data", ADULT, "-o"];
    closed_pipe(at, &[&predict[..], &["scores.parquet"]].concat());
}

#[test]
fn the_first_lines_of_the_scores_can_be_taken_from_a_pipe() {
    use std::io::{BufRead, BufReader};

    let directory = scratch();
    let mut child = Command::new(env!("CARGO_BIN_EXE_fibinet"))
        .current_dir(directory.path())
        .arg("predict")
        .arg(ADULT_RUN.bundle())
        .args(["--data", ADULT, "-o", "/dev/stdout"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let stdout = child.stdout.take().expect("a pipe");
    let first = BufReader::new(stdout).lines().next().expect("a line");
    assert_eq!(first.expect("UTF-8"), "probability");
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
}
