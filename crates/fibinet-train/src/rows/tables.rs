use burn::module::Initializer;
use fibinet_nn::{ConfigError, FiBiNetConfig, FieldSizes};
use fibinet_serve::TableView;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use rayon::prelude::*;

/// Numbers of a field that are drawn from one stream.
const BLOCK: usize = 1 << 16;

/// The tables of a model in training, in host memory.
///
/// Each field has its range of rows. With the linear part a row takes `4 (K + 1)` bytes here, and with
/// Adam three times as many, and 4 of [`RowRule::ExactAdam`](crate::RowRule::ExactAdam): 136 bytes at
/// K = 10, which is 4.1 GB for 30M rows. Nothing else grows with the rows, but what dense training
/// ([`RowUpdate::All`](crate::RowUpdate::All)) sums.
#[derive(Debug, Clone)]
pub struct Tables {
    /// The embedding table, `[V, K]`.
    pub embedding: Vec<f32>,
    /// The linear weights, `[V]`.
    pub linear: Option<Vec<f32>>,
    /// The fields' rows.
    pub sizes: FieldSizes,
    /// `K`.
    pub embedding_dim: usize,
    /// Whether row 0 of each field is zero and never trained.
    pub padding: bool,
}

impl Tables {
    /// Tables drawn as the config says, with draws that depend on the seed, the table and the place in
    /// the field alone, at any number of threads, which share large fields. Each table is allocated
    /// once.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for an initializer that scales by fans or decomposes matrices.
    pub fn new(config: &FiBiNetConfig, sizes: FieldSizes, seed: u64) -> Result<Self, ConfigError> {
        let dim = config.embedding_dim;
        let draw = |setting, initializer, width, table| {
            draw_table(
                setting,
                initializer,
                &sizes,
                width,
                config.padding,
                seed,
                table,
            )
        };
        let embedding = draw(
            "embedding_initializer",
            &config.embedding_initializer,
            dim,
            0,
        )?;
        let linear = match config.linear {
            true => Some(draw(
                "linear_initializer",
                &config.linear_initializer,
                1,
                1,
            )?),
            false => None,
        };
        Ok(Self {
            embedding,
            linear,
            sizes,
            embedding_dim: dim,
            padding: config.padding,
        })
    }

    /// Takes the rows of tables whose fields are these, or the first rows of these, and gives their
    /// number.
    ///
    /// # Panics
    ///
    /// If the tables are of other fields or widths.
    pub fn take_rows(&mut self, base: &TableView<'_>) -> usize {
        assert_eq!(
            base.embedding_dim, self.embedding_dim,
            "embedding dimension"
        );
        assert_eq!(base.sizes.num_fields(), self.sizes.num_fields(), "fields");
        assert_eq!(base.linear.is_some(), self.linear.is_some(), "linear part");
        let sizes = &self.sizes;
        let take = |table: &mut [f32], from: &[f32], width: usize| {
            for field in 0..sizes.num_fields() {
                let len = base.sizes.size(field) * width;
                assert!(len <= sizes.size(field) * width, "rows of field {field}");
                let (to, start) = (
                    sizes.offset(field) * width,
                    base.sizes.offset(field) * width,
                );
                table[to..to + len].copy_from_slice(&from[start..start + len]);
            }
        };
        take(&mut self.embedding, base.embedding, self.embedding_dim);
        if let (Some(linear), Some(from)) = (&mut self.linear, base.linear) {
            take(linear, from, 1);
        }
        base.sizes.num_rows()
    }

    /// The tables as heads read them.
    pub fn view(&self) -> TableView<'_> {
        TableView {
            embedding: &self.embedding,
            linear: self.linear.as_deref(),
            sizes: &self.sizes,
            embedding_dim: self.embedding_dim,
            padding: self.padding,
        }
    }
}

/// A table's numbers cut into its fields.
pub(crate) fn by_field<'a>(
    table: &'a mut [f32],
    sizes: &FieldSizes,
    width: usize,
) -> Vec<&'a mut [f32]> {
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

fn draw_table(
    setting: &'static str,
    initializer: &Initializer,
    sizes: &FieldSizes,
    width: usize,
    padding: bool,
    seed: u64,
    table: u64,
) -> Result<Vec<f32>, ConfigError> {
    let mut numbers = vec![0.0; sizes.num_rows() * width];
    let draw: Box<dyn Fn(&mut ChaCha8Rng) -> f64 + Sync> = match *initializer {
        Initializer::Zeros => return Ok(numbers),
        Initializer::Ones => Box::new(|_| 1.0),
        Initializer::Constant { value } => Box::new(move |_| value),
        Initializer::Normal { mean, std } => Box::new(move |rng| {
            let draw: f64 = StandardNormal.sample(rng);
            mean + std * draw
        }),
        Initializer::Uniform { min, max } => Box::new(move |rng| {
            let draw: f64 = StandardUniform.sample(rng);
            min + (max - min) * draw
        }),
        ref other => {
            return Err(ConfigError::OutOfRange {
                setting,
                rule: "zeros, ones, constant, normal or uniform",
                got: format!("{other:?}"),
            });
        }
    };
    by_field(&mut numbers, sizes, width)
        .into_par_iter()
        .enumerate()
        .for_each(|(field, numbers)| {
            let blocks = numbers.par_chunks_mut(BLOCK).enumerate();
            blocks.for_each(|(block, numbers)| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream((block as u64) << 32 | (2 * field as u64 + table));
                numbers
                    .iter_mut()
                    .for_each(|number| *number = draw(&mut rng) as f32);
            });
            if padding && sizes.has_padding_row(field) {
                numbers[..width].fill(0.0);
            }
        });
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_seed_and_field_and_padding_rows_are_zero() {
        let config = FiBiNetConfig::new(2, 4).with_padding(true);
        let tables = |sizes: &[usize], seed| {
            let sizes = FieldSizes::new(sizes.to_vec()).unwrap();
            Tables::new(&config, sizes, seed).unwrap()
        };
        let one = tables(&[3000, 2000], 1);
        assert_eq!(one.linear, Some(vec![0.0; 5000]));
        assert!(
            one.embedding[..4]
                .iter()
                .chain(&one.embedding[12_000..12_004])
                .all(|x| *x == 0.0)
        );
        let drawn = &one.embedding[4..12_000];
        let mean = drawn.iter().sum::<f32>() / drawn.len() as f32;
        let std = (drawn.iter().map(|x| x * x).sum::<f32>() / drawn.len() as f32).sqrt();
        assert!(
            mean.abs() < 0.002 && (std - 0.05).abs() < 0.002,
            "{mean} {std}"
        );
        // A field's draws do not depend on the sizes before it.
        let other = tables(&[7, 2000], 1);
        assert_eq!(other.embedding[28..], one.embedding[12_000..]);
        assert_ne!(tables(&[3000, 2000], 2).embedding, one.embedding);
    }

    #[test]
    fn draws_of_a_large_field_are_the_same_at_any_number_of_threads() {
        let config = FiBiNetConfig::new(2, 8);
        let draw = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let sizes = FieldSizes::new(vec![20_000, 3]).unwrap();
            pool.unwrap()
                .install(|| Tables::new(&config, sizes, 5).unwrap())
        };
        let one = draw(1).embedding;
        assert_eq!(draw(3).embedding, one);
        assert_ne!(one[..BLOCK], one[BLOCK..2 * BLOCK]);
    }

    #[test]
    fn an_initializer_without_meaning_for_tables_is_refused() {
        let config = FiBiNetConfig::new(2, 4)
            .with_embedding_initializer(Initializer::XavierNormal { gain: 1.0 });
        let sizes = FieldSizes::new(vec![3, 4]).unwrap();
        let error = Tables::new(&config, sizes, 1).unwrap_err().to_string();
        assert!(
            error.starts_with("embedding_initializer must be zeros"),
            "{error}"
        );
    }
}
