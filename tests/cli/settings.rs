//! Wrong settings and wrong arguments: the exit code is 2, and the message has the nearest right name if
//! there is one.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::small::{TRAIN, refused, small_config, small_directory};
use super::{entries, fail, fibinet, scratch, succeed};

/// A run with these `--set` pairs or flags must be refused, as a wrong setting.
#[track_caller]
pub(super) fn settings_are_refused(more: &[&str], says: &str) {
    refused(&[&TRAIN[..], more].concat(), 2, says);
}

/// A run file that ends in these lines, the first of them in its `[train]` section, must fail.
#[track_caller]
fn run_file_fails(lines: &str, code: i32, says: &str) {
    run_file_fails_as(&small_config("good.csv", lines), code, says);
}

#[track_caller]
fn run_file_fails_as(config: &str, code: i32, says: &str) {
    let directory = small_directory();
    let at = directory.path();
    fs::write(at.join("run.toml"), config).expect("written");
    fail(at, &TRAIN, code, says);
    assert_eq!(entries(at), ["good.csv", "run.toml"]);
}

#[test]
fn an_unknown_key_of_the_run_file_gets_the_nearest_name() {
    run_file_fails("epoch = 3\n", 2, "did you mean `epochs`?");
}

#[test]
fn a_learning_rate_that_is_too_large_is_a_failure_and_not_a_wrong_setting() {
    run_file_fails("learning_rate = 1e30\n", 1, "the loss became");
}

#[test]
fn an_unknown_key_of_set_gets_the_nearest_name() {
    settings_are_refused(&["--set", "train.monitr=auc"], "did you mean `monitor`?");
}

#[test]
fn an_unknown_choice_gets_the_nearest_name() {
    settings_are_refused(
        &["--set", "train.monitor=loglos"],
        "did you mean `logloss`?",
    );
}

#[test]
fn an_unknown_preset_gets_the_nearest_name() {
    settings_are_refused(&["--set", "model.preset=fuxi"], "did you mean `fuxictr`?");
}

#[test]
fn an_unknown_preset_of_the_run_file_is_shown_where_it_is() {
    let config = small_config("good.csv", "");
    let config = config.replace("[model]\n", "[model]\npreset = \"fuxi\"\n");
    let says = "run.toml: TOML parse error at line 12, column 10";
    run_file_fails_as(&config, 2, says);
    let says = "unknown preset `fuxi`, did you mean `fuxictr`?; known: paper-deep, paper-shallow, \
        article-keras, fuxictr, bars, deepctr, deepctr-torch\n";
    run_file_fails_as(&config, 2, says);
}

/// The third field of a run file, on line 16, with this setting on line 19.
#[track_caller]
fn third_field_fails(setting: &str, says: &str) {
    let field = format!("[[data.fields]]\nname = \"b\"\nkind = \"numeric\"\n{setting}\n");
    run_file_fails(&field, 2, says);
}

#[test]
fn a_wrong_setting_of_a_field_is_shown_where_the_field_starts() {
    let says = "run.toml: TOML parse error at line 16, column 1\n";
    third_field_fails("bukets = 3", says);
    third_field_fails("buckets = 0", says);
    third_field_fails("buckets = \"many\"", says);
}

#[test]
fn a_column_of_a_field_that_is_not_a_text_is_shown_where_it_is() {
    third_field_fails("column = 3", "TOML parse error at line 19, column 10\n");
}

#[test]
fn an_unknown_device_gets_the_nearest_name() {
    settings_are_refused(&["--device", "cudo"], "a similar value exists: 'cuda'");
}

#[test]
fn a_device_that_is_not_compiled_in_names_its_feature() {
    if !fibinet::nn::backend::Backend::Cuda.is_compiled_in() {
        settings_are_refused(&["--device", "cuda"], "build with `--features cuda`");
    }
}

#[test]
fn a_rate_of_negatives_of_zero_is_refused() {
    let says = "`negative_rate` must be in (0, 1]";
    settings_are_refused(&["--set", "data.negative_rate=0"], says);
}

#[test]
fn a_plateau_factor_above_one_is_refused() {
    let says = "plateau_factor must be in (0, 1]";
    settings_are_refused(&["--set", "train.plateau_factor=2"], says);
}

#[test]
fn one_field_is_too_few() {
    let fields = "data.fields=[{ name = \"site\", kind = \"categorical\" }]";
    let says = "num_fields must be at least 2, but is 1";
    settings_are_refused(&["--set", fields], says);
}

#[test]
fn a_field_that_is_named_twice_is_refused() {
    let twice = "data.fields=[{ name = \"site\", kind = \"categorical\" }, \
        { name = \"site\", kind = \"categorical\" }]";
    settings_are_refused(&["--set", twice], "field `site`: two fields have this name");
}

#[test]
fn a_cell_that_is_not_an_id_is_a_failure_of_the_data() {
    let ids = "data.fields=[{ name = \"site\", kind = \"id\", num_ids = 3 }, \
        { name = \"age\", kind = \"id\", num_ids = 60 }]";
    let args = [&TRAIN[..], &["--set", ids]].concat();
    refused(&args, 1, "an id must be an integer below 3");
}

#[test]
fn zero_threads_are_refused() {
    settings_are_refused(&["--threads", "0"], "--threads");
}

#[test]
fn a_run_file_that_is_not_there_is_named() {
    refused(&["train", "none.toml", "--out", "run"], 2, "none.toml");
}

#[test]
fn a_required_flag_that_is_missing_is_named() {
    refused(&["train"], 2, "--out");
}

#[test]
fn the_environment_names_a_device_too() {
    let directory = small_directory();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
    command.current_dir(directory.path()).args(TRAIN);
    let output = command.env("BURN_DEVICE", "cudo").output();
    let output = output.expect("the binary runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("did you mean `cuda`?"), "{stderr}");
    assert_eq!(output.status.code(), Some(2), "{stderr}");
}

/// The help of a subcommand lists the values of a flag.
#[track_caller]
fn help_lists(subcommand: &str, values: &[&str]) {
    let directory = scratch();
    let help = succeed(directory.path(), &[subcommand, "--help"]);
    for value in values {
        let listed = help.lines().any(|line| {
            let line = line.trim_start();
            line.starts_with(&format!("- {value}:"))
        });
        assert!(listed, "no `{value}` in:\n{help}");
    }
}

#[test]
fn help_lists_the_devices() {
    let devices = ["flex", "ndarray", "wgpu", "vulkan", "metal", "cuda"];
    help_lists("train", &devices);
}

#[test]
fn help_lists_what_to_do_with_malformed_rows() {
    help_lists("evaluate", &["fail", "skip"]);
}

#[test]
fn help_lists_the_schemas() {
    help_lists("init", &["criteo", "avazu"]);
}

/// The cause is printed once, although every library on the way passes it on.
#[track_caller]
fn is_said_once(directory: &Path, args: &[&str], says: &str) {
    let output = fibinet(directory, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr.matches(says).count(), 1, "{args:?}: {stderr}");
}

#[test]
fn a_missing_log_is_said_once() {
    let directory = small_directory();
    let args = [&TRAIN[..], &["--set", "data.train=none.csv"]].concat();
    is_said_once(directory.path(), &args, "No such file");
}

#[test]
fn a_missing_run_file_is_said_once() {
    let directory = scratch();
    is_said_once(directory.path(), &TRAIN, "No such file");
}

#[test]
fn a_wrong_setting_of_the_model_is_said_once() {
    let directory = small_directory();
    let args = [&TRAIN[..], &["--set", "model.embedding_dim=0"]].concat();
    is_said_once(directory.path(), &args, "embedding_dim");
}

#[test]
fn a_wrong_setting_of_training_is_said_once() {
    let directory = small_directory();
    let args = [&TRAIN[..], &["--set", "train.batch_size=0"]].concat();
    is_said_once(directory.path(), &args, "batch_size");
}

#[test]
fn a_missing_bundle_is_said_once() {
    let directory = scratch();
    is_said_once(directory.path(), &["inspect", "none"], "none");
}
