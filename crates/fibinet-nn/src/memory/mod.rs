//! Memory of large arrays: in pages of 2 MB, and kept for the next array of its size.
//!
//! Pages of 2 MB are given on request, on Linux with `/sys/kernel/mm/transparent_hugepage/enabled` set to `madvise`.
//! With pages of 4 KB the processor spends more time on looking up their addresses, and the system on handing
//! them out: writing a new array of 60 MB takes 41 ms on one core of a Zen 4 virtual machine, and 7 ms in huge
//! pages.

#[cfg(feature = "flex")]
mod kept;

use bytemuck::Zeroable;

#[cfg(feature = "flex")]
pub(crate) use self::kept::{keep, take};

/// Frees the memory that the kernels of Burn's flex backend keep for their next outputs and scratch buffers: up to 256 MiB,
/// of dropped ones of 128 KiB and more.
///
/// A program that trains or scores batch after batch need not call this. One that is done with its batches may.
pub fn release_kept() {
    #[cfg(feature = "flex")]
    kept::release();
}

/// The size of a huge page in bytes.
pub const HUGE_PAGE: usize = 2 << 20;

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
}
