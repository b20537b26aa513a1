use super::adult::ADULT_RUN;
use super::logs::formats::inspected_avazu;
use super::{closed_pipe, number, scratch, text};

/// 276 pairs of 16 numbers per side; a thread forms those of 256 rows, 384 columns at a time.
fn mebibytes_at_once() -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    (0.375 * threads as f64).min(69.0)
}

#[test]
fn the_bytes_of_pairs_are_shown() {
    let (shown, _) = inspected_avazu();
    let at_once = mebibytes_at_once();
    assert!(
        shown.contains(&format!(
            "69.0 MiB unfused; fused on flex {at_once:.1} MiB in scoring"
        )),
        "{shown}"
    );
}

#[test]
fn json_has_the_bytes_of_pairs_of_a_batch() {
    let (_, bundle) = inspected_avazu();
    let pairs = &bundle["pair_bytes"];
    assert_eq!(pairs["rows"], 2048);
    assert_eq!(pairs["array"], 69 << 20);
    let scoring = number(pairs, "scoring_at_once");
    assert_eq!(scoring, mebibytes_at_once() * f64::from(1 << 20), "{pairs}");
}

#[test]
fn text_and_json_tell_the_same_bytes_in_training() {
    let (shown, bundle) = inspected_avazu();
    let training = number(&bundle["pair_bytes"], "training_at_once") / f64::from(1 << 20);
    assert!(
        shown.contains(&format!("in scoring, {training:.1} MiB in training")),
        "{shown}"
    );
}

#[test]
fn text_into_a_closed_pipe_is_a_success() {
    let directory = scratch();
    closed_pipe(directory.path(), &["inspect", text(&ADULT_RUN.bundle())]);
}

#[test]
fn json_into_a_closed_pipe_is_a_success() {
    let directory = scratch();
    let bundle = ADULT_RUN.bundle();
    closed_pipe(directory.path(), &["inspect", text(&bundle), "--json"]);
}
