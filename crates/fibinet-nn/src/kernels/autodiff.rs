//! The operations' nodes in Burn's autodiff graph.

use burn::backend::Backend;
use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::{FloatTensor, IntTensor};

use super::ops::{
    Matrices, PairGradients, PairOps, PairSide, PairSides, Reader, TableGradients, TableOps,
};

/// The backward step of [`PairOps::pairs`]. Its parents are the embeddings and matrices of each side.
#[derive(Debug)]
struct Pairs;

/// The backward step of [`PairOps::pairs_linear`]. Its parents are those of [`Pairs`], the weight and
/// the raw numeric inputs.
#[derive(Debug)]
struct PairsLinear;

/// The backward step of [`PairOps::inner_products`]. Its parent is the embeddings.
#[derive(Debug)]
struct InnerProducts;

/// The backward step of [`TableOps::table_rows`]. Its parent is the table.
#[derive(Debug)]
struct TableRows;

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
        let (of_weight, of_dense) = reader.into_parts();
        register::<B>(grads, weight, of_weight);
        if let Some(of_dense) = of_dense {
            register::<B>(grads, dense, of_dense);
        }
    }
}

impl<B: PairGradients> Backward<B, 1> for InnerProducts {
    /// The embeddings.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let [embeddings] = ops.parents.map(|parent| parent.map(|node| node.id));
        let gradient = B::inner_products_backward(ops.state, gradient);
        register::<B>(grads, embeddings, gradient);
    }
}

impl<B: TableGradients> Backward<B, 1> for TableRows {
    /// The number of table rows, and the rows that were read.
    type State = (usize, IntTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let [table] = ops.parents.map(|parent| parent.map(|node| node.id));
        let (num_rows, rows) = ops.state;
        let gradient = B::table_rows_backward(num_rows, rows, gradient);
        register::<B>(grads, table, gradient);
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

    fn inner_products(embeddings: FloatTensor<Self>) -> FloatTensor<Self> {
        let (embeddings, node) = embeddings.into_parts();
        match InnerProducts
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                prep.finish(embeddings.clone(), B::inner_products(embeddings))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::inner_products(embeddings)),
        }
    }
}

impl<B: TableGradients, C: CheckpointStrategy> TableOps for Autodiff<B, C> {
    fn table_rows(table: FloatTensor<Self>, rows: IntTensor<Self>) -> FloatTensor<Self> {
        let (table, node) = table.into_parts();
        match TableRows.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let num_rows = table.shape()[0];
                let output = B::table_rows(table, rows.clone());
                prep.finish((num_rows, rows), output)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::table_rows(table, rows)),
        }
    }
}

/// Registers the gradient of a parent that is tracked.
fn register<B: Backend>(grads: &mut Gradients, parent: Option<NodeId>, gradient: FloatTensor<B>) {
    if let Some(parent) = parent {
        grads.register::<B>(parent, gradient);
    }
}

fn register_sides<B: Backend>(
    grads: &mut Gradients,
    sides: PairSides<B>,
    [a, b, c, d]: [Option<NodeId>; 4],
) {
    match sides {
        PairSides::One { only } => register_side(grads, only, [a, b]),
        PairSides::Two { first, second } => {
            register_side(grads, first, [a, b]);
            register_side(grads, second, [c, d]);
        }
    }
}

fn register_side<B: Backend>(
    grads: &mut Gradients,
    side: PairSide<B>,
    [embeddings, matrices]: [Option<NodeId>; 2],
) {
    register::<B>(grads, embeddings, side.embeddings);
    match side.matrices {
        Matrices::None => {}
        Matrices::All(gradient) | Matrices::Each(gradient) | Matrices::Interaction(gradient) => {
            register::<B>(grads, matrices, gradient);
        }
    }
}

/// The primitives of the sides, and the graph nodes of each. The node of a single side's embeddings
/// stands in for those of the other, and no gradient is registered for them.
fn untrack_sides<B: Backend, C: CheckpointStrategy>(
    sides: PairSides<Autodiff<B, C>>,
) -> (PairSides<B>, [NodeGuard; 4]) {
    match sides {
        PairSides::One { only } => {
            let (c, d) = (only.embeddings.node(), only.embeddings.node());
            let (only, [a, b]) = untrack_side(only);
            (PairSides::One { only }, [a, b, c, d])
        }
        PairSides::Two { first, second } => {
            let (first, [a, b]) = untrack_side(first);
            let (second, [c, d]) = untrack_side(second);
            (PairSides::Two { first, second }, [a, b, c, d])
        }
    }
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
