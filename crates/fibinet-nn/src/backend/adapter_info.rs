use serde::Serialize;

/// What an adapter is. The variants are in the order in which adapters are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the CPU's memory.
    Integrated,
    /// A part of a GPU, given to a virtual machine.
    Virtual,
    /// A driver that runs on the CPU, such as Mesa's lavapipe.
    Software,
    /// What the driver does not say.
    Other,
}

/// What an opened adapter says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterInfo {
    /// The adapter's name.
    pub adapter: String,
    /// The driver and its version. `None` if it reports neither.
    pub driver: Option<String>,
    /// What kernels are compiled to: `spirv`, `wgsl`, `msl` or `cuda`.
    pub compiler: String,
    /// Bytes of memory. `None` if the driver does not report them.
    pub memory_bytes: Option<u64>,
    /// What one kernel can use.
    pub limits: AdapterLimits,
    /// Products of small matrices in hardware.
    pub matrix_units: Vec<MatrixUnit>,
}

/// What one kernel can use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterLimits {
    /// Bytes of the largest buffer that a kernel can read or write.
    pub binding_bytes: u64,
    /// Buffers of a kernel.
    pub bindings: u32,
    /// Workgroups of a kernel, in each dimension.
    pub workgroups: [u32; 3],
    /// Threads of a workgroup.
    pub workgroup_threads: u32,
    /// Bytes of memory that the threads of a workgroup share.
    pub workgroup_memory_bytes: usize,
    /// The fewest and the most threads that run in step.
    pub plane_sizes: [u32; 2],
}

/// One form of a product of small matrices in hardware, `C += A B`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixUnit {
    /// How kernels reach it: `cmma` or `mma`.
    pub interface: &'static str,
    /// The type of A.
    pub left: String,
    /// The type of B.
    pub right: String,
    /// The type of C.
    pub sum: String,
    /// `[m, n, k]`: A is m × k, B is k × n.
    pub shape: [u32; 3],
}
