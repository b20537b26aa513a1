use fibinet::data::encode::Guess;
use fibinet::nn::models::AnySpec;

use crate::cli::commands::init::args::InitArgs;

/// The most members that are chosen. More gain little.
const MOST: u64 = 8;
/// Members · rows · fields that train within about two minutes of one core, by the runs on Adult, Frappe and
/// MovieLens.
const CELLS: u64 = 4_000_000;
/// No more rows are read, so that a log from this size on may be of any size.
const LARGE: u64 = 200_000;

/// The number of members of a run file, and the reason for it as a comment.
pub(super) fn members(args: &InitArgs, guess: &Guess) -> (usize, String) {
    if let Some(members) = args.members {
        return (members, " # as --members says".to_owned());
    }
    // A model without embeddings is convex: its members end at nearly the same weights.
    let keys = AnySpec::template(&args.model).unwrap_or_default();
    if !keys.contains("embedding_dim") {
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
        1 => " # a large log: several, averaged, would gain little and train as many times longer"
            .to_owned(),
        _ => format!(
            " # separate models, averaged, for a small log ({rows} rows, {fields} fields); 1 trains {members} \
             times as fast"
        ),
    };
    (members as usize, reason)
}

/// 8, 4, 2 or 1 members, by the rows and fields of a log.
fn affordable(rows: u64, fields: u64) -> u64 {
    if rows >= LARGE {
        return 1;
    }
    let most = CELLS / (rows * fields).max(1);
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
            (20_000, 25, 8),
            (20_001, 25, 4),
            (48_842, 14, 4),
            (100_000, 15, 2),
            (100_000, 24, 1),
            (199_999, 2, 8),
            (200_000, 2, 1),
        ] {
            assert_eq!(affordable(rows, fields), members, "{rows} {fields}");
        }
    }
}
