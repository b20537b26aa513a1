use burn::module::Initializer;
use burn::tensor::Device;
use fibinet_model::inputs::RowInputs;
use fibinet_model::tables::huge_pages::zeroed;
use fibinet_model::tables::{TableDtype, TableRows, TableView};
use fibinet_nn::ConfigError;
use fibinet_nn::inputs::{FieldInputs, FieldSizes};
use fibinet_nn::models::TablesConfig;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use rayon::prelude::*;

use crate::optim::rows::rounding::Stored;
use crate::optim::rows::table_numbers::TableNumbers;

/// Numbers of a field that are drawn from one random stream.
const BLOCK: usize = 1 << 16;

/// The tables of a model in training, in host memory.
///
/// Each field has its own range of rows. A row takes these bytes in the tables, linear weight included, and in
/// the optimizer's state, which is always f32:
///
/// | row optimizer | f32 | at K = 10 | bf16, f16 | at K = 10 |
/// |---|---|---|---|---|
/// | `sgd` | `4 K + 4` | 44 | `2 K + 4` | 24 |
/// | `rowwise_adagrad` | `4 K + 12` | 52 | `2 K + 12` | 32 |
/// | `adagrad` | `8 K + 8` | 88 | `6 K + 8` | 68 |
/// | `lazy_adam` | `12 K + 12` | 132 | `10 K + 12` | 112 |
/// | `exact_adam` | `12 K + 16` | 136 | `10 K + 16` | 116 |
///
/// 30M rows of K = 10 thus take 4.1 GB with [`RowRule::ExactAdam`](crate::optim::RowRule::ExactAdam) in f32, and 1.0 GB
/// with [`RowRule::RowwiseAdagrad`](crate::optim::RowRule::RowwiseAdagrad) in bf16. Nothing else grows with the rows,
/// except the gradients of dense training ([`RowUpdate::All`](crate::config::RowUpdate::All)).
#[derive(Debug, Clone)]
pub struct Tables {
    /// The embedding table, `[V, K]`. Empty if the model has none.
    pub embedding: TableNumbers,
    /// The linear weights, `[V]`. `None` if the model has none.
    pub linear: Option<Vec<f32>>,
    /// The number of rows of each field.
    pub sizes: FieldSizes,
    /// The embedding dimension, `K`. 0 if the model has no embedding table.
    pub embedding_dim: usize,
    /// Whether row 0 of each field is a padding row: zero, and never trained.
    pub padding: bool,
}

impl Tables {
    /// Tables with random weights. Draws depend only on the seed, the table, the field and the position within
    /// the field, and not on the number of threads, which share large fields. Each table is allocated once. In
    /// the embedding table a draw is stored as the nearest number of type `dtype`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for an initializer that depends on fan-in or fan-out, or that decomposes
    /// matrices.
    pub fn new(
        config: &TablesConfig,
        sizes: FieldSizes,
        seed: u64,
        dtype: TableDtype,
    ) -> Result<Self, ConfigError> {
        let (dim, padding) = (config.embedding_dim, config.padding);
        let draw = Draw::new("embedding_initializer", &config.embedding_initializer)?;
        let mut embedding = TableNumbers::zeros(dtype, sizes.num_rows() * dim);
        match &mut embedding {
            TableNumbers::F32(numbers) => draw.fill(numbers, &sizes, dim, padding, (seed, 0)),
            TableNumbers::Bf16(numbers) => draw.fill(numbers, &sizes, dim, padding, (seed, 0)),
            TableNumbers::F16(numbers) => draw.fill(numbers, &sizes, dim, padding, (seed, 0)),
        }
        let mut linear = None;
        if config.linear {
            let draw = Draw::new("linear_initializer", &config.linear_initializer)?;
            let numbers = linear.insert(zeroed(sizes.num_rows()));
            draw.fill(numbers, &sizes, 1, padding, (seed, 1));
        }
        Ok(Self {
            embedding,
            linear,
            sizes,
            embedding_dim: dim,
            padding: config.padding,
        })
    }

    /// Copies all rows of other tables with the same fields, each of which has at most as many rows as here.
    /// Numbers of another type become the nearest numbers of this type. Returns the number of copied rows.
    ///
    /// # Panics
    ///
    /// If the other tables have other fields or widths, or more rows in a field.
    pub fn copy_rows(&mut self, base: &TableView<'_>) -> usize {
        assert_eq!(
            base.embedding_dim, self.embedding_dim,
            "expected the same embedding dimension"
        );
        assert_eq!(
            base.sizes.num_fields(),
            self.sizes.num_fields(),
            "expected the same number of fields"
        );
        assert_eq!(
            base.linear.is_some(),
            self.linear.is_some(),
            "expected linear weights in both tables or in neither"
        );
        for field in 0..self.sizes.num_fields() {
            let len = base.sizes.size(field);
            let most = self.sizes.size(field);
            assert!(
                len <= most,
                "expected at most {most} rows of field {field}, got {len}"
            );
            let (to, start) = (self.sizes.offset(field), base.sizes.offset(field));
            let dim = self.embedding_dim;
            self.embedding
                .copy_from(to * dim, base.embedding, start * dim, len * dim);
            if let (Some(linear), Some(from)) = (&mut self.linear, base.linear) {
                linear[to..to + len].copy_from_slice(&from[start..start + len]);
            }
        }
        base.sizes.num_rows()
    }

    /// The tables as heads read them.
    pub fn view(&self) -> TableView<'_> {
        TableView {
            embedding: self.embedding.as_slice(),
            linear: self.linear.as_deref(),
            sizes: &self.sizes,
            embedding_dim: self.embedding_dim,
            padding: self.padding,
        }
    }
}

impl TableRows for Tables {
    fn field_inputs(&self, rows: &RowInputs, device: &Device) -> FieldInputs {
        self.view().field_inputs(rows, device)
    }
}

/// The numbers of each field of a table.
fn by_field<'a, N>(table: &'a mut [N], sizes: &FieldSizes, width: usize) -> Vec<&'a mut [N]> {
    let mut rest = table;
    sizes
        .sizes()
        .iter()
        .map(|size| {
            let (field, after) = std::mem::take(&mut rest).split_at_mut(size * width);
            rest = after;
            field
        })
        .collect()
}

/// The distribution of a table's initial numbers.
enum Draw {
    Constant(f64),
    Normal { mean: f64, std: f64 },
    Uniform { min: f64, max: f64 },
}

impl Draw {
    fn new(setting: &'static str, initializer: &Initializer) -> Result<Self, ConfigError> {
        match *initializer {
            Initializer::Zeros => Ok(Self::Constant(0.0)),
            Initializer::Ones => Ok(Self::Constant(1.0)),
            Initializer::Constant { value } => Ok(Self::Constant(value)),
            Initializer::Normal { mean, std } => Ok(Self::Normal { mean, std }),
            Initializer::Uniform { min, max } => Ok(Self::Uniform { min, max }),
            ref other => Err(ConfigError::OutOfRange {
                setting,
                rule: "zeros, ones, constant, normal or uniform",
                got: format!("{other:?}"),
            }),
        }
    }

    /// Fills a table of zeros, given a seed and the number of the table.
    fn fill<N: Stored>(
        &self,
        numbers: &mut [N],
        sizes: &FieldSizes,
        width: usize,
        padding: bool,
        (seed, table): (u64, u64),
    ) {
        if let Self::Constant(0.0) = self {
            return;
        }
        by_field(numbers, sizes, width)
            .into_par_iter()
            .enumerate()
            .for_each(|(field, numbers)| {
                let blocks = numbers.par_chunks_mut(BLOCK).enumerate();
                blocks.for_each(|(block, numbers)| {
                    let mut rng = ChaCha8Rng::seed_from_u64(seed);
                    rng.set_stream((block as u64) << 32 | (2 * field as u64 + table));
                    for number in numbers {
                        *number = N::nearest(self.one(&mut rng) as f32);
                    }
                });
                if padding && sizes.has_padding_row(field) {
                    numbers[..width].fill(N::zeroed());
                }
            });
    }

    fn one(&self, rng: &mut ChaCha8Rng) -> f64 {
        match *self {
            Self::Constant(value) => value,
            Self::Normal { mean, std } => {
                let draw: f64 = StandardNormal.sample(rng);
                mean + std * draw
            }
            Self::Uniform { min, max } => {
                let draw: f64 = StandardUniform.sample(rng);
                min + (max - min) * draw
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_seed_and_field_and_padding_rows_are_zero() {
        let config = TablesConfig::new(4).with_padding(true);
        let tables = |sizes: &[usize], seed| {
            let sizes = FieldSizes::new(sizes.to_vec()).unwrap();
            Tables::new(&config, sizes, seed, TableDtype::F32).unwrap()
        };
        let one = tables(&[3000, 2000], 1);
        assert_eq!(one.linear, Some(vec![0.0; 5000]));
        let (numbers, read) = (one.embedding.to_f32(), |tables: Tables| {
            tables.embedding.to_f32()
        });
        assert!(
            numbers[..4]
                .iter()
                .chain(&numbers[12_000..12_004])
                .all(|x| *x == 0.0)
        );
        let drawn = &numbers[4..12_000];
        let mean = drawn.iter().sum::<f32>() / drawn.len() as f32;
        let std = (drawn.iter().map(|x| x * x).sum::<f32>() / drawn.len() as f32).sqrt();
        assert!(
            mean.abs() < 0.002 && (std - 0.05).abs() < 0.002,
            "{mean} {std}"
        );
        // A field's draws do not depend on the sizes before it.
        let other = read(tables(&[7, 2000], 1));
        assert_eq!(other[28..], numbers[12_000..]);
        assert_ne!(read(tables(&[3000, 2000], 2)), numbers);
    }

    #[test]
    fn tables_without_embeddings_draw_the_linear_weights_of_tables_with_them() {
        let sizes = |sizes: &[usize]| FieldSizes::new(sizes.to_vec()).unwrap();
        let tables = |dim, of: &[usize], seed, dtype| {
            let config = TablesConfig::new(dim)
                .with_padding(true)
                .with_linear_initializer(Initializer::Uniform { min: 0.5, max: 1.0 });
            Tables::new(&config, sizes(of), seed, dtype).unwrap()
        };
        for dtype in [TableDtype::F32, TableDtype::Bf16, TableDtype::F16] {
            let without = tables(0, &[3000, 2000], 1, dtype);
            assert!(without.embedding.as_slice().is_empty());
            let drawn = without.linear.as_deref().unwrap();
            assert_eq!(tables(4, &[3000, 2000], 1, dtype).linear.unwrap(), drawn);
            assert!((drawn[0], drawn[3000]) == (0.0, 0.0) && drawn[1] >= 0.5);
            let mut next = tables(0, &[3100, 2200], 2, dtype);
            assert_eq!(next.copy_rows(&without.view()), 5000);
            let copied = next.linear.unwrap();
            assert_eq!(copied[..3000], drawn[..3000]);
            assert_eq!(copied[3100..5100], drawn[3000..]);
        }
    }

    #[test]
    fn draws_of_a_large_field_are_the_same_at_any_number_of_threads() {
        let config = TablesConfig::new(8);
        let draw = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let sizes = FieldSizes::new(vec![20_000, 3]).unwrap();
            pool.unwrap()
                .install(|| Tables::new(&config, sizes, 5, TableDtype::F32).unwrap())
        };
        let one = draw(1).embedding.to_f32();
        assert_eq!(draw(3).embedding.to_f32(), one);
        assert_ne!(one[..BLOCK], one[BLOCK..2 * BLOCK]);
    }

    #[test]
    fn an_initializer_that_makes_no_sense_for_tables_is_refused() {
        let config = TablesConfig::new(4)
            .with_embedding_initializer(Initializer::XavierNormal { gain: 1.0 });
        let sizes = FieldSizes::new(vec![3, 4]).unwrap();
        let error = Tables::new(&config, sizes, 1, TableDtype::F32)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("embedding_initializer must be zeros"),
            "{error}"
        );
    }

    /// Each type, and the largest relative error of its nearest number.
    const UNITS: [(TableDtype, f32); 3] = [
        (TableDtype::F32, 0.0),
        (TableDtype::Bf16, 1.0 / 256.0),
        (TableDtype::F16, 1.0 / 2048.0),
    ];

    #[test]
    fn draws_in_16_bits_are_those_of_f32_rounded_and_rows_are_copied_between_types() {
        let config = TablesConfig::new(4).with_padding(true);
        let tables = |sizes: &[usize], seed, dtype| {
            let sizes = FieldSizes::new(sizes.to_vec()).unwrap();
            Tables::new(&config, sizes, seed, dtype).unwrap()
        };
        let close = |numbers: &[f32], expected: &[f32], unit: f32| {
            let mut pairs = numbers.iter().zip(expected);
            // Below 2^-14, f16 has less precision.
            numbers.len() == expected.len()
                && pairs.all(|(n, e)| (n - e).abs() <= (unit * e.abs()).max(unit * 6e-5))
        };
        let f32s = tables(&[3000, 2000], 1, TableDtype::F32).embedding.to_f32();
        for (from, unit) in UNITS {
            let base = tables(&[3000, 2000], 1, from);
            let drawn = base.embedding.to_f32();
            assert!(close(&drawn, &f32s, unit), "{from}");
            for (to, unit) in UNITS {
                let mut next = tables(&[3100, 2200], 2, to);
                let before = next.embedding.to_f32();
                assert_eq!(next.copy_rows(&base.view()), 5000);
                let after = next.embedding.to_f32();
                assert!(
                    close(&after[..12_000], &drawn[..12_000], unit),
                    "{from} {to}"
                );
                assert!(close(&after[12_400..20_400], &drawn[12_000..], unit));
                assert_eq!(after[12_000..12_400], before[12_000..12_400]);
                assert_eq!(after[20_400..], before[20_400..]);
            }
        }
    }
}
