use burn::backend::Backend;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;

use super::ops::{Matrices, PairGradients, PairOps, PairSide, PairSides, Reader, SideGradients};

/// The backward step of [`PairOps::pairs`]. Its parents are the embeddings and matrices of each side.
#[derive(Debug)]
struct Pairs;

/// The backward step of [`PairOps::pairs_linear`]. Its parents are those of [`Pairs`], the weight and
/// the raw numeric inputs.
#[derive(Debug)]
struct PairsLinear;

impl<B: PairGradients> Backward<B, 4> for Pairs {
    type State = PairSides<B>;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let parents = ops.parents.map(|parent| parent.map(|node| node.id));
        let sides = B::pairs_backward(ops.state, gradient);
        register_sides::<B>(grads, sides, parents);
    }
}

impl<B: PairGradients> Backward<B, 6> for PairsLinear {
    type State = (PairSides<B>, Reader<B>);

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let [a, b, c, d, weight, dense] = ops.parents.map(|parent| parent.map(|node| node.id));
        let (sides, reader) = ops.state;
        let (sides, reader) = B::pairs_linear_backward(sides, reader, gradient);
        register_sides::<B>(grads, sides, [a, b, c, d]);
        register::<B>(grads, weight, Some(reader.weight));
        register::<B>(grads, dense, reader.dense);
    }
}

impl<B: PairGradients, C: CheckpointStrategy> PairOps for Autodiff<B, C> {
    fn pairs(sides: PairSides<Self>) -> FloatTensor<Self> {
        let (sides, parents) = untrack_sides(sides);
        match Pairs.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(sides.clone(), B::pairs(sides)),
            OpsKind::UnTracked(prep) => prep.finish(B::pairs(sides)),
        }
    }

    fn pairs_linear(sides: PairSides<Self>, reader: Reader<Self>) -> FloatTensor<Self> {
        let (sides, [a, b, c, d]) = untrack_sides(sides);
        let (reader, [weight, dense]) = untrack_reader(reader);
        let parents = [a, b, c, d, weight, dense];
        match PairsLinear.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let output = B::pairs_linear(sides.clone(), reader.clone());
                prep.finish((sides, reader), output)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::pairs_linear(sides, reader)),
        }
    }
}

fn register<B: Backend>(
    grads: &mut Gradients,
    parent: Option<NodeId>,
    gradient: Option<FloatTensor<B>>,
) {
    if let (Some(parent), Some(gradient)) = (parent, gradient) {
        grads.register::<B>(parent, gradient);
    }
}

fn register_sides<B: Backend>(
    grads: &mut Gradients,
    [first, second]: [SideGradients<B>; 2],
    [
        first_embeddings,
        first_matrices,
        second_embeddings,
        second_matrices,
    ]: [Option<NodeId>; 4],
) {
    register::<B>(grads, first_embeddings, Some(first.embeddings));
    register::<B>(grads, first_matrices, first.matrices);
    register::<B>(grads, second_embeddings, Some(second.embeddings));
    register::<B>(grads, second_matrices, second.matrices);
}

fn untrack_sides<B: Backend, C: CheckpointStrategy>(
    sides: PairSides<Autodiff<B, C>>,
) -> (PairSides<B>, [NodeGuard; 4]) {
    let (first, [a, b]) = untrack_side(sides.first);
    let (second, [c, d]) = untrack_side(sides.second);
    (PairSides { first, second }, [a, b, c, d])
}

/// The primitives of a side, and the graph nodes of its embeddings and matrices. Without matrices the
/// node of the embeddings stands in for theirs, and no gradient is registered for it.
fn untrack_side<B: Backend, C: CheckpointStrategy>(
    side: PairSide<Autodiff<B, C>>,
) -> (PairSide<B>, [NodeGuard; 2]) {
    let stand_in = side.embeddings.node();
    let (embeddings, embeddings_node) = side.embeddings.into_parts();
    let (matrices, matrices_node) = match side.matrices {
        Matrices::None => (Matrices::None, stand_in),
        Matrices::All(matrices) => {
            let (matrices, node) = matrices.into_parts();
            (Matrices::All(matrices), node)
        }
        Matrices::Each(matrices) => {
            let (matrices, node) = matrices.into_parts();
            (Matrices::Each(matrices), node)
        }
        Matrices::Interaction(matrices) => {
            let (matrices, node) = matrices.into_parts();
            (Matrices::Interaction(matrices), node)
        }
    };
    let side = PairSide {
        embeddings,
        matrices,
    };
    (side, [embeddings_node, matrices_node])
}

/// [`untrack_side`] for the weight and the raw numeric inputs.
fn untrack_reader<B: Backend, C: CheckpointStrategy>(
    reader: Reader<Autodiff<B, C>>,
) -> (Reader<B>, [NodeGuard; 2]) {
    match reader {
        Reader::Pairs { weight } => {
            let stand_in = weight.node();
            let (weight, weight_node) = weight.into_parts();
            (Reader::Pairs { weight }, [weight_node, stand_in])
        }
        Reader::PairsAndDense { weight, dense } => {
            let (weight, weight_node) = weight.into_parts();
            let (dense, dense_node) = dense.into_parts();
            let reader = Reader::PairsAndDense { weight, dense };
            (reader, [weight_node, dense_node])
        }
    }
}
