//! Text with other delimiters than a comma, and with quoted cells: what `init` guesses and writes, and that
//! every subcommand reads it.

use std::fs;
use std::path::Path;

use crate::cli::logs::fields::mixed_rows;
use crate::cli::{fail, fibinet, json, one_epoch, scratch, succeed};

/// A log of columns that need no quotes, without a comma in a cell.
fn log() -> String {
    let rows = mixed_rows(600).replace([' ', ';'], "-");
    format!("click,site,tags,user,time,price,part\n{rows}")
}

const INIT: [&str; 3] = ["init", "log.csv", "--label"];

/// The run file that `init` writes for a log.
fn run_file(at: &Path, log: &str, more: &[&str]) -> String {
    fs::write(at.join("log.csv"), log).expect("written");
    let output = ["click", "-o", "run.toml", "--force"];
    succeed(at, &[&INIT[..], &output, more].concat());
    fs::read_to_string(at.join("run.toml")).expect("a run file")
}

/// `init` must find the delimiter, and training, evaluating and scoring must read rows that are split at it
/// as they read rows that are split at commas.
#[track_caller]
fn is_read(delimiter: &str, written: &str) {
    let directory = scratch();
    let at = directory.path();
    let comma = run_file(at, &log(), &[]);
    let expected = one_epoch(at, "run.toml", "comma");
    let text = log().replace(',', delimiter);
    let config = run_file(at, &text, &[]);
    let line = format!("delimiter = {written} # 600 of the first 600 rows have 7 cells");
    assert!(config.contains(&line), "{config}");
    assert_eq!(
        config.matches("[[data.fields]]").count(),
        comma.matches("[[data.fields]]").count()
    );
    assert_eq!(one_epoch(at, "run.toml", "run")["test"], expected["test"]);
    let evaluate = |run, data| json(&succeed(at, &["evaluate", run, "--data", data, "--json"]));
    fs::write(at.join("comma.csv"), log()).expect("written");
    assert_eq!(evaluate("run", "log.csv"), evaluate("comma", "comma.csv"));
    let predict = |run, data, output| {
        succeed(
            at,
            &[
                "predict", run, "--data", data, "-o", output, "--carry", "user",
            ],
        );
        fs::read(at.join(output)).expect("scores")
    };
    let scores = predict("run", "log.csv", "a.csv");
    assert!(scores == predict("comma", "comma.csv", "b.csv"));
}

#[test]
fn a_tab_is_found_and_read() {
    is_read("\t", r#""\t""#);
}

#[test]
fn a_semicolon_is_found_and_read() {
    is_read(";", r#"";""#);
}

#[test]
fn a_pipe_is_found_and_read() {
    is_read("|", r#""|""#);
}

#[test]
fn a_space_is_found_and_read() {
    is_read(" ", r#"" ""#);
}

#[test]
fn the_delimiter_of_hive_is_found_and_read() {
    is_read("\u{1}", r#""\u0001""#);
}

#[test]
fn a_second_control_character_is_found_and_read() {
    is_read("\u{2}", r#""\u0002""#);
}

#[test]
fn a_double_colon_is_found_and_read() {
    is_read("::", r#""::""#);
}

#[test]
fn a_delimiter_that_is_given_is_used() {
    let directory = scratch();
    let at = directory.path();
    for (delimiter, given, written) in [
        ("^", "^", r#""^""#),
        ("\u{1f}", "\\x1f", r#""\u001F""#),
        (";", "semicolon", r#"";""#),
    ] {
        let text = log().replace(',', delimiter);
        let config = run_file(at, &text, &["--delimiter", given]);
        assert!(
            config.contains(&format!("delimiter = {written}\n")),
            "{config}"
        );
        one_epoch(at, "run.toml", given);
    }
}

#[test]
fn a_delimiter_that_init_does_not_know_is_asked_for() {
    let directory = scratch();
    let at = directory.path();
    fs::write(at.join("log.csv"), log().replace(',', "^")).expect("written");
    let says =
        "the file has: one column, `click^site^tags^user^time^price^part`: is `delimiter` right?";
    fail(at, &[&INIT[..], &["click"]].concat(), 2, says);
}

#[test]
fn without_a_header_the_number_of_columns_tells_the_delimiter() {
    let directory = scratch();
    let at = directory.path();
    let text = log().replace(',', "::");
    let (header, rows) = text.split_once('\n').expect("a header");
    let columns = header.replace("::", ",");
    let config = run_file(at, rows, &["--columns", &columns]);
    assert!(config.contains(r#"delimiter = "::""#), "{config}");
    one_epoch(at, "run.toml", "run");
}

#[test]
fn prose_is_not_torn_apart_by_its_spaces() {
    let directory = scratch();
    let at = directory.path();
    let rows: String = (0..200)
        .map(|i| {
            format!(
                "{},a hotel in town {},s{}\n",
                i % 2,
                "x ".repeat(i % 5),
                i % 9
            )
        })
        .collect();
    let config = run_file(at, &format!("click,the query,site\n{rows}"), &[]);
    assert!(config.contains(r#"delimiter = ",""#), "{config}");
    assert!(config.contains(r#"name = "the query""#), "{config}");
}

/// A log whose queries hold tabs and quotes, as pandas and R write it.
fn quoted_tsv() -> String {
    let rows: String = (0..600)
        .map(|i| {
            format!(
                "{}\t\"say \"\"{}\"\"\tnow\"\ts{}\n",
                i / 63 % 2,
                i % 7,
                i % 9
            )
        })
        .collect();
    format!("click\tquery\tsite\n{rows}")
}

#[test]
fn a_tsv_with_quoted_cells_is_read() {
    let directory = scratch();
    let at = directory.path();
    let config = run_file(at, &quoted_tsv(), &[]);
    assert!(
        config.contains("quote = '\"' # 600 cells are quoted"),
        "{config}"
    );
    one_epoch(at, "run.toml", "run");
    let predict = [
        "predict", "run", "--data", "log.csv", "-o", "out.csv", "--carry", "query",
    ];
    succeed(at, &predict);
    let scores = fs::read_to_string(at.join("out.csv")).expect("scores");
    assert!(scores.contains("\n\"say \"\"0\"\"\tnow\",0."), "{scores}");
}

#[test]
fn quotes_of_a_tsv_that_surround_no_cell_are_characters() {
    let directory = scratch();
    let at = directory.path();
    let text = log().replace(',', "\t").replace("\ts", "\t\"s");
    let config = run_file(at, &text, &[]);
    assert!(!config.contains("quote ="), "{config}");
    one_epoch(at, "run.toml", "run");
    let config = run_file(at, &text.replace('\t', ","), &["--quote", "none"]);
    assert!(config.contains("quote = \"\"\n"), "{config}");
    one_epoch(at, "run.toml", "comma");
}

#[test]
fn a_run_file_with_a_tab_and_no_quote_reads_quotes_as_before() {
    let directory = scratch();
    let at = directory.path();
    let text = log().replace(',', "\t").replace("\ts", "\t\"s");
    run_file(at, &text, &["--quote", "none"]);
    one_epoch(at, "run.toml", "run");
    let output = fibinet(
        at,
        &[
            "predict", "run", "--data", "log.csv", "-o", "-", "--carry", "\"site",
        ],
    );
    let scores = String::from_utf8_lossy(&output.stdout);
    assert!(scores.contains("\n\"\"\"s"), "{scores}");
}

#[test]
fn a_delimiter_that_cannot_be_one_is_refused() {
    let directory = scratch();
    let at = directory.path();
    fs::write(at.join("log.csv"), log()).expect("written");
    let init = [&INIT[..], &["click", "--delimiter", "→"]].concat();
    fail(at, &init, 2, "must be one ASCII character");
}

#[test]
fn messages_about_quotes_name_the_argument_that_the_user_can_give() {
    let directory = scratch();
    let at = directory.path();
    let open = log().replacen("\n", "\n1,\"s,", 3);
    fs::write(at.join("log.csv"), open).expect("written");
    let init = [&INIT[..], &["click"]].concat();
    fail(at, &init, 1, "`--quote none` reads them so");
    let quote = |quote| [&init[..], &["--quote", quote]].concat();
    fail(
        at,
        &quote("no"),
        2,
        "a quote is one punctuation character, or `none`",
    );
    fs::write(at.join("log.csv"), log()).expect("written");
    fail(
        at,
        &quote(","),
        2,
        "--quote ,: the delimiter, `,`, contains it",
    );
}

#[test]
fn a_quote_that_is_closed_in_a_later_row_makes_one_malformed_row_of_their_lines() {
    let directory = scratch();
    let at = directory.path();
    // The quote of line 4 is closed in line 6, which leaves one cell too many.
    let mut lines: Vec<String> = log().lines().map(str::to_owned).collect();
    let cut = lines[3].find(',').expect("cells") + 1;
    lines[3].insert(cut, '"');
    lines[5] += ",\"x\",";
    fs::write(at.join("log.csv"), lines.join("\n") + "\n").expect("written");
    let init = [&INIT[..], &["click"]].concat();
    let says = "log.csv:4: a row over 3 lines has ";
    fail(at, &init, 1, says);
    fail(
        at,
        &init,
        1,
        "`--quote none` reads them so; `--on-bad-row skip` drops malformed rows and counts them",
    );
    let skip = [&init[..], &["--on-bad-row", "skip"]].concat();
    let output = fibinet(at, &skip);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let counted = format!("malformed rows skipped: 1; the first: {says}");
    assert!(
        output.status.success() && stderr.contains(&counted),
        "{stderr}"
    );
    let report = json(&succeed(at, &["prepare", "fibinet.toml", "--json"]));
    assert!(report.to_string().contains("\"bad_rows\":1"), "{report}");
}

#[test]
fn a_quote_that_is_never_closed_is_told_with_its_line() {
    let directory = scratch();
    let at = directory.path();
    let init = [&INIT[..], &["click", "--on-bad-row", "skip"]].concat();
    // The last cell of line 4 takes the rest of the log, and the row has the right number of cells.
    let mut lines: Vec<String> = log().lines().map(str::to_owned).collect();
    let rest = lines.len() - 3;
    let cut = lines[3].rfind(',').expect("cells") + 1;
    lines[3].insert(cut, '"');
    for end in ["", "\n"] {
        fs::write(at.join("log.csv"), lines.join("\n") + end).expect("written");
        let says = format!(
            "log.csv:4: a quote is not closed: the row that begins here takes the rest of the file, {rest} lines\n\
             hint: if quotes are ordinary characters in this file, `--quote none` reads them so\n"
        );
        fail(at, &init, 1, &says);
    }
    // A log that was cut within its last row.
    let cut = log() + "1,\"s";
    fs::write(at.join("log.csv"), cut).expect("written");
    let output = fibinet(at, &init);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let says = "malformed rows skipped: 1; the first: log.csv:";
    assert!(output.status.success() && stderr.contains(says), "{stderr}");
    assert!(
        stderr.contains("takes the rest of the file, 1 line\n"),
        "{stderr}"
    );
}

#[test]
fn a_header_whose_quote_is_not_closed_is_told_without_a_flag_that_skips_it() {
    let directory = scratch();
    let at = directory.path();
    fs::write(at.join("log.csv"), "click,\"s").expect("written");
    let written = ["click", "--delimiter", ",", "--quote", "\""];
    let init = [&INIT[..], &written, &["--on-bad-row", "skip"]].concat();
    let says = "log.csv:1: a quote is not closed: the row that begins here takes the rest of the file, 1 line\n\
                hint: if quotes are ordinary characters in this file, `--quote none` reads them so\n";
    fail(at, &init, 1, says);
}

#[test]
fn a_long_row_without_quotes_draws_no_question_about_them() {
    let directory = scratch();
    let at = directory.path();
    fs::write(at.join("log.csv"), log() + &"x".repeat(6 << 20)).expect("written");
    let init = [&INIT[..], &["click", "--delimiter", ",", "--quote", "none"]].concat();
    let output = fibinet(at, &init);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && stderr.contains("a row is longer than 4 MiB\n"),
        "{stderr}"
    );
    assert!(!stderr.contains("hint"), "{stderr}");
}

#[test]
fn single_quotes_are_read_or_named() {
    let directory = scratch();
    let at = directory.path();
    let rows = |header: &str| {
        let row = |row: u32| format!("{},'s{}','x{}'\n", row % 5 / 4, row % 9, row % 7);
        format!("{header}\n{}", (0..300).map(row).collect::<String>())
    };
    fs::write(at.join("log.csv"), rows("click,site,x")).expect("written");
    let init = [&INIT[..], &["click", "--force"]].concat();
    let says = "note: 600 cells are in single quotes, which are read as part of them; --quote \"'\" reads them";
    let output = fibinet(at, &init);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains(says), "{stderr}");
    let output = fibinet(at, &[&init[..], &["--quote", "'"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !stderr.contains("quotes"),
        "{stderr}"
    );
    // Names may begin and end with such a quote.
    let names = rows("click,site,x").replacen("'x2'", "'x2", 1);
    fs::write(at.join("log.csv"), names).expect("written");
    let output = fibinet(at, &init);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !stderr.contains("quotes"),
        "{stderr}"
    );
    let config = run_file(at, &rows("'click','site','x'"), &[]);
    assert!(
        config.contains("quote = \"'\" # 603 cells are in single quotes"),
        "{config}"
    );
    succeed(at, &["prepare", "run.toml"]);
}

#[test]
fn quotes_written_with_a_backslash_are_named_with_what_to_do() {
    let directory = scratch();
    let at = directory.path();
    let row = |row: u32| format!("{},s{},\"a \\\"b\\\" {}\"\n", row % 5 / 4, row % 9, row % 7);
    let log = format!("click,site,x\n{}", (0..300).map(row).collect::<String>());
    let init = [&INIT[..], &["click"]].concat();
    let says = "note: quotes within cells are written as `\\\"`, so that cells are not read as meant: 300 of those looked \
                at; write them as `\"\"`: sed 's/\\\\\"/\"\"/g' OLD > NEW";
    fs::write(at.join("log.csv"), log.replace("b\\", "b, c\\")).expect("written");
    fail(at, &init, 1, says);
    fs::write(at.join("log.csv"), log.replace("\\\"", "\"\"")).expect("written");
    let output = fibinet(at, &init);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(!stderr.contains("quotes within cells"), "{stderr}");
}
