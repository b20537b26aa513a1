use burn::module::Module;
use burn::tensor::Device;
use fibinet_model::bundle::{Bundle, BundleError, MemberParts, member_config};
use fibinet_model::inputs::RowInputs;
use fibinet_nn::ConfigError;
use fibinet_nn::inputs::FieldSizes;
use fibinet_nn::models::{AnyHead, AnyHeadConfig, CtrModelConfig};

use crate::config::TrainSettings;
use crate::run::report::WarmStart;
use crate::trainer::Trainer;

/// The members of a run: separate models, which train on the same batches.
pub(super) struct Members {
    /// At least one.
    trainers: Vec<Trainer>,
}

impl Members {
    /// As many models with drawn weights as the settings say, each with a seed of its own.
    pub(super) fn new(
        model: &CtrModelConfig<AnyHeadConfig>,
        sizes: &FieldSizes,
        train: &TrainSettings,
        device: &Device,
    ) -> Result<Self, ConfigError> {
        let trainers = (0..train.members).map(|member| {
            let model = member_config(model, member, train.alternate_batch_norm);
            Trainer::new(&model, sizes.clone(), &train.of_member(member), device)
        });
        Ok(Self {
            trainers: trainers.collect::<Result<_, _>>()?,
        })
    }

    /// Copies the head and the table rows of known tokens from a bundle of as many members, one to one.
    pub(super) fn warm_start(
        &mut self,
        base: &Bundle,
        device: &Device,
    ) -> Result<WarmStart, BundleError> {
        let device = device.clone().inner().autodiff();
        let mut kept_rows = 0;
        for (member, trainer) in self.trainers.iter_mut().enumerate() {
            kept_rows = trainer.copy_rows(&base.tables(member));
            trainer.set_head(base.head(member, &device)?);
        }
        Ok(WarmStart {
            kept_rows,
            new_rows: self.first().sizes().num_rows() - kept_rows,
        })
    }

    fn first(&self) -> &Trainer {
        &self.trainers[0]
    }

    /// Updates each member by one batch, each by its own loss, and returns the mean of their losses.
    pub(super) fn step(&mut self, rows: &RowInputs) -> f32 {
        let losses = self.trainers.iter_mut().map(|trainer| trainer.step(rows));
        let sum: f64 = losses.map(f64::from).sum();
        (sum / self.trainers.len() as f64) as f32
    }

    /// Copies of the heads for inference. Drop them before the next step, which would copy the weights.
    pub(super) fn valid_heads(&self) -> Vec<AnyHead> {
        self.trainers.iter().map(Trainer::valid_head).collect()
    }

    /// Each member's logits of a batch, by heads from [`valid_heads`](Self::valid_heads).
    pub(super) fn logits(&self, heads: &[AnyHead], rows: &RowInputs) -> Vec<Vec<f32>> {
        let members = self.trainers.iter().zip(heads);
        members
            .map(|(trainer, head)| trainer.score(head, rows))
            .collect()
    }

    /// The weights of each member, with heads from [`valid_heads`](Self::valid_heads).
    pub(super) fn parts<'a>(&'a self, heads: &'a [AnyHead]) -> Vec<MemberParts<'a>> {
        let members = self.trainers.iter().zip(heads);
        members
            .map(|(trainer, head)| MemberParts {
                head,
                tables: trainer.view(),
                finished: trainer.finished_rows(),
            })
            .collect()
    }

    /// The number of trained parameters of all members, tables included.
    pub(super) fn num_params(&self) -> usize {
        let of_member =
            |trainer: &Trainer| trainer.head().num_params() + trainer.view().num_params();
        self.trainers.iter().map(of_member).sum()
    }

    /// The learning rate of the next step, which is the same for all members.
    pub(super) fn learning_rate(&self) -> f64 {
        self.first().learning_rate()
    }

    /// Changes the learning rate from the next step on.
    pub(super) fn set_learning_rate(&mut self, rate: f64) {
        for trainer in &mut self.trainers {
            trainer.set_learning_rate(rate);
        }
    }
}
