/// The linear map that reads the pairs.
#[derive(Clone, Copy)]
pub(super) struct LinearMap<'a> {
    /// `[2 P K + N, H]`
    pub weight: &'a [f32],
    /// `H`
    pub num_outputs: usize,
    /// Raw numeric inputs `[B, N]`, and `N`.
    pub dense: Option<(&'a [f32], usize)>,
}
