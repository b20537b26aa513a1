//! A trained model on disk.

pub(crate) mod directory;
pub(crate) mod logit_map;
pub(crate) mod manifest;
pub(crate) mod member;
pub(crate) mod staging;

pub use crate::error::BundleError;
pub use directory::{Bundle, BundleParts};
pub use logit_map::LogitMap;
pub use member::{MemberParts, member_config};
pub use staging::Staging;
