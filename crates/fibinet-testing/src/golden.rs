use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use safetensors::SafeTensors;

use crate::tensors::{Tolerance, assert_close, to_vec};

/// Reference vectors of another implementation, from a safetensors file.
///
/// Names are `case.tensor`, where `case` may hold dots of its own.
#[derive(Debug)]
pub struct GoldenVectors<'a> {
    tensors: SafeTensors<'a>,
}

impl<'a> GoldenVectors<'a> {
    /// Reads a file into memory, for [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// If the file cannot be read.
    pub fn read(path: &Path) -> Vec<u8> {
        std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The vectors in a file's bytes.
    ///
    /// # Panics
    ///
    /// If the bytes are not a safetensors file.
    pub fn new(bytes: &'a [u8]) -> Self {
        let tensors = SafeTensors::deserialize(bytes).expect("a safetensors file");
        Self { tensors }
    }

    /// The distinct names before `.tensor`: the cases that have it.
    ///
    /// # Panics
    ///
    /// If no case has it.
    pub fn cases(&self, tensor: &str) -> BTreeSet<String> {
        let case = |name: &str| Some(name.strip_suffix(tensor)?.strip_suffix('.')?.to_owned());
        let cases: BTreeSet<String> = self.tensors.names().into_iter().filter_map(case).collect();
        assert!(!cases.is_empty(), "no case has `{tensor}`");
        cases
    }

    /// Whether there is such a tensor.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// A tensor's shape.
    ///
    /// # Panics
    ///
    /// If there is no such tensor.
    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.view(name).shape().to_vec()
    }

    /// An `f32` tensor.
    ///
    /// # Panics
    ///
    /// If there is no such tensor.
    pub fn load(&self, name: &str) -> TensorData {
        let view = self.view(name);
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        TensorData::new(values, view.shape().to_vec())
    }

    /// The numbers of an `f32` tensor, row-major.
    ///
    /// # Panics
    ///
    /// If there is no such tensor.
    pub fn numbers(&self, name: &str) -> Vec<f32> {
        self.load(name).try_to_vec().expect("f32 elements")
    }

    /// The numbers of an `i64` tensor, row-major.
    ///
    /// # Panics
    ///
    /// If there is no such tensor.
    pub fn integers(&self, name: &str) -> Vec<i64> {
        let integer = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().expect("8 bytes"));
        let view = self.view(name);
        view.data().chunks_exact(8).map(integer).collect()
    }

    /// Asserts that a tensor has the shape and, within the tolerance, the numbers of a vector.
    ///
    /// # Panics
    ///
    /// If it has not.
    #[track_caller]
    pub fn assert_close<const D: usize>(
        &self,
        actual: Tensor<D>,
        name: &str,
        tolerance: Tolerance,
    ) {
        assert_eq!(actual.dims().as_slice(), self.shape(name), "{name}");
        assert_close(&to_vec(actual), &self.numbers(name), tolerance, name);
    }

    fn view(&self, name: &str) -> safetensors::tensor::TensorView<'_> {
        let view = self.tensors.tensor(name);
        view.unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}
