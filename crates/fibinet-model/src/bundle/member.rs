use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::{DType, Device, Tensor};
use fibinet_nn::inputs::FieldSizes;
use fibinet_nn::models::{AnyHead, AnyHeadConfig, CtrModelConfig, HeadConfig, TablesConfig};

use crate::error::BundleError;
use crate::tables::mapped::MappedTables;
use crate::tables::table_file::{FinishedRows, write_tables};
use crate::tables::view::TableView;

const HEAD: &str = "head.safetensors";
/// The tables' file, in the directory of each member.
pub(crate) const TABLES: &str = "tables.safetensors";
/// The directory of the members after the first, whose files lie in the bundle's own.
const MEMBERS: &str = "members";

/// The directory of a member's files. Members count from 0, their directories from 1.
fn directory(bundle: &Path, member: usize) -> PathBuf {
    match member {
        0 => bundle.to_owned(),
        _ => bundle.join(MEMBERS).join((member + 1).to_string()),
    }
}

/// The settings of one of several members, which count from 0: those of the model. If batch norm is to alternate, the
/// second member, the fourth and so on have it in their hidden layers, whatever the model's settings say. Some logs
/// want batch norm and some do not, and the mean of both kinds is seldom far from the better one.
pub fn member_config(
    model: &CtrModelConfig<AnyHeadConfig>,
    member: usize,
    alternate_batch_norm: bool,
) -> CtrModelConfig<AnyHeadConfig> {
    let mut config = model.clone();
    if alternate_batch_norm && member % 2 == 1 {
        config.head = config.head.batch_normalized();
    }
    config
}

/// The weights of one member of a bundle, to be written.
#[derive(Debug, Clone, Copy)]
pub struct MemberParts<'a> {
    /// The head, as `Module::valid` gives it.
    pub head: &'a AnyHead,
    /// The tables.
    pub tables: TableView<'a>,
    /// The replayed rows, if the stored ones may be stale.
    pub finished: Option<&'a dyn FinishedRows>,
}

impl MemberParts<'_> {
    /// Writes the weights into the directory of a bundle, replacing those that are there.
    pub(crate) fn write(&self, bundle: &Path, member: usize) -> Result<(), BundleError> {
        let directory = directory(bundle, member);
        fs::create_dir_all(&directory).map_err(BundleError::io(&directory))?;
        let path = directory.join(HEAD);
        // Without metadata: Burn writes it in no fixed order, and equal weights must give equal files.
        let mut store = SafetensorsStore::from_file(&path)
            .clear_metadata()
            .overwrite(true);
        self.head
            .save_into(&mut store)
            .map_err(|error| BundleError::write(&path)(&error))?;
        write_tables(&directory.join(TABLES), &self.tables, self.finished)
    }
}

/// One member of an open bundle: a head on disk and mapped tables.
#[derive(Debug)]
pub(crate) struct Member {
    directory: PathBuf,
    tables: MappedTables,
}

impl Member {
    /// Maps the tables of a member.
    pub(crate) fn open(
        bundle: &Path,
        member: usize,
        sizes: &FieldSizes,
        config: &TablesConfig,
    ) -> Result<Self, BundleError> {
        let directory = directory(bundle, member);
        let tables = MappedTables::open(&directory.join(TABLES), sizes, config)?;
        Ok(Self { directory, tables })
    }

    pub(crate) fn tables(&self) -> TableView<'_> {
        self.tables.view()
    }

    /// Reads the head onto a device.
    pub(crate) fn head(
        &self,
        config: &AnyHeadConfig,
        device: &Device,
    ) -> Result<AnyHead, BundleError> {
        let path = self.directory.join(HEAD);
        let mut head = config.try_init(device)?;
        // The store matches every weight by path and shape, fails where one is missing, and keeps the type
        // of its numbers.
        let mut store = SafetensorsStore::from_file(&path);
        head.load_from(&mut store)
            .map_err(|error| BundleError::damaged(&path, error))?;
        let mut other = OtherType(None);
        head.visit(&mut other);
        other.0.map_or(Ok(head), |dtype| {
            let reason = format!("expected weights of type F32, got {dtype:?}");
            Err(BundleError::damaged(&path, reason))
        })
    }
}

/// A type of a module's weights that is not f32, if there is one.
struct OtherType(Option<DType>);

impl ModuleVisitor for OtherType {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let dtype = param.val().dtype();
        if dtype != DType::F32 {
            self.0 = Some(dtype);
        }
    }
}
