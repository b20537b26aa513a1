use std::fs;

use super::small::{refused, small_directory};
use super::{entries, fail, fibinet, scratch, succeed};

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

#[test]
fn a_malformed_row_comes_without_a_hint_of_flags_that_init_lacks() {
    let directory = scratch();
    let at = directory.path();
    fs::write(at.join("wide.csv"), "click,age\n1,30\n0,31,2\n").expect("written");
    let init = ["init", "wide.csv", "--label", "click"];
    fail(at, &init, 1, "wide.csv:3: expected 2 cells, got 3");
    let output = fibinet(at, &init);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("hint"), "{stderr}");
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
    let field = "name = \"group\"\ncolumn = \"__group\"\n";
    assert!(config.contains(field), "{config}");
    succeed(at, &["prepare", "fibinet.toml"]);
}
