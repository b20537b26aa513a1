use fibinet::data::prepare::SkippedRows;
use fibinet::train::metrics::Metrics;

/// The rows that were skipped, and the first malformed one; `None` if every row was used.
pub(crate) fn skipped_rows(skipped: &SkippedRows) -> Option<String> {
    let malformed = skipped.first_bad_row.as_ref().map(|first| {
        let rows = skipped.bad_rows;
        format!("malformed rows skipped: {rows}; the first: {first}")
    });
    let rows = skipped.of_no_split;
    let no_split =
        (rows > 0).then(|| format!("rows skipped because they belong to no split: {rows}"));
    let lines: Vec<String> = malformed.into_iter().chain(no_split).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// `valid  AUC 0.90120  log loss 0.31234  predicted/observed 1.004`
pub(crate) fn metrics_line(split: &str, metrics: &Metrics) -> String {
    let auc = match metrics.auc {
        Some(auc) => format!("{auc:.5}"),
        None => "undefined (one class)".to_owned(),
    };
    let group_auc = match metrics.group_auc {
        Some(group) => format!("  group AUC {:.5} ({} groups)", group.auc, group.groups),
        None => String::new(),
    };
    let calibration = match metrics.calibration_ratio {
        Some(ratio) => format!("{ratio:.3}"),
        None => "undefined (no click)".to_owned(),
    };
    format!(
        "{split}  AUC {auc}{group_auc}  log loss {:.5}  predicted/observed {calibration}",
        metrics.logloss
    )
}

/// A value as a shell takes it.
pub(crate) fn shell_word(value: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-+%@:/".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_word) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', "'\\''"))
    }
}

/// ` in 4 members`; empty if there is one.
pub(crate) fn in_members(members: usize) -> String {
    match members {
        1 => String::new(),
        _ => format!(" in {members} members"),
    }
}
