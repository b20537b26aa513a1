/// Launches a kernel of this module: the kernel, the number of its units, its tensors, and its other arguments.
///
/// It runs on the device of the first tensor. The index type fits all of them.
macro_rules! launch {
    (
        $kernel:ident $(::<$type:ty>)?,
        $num_units:expr,
        [$($tensor:expr),+ $(,)?],
        $($argument:expr),+ $(,)?
    ) => {{
        use $crate::kernels::cube::operands::{address_type, cubes};

        let tensors = [$($tensor),+];
        let (count, dim) = cubes(tensors[0], $num_units);
        $kernel::launch$(::<$type>)?(
            &tensors[0].client,
            count,
            dim,
            address_type(tensors),
            $($tensor.clone().into_buffer_arg(),)+
            $($argument),+
        );
    }};
}

pub(super) use launch;
