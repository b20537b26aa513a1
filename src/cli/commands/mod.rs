//! One file per subcommand.

pub(crate) mod evaluate;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod predict;
pub(crate) mod prepare;
pub(crate) mod synth;
pub(crate) mod train;
