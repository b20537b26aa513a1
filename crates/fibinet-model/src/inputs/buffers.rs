use burn::tensor::{Device, Tensor};
use fibinet_nn::backend::Backend;
use fibinet_nn::inputs::FieldInputs;

/// The memory of one batch's inputs, reused for the next batch's: 6.4 MB for the vectors alone at
/// F = 39, K = 10 and 4,096 batch rows, which the system would otherwise clear again each time.
#[derive(Debug, Default)]
pub struct InputBuffers {
    pub(crate) embeddings: Vec<f32>,
    pub(crate) linear: Vec<f32>,
    pub(crate) dense: Vec<f32>,
}

impl InputBuffers {
    /// Takes back the memory of inputs that nothing else holds any more. What is still held is copied.
    pub fn take_back(&mut self, inputs: FieldInputs) {
        self.embeddings = inputs.embeddings.map(numbers).unwrap_or_default();
        self.linear = inputs.linear.map(numbers).unwrap_or_default();
        self.dense = inputs.dense.map(numbers).unwrap_or_default();
    }
}

/// Whether a device's tensors keep the vector that they are made from, so that it can be taken back
/// without a copy. Flex does. A GPU would send the numbers over the bus.
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
    fn the_memory_of_inputs_comes_back_if_nothing_holds_it() {
        let device = Device::flex();
        assert!(gives_memory_back(&device));
        let vectors = vec![1.0; 6];
        let address = vectors.as_ptr();
        let tensor = Tensor::from_data(TensorData::new(vectors, [1, 3, 2]), &device);
        let inputs = FieldInputs::new(tensor);
        let used = inputs.clone();
        drop(inputs.embeddings.expect("embeddings") * 2.0);
        let mut buffers = InputBuffers::default();
        buffers.take_back(used);
        assert_eq!(buffers.embeddings, [1.0; 6]);
        assert_eq!(buffers.embeddings.as_ptr(), address);
    }
}
