use burn::tensor::{Tensor, TensorData};
use fibinet_data::mix_seed;

/// Draws per 64 random bits.
const DRAWS: usize = 4;

/// Dropout (Srivastava et al., 2014) on the embeddings of a batch: sets a share of their numbers, `rate`, to zero and
/// divides the others by `1 - rate`. `rate` is rounded to a multiple of 2⁻¹⁶.
///
/// What is dropped depends on the seed alone: it is the same on every device and with any number of threads.
pub(super) fn drop_out<const D: usize>(embeddings: Tensor<D>, rate: f64, seed: u64) -> Tensor<D> {
    let shape = embeddings.shape();
    let factors = TensorData::new(factors(shape.num_elements(), rate, seed), shape);
    let device = embeddings.device().inner();
    embeddings * Tensor::from_inner(Tensor::from_data(factors, &device))
}

/// What each of `len` numbers is multiplied by.
fn factors(len: usize, rate: f64, seed: u64) -> Vec<f32> {
    let dropped = (rate * f64::from(1 << 16)).round() as u16;
    let kept = 1.0 / (1.0 - f32::from(dropped) / 65536.0);
    let bits = (0..len.div_ceil(DRAWS) as u64).map(|i| mix_seed(seed, i));
    let draws = bits.flat_map(|bits| (0..DRAWS).map(move |i| (bits >> (16 * i)) as u16));
    let factors = draws.map(|draw| if draw < dropped { 0.0 } else { kept });
    factors.take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_numbers_is_dropped_and_the_others_are_scaled() {
        for rate in [0.1, 0.5, 0.9] {
            let factors = factors(100_001, rate, 7);
            let num_dropped = factors.iter().filter(|factor| **factor == 0.0).count();
            let share = num_dropped as f64 / factors.len() as f64;
            assert!((share - rate).abs() < 0.005, "{rate}: {share}");
            let kept = factors.iter().copied().fold(0.0, f32::max);
            let mean = factors.iter().sum::<f32>() / factors.len() as f32;
            assert!((mean - 1.0).abs() < 0.05, "{rate}: {mean}");
            assert!(factors.iter().all(|factor| [0.0, kept].contains(factor)));
        }
        assert_eq!(factors(5, 0.0, 7), [1.0; 5]);
    }

    #[test]
    fn the_seed_decides_what_is_dropped() {
        let of = |seed| factors(1000, 0.5, seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[cfg(feature = "flex")]
    #[test]
    fn dropped_numbers_get_no_gradient() {
        use burn::tensor::Device;

        let device = Device::flex().autodiff();
        let x = Tensor::<2>::ones([8, 4], &device).require_grad();
        let y = drop_out(x.clone(), 0.5, 3);
        let gradient = x.grad(&y.clone().sum().backward()).expect("x is a leaf");
        let kept = y.into_data();
        assert!(kept.iter::<f32>().any(|number| number == 0.0));
        assert!(kept.iter::<f32>().any(|number| number == 2.0));
        assert_eq!(gradient.into_data(), kept);
    }
}
