use burn::tensor::{Device, Tensor};
use fibinet_nn::{Backend, FieldInputs};

/// The memory of a batch's inputs, which the next batch's may have: of the vectors alone 6.4 MB at
/// F = 39, K = 10 and 4,096 rows, which the system would clear anew each time.
#[derive(Debug, Default)]
pub(crate) struct InputMemory {
    pub embeddings: Vec<f32>,
    pub linear: Vec<f32>,
    pub dense: Vec<f32>,
}

impl InputMemory {
    /// Takes the memory of inputs that nothing else holds any more; what something still holds is
    /// copied.
    pub fn take_back(&mut self, inputs: FieldInputs) {
        self.embeddings = inputs.embeddings.map(numbers).unwrap_or_default();
        self.linear = inputs.linear.map(numbers).unwrap_or_default();
        self.dense = inputs.dense.map(numbers).unwrap_or_default();
    }
}

/// Whether a tensor's numbers are the vector that it was made from: on flex. (From a GPU they would come
/// over the bus.)
pub(crate) fn gives_memory_back(device: &Device) -> bool {
    Backend::Flex.device().is_ok_and(|flex| flex == *device)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap_or_default()
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn the_memory_of_inputs_comes_back_where_nothing_holds_it() {
        let device = Device::flex();
        assert!(gives_memory_back(&device));
        let vectors = vec![1.0; 6];
        let address = vectors.as_ptr();
        let tensor = Tensor::from_data(TensorData::new(vectors, [1, 3, 2]), &device);
        let inputs = FieldInputs::new(tensor);
        let used = inputs.clone();
        drop(inputs.embeddings.expect("embeddings") * 2.0);
        let mut memory = InputMemory::default();
        memory.take_back(used);
        assert_eq!(memory.embeddings, [1.0; 6]);
        assert_eq!(memory.embeddings.as_ptr(), address);
    }
}
