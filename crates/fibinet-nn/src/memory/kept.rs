//! Arrays of dropped tensors and scratch buffers, kept until one of the same size is needed.
//!
//! A training step makes arrays of the same sizes again and again. An allocator returns large ones to the system, whose
//! new pages then cost as much as the work that fills them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The fewest numbers of an array that is kept, 128 KiB. From that size on, glibc maps pages for each array and returns them
/// with it, unless a program has freed larger ones before.
const LEAST: usize = 1 << 15;

/// The most numbers that are kept, 256 MiB.
const MOST: usize = 1 << 26;

/// The arrays, the last one dropped at the end.
static KEPT: Mutex<Vec<Box<[f32]>>> = Mutex::new(Vec::new());

/// Returns all arrays to the allocator.
pub(super) fn release() {
    let arrays = core::mem::take(&mut *kept());
    drop(arrays);
}

/// A kept array of this length, with whatever numbers it holds.
pub(crate) fn take(len: usize) -> Option<Box<[f32]>> {
    if len < LEAST {
        return None;
    }
    let mut kept = kept();
    let index = kept.iter().rposition(|numbers| numbers.len() == len)?;
    Some(kept.remove(index))
}

/// Keeps an array if it is large enough, in place of those that have been kept longest.
pub(crate) fn keep(numbers: Box<[f32]>) {
    if !(LEAST..=MOST).contains(&numbers.len()) {
        return;
    }
    let mut kept = kept();
    kept.push(numbers);
    let first = first_that_fits(&kept);
    let oldest: Vec<_> = kept.drain(..first).collect();
    // Returning memory takes long, and others wait for the lock.
    drop(kept);
    drop(oldest);
}

/// The index of the first array from which on all fit.
fn first_that_fits(arrays: &[Box<[f32]>]) -> usize {
    let mut room = MOST;
    let newest = arrays.iter().rev().take_while(|numbers| {
        let rest = room.checked_sub(numbers.len());
        room = rest.unwrap_or(0);
        rest.is_some()
    });
    arrays.len() - newest.count()
}

fn kept() -> MutexGuard<'static, Vec<Box<[f32]>>> {
    // A panic leaves the vector whole.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_array_of_a_length_comes_back_once() {
        // Lengths that no other test has.
        let (first, second) = (LEAST + 1, LEAST + 3);
        keep(vec![1.0; first].into());
        keep(vec![2.0; first].into());
        keep(vec![3.0; second].into());
        let number = |len| take(len).map(|numbers| numbers[0]);
        assert_eq!(
            [first, first, first].map(number),
            [Some(2.0), Some(1.0), None]
        );
        assert_eq!(number(second), Some(3.0));
    }

    #[test]
    fn small_arrays_are_not_kept() {
        keep(vec![1.0; LEAST - 1].into());
        assert_eq!(take(LEAST - 1), None);
    }

    #[test]
    fn the_oldest_make_room() {
        let arrays = |lens: &[usize]| -> Vec<Box<[f32]>> {
            lens.iter().map(|&len| vec![0.0; len].into()).collect()
        };
        let first = |lens: &[usize]| first_that_fits(&arrays(lens));
        assert_eq!(first(&[MOST / 2, MOST / 2]), 0);
        assert_eq!(first(&[1, MOST / 2, MOST / 2]), 1);
        assert_eq!(first(&[1, MOST]), 1);
        assert_eq!(first(&[MOST, 1]), 1);
        assert_eq!(first(&[]), 0);
    }
}
