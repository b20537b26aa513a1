use clap::ValueEnum;
use fibinet::data::OnBadRow;

/// `--on-bad-row`
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BadRow {
    Fail,
    Skip,
}

impl From<BadRow> for OnBadRow {
    fn from(choice: BadRow) -> Self {
        match choice {
            BadRow::Fail => Self::Fail,
            BadRow::Skip => Self::Skip,
        }
    }
}
