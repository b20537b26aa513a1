//! How columns are read, over-eager readings included.

use chrono::{DateTime, Utc};

use super::*;
use crate::cell::Cell;
use crate::formats::arrow_lists::tests::texts;

fn column(name: &str, cells: impl IntoIterator<Item = String>) -> ColumnCells {
    let mut column = ColumnCells::new(name);
    for (row, cell) in cells.into_iter().enumerate() {
        column.add(cell.as_bytes(), row);
    }
    column
}

/// The reading of a thousand rows.
fn reading(name: &str, cell: impl Fn(u64) -> String) -> Reading {
    Reading::of(&column(name, (0..1000).map(cell)))
}

fn numbers(decimal: char, thousands: Option<char>, unit: Option<&str>) -> Reading {
    Reading::Numbers(NumberFormat {
        decimal,
        thousands,
        unit: unit.map(str::to_owned),
    })
}

fn plain() -> Reading {
    Reading::Numbers(NumberFormat::default())
}

fn drawn(row: u64, below: u64) -> u64 {
    crate::mix::mix(7, row) % below
}

/// A second of February to August 2021.
fn time(row: u64) -> DateTime<Utc> {
    let seconds = 1_612_137_600 + drawn(row, 200 * 86_400);
    DateTime::from_timestamp(seconds as i64, 123_456_789).unwrap()
}

/// Lists of up to four of the ids that `id` gives, with this between them.
fn list(row: u64, between: &str, id: impl Fn(u64) -> u64) -> String {
    let ids = (0..1 + row % 4).map(|at| id(drawn(row * 4 + at, 30)).to_string());
    ids.collect::<Vec<_>>().join(between)
}

fn separator(reading: &Reading) -> Option<(&'static str, bool)> {
    match reading {
        Reading::Lists(lists) => Some((lists.separator, lists.brackets)),
        _ => None,
    }
}

#[test]
fn a_few_odd_cells_leave_a_column_of_numbers() {
    for odd in ["inf", "1.281.501.0", "n.v.", "1,234"] {
        let cell = |row| match row {
            7 => odd.to_owned(),
            row => format!("{}", row as f64 / 8.0),
        };
        let expected = if odd == "1,234" {
            numbers('.', Some(','), None)
        } else {
            plain()
        };
        assert_eq!(reading("x", cell), expected, "{odd}");
    }
    // 1% are a few, 2% are not.
    let every = |n: u64| {
        move |row: u64| {
            if row % n == 1 {
                "x".to_owned()
            } else {
                row.to_string()
            }
        }
    };
    assert_eq!(reading("x", every(100)), plain());
    assert_eq!(reading("x", every(50)), Reading::Texts);
    // Integers do not show whether `1,234` has thousands or a fraction: it is an odd cell.
    let cell = |row: u64| {
        if row == 7 {
            "1,234".to_owned()
        } else {
            row.to_string()
        }
    };
    assert_eq!(reading("x", cell), plain());
}

#[test]
fn thousands_fractions_and_units_are_read_if_one_reading_fits() {
    let value = |row: u64| drawn(row, 2_000_000);
    let grouped = |row: u64, mark: &str| {
        let digits = value(row).to_string();
        let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
        let (first, middle) = head.split_at(head.len().saturating_sub(3));
        let groups = [first, middle, tail]
            .into_iter()
            .filter(|group| !group.is_empty());
        groups.collect::<Vec<_>>().join(mark)
    };
    assert_eq!(
        reading("x", |row| grouped(row, ",") + ".5"),
        numbers('.', Some(','), None)
    );
    assert_eq!(
        reading("x", |row| grouped(row, ".") + ",5"),
        numbers(',', Some('.'), None)
    );
    assert_eq!(
        reading("x", |row| grouped(row, "'")),
        numbers('.', Some('\''), None)
    );
    assert_eq!(
        reading("x", |row| grouped(row, " ")),
        numbers('.', Some(' '), None)
    );
    assert_eq!(
        reading("x", |row| format!("{},{:02}", row % 90, row % 100)),
        numbers(',', None, None)
    );
    assert_eq!(
        reading("x", |row| format!("{}.{:02}%", row % 90, row % 100)),
        numbers('.', None, Some("%"))
    );
    assert_eq!(
        reading("x", |row| format!("${}.50", grouped(row, ","))),
        numbers('.', Some(','), Some("$"))
    );
    // Several groups cannot be fractions.
    assert_eq!(
        reading("x", |row| grouped(row, ",")),
        numbers('.', Some(','), None)
    );
}

#[test]
fn a_column_that_fits_two_readings_is_unclear() {
    let is_unclear = |reading: Reading, settings: [&str; 2]| match reading {
        Reading::Unclear(reason) => {
            for setting in settings {
                assert!(reason.contains(setting), "{reason}");
            }
        }
        other => panic!("{other:?}"),
    };
    is_unclear(
        reading("x", |row| {
            format!("{},{:03}", 1 + row % 900, row * 7 % 1000)
        }),
        ["thousands = \",\"", "decimal = \",\""],
    );
    is_unclear(
        reading("x", |row| {
            format!("{:02}/{:02}/2024", 1 + row % 12, 1 + row / 12 % 12)
        }),
        ["%m/%d/%Y", "%d/%m/%Y"],
    );
}

#[test]
fn times_are_read_as_they_are_commonly_written() {
    for format in [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.fZ",
        "%Y-%m-%dT%H:%M:%S%.f%:z",
        "%Y-%m-%d %H:%M:%S%.f%:z",
        "%Y-%m-%d %H:%M:%S%.f UTC",
        "%Y-%m-%d %H:%M:%S%.f GMT",
        "%Y-%m-%d",
        "%m/%d/%Y %H:%M",
        "%d/%m/%Y %H:%M",
        "%m/%d/%Y %I:%M:%S %p",
        "%m/%d/%Y",
        "%m/%d/%y %H:%M",
        "%d.%m.%Y %H:%M",
        "%d/%b/%Y:%H:%M:%S %z",
        "%a, %d %b %Y %H:%M:%S %z",
        "%a, %d %b %Y %H:%M:%S GMT",
        "%a %b %d %H:%M:%S %Y",
        "%y%m%d%H",
        "%Y%m%d",
        "%Y%m%d%H",
        "%Y%m%d%H%M%S",
    ] {
        let written = |row| time(row).format(format).to_string();
        assert_eq!(reading("x", written), Reading::Times(format));
        // A few odd cells are none.
        let odd = |row| {
            if row == 7 {
                "-".to_owned()
            } else {
                written(row)
            }
        };
        let named = reading("date", odd);
        assert_eq!(named, Reading::Times(format));
    }
    let zone = |row| time(row).format("%Y-%m-%d %H:%M:%S %z").to_string();
    assert_eq!(
        reading("x", zone),
        Reading::Times("%Y-%m-%d %H:%M:%S%.f%:z")
    );
}

#[test]
fn times_since_1970_need_a_name_a_range_and_a_span() {
    for (format, digits, unit) in [
        ("unix", 0, "sec"),
        ("unix_ms", 3, "ms"),
        ("unix_us", 6, "us"),
        ("unix_ns", 9, "ns"),
    ] {
        let written = |row| {
            let nanos = format!("{:09}", time(row).timestamp_subsec_nanos());
            format!("{}{}", time(row).timestamp(), &nanos[..digits])
        };
        for name in [
            "timestamp",
            "event_time",
            "createdAt",
            "ts",
            "time_ms",
            unit,
        ] {
            assert_eq!(reading(name, written), Reading::Times(format), "{name}");
        }
        for name in ["phone", "user_id", "item", "status"] {
            assert_eq!(reading(name, written), plain(), "{name}");
        }
    }
    // The durations of a day, and ten-digit numbers of a day.
    assert_eq!(
        reading("time_ms", |row| drawn(row, 86_400_000).to_string()),
        plain()
    );
    let of_a_day = |row| (1_612_137_600 + drawn(row, 86_400)).to_string();
    assert_eq!(reading("ts", of_a_day), plain());
}

#[test]
fn integers_that_are_not_all_dates_are_not_times() {
    assert_eq!(reading("x", |row| (20_210_801 + row).to_string()), plain());
    assert_eq!(
        reading("item", |row| time(row).format("%Y%m%d").to_string()),
        plain()
    );
    assert_eq!(
        reading("x", |row| (10_000_000 + drawn(row, 80_000_000)).to_string()),
        plain()
    );
    assert_eq!(
        reading("x", |row| (100_000 + drawn(row, 900_000)).to_string()),
        plain()
    );
    // Seven of them may be codes.
    assert_eq!(
        reading("x", |row| (20_210_801 + row % 7).to_string()),
        plain()
    );
    let days = reading("date", |row| (20_210_801 + row % 7).to_string());
    assert_eq!(days, Reading::Times("%Y%m%d"));
}

#[test]
fn lists_are_read_by_their_separators_or_brackets() {
    for between in ["|", ";", "^", ",", ", ", " ", "\u{2}"] {
        let read = reading("x", |row| list(row, between, |id| id));
        assert_eq!(separator(&read), Some((between, false)));
    }
    for between in [", ", ","] {
        let python = reading("x", |row| format!("[{}]", list(row, between, |id| id)));
        assert_eq!(separator(&python), Some((",", true)));
        let quoted = format!("'{between}'");
        let texts = reading("x", |row| format!("['{}']", list(row, &quoted, |id| id)));
        assert_eq!(separator(&texts), Some((",", true)));
    }
    let numpy = reading("x", |row| format!("[{}]", list(row, " ", |id| id)));
    assert_eq!(separator(&numpy), Some((",", true)));
    let words = reading("x", |row| format!("[a{}]", list(row, " a", |id| id)));
    assert_eq!(separator(&words), Some((" ", true)));
    // Ids of three digits, of which none begins with 0, are not thousands.
    let ids = reading("x", |row| list(row, ",", |id| 100 + id * 29));
    assert_eq!(separator(&ids), Some((",", false)));
    let Reading::Lists(lists) = ids else {
        unreachable!()
    };
    assert_eq!(lists.num_tokens, 30);
}

/// The reading of a column that the file stores as lists.
fn stored(num_rows: u64, elements: impl Fn(u64) -> Vec<Option<String>>) -> Reading {
    let mut column = ColumnCells::new("x");
    for row in 0..num_rows {
        let elements = elements(row);
        let elements: Vec<_> = elements.iter().map(Option::as_deref).collect();
        if let Cell::List(list) = texts(&elements).cell(0) {
            column.add_list(list, row as usize);
        }
    }
    Reading::of(&column)
}

#[test]
fn stored_lists_are_lists_unless_their_elements_hardly_repeat() {
    let tag = |row, at| Some(format!("{}|{}, {}", drawn(row + at, 5), at, at));
    let lists = stored(100, |row| (0..row % 3).map(|at| tag(row, at)).collect());
    let expected = Lists {
        separator: ",",
        brackets: true,
        num_tokens: 10,
        are_stored: true,
    };
    assert_eq!(lists, Reading::Lists(expected));
    // One element each, and elements that would be numbers or times.
    let singles = stored(100, |row| vec![Some(drawn(row, 5).to_string())]);
    assert_eq!(separator(&singles), Some((",", true)));
    let times = stored(100, |row| vec![Some(format!("2024-05-0{}", 1 + row % 5))]);
    assert_eq!(separator(&times), Some((",", true)));
    let vectors = stored(20, |row| vec![Some(format!("{row}.5")), None]);
    assert_eq!(vectors, Reading::Vectors);
}

#[test]
fn tuples_are_not_taken_for_lists() {
    let size = |row: u64| format!("({}, {})", 100 * (1 + row % 3), 50 * (1 + row % 5));
    assert_eq!(reading("x", size), Reading::Texts);
}

#[test]
fn texts_with_blanks_or_commas_are_not_lists() {
    let cities = [
        "New York",
        "Los Angeles",
        "San Francisco",
        "San Jose",
        "Paris",
        "Rome",
    ];
    let city = |row: u64| cities[drawn(row, 6) as usize].to_owned();
    assert_eq!(reading("x", city), Reading::Texts);
    assert_eq!(
        reading("x", |row| format!(
            "{}, {}",
            city(row),
            ["US", "FR"][row as usize % 2]
        )),
        Reading::Texts
    );
    let names = |row| format!("first{} last{}", drawn(row, 20), drawn(row + 5000, 30));
    assert_eq!(reading("x", names), Reading::Texts);
    let phone = |row| {
        format!(
            "{} {} {}",
            200 + drawn(row, 700),
            100 + row % 900,
            100 + drawn(row + 1, 900)
        )
    };
    assert_eq!(reading("x", phone), Reading::Texts);
    // A vector of its own in each row.
    assert_eq!(
        reading("x", |row| format!("[{}.5, {}.25]", row * 2, row * 2 + 1)),
        Reading::Texts
    );
}

#[test]
fn codes_are_read_as_they_are_written() {
    assert_eq!(
        reading("x", |row| format!("{:x}", crate::mix::mix(7, row) % 4096)),
        Reading::Texts
    );
    for name in ["app_version", "version", "x"] {
        assert_eq!(
            reading(name, |row| format!("4.{}", row % 30)),
            Reading::Texts
        );
    }
    // Prices, some of them with a zero at the end.
    assert_eq!(
        reading("x", |row| format!("{}.{:02}", row % 90, row * 7 % 100)),
        plain()
    );
    assert_eq!(reading("x", |row| format!("{}.0", row % 30)), plain());
    assert_eq!(
        reading("price_version", |row| format!("{}.{}", row, row % 9 + 1)),
        plain()
    );
    assert_eq!(
        reading("x", |row| format!("10.0.{}.{}", row % 7, row % 50)),
        Reading::Texts
    );
    assert_eq!(reading("x", |row| format!("k{row}")), Reading::Texts);
    // Zip codes, whatever their column is called.
    assert_eq!(
        reading("x", |row| format!("{:05}", row * 7 % 30_000)),
        Reading::Texts
    );
}

#[test]
fn times_of_iso_8601_may_be_written_in_several_ways() {
    let mixed = |row: u64| match row % 3 {
        0 => format!("2024-05-{:02}", row % 28 + 1),
        1 => format!("2024-05-{:02}T{:02}:00:00Z", row % 28 + 1, row % 24),
        _ => format!("2024-05-{:02} {:02}:00:00+00:00", row % 28 + 1, row % 24),
    };
    assert_eq!(reading("x", mixed), Reading::Times("%Y-%m-%d %H:%M:%S%.f"));
    let apache = |row: u64| format!("[{:02}/May/2024:{:02}:00:00 +0000]", row % 28 + 1, row % 24);
    assert_eq!(
        reading("x", apache),
        Reading::Times("[%d/%b/%Y:%H:%M:%S %z]")
    );
}

#[test]
fn integers_that_a_float_cannot_tell_apart_are_not_a_quantity() {
    let is_quantity = |cell: &dyn Fn(u64) -> String| {
        let look = ColumnLook::new(column("n", (0..1000).map(cell)));
        assert_eq!(*look.reading(), plain());
        look.is_quantity()
    };
    let near = i64::MIN + 5;
    assert!(!is_quantity(&|row| (near + (row % 300) as i64).to_string()));
    assert!(!is_quantity(&|row| format!(
        "{}",
        12_345_678_901_234_567_000 + row
    )));
    assert!(is_quantity(&|row| format!(
        "-{}",
        1_700_000_000_000_000 + row % 300
    )));
    assert!(is_quantity(&|row| format!("{}e20", row % 300)));
}

#[test]
fn integers_that_repeat_are_ids_but_zeros_do_not_count() {
    let is_quantity = |num_zeros: u64, num_others: u64| {
        let cell = |row| {
            if row < num_zeros {
                0
            } else {
                1 + row % num_others
            }
        };
        let cells = (0..10_000).map(|row| cell(row).to_string());
        ColumnLook::new(column("n", cells)).is_quantity()
    };
    assert!(!is_quantity(0, 500));
    assert!(is_quantity(9_200, 500));
    assert!(!is_quantity(5_000, 500));
}

#[test]
fn days_of_a_month_and_minutes_are_categories_and_amounts_of_days_are_quantities() {
    let is_quantity = |name: &str, num_numbers: u64| {
        let cells = (0..1000).map(|row| (row % num_numbers + 1).to_string());
        ColumnLook::new(column(name, cells)).quantity().is_some()
    };
    assert!(!is_quantity("day", 31));
    assert!(!is_quantity("departure_minute", 59));
    assert!(is_quantity("day", 32));
    assert!(is_quantity("clicks_last_day", 31));
    assert!(is_quantity("total_day_calls", 119));
    assert!(is_quantity("days", 31));
    assert!(is_quantity("hour", 24));
    assert!(is_quantity("price_per_day", 31));
}

#[test]
fn buckets_share_the_more_the_fewer_rows_there_are() {
    let sharing = |num_rows: u64| {
        let cells = (0..num_rows).map(|row| (row % 300).to_string());
        ColumnLook::new(column("n", cells)).sharing()
    };
    assert_eq!(sharing(24_999), Some(Sharing::Steps));
    assert_eq!(sharing(25_000), Some(Sharing::Neighbours));
    assert_eq!(sharing(99_999), Some(Sharing::Neighbours));
    assert_eq!(sharing(100_000), None);
}
