/// `, did you mean …?` with the known name nearest to `got`. Empty if none is near.
///
/// ```
/// assert_eq!(fibinet_nn::nearest("relo", ["relu", "sigmoid"]), ", did you mean `relu`?");
/// assert_eq!(fibinet_nn::nearest("xyz", ["relu", "sigmoid"]), "");
/// ```
pub fn nearest<'a>(got: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(got, name), name))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!(", did you mean `{name}`?"))
}
