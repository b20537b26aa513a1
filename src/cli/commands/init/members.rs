use fibinet::data::encode::Guess;
use fibinet::nn::models::AnySpec;

use crate::cli::commands::init::args::InitArgs;

/// The most members that are chosen. More gain little.
const MOST: u64 = 8;
/// Members · rows · fields² that train within about four minutes of one core, by the runs on Adult, Frappe and
/// MovieLens: a row has as many pairs as fields² / 2.
const CELLS: u64 = 50_000_000;
/// No more rows are read, so that a log from this size on may be of any size.
const LARGE: u64 = 200_000;

/// The number of members of a run file, and the reason for it as a comment.
pub(super) fn members(args: &InitArgs, guess: &Guess) -> (usize, String) {
    if let Some(members) = args.members {
        return (members, " # as --members says".to_owned());
    }
    // A model without embeddings is convex: its members end at nearly the same weights.
    if !has_embeddings(args) {
        let reason = " # members of a model without embeddings would hardly differ";
        return (1, reason.to_owned());
    }
    let fields = match args.schema {
        Some(schema) => schema.fields().len(),
        None => guess
            .columns
            .iter()
            .flat_map(|column| &column.field)
            .count(),
    };
    let (rows, members) = (guess.num_rows, affordable(guess.num_rows, fields as u64));
    let reason = match members {
        1 if rows >= LARGE => {
            " # a large log, of which several members would gain little and take as many times longer".to_owned()
        }
        1 => format!(" # several members of {rows} rows and {fields} fields would train for long"),
        _ => format!(
            " # separate models, averaged, for a small log ({rows} rows, {fields} fields); 1 trains {members} \
             times as fast"
        ),
    };
    (members as usize, reason)
}

/// The key of a run file with several members that lets every second one have batch norm. On the validation rows of
/// 20 logs of `benches/accuracy` eight members with it and eight without, averaged, gain .0017 AUC and .0031 of log
/// loss over those without: batch norm gains much on logs with little noise (.0175 AUC on churn) and loses as much on
/// noisy ones.
pub(super) const ALTERNATE: (&str, &str) = (
    "alternate_batch_norm",
    " # every second member has batch norm: some logs want it, some do not",
);

/// Whether the run file's model has embeddings.
pub(super) fn has_embeddings(args: &InitArgs) -> bool {
    AnySpec::template(&args.model).is_some_and(|settings| settings.contains("embedding_dim"))
}

/// Whether the run file's model has hidden layers.
pub(super) fn has_hidden_layers(args: &InitArgs) -> bool {
    AnySpec::template(&args.model).is_some_and(|settings| settings.contains("hidden_units"))
}

/// 8, 4, 2 or 1 members, by the rows and fields of a log.
fn affordable(rows: u64, fields: u64) -> u64 {
    if rows >= LARGE {
        return 1;
    }
    let most = CELLS / rows.saturating_mul(fields * fields).max(1);
    // The power of two below it.
    1 << most.clamp(1, MOST).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_logs_have_eight_members_and_large_ones_one() {
        for (rows, fields, members) in [
            (0, 2, 8),
            (2_600, 14, 8),
            (52_035, 10, 8),
            (62_500, 10, 8),
            (62_501, 10, 4),
            (48_842, 14, 4),
            (8_000, 39, 4),
            (20_000, 39, 1),
            (500, 250, 1),
            (199_999, 2, 8),
            (200_000, 2, 1),
        ] {
            assert_eq!(affordable(rows, fields), members, "{rows} {fields}");
        }
    }
}
