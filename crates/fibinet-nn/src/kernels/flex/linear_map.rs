/// The linear map that reads the pairs.
#[derive(Clone, Copy)]
pub(super) struct LinearMap<'a> {
    /// `[S P K + N, H]`, where `S` is the number of sides.
    pub weight: &'a [f32],
    /// `H`
    pub num_outputs: usize,
    /// Raw numeric inputs `[B, N]`, and `N`.
    pub dense: Option<(&'a [f32], usize)>,
}
