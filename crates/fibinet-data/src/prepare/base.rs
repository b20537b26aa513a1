use crate::config::DataSpec;
use crate::encode::encoder::Encoder;
use crate::error::{DataError, DataErrorKind};

/// The spec of rows that continue an encoder: their times have the zones that its own had.
///
/// # Errors
///
/// [`DataErrorKind::OtherFields`] with the first difference of the fields.
pub(crate) fn continued(spec: &DataSpec, base: &Encoder) -> Result<DataSpec, DataError> {
    check_base(spec, base)?;
    let mut spec = spec.clone();
    spec.format.zoned_times = base.format().zoned_times;
    Ok(spec)
}

/// Checks that the spec describes the fields of an encoder that is to be continued.
///
/// # Errors
///
/// [`DataErrorKind::OtherFields`] with the first difference.
fn check_base(spec: &DataSpec, base: &Encoder) -> Result<(), DataError> {
    let known: Vec<_> = base.fields().collect();
    let differ = |difference| Err(DataErrorKind::OtherFields { difference }.into());
    // These settings decide what a cell means, so they must agree. The rest of the format may change.
    let (format, base) = (&spec.format, base.format());
    if format.missing != base.missing {
        let (new, old) = (&format.missing, &base.missing);
        return differ(format!("`missing` is {new:?}, but was {old:?}"));
    }
    if format.positive != base.positive {
        let (new, old) = (&format.positive, &base.positive);
        return differ(format!("`positive` is {new:?}, but was {old:?}"));
    }
    for (i, field) in spec.fields.iter().enumerate() {
        match known.get(i) {
            Some(known) if *known == field => {}
            Some(known) if known.name == field.name => {
                return differ(format!("`{}` is encoded differently", field.name));
            }
            Some(known) => {
                return differ(format!(
                    "`{}` is in the place of the earlier `{}`",
                    field.name, known.name
                ));
            }
            None => return differ(format!("`{}` is new", field.name)),
        }
    }
    match known.get(spec.fields.len()) {
        Some(known) => differ(format!("`{}` is missing", known.name)),
        None => Ok(()),
    }
}
