use serde::{Deserialize, Serialize};

use crate::prepare::SplitKind;
use crate::schema::SchemaError;

/// A random split of one file's rows, decided row by row from the row's number and a seed of its
/// own: it needs no memory, and neither the training seed nor the number of threads changes it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomSplit {
    /// Share of the rows that go to the validation split.
    pub valid: f64,
    /// Share of the rows that go to the test split.
    #[serde(default)]
    pub test: f64,
    /// The split's own seed.
    #[serde(default = "default_seed")]
    pub seed: u64,
}

fn default_seed() -> u64 {
    2019
}

impl RandomSplit {
    pub(crate) fn validate(&self) -> Result<(), SchemaError> {
        let share = |name, value: f64| {
            if (0.0..1.0).contains(&value) {
                return Ok(());
            }
            Err(SchemaError::Split {
                reason: format!("`{name}` must be in [0, 1), but is {value}"),
            })
        };
        share("valid", self.valid)?;
        share("test", self.test)?;
        if self.valid + self.test >= 1.0 {
            return Err(SchemaError::Split {
                reason: format!(
                    "`valid` and `test` must leave rows to train on, but add up to {}",
                    self.valid + self.test
                ),
            });
        }
        Ok(())
    }

    /// The split that row number `row` of the file goes to.
    pub fn assign(&self, row: u64) -> SplitKind {
        // The top 53 bits, as a uniform number in [0, 1).
        let draw = (mix(self.seed, row) >> 11) as f64 / (1_u64 << 53) as f64;
        if draw < self.test {
            SplitKind::Test
        } else if draw < self.test + self.valid {
            SplitKind::Valid
        } else {
            SplitKind::Train
        }
    }
}

/// SplitMix64's output for the `index`-th state after `seed` (Steele, Lea and Flood, 2014).
pub fn mix(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mix_is_splitmix64() {
        // The reference implementation's first outputs for seed 1234567.
        let outputs = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        for (index, output) in outputs.into_iter().enumerate() {
            assert_eq!(mix(1_234_567, index as u64), output);
        }
    }

    #[test]
    fn shares_come_out_and_another_seed_splits_otherwise() {
        let split = |seed| RandomSplit {
            valid: 0.1,
            test: 0.2,
            seed,
        };
        let count = |seed, kind| {
            (0..100_000)
                .filter(|&row| split(seed).assign(row) == kind)
                .count()
        };
        assert!((9_700..10_300).contains(&count(1, SplitKind::Valid)));
        assert!((19_600..20_400).contains(&count(1, SplitKind::Test)));
        let differ = (0..1000)
            .filter(|&row| split(1).assign(row) != split(2).assign(row))
            .count();
        assert!(differ > 200, "{differ} of 1000 rows");
    }

    #[test]
    fn shares_that_leave_nothing_are_refused() {
        let message = |valid, test| {
            let split = RandomSplit {
                valid,
                test,
                seed: 1,
            };
            split.validate().unwrap_err().to_string()
        };
        assert!(message(-0.1, 0.0).contains("`valid` must be in [0, 1), but is -0.1"));
        assert!(message(0.6, 0.5).contains("add up to 1.1"));
        assert!(message(f64::NAN, 0.0).contains("NaN"));
    }
}
