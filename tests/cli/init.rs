use std::fs;

use super::small::{refused, small_directory};
use super::{entries, fail, fibinet, one_epoch, scratch, succeed};

/// `init` on the small log with these arguments must be refused.
#[track_caller]
fn init_is_refused(more: &[&str], says: &str) {
    refused(&[&["init", "good.csv"], more].concat(), 2, says);
}

#[test]
fn a_label_column_that_is_not_there_is_named() {
    init_is_refused(&["--label", "clack", "-o", "x.toml"], "no column `clack`");
}

#[test]
fn a_group_column_that_is_not_there_is_named() {
    let directory = scratch();
    let at = directory.path();
    fs::write(at.join("narrow.csv"), "label,age\n1,30\n").expect("written");
    let init = ["init", "narrow.csv", "--label", "label", "-o", "n.toml"];
    let group = ["--group", "usr"];
    fail(at, &[&init[..], &group].concat(), 2, "no column `usr`");
    assert_eq!(entries(at), ["narrow.csv"]);
}

#[test]
fn an_excluded_column_that_is_not_there_gets_the_nearest_name() {
    let exclude = ["--label", "click", "--exclude", "sites", "-o", "x.toml"];
    init_is_refused(&exclude, "did you mean `site`?");
}

#[test]
fn an_unknown_schema_gets_the_nearest_name() {
    let schema = ["--schema", "crieto", "-o", "x.toml"];
    init_is_refused(&schema, "a similar value exists: 'criteo'");
}

#[test]
fn a_run_file_that_exists_is_kept() {
    let directory = small_directory();
    let at = directory.path();
    let before = fs::read(at.join("run.toml")).expect("a run file");
    let init = ["init", "good.csv", "--label", "click", "-o", "run.toml"];
    fail(at, &init, 2, "--force");
    assert_eq!(fs::read(at.join("run.toml")).expect("a run file"), before);
}

const WIDE: &str = "click,age,site\n1,30,a\n0,31,b,2\n0,32,a\nmaybe,33,b\n1,33,b\n";

#[test]
fn a_malformed_row_ends_init_with_a_hint_of_the_flag_that_skips_it() {
    let directory = scratch();
    let at = directory.path();
    fs::write(at.join("wide.csv"), WIDE).expect("written");
    let init = ["init", "wide.csv", "--label", "click"];
    fail(at, &init, 1, "wide.csv:3: expected 3 cells, got 4");
    fail(at, &init, 1, "`--on-bad-row skip` drops malformed rows");
    assert_eq!(entries(at), ["wide.csv"]);
}

#[test]
fn init_skips_malformed_rows_counts_them_and_says_that_training_will() {
    let directory = scratch();
    let at = directory.path();
    fs::write(
        at.join("wide.csv"),
        WIDE.to_owned() + &"0,34,a\n1,35,b\n1,34,a\n0,35,b\n".repeat(20),
    )
    .expect("written");
    let init = [
        "init",
        "wide.csv",
        "--label",
        "click",
        "--on-bad-row",
        "skip",
    ];
    let output = fibinet(at, &init);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("guessed from 83 rows"), "{stderr}");
    let skipped = "malformed rows skipped: 2; the first: wide.csv:3: expected 3 cells, got 4";
    assert!(stderr.contains(skipped), "{stderr}");
    assert!(
        stderr.contains("training will skip such rows too"),
        "{stderr}"
    );
    let report = one_epoch(at, "fibinet.toml", "run");
    assert_eq!(report["left_out"]["bad_rows"], 2);
}

#[test]
fn a_delimiter_at_the_end_of_every_line_is_told_as_that() {
    let directory = scratch();
    let at = directory.path();
    fs::write(at.join("log.csv"), "click,age\n1,30,\n0,31,\n").expect("written");
    let says = "log.csv:2: expected 2 cells, got 3: the line ends with a delimiter";
    fail(at, &["init", "log.csv", "--label", "click"], 1, says);
}

#[test]
fn an_address_is_refused_with_what_to_do() {
    init_fails(
        "s3://bucket/log.csv",
        "only files of this machine are read; download it first",
    );
}

#[test]
fn standard_input_is_refused_in_words() {
    init_fails(
        "-",
        "the training file must be a file; `-`, standard input, can only be the --data",
    );
}

#[track_caller]
fn init_fails(file: &str, says: &str) {
    refused(&["init", file, "--label", "click", "-o", "x.toml"], 2, says);
}

#[test]
fn a_time_beside_a_column_called_like_its_hour_trains() {
    let directory = scratch();
    let at = directory.path();
    let rows: String = (0..200)
        .map(|i| {
            let (day, hour) = (1 + i % 28, i % 24);
            format!(
                "{},2024-05-{day:02} {hour:02}:30:00,h{hour}\n",
                i * 7 % 3 % 2
            )
        })
        .collect();
    fs::write(at.join("log.csv"), format!("click,t,t.hour\n{rows}")).expect("written");
    succeed(at, &["init", "log.csv", "--label", "click"]);
    let config = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
    assert!(
        config.contains("name = \"t_2\"\ncolumn = \"t\""),
        "{config}"
    );
    assert!(
        config.contains("renamed, because `t.hour` is taken"),
        "{config}"
    );
    one_epoch(at, "fibinet.toml", "run");
}

#[test]
fn a_run_file_that_training_would_refuse_is_not_written() {
    let directory = scratch();
    let at = directory.path();
    fs::write(at.join("log.csv"), "click,a,b\n1,x,1\n0,x,1\n").expect("written");
    let init = ["init", "log.csv", "--label", "click"];
    fail(at, &init, 2, "\"a\": excluded: 1 distinct value");
    fs::write(at.join("log.csv"), "click,a,b\n1,x,1\n0,y,2\n").expect("written");
    let split = [
        "--split-column",
        "a",
        "--train-value",
        "x",
        "--test-value",
        "x",
    ];
    fail(
        at,
        &[&init[..], &split].concat(),
        2,
        "two splits have the same value",
    );
    assert_eq!(entries(at), ["log.csv"]);
}

#[test]
fn a_group_column_with_the_name_of_the_shards_own_becomes_a_field_of_another_name() {
    let directory = scratch();
    let at = directory.path();
    let rows: String = (0..200)
        .map(|i| format!("{},{},{}\n", i % 3 / 2, i % 7, i % 5))
        .collect();
    let log = format!("click,__group,site\n{rows}");
    fs::write(at.join("log.csv"), log).expect("written");
    let init = ["init", "log.csv", "--label", "click", "--group", "__group"];
    succeed(at, &init);
    let config = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
    let field = "name = \"__group_2\"\ncolumn = \"__group\"\n";
    assert!(config.contains(field), "{config}");
    succeed(at, &["prepare", "fibinet.toml"]);
}

#[test]
fn comments_of_fields_are_broken_into_lines() {
    let directory = scratch();
    let at = directory.path();
    let rows = (0..3000_u64).map(|row| {
        let odd = match row % 200 {
            7 => format!("a cell that is {row} and has many words, none of them a number"),
            _ => format!("{}.5", row * 7 % 900),
        };
        let click = fibinet::data::mix_seed(1, row) % 3 / 2;
        format!("{click},s{},\"{odd}\"\n", row % 9)
    });
    let log = format!("click,site,price\n{}", rows.collect::<String>());
    fs::write(at.join("log.csv"), log).expect("written");
    succeed(at, &["init", "log.csv", "--label", "click"]);
    let config = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
    let comments = config
        .lines()
        .filter(|line| line.starts_with("[[") || line.starts_with('#'));
    for line in comments {
        assert!(line.chars().count() <= 140, "{line}");
    }
    assert!(
        config.contains("\n# 15 odd cells taken as missing: `a cell that is 7"),
        "{config}"
    );
    succeed(at, &["prepare", "fibinet.toml"]);
}
