//! Memory in pages of 2 MB, on systems that give them on request: Linux with
//! `/sys/kernel/mm/transparent_hugepage/enabled` set to `madvise`. With pages of 4 KB the processor spends
//! more time on looking up their addresses.
//!
//! - Rows of tables: a step of exact Adam at 10 and 30 million rows (`cargo bench --bench training --
//!   vocabulary --steps 9`, Zen 4) takes 1.02 and 1.02 to 1.04 times as long as at 100,000 rows. With small
//!   pages it took 1.04 and 1.12 times as long.
//! - The first matrix of a DNN, 24 MB: scoring one row takes .34 ms instead of .39 (medians of a copy of
//!   `benches/scoring.rs` with two scorers of each kind in turn).

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use bytemuck::Zeroable;

const HUGE_PAGE: usize = 2 << 20;

/// A vector of zeros in huge pages, except at its ends, where no whole page fits.
///
/// The system provides each page when a number in it is first written.
pub fn zeroed<T: Zeroable>(len: usize) -> Vec<T> {
    let mut numbers = bytemuck::zeroed_vec(len);
    ask_for_huge_pages(&mut numbers);
    numbers
}

#[cfg(target_os = "linux")]
fn ask_for_huge_pages<T>(numbers: &mut [T]) {
    use rustix::mm::{Advice, madvise};

    let first: *mut u8 = numbers.as_mut_ptr().cast();
    let before = first.align_offset(HUGE_PAGE);
    let whole = size_of_val(numbers).saturating_sub(before) / HUGE_PAGE * HUGE_PAGE;
    if whole == 0 {
        return;
    }
    #[expect(
        unsafe_code,
        reason = "no safe call requests them; the gain is documented above"
    )]
    // SAFETY: the pages are inside the slice, as `before + whole` is at most its size, and start at a
    // page's start. The advice changes no byte of them, and if it fails, nothing has changed.
    let _ = unsafe { madvise(first.add(before).cast(), whole, Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages<T>(_: &mut [T]) {}

/// Moves the large weights of a module on flex into huge pages.
pub(crate) fn move_weights<M: Module>(module: M) -> M {
    module.map(&mut MoveWeights)
}

struct MoveWeights;

impl ModuleMapper for MoveWeights {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // From this size on there is a whole page in them, wherever they begin.
        if param.shape().num_elements() * size_of::<f32>() < 2 * HUGE_PAGE {
            return param;
        }
        param.map(|weights| {
            let (shape, device) = (weights.shape(), weights.device());
            let numbers = weights.into_data();
            let numbers = numbers.as_slice::<f32>().expect("weights are f32");
            let mut moved = zeroed(numbers.len());
            moved.copy_from_slice(numbers);
            Tensor::from_data(TensorData::new(moved, shape), &device)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_is_zero_and_writable() {
        for len in [0, 1, 1 << 18, (3 << 19) + 5] {
            let mut numbers: Vec<f32> = zeroed(len);
            assert!(numbers.len() == len && numbers.iter().all(|number| *number == 0.0));
            numbers.fill(1.0);
            assert_eq!(numbers.iter().sum::<f32>(), len as f32);
        }
    }

    #[cfg(feature = "flex")]
    #[test]
    fn moved_weights_are_as_before() {
        use burn::nn::LinearConfig;
        use burn::tensor::Device;

        let layer = LinearConfig::new(1100, 1024).init(&Device::flex());
        let (weight, bias) = (
            layer.weight.val().into_data(),
            layer.bias.as_ref().map(Param::val),
        );
        let address = |weight: &TensorData| weight.as_slice::<f32>().unwrap().as_ptr();
        let moved = move_weights(layer);
        let moved_weight = moved.weight.val().into_data();
        assert_ne!(address(&moved_weight), address(&weight));
        assert_eq!(moved_weight, weight);
        let bias = bias.unwrap().into_data();
        let moved_bias = moved.bias.unwrap().val().into_data();
        assert_eq!(moved_bias, bias);
    }
}
