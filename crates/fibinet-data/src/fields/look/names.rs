//! What the name of a column says about it.

/// Whether columns with this name hold ids or codes, whatever their numbers look like.
pub(super) fn is_category(name: &str) -> bool {
    is_id(name) || is_code(name)
}

/// The first and the last number of the part of the calendar or the clock that a name tells: `day`, `minute`,
/// `week_of_year`. Hours are left out: from one to the next little changes.
pub(super) fn calendar_part(name: &str) -> Option<[f64; 2]> {
    const PARTS: [(&str, [f64; 2]); 7] = [
        ("day", [1.0, 31.0]),
        ("mday", [1.0, 31.0]),
        ("dom", [1.0, 31.0]),
        ("dayofmonth", [1.0, 31.0]),
        ("minute", [0.0, 59.0]),
        ("week", [0.0, 53.0]),
        ("weekofyear", [0.0, 53.0]),
    ];
    // Words of amounts, such as visits per day and calls of the last week.
    const AMOUNTS: [&str; 9] = [
        "per", "last", "past", "num", "n", "count", "total", "avg", "mean",
    ];
    if has_word(name, &AMOUNTS) {
        return None;
    }
    let words = words(name);
    let (last_word, all) = (words.last()?, words.concat());
    let part = PARTS
        .iter()
        .find(|(part, _)| last_word == part || all == *part);
    part.map(|(_, numbers)| *numbers)
}

/// Whether numbers in columns with this name may be times: `timestamp`, `created_at`, `clickTime`, `ts_ms`.
pub(crate) fn is_time(name: &str) -> bool {
    const WORDS: [&str; 18] = [
        "time",
        "timestamp",
        "date",
        "datetime",
        "day",
        "hour",
        "at",
        "ts",
        "dt",
        "epoch",
        "eventtime",
        "clicktime",
        "requesttime",
        "servertime",
        "starttime",
        "endtime",
        "createtime",
        "updatetime",
    ];
    has_word(name, &WORDS)
}

/// Whether a name has one of these words.
pub(crate) fn has_word(name: &str, any: &[&str]) -> bool {
    words(name).iter().any(|word| any.contains(&word.as_str()))
}

fn is_code(name: &str) -> bool {
    const NAMES: [&str; 24] = [
        "country",
        "city",
        "region",
        "state",
        "zip",
        "zipcode",
        "postcode",
        "user",
        "item",
        "site",
        "app",
        "page",
        "domain",
        "device",
        "model",
        "brand",
        "category",
        "type",
        "channel",
        "campaign",
        "creative",
        "advertiser",
        "publisher",
        "code",
    ];
    let name = name.to_ascii_lowercase();
    let last = name.rsplit(['_', '-', '.', ' ']).next();
    NAMES.contains(&last.unwrap_or_default())
}

/// `id`, `user_id`, `userId`, `UserID`, `user-id`.
pub(crate) fn is_id(name: &str) -> bool {
    let Some(stem) = name.len().checked_sub(2).and_then(|at| name.get(..at)) else {
        return false;
    };
    match &name[stem.len()..] {
        "id" => stem.is_empty() || stem.ends_with(['_', '-', '.', ' ']),
        "Id" | "ID" => true,
        _ => false,
    }
}

/// The words of a name in lower case: `event_time`, `eventTime` and `event time` have two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for character in name.chars() {
        let begins = character.is_uppercase() && after_lower;
        after_lower = character.is_lowercase();
        if begins || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_recognized_by_the_end_of_its_name() {
        assert!(
            ["id", "user_id", "userId", "UserID", "user-id"]
                .into_iter()
                .all(is_id)
        );
        assert!(!["paid", "grid", "identity", "d", ""].into_iter().any(is_id));
    }

    #[test]
    fn a_part_of_the_calendar_is_recognized_by_its_name() {
        for name in ["day", "DayofMonth", "day_of_month", "pickupDay"] {
            assert_eq!(calendar_part(name), Some([1.0, 31.0]), "{name}");
        }
        assert_eq!(calendar_part("Minute"), Some([0.0, 59.0]));
        assert_eq!(calendar_part("week_of_year"), Some([0.0, 53.0]));
        for name in [
            "days",
            "daytime",
            "birthday",
            "hour",
            "minutes",
            "visits_per_day",
            "clicks_last_day",
            "day 1 sales",
            "",
        ] {
            assert_eq!(calendar_part(name), None, "{name}");
        }
    }

    #[test]
    fn a_time_is_recognized_by_a_word_of_its_name() {
        for name in [
            "time",
            "created_at",
            "createdAt",
            "time_ms",
            "Click Time",
            "eventtime",
            "DATE",
        ] {
            assert!(is_time(name), "{name}");
        }
        for name in [
            "phone",
            "item",
            "status",
            "rate",
            "hat",
            "cats",
            "",
            "price_usd",
            "candidate",
            "update",
            "lifetime",
            "mandate",
        ] {
            assert!(!is_time(name), "{name}");
        }
    }
}
