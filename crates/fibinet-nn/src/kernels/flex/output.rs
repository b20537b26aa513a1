//! Outputs and scratch buffers of kernels, whose memory [`memory`](crate::memory) keeps for the next one of the same
//! size once they are dropped.

use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use burn::tensor::Bytes;
use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty};
use rayon::prelude::*;

use crate::memory::{keep, take, zeroed};

/// Numbers that a thread sets to zero together.
const CHUNK: usize = 1 << 16;

/// The numbers of an output.
pub(super) struct Output {
    numbers: Box<[f32]>,
}

// `Bytes` goes to other threads, whatever owns its memory.
const _: () = {
    const fn goes_to_other_threads<T: Send + Sync>() {}
    goes_to_other_threads::<Output>();
};

impl Output {
    /// Numbers of any value, each of which the caller writes.
    pub fn new(len: usize) -> Self {
        let numbers = take(len).unwrap_or_else(|| zeroed(len).into_boxed_slice());
        let mut output = Self { numbers };
        if cfg!(test) {
            output.fill(f32::NAN);
        }
        output
    }

    /// Zeros. A kernel that writes its output in parts does better to take [`new`](Self::new) numbers and to set each
    /// part to zero when it comes to it.
    pub fn zeros(len: usize) -> Self {
        let Some(mut numbers) = take(len) else {
            let numbers = zeroed(len).into_boxed_slice();
            return Self { numbers };
        };
        let chunks = numbers.par_chunks_mut(CHUNK);
        chunks.for_each(|chunk| chunk.fill(0.0));
        Self { numbers }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        keep(core::mem::take(&mut self.numbers));
    }
}

impl Deref for Output {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers
    }
}

impl DerefMut for Output {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers
    }
}

impl From<Output> for Bytes {
    fn from(output: Output) -> Self {
        let len = size_of_val(&*output);
        #[expect(
            unsafe_code,
            reason = "`Bytes` has no safe way to take memory with an owner of its own"
        )]
        // SAFETY: the output's memory has `len` bytes, and all of them are initialized.
        unsafe {
            Self::from_controller(Box::new(output), len)
        }
    }
}

impl AllocationController for Output {
    fn alloc_align(&self) -> usize {
        align_of::<f32>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Native
    }

    #[expect(unsafe_code, reason = "the trait's bytes may be uninitialized")]
    unsafe fn memory_mut(
        &mut self,
        _: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.numbers);
        // SAFETY: `MaybeUninit<u8>` is laid out as `u8`, and the caller writes initialized bytes only.
        Ok(unsafe { &mut *(core::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) })
    }

    #[expect(unsafe_code, reason = "the trait's bytes may be uninitialized")]
    fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.numbers);
        // SAFETY: `MaybeUninit<u8>` is laid out as `u8`.
        Ok(unsafe { &*(core::ptr::from_ref(bytes) as *const [MaybeUninit<u8>]) })
    }

    fn try_detach(&mut self) -> Option<NonNull<u8>> {
        // A boxed slice has the layout that a vector of as many numbers frees.
        NonNull::new(Box::into_raw(core::mem::take(&mut self.numbers)).cast())
    }
}

/// Adds arrays to an array of their length, in their order.
pub(super) fn add_in_order<'a>(sums: &mut [f32], parts: impl Iterator<Item = &'a [f32]>) {
    for part in parts {
        assert_eq!(part.len(), sums.len());
        for (sum, x) in sums.iter_mut().zip(part) {
            *sum += x;
        }
    }
}

/// [`add_in_order`] on all threads.
pub(super) fn par_add_in_order(sums: &mut [f32], parts: &[&[f32]]) {
    const CHUNK: usize = 1 << 12;
    let chunks = sums.par_chunks_mut(CHUNK).enumerate();
    chunks.for_each(|(chunk, sums)| {
        let range = chunk * CHUNK..chunk * CHUNK + sums.len();
        add_in_order(sums, parts.iter().map(|part| &part[range.clone()]));
    });
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, Tensor, TensorData};

    use super::*;

    /// A length whose arrays are kept, and that no other test has.
    const LEN: usize = (1 << 18) + 7;

    fn bytes(value: f32) -> Bytes {
        let mut output = Output::new(LEN);
        output.fill(value);
        output.into()
    }

    #[test]
    fn a_dropped_tensor_leaves_its_memory_to_the_next_output() {
        let first = bytes(1.0);
        let address = first.as_ptr();
        let data = TensorData::from_bytes(first, [LEN], DType::F32);
        let tensor = Tensor::<1>::from_data(data, &Device::flex());
        let other = bytes(2.0);
        assert_ne!(other.as_ptr(), address);
        assert_eq!(tensor.clone().max().into_scalar::<f32>(), 1.0);
        drop(tensor);
        let next = Output::zeros(LEN);
        assert_eq!(next.as_ptr().cast(), address);
        assert!(next.iter().all(|number| *number == 0.0));
        assert!(
            other
                .chunks_exact(4)
                .all(|bytes| bytes == 2_f32.to_ne_bytes())
        );
    }

    #[test]
    fn a_vector_taken_out_is_not_kept() {
        const LEN: usize = self::LEN + 1;
        let mut output = Output::new(LEN);
        output.fill(3.0);
        let address = output.as_ptr();
        let vector = Bytes::from(output).try_into_vec::<f32>();
        let vector = vector.expect("memory of the allocator, aligned as its numbers");
        assert_eq!((vector.as_ptr(), vector.capacity()), (address, LEN));
        assert!(vector.iter().all(|number| *number == 3.0));
        assert_ne!(Output::new(LEN).as_ptr(), address);
    }

    #[test]
    fn in_place_operations_write_to_the_same_memory() {
        const LEN: usize = self::LEN + 2;
        let mut output = Output::new(LEN);
        output.fill(1.0);
        let address = output.as_ptr().cast();
        let data = TensorData::from_bytes(output.into(), [LEN], DType::F32);
        let sum = Tensor::<1>::from_data(data, &Device::flex()) + 1.0;
        let data = sum.into_data();
        assert_eq!(data.as_bytes().as_ptr(), address);
        assert!(data.iter::<f32>().all(|number| number == 2.0));
    }
}
