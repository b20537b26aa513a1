use std::path::Path;

use crate::encode::encoder::Encoder;
use crate::formats::parts::open_rows;
use crate::formats::reader::Label;
use crate::shards::batch::Batch;

/// The rows of `spelled.csv` by the encoder of a bundle of format 4, whose version took texts as they were written
/// and numbers as singles.
#[test]
fn an_encoder_of_an_earlier_version_gives_the_same_ids_and_numbers() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let encoder = Encoder::open(&fixtures.join("bundle_format_4/encoder")).unwrap();
    let rows = fixtures.join("spelled.csv");
    let mut reader = open_rows(&rows, encoder.format(), Label::Optional).unwrap();
    let mut encode = encoder.rows(reader.as_ref(), false).unwrap();
    let mut batch = Batch::default();
    while reader.read_row().unwrap() {
        encode
            .encode(reader.row(), &reader.position(), &mut batch)
            .unwrap();
    }
    let column =
        |at: usize| -> Vec<u32> { batch.ids.iter().skip(at).step_by(4).copied().collect() };
    // `3`, `3.0`, ` 3`, `NA`, none, `null`, `7`, `1`.
    let ids = column(0);
    assert!(
        [0, 6, 7]
            .iter()
            .all(|row| ids[*row] >= Encoder::FIRST_TOKEN),
        "{ids:?}"
    );
    assert_eq!(ids[1..6], [1, 1, 1, 2, 1]);
    let buckets = ["21", "21.0", " 21", "NA", "", "null", "49", "7"].map(|text| match text {
        "" => Encoder::MISSING,
        text => 3 + (twox_hash::XxHash64::oneshot(0, text.as_bytes()) % 50) as u32,
    });
    assert_eq!(column(1), buckets);
    // .7, .7, .3, 1000, none, -5, 9.9, .1 by the edges 1, …, 8.6.
    assert_eq!(column(2), [3, 3, 3, 12, 2, 3, 12, 3]);
    // A Friday, the Saturday and the Sunday after it, none, two Mondays and a Sunday.
    assert_eq!(column(3), [7, 7, 8, 9, 2, 3, 3, 9]);
    let sizes = [
        1_500_000_064.0_f32,
        1_500_000_065.0,
        1_500_000_127.0,
        1_600_000_000.0,
        f32::NAN,
        0.0,
        1_500_003_776.0,
        1_500_000_128.0,
    ];
    let scaled = sizes.map(|size| match size {
        size if size.is_nan() => 0.0,
        size => ((f64::from(size) - 1_500_001_780.220_857_6) * 0.000_944_231_741_370_832_9) as f32,
    });
    assert_eq!(batch.numerics, scaled);
    // `1|2`, `1.0|2`, ` 1|2`, `NA`, none, `null|3`, `3`, `None`.
    let lists: Vec<&[u32]> = (0..8).map(|row| batch.lists[0].row(row)).collect();
    let one_two = lists[0];
    assert!(one_two.iter().all(|id| *id >= Encoder::FIRST_TOKEN) && one_two.len() == 2);
    assert_eq!(
        lists[1..5],
        [&[1, one_two[1]][..], &[1, one_two[1]], &[1], &[2]]
    );
    assert_eq!((lists[5], lists[7]), (&[1, lists[6][0]][..], &[1][..]));
}
