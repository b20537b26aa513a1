//! Columns that give the label away, through `init` and `train`.

mod presence;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{fail, fibinet, scratch, succeed};

/// A number in 0..1, drawn for this row.
fn unit(seed: u64, row: u64) -> f64 {
    fibinet::data::mix_seed(seed, row) as f64 / u64::MAX as f64
}

/// Writes `log.csv`: clicks, a user who tells something of them, a site, and the cells of a row and its
/// click.
fn write_log(at: &Path, rows: u64, names: &str, cells: impl Fn(u64, bool) -> String) {
    let mut text = format!("click,user,site,{names}\n");
    for row in 0..rows {
        let user = fibinet::data::mix_seed(1, row) % 50;
        let click = unit(2, row) < 0.1 + 0.4 * (user % 2) as f64;
        let site = fibinet::data::mix_seed(3, row) % 3;
        let cells = cells(row, click);
        writeln!(text, "{},u{user},s{site},{cells}", u8::from(click)).expect("written");
    }
    fs::write(at.join("log.csv"), text).expect("written");
}

/// What `init` says on stderr, and the run file.
#[track_caller]
fn init(at: &Path, more: &[&str]) -> (String, String) {
    let args = [&["init", "log.csv", "--label", "click", "--force"], more].concat();
    let output = fibinet(at, &args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    let config = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
    (stderr, config)
}

fn has_field(config: &str, column: &str) -> bool {
    config.contains(&format!("\nname = \"{column}\"\n"))
}

#[test]
fn what_follows_the_click_is_left_out_with_its_figure_and_the_key_that_keeps_it() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 4000, "dwell,played,clicked_at", |row, click| {
        let day = 1 + row % 28;
        match click {
            true => format!(
                "{:.2},{},2024-05-{day:02} 10:00:00",
                0.1 + unit(4, row),
                7001 + row % 999
            ),
            false => format!(",{},", fibinet::data::mix_seed(5, row) % 7000),
        }
    });
    let (stderr, config) = init(at, &[]);
    for column in ["dwell", "played", "clicked_at"] {
        assert!(!has_field(&config, column), "{config}");
        let says = format!("note: `{column}` is left out: it ");
        assert!(stderr.contains(&says), "{stderr}");
        let key = format!("--keep {column} brings it back");
        assert!(stderr.contains(&key), "{stderr}");
        assert!(
            config.contains(&format!("# \"{column}\": excluded: it ")),
            "{config}"
        );
        assert!(
            config.contains(&format!("`init {}", &key.replace(" brings", "` brings"))),
            "{config}"
        );
    }
    assert!(
        stderr.contains("exactly where there is a click (0 exceptions in 4000 rows)"),
        "{stderr}"
    );
    assert!(stderr.contains("an AUC of 1.0000"), "{stderr}");

    let (stderr, config) = init(at, &["--keep", "dwell,clicked_at", "--numeric", "played"]);
    for column in ["dwell", "played", "clicked_at"] {
        assert!(has_field(&config, column), "{config}");
        let says = format!("warning: `{column}` is kept, as asked, but may give the label away");
        assert!(stderr.contains(&says), "{stderr}");
    }
    assert!(
        config.contains("warning: it has a value exactly"),
        "{config}"
    );
}

#[test]
fn row_numbers_are_left_out_under_each_of_their_names() {
    let directory = scratch();
    let at = directory.path();
    let names = "row_id,Unnamed: 0,,impression";
    write_log(at, 1000, names, |row, _| {
        format!("{row},{row},{row},{}", 10_u64.pow(17) + row * 7)
    });
    let (stderr, config) = init(at, &[]);
    for column in ["row_id", "Unnamed: 0", "", "impression"] {
        assert!(!has_field(&config, column), "{config}");
        assert!(
            config.contains(&format!("# {column:?}: excluded: ")),
            "{config}"
        );
    }
    assert!(
        stderr.contains("--keep 'Unnamed: 0' brings it back"),
        "{stderr}"
    );
    let (_, config) = init(at, &["--keep", "row_id"]);
    assert!(has_field(&config, "row_id"), "{config}");
}

#[test]
fn times_phone_numbers_and_repeated_integers_are_not_row_numbers() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 1000, "seen_at,phone,age", |row, _| {
        let phone = 2_000_000_000 + fibinet::data::mix_seed(6, row) % 8_000_000_000;
        format!("{},{phone},{}", 1_700_000_000 + 3600 * row, 18 + row % 70)
    });
    let (stderr, config) = init(at, &[]);
    for column in ["seen_at", "phone", "age"] {
        assert!(has_field(&config, column), "{config}");
    }
    assert!(!stderr.contains("left out"), "{stderr}");
}

#[test]
fn a_value_that_only_clicks_have_draws_a_warning() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 4000, "conversion", |row, click| {
        u8::from(click && unit(4, row) < 0.1).to_string()
    });
    let (stderr, config) = init(at, &[]);
    assert!(has_field(&config, "conversion"), "{config}");
    let says = "warning: `conversion` may give the label away: its value `1` has ";
    assert!(stderr.contains(says), "{stderr}");
    assert!(
        stderr.contains("--exclude conversion leaves it out"),
        "{stderr}"
    );
    assert!(config.contains("warning: its value `1` has "), "{config}");
}

/// A sum of uniform draws, nearly normal, plus a shift for clicks.
fn score(seed: u64, row: u64, click: bool, shift: f64) -> f64 {
    let normal: f64 = (0..12).map(|draw| unit(seed + draw, row)).sum();
    normal - 6.0 + shift * f64::from(u8::from(click))
}

#[test]
fn a_strong_column_draws_a_warning_only_beside_weak_ones() {
    let directory = scratch();
    let at = directory.path();
    let strong = |row, click| score(10, row, click, 2.7);
    write_log(at, 8000, "score", |row, click| {
        format!("{:.4}", strong(row, click))
    });
    let (stderr, config) = init(at, &[]);
    assert!(has_field(&config, "score"), "{config}");
    let says =
        "warning: `score` may give the label away: it alone ranks the rows with an AUC of 0.9";
    assert!(stderr.contains(says), "{stderr}");
    assert!(
        stderr.contains("the next column, `user`, with 0."),
        "{stderr}"
    );

    write_log(at, 8000, "score,second", |row, click| {
        format!(
            "{:.4},{:.4}",
            strong(row, click),
            score(30, row, click, 1.8)
        )
    });
    let (stderr, config) = init(at, &[]);
    assert!(
        has_field(&config, "score") && has_field(&config, "second"),
        "{config}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn copies_of_a_leak_draw_one_warning() {
    let directory = scratch();
    let at = directory.path();
    let names = "score,score_again,score_nearly,conversion,converted";
    write_log(at, 8000, names, |row, click| {
        let score = score(10, row, click, 2.7);
        let nearly = if row % 200 == 0 { 0.0 } else { score };
        let conversion = u8::from(click && unit(4, row) < 0.1);
        format!("{score:.4},{score:.4},{nearly:.4},{conversion},{conversion}")
    });
    let (stderr, config) = init(at, &[]);
    let warnings: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("warning"))
        .collect();
    assert_eq!(warnings.len(), 2, "{stderr}");
    let says = "warning: `score` and its copies `score_again`, `score_nearly` may give the label away: it \
        alone ranks the rows with an AUC of 0.9";
    assert!(warnings[0].starts_with(says), "{stderr}");
    let key = "; --exclude 'score,score_again,score_nearly' leaves them out";
    assert!(warnings[0].ends_with(key), "{stderr}");
    let says = "warning: `conversion` and its copy `converted` may give the label away: its value `1` has ";
    assert!(warnings[1].starts_with(says), "{stderr}");
    for (column, original) in [("score_again", "score"), ("converted", "conversion")] {
        assert!(has_field(&config, column), "{config}");
        let says = format!("warning: it is a copy of `{original}`, which may give the label away");
        assert!(config.contains(&says), "{config}");
    }
}

#[test]
fn leaks_are_not_checked_among_few_clicks() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 100, "copy", |_, click| click.to_string());
    let (stderr, _) = init(at, &[]);
    assert!(
        stderr.contains("note: leaks not checked: that takes 50 clicks"),
        "{stderr}"
    );
}

#[test]
fn a_column_to_keep_that_is_not_there_gets_the_nearest_name() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 100, "dwell", |_, _| "1".to_owned());
    let args = ["init", "log.csv", "--label", "click", "--keep", "dwel"];
    fail(at, &args, 2, "did you mean `dwell`?");
}

#[test]
fn a_test_auc_that_is_too_good_draws_a_remark() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 2000, "copy,noise", |row, click| {
        format!("{click},{}", row % 7)
    });
    let remark = |keep: &[&str]| {
        init(at, keep);
        let settings = [
            "train.epochs=5",
            "train.learning_rate=0.01",
            "model.hidden_units=[8]",
        ];
        let train = ["train", "fibinet.toml", "--out", "run", "--force", "--set"];
        let output = fibinet(at, &[&train[..], &settings].concat());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        stderr.contains("note: the test AUC is 1.0000, which is too good for most logs")
    };
    assert!(remark(&["--keep", "copy"]));
    assert!(!remark(&[]));
}

#[test]
fn a_built_in_schema_is_not_checked() {
    let directory = scratch();
    let at = directory.path();
    succeed(
        at,
        &[
            "synth",
            "--rows",
            "500",
            "--vocabulary",
            "50",
            "-o",
            "criteo.txt",
        ],
    );
    // A column that equals the label: C26.
    let path = at.join("criteo.txt");
    let rows = fs::read_to_string(&path).expect("rows");
    let rows = rows.lines().map(|row| {
        let (others, _) = row.rsplit_once('\t').expect("40 columns");
        format!("{others}\t0000000{}\n", &row[..1])
    });
    fs::write(&path, rows.collect::<String>()).expect("written");
    let init = ["init", "criteo.txt", "--schema", "criteo"];
    let output = fibinet(at, &init);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !stderr.contains("left out"),
        "{stderr}"
    );
}
