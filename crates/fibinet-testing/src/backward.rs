use burn::tensor::{Gradients, Tensor};

/// The backward pass of an output from a gradient that exists already, as the layer behind it would leave it.
///
/// Burn's own starts from a gradient of ones, whose array it allocates. Outside flex the output is multiplied by the
/// gradient and summed up instead.
pub fn backward_from<const D: usize>(output: Tensor<D>, gradient: &Tensor<D>) -> Gradients {
    #[cfg(feature = "flex")]
    if output.device().inner() == burn::tensor::Device::flex() {
        return flex::with_gradient(output, gradient).backward();
    }
    (output * gradient.clone()).sum().backward()
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::autodiff::Autodiff;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
    use burn::tensor::{FloatDType, Shape, Tensor};

    /// A number whose gradient for the output is the one given.
    pub(super) fn with_gradient<const D: usize>(
        output: Tensor<D>,
        gradient: &Tensor<D>,
    ) -> Tensor<1> {
        let gradient = gradient.clone().into_dispatch();
        Tensor::from_dispatch(Dispatch::with_gradient(output.into_dispatch(), gradient))
    }

    #[backend_extension(Flex, Autodiff)]
    pub trait GradientOps: Backend {
        fn with_gradient(
            output: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
        ) -> FloatTensor<Self>;
    }

    impl GradientOps for Flex {
        fn with_gradient(output: FloatTensor<Self>, _: FloatTensor<Self>) -> FloatTensor<Self> {
            <Self as burn::backend::ops::FloatTensorOps<Self>>::float_zeros(
                Shape::from([1]),
                &output.device(),
                FloatDType::F32,
            )
        }
    }

    #[derive(Debug)]
    struct WithGradient;

    impl<B: GradientOps> Backward<B, 1> for WithGradient {
        type State = FloatTensor<B>;

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let _ = grads.consume::<B>(&ops.node);
            let [parent] = ops.parents;
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, ops.state);
            }
        }
    }

    impl<B: GradientOps, C: CheckpointStrategy> GradientOps for Autodiff<B, C> {
        fn with_gradient(
            output: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
        ) -> FloatTensor<Self> {
            let (output, node) = output.into_parts();
            let gradient = gradient.into_primitive();
            let out = B::with_gradient(output, gradient.clone());
            match WithGradient.prepare::<C>([node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(gradient, out),
                OpsKind::UnTracked(prep) => prep.finish(out),
            }
        }
    }
}
