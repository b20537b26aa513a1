use std::fs;
use std::path::Path;

use fibinet_data::DataErrorKind;
use fibinet_model::bundle::{Bundle, BundleError, LogitMap};
use fibinet_model::scorer::Scorer;
use fibinet_model::tables::TableDtype;
use fibinet_nn::models::AnySpec;
use fibinet_storage::{StorageError, checksums};
use half::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::written::{LINEAR, Model, Written, cpu_devices, device};

const FILES: [&str; 5] = [
    "bundle.toml",
    "head.safetensors",
    "encoder/fields.toml",
    "encoder/vocabulary.fst",
    "SHA256SUMS",
];

/// Changes a file of a bundle and makes its checksums fit again.
pub(crate) fn rewrite(bundle: &Path, file: &str, change: impl FnOnce(String) -> String) {
    let path = bundle.join(file);
    let text = fs::read_to_string(&path).expect("read");
    let changed = change(text.clone());
    assert_ne!(changed, text, "a change of {file}");
    fs::write(&path, changed).expect("written");
    checksums::write(bundle).expect("written");
}

pub(crate) fn is_damaged(error: &BundleError) -> bool {
    matches!(error, BundleError::Storage(StorageError::Damaged { .. }))
}

#[test]
fn a_bundle_of_every_model_opens_as_it_was_written() {
    let written = Written::new();
    for device in cpu_devices() {
        for name in AnySpec::NAMES {
            let mut model = Model::of_name(name, &device);
            model.output = LogitMap {
                scale: 0.5,
                shift: -0.25,
            };
            model.negative_rate = 0.1;
            let path = written.bundle(&model);
            for bundle in [Bundle::open(&path), Bundle::open_verified(&path)] {
                let bundle = bundle.expect("a bundle");
                assert_eq!(bundle.model, model.config);
                assert_eq!(bundle.output, model.output);
                assert_eq!(bundle.negative_rate, 0.1);
                let names: Vec<&str> = bundle.encoder.fields().map(|f| f.name.as_str()).collect();
                assert_eq!(names, ["a", "b"]);
                let tables = bundle.tables(0);
                assert_eq!(tables.embedding.dtype(), TableDtype::F32);
                assert_eq!(tables.embedding.to_f32(), model.embedding, "{name}");
                let has_linear = model.config.tables.linear;
                assert_eq!(tables.linear, has_linear.then_some(&LINEAR[..]), "{name}");
                bundle.head(0, &device).expect("a head");
            }
        }
    }
}

#[test]
fn a_flipped_byte_of_any_file_is_found() {
    let written = Written::new();
    let device = &device();
    let path = written.bundle(&Model::linear(device));
    for file in FILES {
        let whole = fs::read(path.join(file)).expect("read");
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(path.join(file), flipped).expect("written");
            assert!(Bundle::open(&path).is_err(), "byte {at} of {file}");
            assert!(Bundle::open_verified(&path).is_err(), "byte {at} of {file}");
        }
        fs::write(path.join(file), whole).expect("written");
    }
    Bundle::open_verified(&path).expect("a whole bundle");
}

#[test]
fn numbers_of_the_tables_are_checked_on_request_and_their_length_always() {
    let written = Written::new();
    let device = &device();
    let path = written.bundle(&Model::linear(device));
    let tables = path.join("tables.safetensors");
    let whole = fs::read(&tables).expect("read");
    let mut flipped = whole.clone();
    *flipped.last_mut().expect("a byte") ^= 1;
    fs::write(&tables, flipped).expect("written");
    Bundle::open(&path).expect("the numbers are not read");
    let error = Bundle::open_verified(&path).expect_err("they are read");
    assert!(is_damaged(&error), "{error}");
    fs::write(&tables, &whole[..whole.len() - 4]).expect("written");
    let error = Bundle::open(&path).expect_err("cut short");
    assert!(is_damaged(&error), "{error}");
    assert!(error.to_string().contains("tables.safetensors"), "{error}");
}

#[test]
fn a_head_whose_weights_are_not_f32_is_refused() {
    let written = Written::new();
    let device = &device();
    let path = written.bundle(&Model::linear(device));
    let head = path.join("head.safetensors");
    let bytes = fs::read(&head).expect("read");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let halves: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| {
            let numbers = tensor.data().chunks_exact(4).map(|number| {
                let number = f32::from_le_bytes(number.try_into().expect("four bytes"));
                f16::from_f32(number).to_le_bytes()
            });
            let numbers: Vec<u8> = numbers.flatten().collect();
            (name.to_owned(), tensor.shape().to_vec(), numbers)
        })
        .collect();
    let views = halves.iter().map(|(name, shape, numbers)| {
        let view = TensorView::new(Dtype::F16, shape.clone(), numbers);
        (name.as_str(), view.expect("a tensor"))
    });
    safetensors::serialize_to_file(views, None, &head).expect("written");
    checksums::write(&path).expect("written");
    let bundle = Bundle::open_verified(&path).expect("a bundle");
    let error = bundle.head(0, device).expect_err("weights of another type");
    assert!(is_damaged(&error), "{error}");
    let says = "expected weights of type F32, got F16";
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let written = Written::new();
    let device = &device();
    for file in [
        "head.safetensors",
        "tables.safetensors",
        "encoder/fields.toml",
    ] {
        let path = written.bundle(&Model::linear(device));
        fs::remove_file(path.join(file)).expect("removed");
        let error = Bundle::open(&path).expect_err("a file is missing");
        let is_missing =
            matches!(&error, BundleError::Storage(error) if error.is_missing_or_damaged());
        assert!(is_missing, "{error}");
        let name = Path::new(file).file_name().expect("a name");
        assert!(
            error.to_string().contains(&*name.to_string_lossy()),
            "{error}"
        );
        fs::write(path.join("SHA256SUMS"), "").expect("replaceable");
    }
}

#[test]
fn a_newer_bundle_is_told_from_a_damaged_one() {
    let written = Written::new();
    let path = written.bundle(&Model::linear(&device()));
    // A newer program's: keys that this one does not know, and checksums that it need not read.
    fs::write(path.join("bundle.toml"), "format = 99\nnovelty = true\n").expect("written");
    match Bundle::open(&path) {
        Err(BundleError::Newer { got: 99, known, .. }) => assert!(known < 99),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_a_bundle_is_told_from_a_damaged_one() {
    let written = Written::new();
    let path = written.bundle(&Model::linear(&device()));
    let empty = written.at("empty");
    fs::create_dir(&empty).expect("made");
    let file = written.file("file", "text");
    fs::remove_file(path.join("SHA256SUMS")).expect("removed");
    for (path, lacks) in [
        (&empty, "bundle.toml"),
        (&file, "bundle.toml"),
        (&written.at("nowhere"), "bundle.toml"),
        (&path, "SHA256SUMS"),
    ] {
        let error = Bundle::open(path).expect_err("not a bundle");
        assert!(matches!(error, BundleError::NotABundle { .. }), "{error}");
        assert!(
            error.to_string().ends_with(&format!("it has no {lacks}")),
            "{error}"
        );
    }
}

#[test]
fn a_model_of_other_fields_than_the_encoders_is_refused() {
    let written = Written::new();
    let path = written.bundle(&Model::linear(&device()));
    rewrite(&path, "bundle.toml", |text| {
        text.replace("num_fields = 2", "num_fields = 3")
    });
    let error = Bundle::open(&path).expect_err("other fields");
    assert!(is_damaged(&error), "{error}");
    assert!(error.to_string().contains("fields"), "{error}");
}

#[test]
fn an_output_or_rate_out_of_range_is_refused() {
    let written = Written::new();
    let mut model = Model::linear(&device());
    let (scale, shift) = (f64::NAN, f64::INFINITY);
    let outputs = [(0.0, 0.0, 1.0), (scale, 0.0, 1.0), (1.0, shift, 1.0)];
    for (scale, shift, rate) in outputs
        .into_iter()
        .chain([(1.0, 0.0, 0.0), (1.0, 0.0, 1.5)])
    {
        model.output = LogitMap { scale, shift };
        model.negative_rate = rate;
        let error = Bundle::open(&written.bundle(&model)).expect_err("out of range");
        assert!(is_damaged(&error), "{error}");
    }
}

#[test]
fn an_encoder_that_is_not_its_own_is_an_error_of_the_data() {
    let written = Written::new();
    let path = written.bundle(&Model::linear(&device()));
    rewrite(&path, "encoder/fields.toml", |text| {
        format!("{text}\nunknown = 1\n")
    });
    match Bundle::open(&path) {
        Err(BundleError::Data(error)) => {
            assert!(
                matches!(error.kind(), DataErrorKind::Corrupt { .. }),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_open_bundle_stays_as_it_was_when_another_takes_its_place() {
    let written = Written::new();
    for device in cpu_devices() {
        let mut model = Model::linear(&device);
        let path = written.bundle(&model);
        let old = Scorer::open(&path, &device).expect("a bundle");
        model.linear.fill(1.0);
        assert_eq!(written.bundle(&model), path);
        let new = Scorer::open(&path, &device).expect("a bundle");
        assert_eq!(old.bundle().tables(0).linear, Some(&LINEAR[..]));
        assert_eq!(new.bundle().tables(0).linear, Some(&[1.0; 10][..]));
        // The checkpoint of a run replaces files in a directory that may be open too.
        model.linear.fill(2.0);
        written.write_parts(&[&model], &path);
        assert_eq!(new.bundle().tables(0).linear, Some(&[1.0; 10][..]));
    }
}
