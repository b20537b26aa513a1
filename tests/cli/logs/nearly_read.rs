//! Columns of texts that are nearly times, numbers or lists: what `init` reads, and what it says of the others.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::cli::{fibinet, one_epoch, scratch, succeed};

const ROWS: u64 = 1200;

fn drawn(seed: u64, row: u64, below: u64) -> u64 {
    fibinet::data::mix_seed(seed, row) % below
}

/// The stderr and the run file of `init` on a log with a site and a column `t`.
fn init(at: &Path, cell: impl Fn(u64) -> String) -> (String, String) {
    init_named(at, "t", cell)
}

/// The same with a column of this name.
fn init_named(at: &Path, name: &str, cell: impl Fn(u64) -> String) -> (String, String) {
    let mut text = format!("click,site,{name}\n");
    for row in 0..ROWS {
        let (click, site) = (drawn(1, row, 3) / 2, drawn(2, row, 9));
        writeln!(text, "{click},s{site},\"{}\"", cell(row)).expect("written");
    }
    fs::write(at.join("log.csv"), text).expect("written");
    let output = fibinet(at, &["init", "log.csv", "--label", "click", "--force"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    // Without a field besides the site no run file is written, but the column is told.
    let config = fs::read_to_string(at.join("fibinet.toml")).unwrap_or_default();
    (stderr, config)
}

/// The time of a row in April 2024, in a `strftime` format.
fn time(format: &str, row: u64) -> String {
    let (day, hour) = (1 + drawn(3, row, 30), drawn(4, row, 24));
    let (minute, second) = (drawn(5, row, 60), drawn(6, row, 60));
    let weekday = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][(day as usize + 6) % 7];
    let half = if hour < 12 { "AM" } else { "PM" };
    let parts = [
        ("%a", weekday.to_owned()),
        ("%b", "Apr".to_owned()),
        ("%B", "April".to_owned()),
        ("%Y", "2024".to_owned()),
        ("%y", "24".to_owned()),
        ("%m", "04".to_owned()),
        ("%d", format!("{day:02}")),
        ("%H", format!("{hour:02}")),
        ("%I", format!("{:02}", (hour + 11) % 12 + 1)),
        ("%M", format!("{minute:02}")),
        ("%S", format!("{second:02}")),
        ("%p", half.to_owned()),
    ];
    let mut text = format.to_owned();
    for (part, written) in parts {
        text = text.replace(part, &written);
    }
    text
}

#[test]
fn times_with_short_zones_and_of_twitter_and_half_days_are_read() {
    for (written, format) in [
        ("%Y-%m-%dT%H:%M:%S+02", "%Y-%m-%dT%H:%M:%S%.f%#z"),
        ("%Y-%m-%d %H:%M:%S-03", "%Y-%m-%d %H:%M:%S%.f%#z"),
        ("%Y-%m-%d %H:%M:%S+02:00", "%Y-%m-%d %H:%M:%S%.f%:z"),
        ("%a %b %d %H:%M:%S +0000 %Y", "%a %b %d %H:%M:%S %z %Y"),
        ("%m/%d/%y %I:%M %p", "%m/%d/%y %I:%M %p"),
        ("%d/%m/%y %I:%M:%S %p", "%d/%m/%y %I:%M:%S %p"),
        ("%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M:%S"),
        ("%d-%b-%y %I.%M.%S %p", "%d-%b-%y %I.%M.%S%.f %p"),
    ] {
        let directory = scratch();
        let (stderr, config) = init(directory.path(), |row: u64| time(written, row));
        let says = format!("format = \"{format}\"");
        assert!(config.contains(&says), "{written}: {stderr}{config}");
        if written.ends_with("+02") || written.ends_with("%Y") {
            one_epoch(directory.path(), "fibinet.toml", "run");
        }
    }
}

#[test]
fn names_of_utc_beside_each_other_are_one_time() {
    for (written, zones, format) in [
        (
            "%Y-%m-%dT%H:%M:%S",
            &["Z", " UTC", " GMT", ""][..],
            "%Y-%m-%d %H:%M:%S%.f",
        ),
        (
            "%m/%d/%Y %H:%M:%S",
            &["Z", " UTC", " GMT"],
            "%m/%d/%Y %H:%M:%S",
        ),
        (
            "%a, %d %b %Y %H:%M:%S",
            &[" +0000", " UTC", " GMT"],
            "%a, %d %b %Y %H:%M:%S %z",
        ),
    ] {
        let directory = scratch();
        let at = directory.path();
        let cell =
            |row: u64| time(written, row) + zones[drawn(7, row, zones.len() as u64) as usize];
        let (stderr, config) = init(at, cell);
        let says = format!("format = \"{format}\"");
        assert!(config.contains(&says), "{written}: {stderr}{config}");
        succeed(at, &["prepare", "fibinet.toml"]);
    }
}

/// Puts a field of a column with these settings into the run file, and prepares the log with it.
#[track_caller]
fn prepare_with(at: &Path, column: &str, settings: &str) {
    let config = fs::read_to_string(at.join("fibinet.toml")).unwrap_or_else(|_| {
        let data = "[data]\ntrain = \"log.csv\"\nlabel = \"click\"\nsplit = { valid = 0.1 }\n\n";
        let site = "[[data.fields]]\nname = \"site\"\nkind = \"categorical\"\n";
        format!("{data}{site}\n[model]\nname = \"lr\"\n")
    });
    let field =
        format!("\n[[data.fields]]\nname = \"t2\"\ncolumn = \"{column}\"\n{settings}\n\n[model]");
    let config = config.replacen("\n[model]", &field, 1);
    fs::write(at.join("edited.toml"), config).expect("written");
    succeed(at, &["prepare", "edited.toml"]);
}

/// The text in a message between two others.
#[track_caller]
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("{start}: {text}"));
    rest.split_once(end).expect("the end of the message").0
}

#[test]
fn times_that_no_common_format_reads_are_named_with_the_format_that_reads_them() {
    for (written, format) in [
        ("%Y-%m-%d %H:%M:%S PST", "%Y-%m-%d %H:%M:%S%.f %Z"),
        ("%Y-%m-%d %H:%M:%S CET", "%Y-%m-%d %H:%M:%S%.f %Z"),
        (
            "%Y-%m-%dT%H:%M:%S+01:00[Europe/Paris]",
            "%Y-%m-%dT%H:%M:%S%.f%:z%Z",
        ),
        ("%Y-%m-%d %H:%M:%S GMT+2", "%Y-%m-%d %H:%M:%S%.f %Z"),
        ("%a, %d %b %Y %H:%M:%S PST", "%a, %d %b %Y %H:%M:%S%.f %Z"),
        ("%d/%b/%Y:%H:%M:%S EST", "%d/%b/%Y:%H:%M:%S%.f %Z"),
        (
            "%a %b %d %Y %H:%M:%S GMT+0200 (Central European Summer Time)",
            "%a %b %d %Y %H:%M:%S%.f GMT%z %Z %Z %Z %Z",
        ),
        ("%a %b %d %H:%M:%S PDT %Y", "%a %b %d %H:%M:%S%.f %Z %Y"),
        ("%B %d, %Y %I:%M %p", "%B %d, %Y %I:%M %p"),
        ("%Y.%m.%d %H:%M", "%Y.%m.%d %H:%M"),
        ("%Y%m%d %H:%M:%S UTC", "%Y%m%d %H:%M:%S%.f %Z"),
        // Few different times become a category, and the note is printed then too.
        ("%Y-%m-%d %H:00 EST", "%Y-%m-%d %H:%M %Z"),
        ("%d %B %Y", "%d %B %Y"),
        ("%m-%d-%Y %I:%M:%S %p", "%m-%d-%Y %I:%M:%S%.f %p"),
    ] {
        let directory = scratch();
        let at = directory.path();
        let (stderr, _) = init(at, |row: u64| time(written, row));
        let example = time(written, 0);
        let example: String = example.chars().take(40).collect();
        let says = format!(
            "read as texts, because no known format reads times such as `{example}`; write them as `2024-05-31 \
             23:59:59+02:00`, or add the column as a timestamp field with `format = \"{format}\"`"
        );
        assert!(stderr.contains(&says), "{written}: {stderr}");
        assert_eq!(
            stderr.contains("`%Z` passes over"),
            format.contains("%Z"),
            "{stderr}"
        );
        let setting = between(&stderr, "timestamp field with `", "`");
        prepare_with(at, "t", &format!("kind = \"timestamp\"\n{setting}"));
    }
}

#[test]
fn numbers_that_stand_for_no_time_are_named_with_the_settings_of_the_field() {
    for (format, share, is_told) in [
        ("unix", 6, true),
        ("unix_ms", 6, true),
        ("unix", 15, true),
        ("%Y%m%d", 6, true),
        ("price", 6, false),
    ] {
        let directory = scratch();
        let at = directory.path();
        let cell = |row: u64| {
            let seconds = 1_712_000_000 + drawn(3, row, 30 * 86_400);
            match (drawn(8, row, 20) < share, drawn(9, row, 5)) {
                (true, 0) => "-1".to_owned(),
                (true, _) => "0".to_owned(),
                (false, _) => match format {
                    "unix_ms" => format!("{seconds}123"),
                    "unix" => seconds.to_string(),
                    "price" => (drawn(3, row, 9000) + 1).to_string(),
                    _ => time(format, row),
                },
            }
        };
        let (stderr, _) = init_named(at, "seen_at", cell);
        let says = format!(
            "most of them are `0`; if that means no value, make the column a field with `kind = \"timestamp\"`, \
             `format = \"{format}\"` and `missing = [\"0\", \"-1\"]`"
        );
        assert_eq!(stderr.contains(&says), is_told, "{stderr}");
        if is_told {
            let says = "not read as times, because";
            assert!(stderr.contains(says), "{stderr}");
            let settings = between(&stderr, "make the column a field with `", "]`");
            let settings = settings.replace("`, `", "\n").replace("` and `", "\n") + "]";
            prepare_with(at, "seen_at", &settings);
        }
    }
}

#[test]
fn other_cells_among_lists_in_brackets_are_named() {
    let list = |row: u64| {
        let elements = (0..1 + row % 4).map(|at| drawn(4, row * 4 + at, 20).to_string());
        format!("[{}]", elements.collect::<Vec<_>>().join(", "))
    };
    for (odd, rows, way_out) in [
        ("oops", 36, "name it with --missing"),
        (
            "0",
            36,
            "make the column a field with `kind = \"multi_categorical\"`, `brackets = true` and `missing = [\"0\"]`",
        ),
    ] {
        let directory = scratch();
        let at = directory.path();
        let cell = |row: u64| {
            if row % 100 < 3 {
                odd.to_owned()
            } else {
                list(row)
            }
        };
        let (stderr, _) = init(at, cell);
        let says = format!(
            "read as texts, because {rows} of its cells are not lists such as `{}`; most of them are `{odd}`; if \
             that means no value, {way_out}",
            list(3)
        );
        assert!(stderr.contains(&says), "{stderr}");
        let settings =
            format!("kind = \"multi_categorical\"\nbrackets = true\nmissing = [\"{odd}\"]");
        prepare_with(at, "t", &settings);
        if odd == "oops" {
            succeed(at, &init_without(odd));
            let config = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
            assert!(config.contains("brackets = true"), "{config}");
        }
    }
}

/// The arguments of `init` that take a word as no value.
fn init_without(word: &str) -> [&str; 7] {
    [
        "init",
        "log.csv",
        "--label",
        "click",
        "--force",
        "--missing",
        word,
    ]
}

#[test]
fn words_among_times_are_named() {
    // `share` of every 20 rows have a word in place of a time.
    for (share, is_told) in [(1, true), (12, false), (9, true)] {
        let directory = scratch();
        let at = directory.path();
        let cell = |row: u64| {
            if row % 20 < share {
                "never".to_owned()
            } else {
                time("%Y-%m-%d %H:%M:%S", row)
            }
        };
        let (stderr, _) = init(at, cell);
        let says = format!(
            "read as texts, because {} of its cells are not times; most of them are `never`; if that means no \
             value, name it with --missing",
            60 * share
        );
        assert_eq!(stderr.contains(&says), is_told, "{share}: {stderr}");
        let output = fibinet(at, &init_without("never"));
        let config = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
        assert!(
            output.status.success() && config.contains("kind = \"timestamp\""),
            "{config}"
        );
    }
}

#[test]
fn texts_with_numbers_are_not_taken_for_times() {
    let directory = scratch();
    for cell in [
        &(|row: u64| format!("SKU-2024-{:02}", row % 12)) as &dyn Fn(u64) -> String,
        &|row: u64| format!("v2024.1.{}", row % 30),
        &|row: u64| format!("2024.1.{}", row % 30),
        &|row: u64| format!("10.0.3.{}:8080", row % 30),
        &|row: u64| format!("at 10:{:02} in the park", row % 60),
        &|row: u64| format!("May {}", row % 30),
        &|row: u64| format!("{:02}:{:02}", row % 24, row % 60),
        &|row: u64| format!("March of {} penguins", row % 40),
        &|row: u64| format!("img_2024-01-{:02}.jpg", 1 + row % 28),
    ] {
        let (stderr, _) = init(directory.path(), cell);
        assert!(!stderr.contains("no known format"), "{}: {stderr}", cell(7));
    }
}

#[test]
fn numbers_that_other_cells_or_other_marks_make_texts_are_told() {
    let number = |row: u64| format!("{}.{}", drawn(3, row, 90), drawn(4, row, 9) + 1);
    let directory = scratch();
    for (cell, says) in [
        (
            &(|row: u64| number(row) + if row.is_multiple_of(2) { "%" } else { "" })
                as &dyn Fn(u64) -> String,
            "its numbers are written in several ways, 600 as in `",
        ),
        (
            &|row: u64| {
                if row.is_multiple_of(2) {
                    format!("${}", number(row))
                } else {
                    format!("{} €", number(row))
                }
            },
            "its numbers are written in several ways, 600 as in `$",
        ),
        (
            &|row: u64| {
                if row.is_multiple_of(3) {
                    number(row).replace('.', ",")
                } else {
                    number(row)
                }
            },
            "its numbers are written in several ways, 800 as in `",
        ),
        (
            &|row: u64| {
                if row.is_multiple_of(20) {
                    format!("#{row}!")
                } else {
                    number(row)
                }
            },
            "60 of its cells are not numbers; one of them is `#0!`; if that means no value, name it with --missing",
        ),
        (
            &|row: u64| {
                if row.is_multiple_of(3) {
                    "free".to_owned()
                } else {
                    number(row)
                }
            },
            "400 of its cells are not numbers; most of them are `free`; if that means no value, name it with --missing",
        ),
        (
            &|row: u64| {
                if row.is_multiple_of(3) {
                    "free".to_owned()
                } else {
                    number(row) + "%"
                }
            },
            "400 of its cells are not numbers such as `",
        ),
    ] {
        let (stderr, _) = init(directory.path(), cell);
        let says = format!("read as texts, because {says}");
        assert!(stderr.contains(&says), "{says}\n{stderr}");
    }
}

#[test]
fn codes_among_which_are_numbers_are_just_texts() {
    let directory = scratch();
    let one_of = |texts: &'static [&'static str]| {
        move |row: u64| texts[drawn(3, row, texts.len() as u64) as usize].to_owned()
    };
    for cell in [
        &one_of(&["38", "40", "M", "L"]) as &dyn Fn(u64) -> String,
        &one_of(&["1e5", "2e6", "a1"]),
        &one_of(&["1", "2", "3", "other"]),
        &one_of(&["5", "5%", "10%"]),
        &one_of(&["1,5", "2,5", "x"]),
        &one_of(&["4.1", "4.10", "4.2"]),
        &|row: u64| format!("{:03x}", drawn(3, row, 300)),
        &|row: u64| format!("{:05}", drawn(3, row, 900)),
        &|row: u64| {
            if row.is_multiple_of(3) {
                format!("a{}", drawn(3, row, 90))
            } else {
                drawn(4, row, 90).to_string()
            }
        },
        &|row: u64| format!("{}-{}", 18 + drawn(3, row, 60), 80),
        &|row: u64| format!("{}x{}", 100 + drawn(3, row, 60), 80),
    ] {
        let (stderr, _) = init(directory.path(), cell);
        assert!(!stderr.contains("read as texts"), "{}: {stderr}", cell(7));
    }
}

#[test]
fn lists_in_other_brackets_are_read_if_their_lengths_differ() {
    let directory = scratch();
    let at = directory.path();
    let list = |row: u64| {
        let elements = (0..1 + row % 4).map(|at| drawn(4, row * 4 + at, 20).to_string());
        elements.collect::<Vec<_>>().join(", ")
    };
    for (open, close) in [("(", ")"), ("{", "}")] {
        let (stderr, config) = init(at, |row: u64| format!("{open}{}{close}", list(row)));
        assert!(config.contains("brackets = true"), "{stderr}{config}");
    }
    one_epoch(at, "fibinet.toml", "run");
    let tuple = |row: u64| {
        format!(
            "({}, {}, {})",
            drawn(3, row, 9),
            drawn(4, row, 9),
            drawn(5, row, 9)
        )
    };
    let (stderr, _) = init(at, tuple);
    let says = format!(
        "`{}` may be one value or a list; if it is a list, add the column as a",
        tuple(0)
    );
    assert!(stderr.contains(&says), "{stderr}");
    // Sizes of banners have their two numbers in one order.
    let (stderr, config) = init(at, |row: u64| {
        format!("({}, {})", 300 + row % 3, 50 + row % 5)
    });
    assert!(
        !stderr.contains("note: `t`") && config.contains("name = \"t\"\nkind = \"categorical\""),
        "{stderr}"
    );
    let nested = |row: u64| format!("[[{}, 2], [{}]]", drawn(3, row, 9), drawn(4, row, 9));
    let (stderr, _) = init(at, nested);
    let says = format!(
        "read as texts, because lists of lists and objects such as `{}`",
        nested(0)
    );
    assert!(stderr.contains(&says), "{stderr}");
    let (stderr, _) = init(at, |row: u64| {
        format!("[{}]", ["new", "old", "sale"][row as usize % 3])
    });
    assert!(!stderr.contains("note: `t`"), "{stderr}");
}
