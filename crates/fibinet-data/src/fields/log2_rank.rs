//! The tokens of numbers, in the order of the numbers.

use std::io::Write;

/// Below it, an f64 without a fraction is an i64.
const EXACT: f64 = (1_u64 << 53) as f64;

/// Appends the token of a number: `⌊ln(v)²⌋` for `v > 2`, else `=⌊v⌋`.
pub(crate) fn write_token(number: f32, token: &mut Vec<u8>) {
    write_rank(rank(number), token);
}

/// The rank of the first token of numbers above 2.
const FIRST_LOG: f64 = 3.0;

/// The rank of a number's token: that of a larger number is not lower.
pub(crate) fn rank(number: f32) -> f64 {
    let number = f64::from(number);
    if number > 2.0 {
        FIRST_LOG + number.ln().powi(2).floor()
    } else {
        number.floor()
    }
}

/// The rank of a token.
pub(crate) fn rank_of(token: &[u8]) -> Option<f64> {
    let token = std::str::from_utf8(token).ok()?;
    match token.strip_prefix('=') {
        Some(whole) => whole.parse().ok(),
        None => Some(FIRST_LOG + token.parse::<f64>().ok()?),
    }
}

/// The least and the greatest integer whose tokens have these ranks or one between.
pub(crate) fn numbers_of_ranks(lowest: f64, highest: f64) -> (f64, f64) {
    let first = |rank: f64| {
        if rank > FIRST_LOG {
            (rank - FIRST_LOG).sqrt().exp().ceil()
        } else {
            rank
        }
    };
    (first(lowest), first(highest + 1.0) - 1.0)
}

/// Appends the token of a rank.
pub(crate) fn write_rank(rank: f64, token: &mut Vec<u8>) {
    let whole = if rank < FIRST_LOG {
        token.push(b'=');
        rank
    } else {
        rank - FIRST_LOG
    };
    if whole.abs() < EXACT {
        token.extend_from_slice(itoa::Buffer::new().format(whole as i64).as_bytes());
    } else {
        let written = write!(token, "{whole}");
        debug_assert!(written.is_ok(), "writing to a vector does not fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: f32) -> String {
        let mut token = Vec::new();
        write_token(number, &mut token);
        String::from_utf8(token).unwrap()
    }

    #[test]
    fn tokens_are_those_of_the_criteo_winners() {
        for (number, expected) in [
            (-3.0, "=-3"),
            (0.0, "=0"),
            (-0.0, "=0"),
            (1.0, "=1"),
            (2.0, "=2"),
            (3.0, "1"),     // ln(3)² = 1.2
            (5.0, "2"),     // 2.6
            (100.0, "21"),  // 21.2
            (5775.0, "75"), // 75.02
            (-1e20, "=-100000002004087730000"),
        ] {
            assert_eq!(token(number), expected, "{number}");
        }
    }

    #[test]
    fn ranks_ascend_with_the_numbers_and_are_told_by_their_tokens() {
        let numbers = [
            f32::NEG_INFINITY,
            -1e20,
            -17.0,
            -0.5,
            0.0,
            1.9,
            2.0,
            2.1,
            3.0,
            5.0,
            1e9,
            f32::MAX,
            f32::INFINITY,
        ];
        let ranks = numbers.map(rank);
        assert!(ranks.is_sorted(), "{ranks:?}");
        for (number, rank) in numbers.into_iter().zip(ranks) {
            assert_eq!(rank_of(token(number).as_bytes()), Some(rank), "{number}");
        }
    }

    #[test]
    fn the_numbers_of_ranks_are_the_outermost_with_such_tokens() {
        for (lowest, highest) in [(-3.0, 2.0), (0.0, 3.0), (3.0, 5.0), (4.0, 78.0)] {
            let (least, greatest) = numbers_of_ranks(lowest, highest);
            let outside = [least - 1.0, greatest + 1.0].map(|number| rank(number as f32));
            assert!(
                outside[0] < lowest && outside[1] > highest,
                "{lowest}..{highest}"
            );
            let inside = [least, greatest].map(|number| rank(number as f32));
            assert!(
                inside[0] >= lowest && inside[1] <= highest,
                "{lowest}..{highest}"
            );
        }
    }
}
