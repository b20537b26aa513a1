use rayon::prelude::*;

/// Numbers that one task sums.
const CHUNK: usize = 1 << 15;
/// Partial sums computed side by side, for vector units.
const LANES: usize = 8;

/// The sum of the squares, in f64. Fixed chunks are added up in order, so that the same numbers give the
/// same bits at any number of threads. Each number is read once.
pub(crate) fn squared_norm(numbers: &[f32]) -> f64 {
    let sums: Vec<f64> = numbers.par_chunks(CHUNK).map(squares).collect();
    sums.into_iter().sum()
}

/// The [`squared_norm`] of `gradient + l2 · weights`.
pub(crate) fn squared_norm_with_l2(gradient: &[f32], weights: &[f32], l2: f32) -> f64 {
    if l2 == 0.0 {
        return squared_norm(gradient);
    }
    let chunks = gradient.par_chunks(CHUNK).zip(weights.par_chunks(CHUNK));
    let sums = chunks.map(|(gradient, weights)| {
        let both = gradient.iter().zip(weights);
        let sums = both.map(|(gradient, weight)| f64::from(gradient + l2 * weight).powi(2));
        sums.sum()
    });
    let sums: Vec<f64> = sums.collect();
    sums.into_iter().sum()
}

fn squares(numbers: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = numbers.as_chunks::<LANES>();
    for lanes in whole {
        for (sum, number) in sums.iter_mut().zip(lanes) {
            *sum += f64::from(*number) * f64::from(*number);
        }
    }
    let rest = rest
        .iter()
        .map(|number| f64::from(*number) * f64::from(*number));
    sums.into_iter().chain(rest).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_counts_once() {
        let numbers: Vec<f32> = (0..CHUNK as u16 + 13).map(|i| f32::from(i % 7)).collect();
        // Seven numbers have 0 + 1 + 4 + 9 + 16 + 25 + 36 = 91; 32,781 are 4,683 sevens.
        assert_eq!(squared_norm(&numbers), 4_683.0 * 91.0);
        assert_eq!(squared_norm(&[]), 0.0);
    }
}
