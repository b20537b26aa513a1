use super::*;
use std::fs;

use parquet::basic::Compression;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::formats::raw_row::texts;

type Group<'a> = SerializedRowGroupWriter<'a, File>;

fn create(path: &Path, schema: &str, compression: Compression) -> SerializedFileWriter<File> {
    let schema = parse_message_type(&format!("message rows {{ {schema} }}")).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_data_page_row_count_limit(700)
        .set_write_batch_size(100)
        .build();
    let file = File::create(path).unwrap();
    SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap()
}

/// Writes the next column; the levels are those of definition and of repetition.
fn column<T: DataType>(group: &mut Group, values: &[T::T], levels: [Option<&[i16]>; 2]) {
    let mut column = group.next_column().unwrap().unwrap();
    let [definition, repetition] = levels;
    column
        .typed::<T>()
        .write_batch(values, definition, repetition)
        .unwrap();
    column.close().unwrap();
}

fn bytes<T: From<ByteArray>>(values: &[&[u8]]) -> Vec<T> {
    values
        .iter()
        .map(|value| ByteArray::from(*value).into())
        .collect()
}

/// The texts of the cells.
fn read(path: &Path) -> Result<Vec<Vec<String>>, DataError> {
    let mut reader = ParquetReader::open(path)?;
    let mut rows = Vec::new();
    while reader.read_row()? {
        rows.push(texts(reader.row()));
    }
    Ok(rows)
}

/// The cells of a file of one column and one row group.
fn cells<T: DataType>(schema: &str, values: &[T::T], levels: [Option<&[i16]>; 2]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.parquet");
    let mut writer = create(&path, schema, Compression::UNCOMPRESSED);
    let mut group = writer.next_row_group().unwrap();
    column::<T>(&mut group, values, levels);
    group.close().unwrap();
    writer.close().unwrap();
    read(&path).unwrap().into_iter().flatten().collect()
}

fn required<T: DataType>(schema: &str, values: &[T::T]) -> Vec<String> {
    cells::<T>(&format!("required {schema};"), values, [None, None])
}

#[test]
fn numbers_and_booleans_are_text() {
    assert_eq!(
        required::<BoolType>("boolean x", &[true, false]),
        ["1", "0"]
    );
    let ints = [i32::MIN, -1, 0, 7];
    assert_eq!(
        required::<Int32Type>("int32 x", &ints),
        ["-2147483648", "-1", "0", "7"]
    );
    assert_eq!(
        required::<Int32Type>("int32 x (UINT_32)", &ints)[..2],
        ["2147483648", "4294967295"]
    );
    assert_eq!(
        required::<Int32Type>("int32 x (INTEGER(8,false))", &[255]),
        ["255"]
    );
    let longs = [i64::MIN, -1, i64::MAX];
    assert_eq!(
        required::<Int64Type>("int64 x", &longs),
        ["-9223372036854775808", "-1", "9223372036854775807"]
    );
    assert_eq!(
        required::<Int64Type>("int64 x (UINT_64)", &longs)[..2],
        ["9223372036854775808", "18446744073709551615"]
    );
    assert_eq!(
        required::<DoubleType>("double x", &[39.0, 0.5, f64::NAN, -0.1, f64::INFINITY]),
        ["39", "0.5", "", "-0.1", "inf"]
    );
    assert_eq!(
        required::<FloatType>("float x", &[39.0, 0.1, f32::NAN]),
        ["39", "0.1", ""]
    );
    assert_eq!(
        required::<FixedLenByteArrayType>(
            "fixed_len_byte_array(2) x (FLOAT16)",
            &bytes(&[&[0x00, 0x38], &[0x00, 0xc0]])
        ),
        ["0.5", "-2"]
    );
}

#[test]
fn decimals_of_each_width_have_their_scale() {
    assert_eq!(
        required::<Int32Type>("int32 x (DECIMAL(9,2))", &[1250, -5]),
        ["12.50", "-0.05"]
    );
    assert_eq!(
        required::<Int64Type>("int64 x (DECIMAL(18,0))", &[-12]),
        ["-12"]
    );
    assert_eq!(
        required::<ByteArrayType>(
            "binary x (DECIMAL(20,1))",
            &bytes(&[&[0xff, 0x85], &[0x01, 0x00]])
        ),
        ["-12.3", "25.6"]
    );
    assert_eq!(
        required::<FixedLenByteArrayType>(
            "fixed_len_byte_array(3) x (DECIMAL(6,3))",
            &bytes(&[&[0xff, 0xff, 0xff]])
        ),
        ["-0.001"]
    );
}

#[test]
fn bytes_are_the_cell_and_a_uuid_is_hexadecimal() {
    let texts: [&[u8]; 4] = [b"a", b"", b"\"x\",|", "Zürich".as_bytes()];
    for schema in [
        "binary x (UTF8)",
        "binary x (ENUM)",
        "binary x (JSON)",
        "binary x",
    ] {
        assert_eq!(
            required::<ByteArrayType>(schema, &bytes(&texts)),
            texts.map(|text| String::from_utf8(text.to_vec()).unwrap())
        );
    }
    assert_eq!(
        required::<FixedLenByteArrayType>("fixed_len_byte_array(2) x", &bytes(&[b"ab", b"cd"])),
        ["ab", "cd"]
    );
    let uuid: Vec<u8> = (0..16).map(|i| i * 17).collect();
    assert_eq!(
        required::<FixedLenByteArrayType>("fixed_len_byte_array(16) x (UUID)", &bytes(&[&uuid])),
        ["00112233-4455-6677-8899-aabbccddeeff"]
    );
}

#[test]
fn times_are_text() {
    assert_eq!(
        required::<Int32Type>("int32 x (DATE)", &[0, 19_782]),
        ["1970-01-01", "2024-02-29"]
    );
    let second = 1_709_211_900;
    let expected = ["2024-02-29 13:05:00", "2024-02-29 13:05:00.25"];
    for (annotation, a_second) in [
        ("TIMESTAMP_MILLIS", 1_000),
        ("TIMESTAMP(MILLIS,true)", 1_000),
        ("TIMESTAMP_MICROS", 1_000_000),
        ("TIMESTAMP(MICROS,false)", 1_000_000),
        ("TIMESTAMP(NANOS,true)", 1_000_000_000),
    ] {
        let values = [second * a_second, second * a_second + a_second / 4];
        assert_eq!(
            required::<Int64Type>(&format!("int64 x ({annotation})"), &values),
            expected,
            "{annotation}"
        );
    }
    let day = |julian_day, nanos: u64| {
        let mut day = Int96::new();
        day.set_data(nanos as u32, (nanos >> 32) as u32, julian_day);
        day
    };
    assert_eq!(
        required::<Int96Type>("int96 x", &[day(2_460_370, 47_100_250_000_999)]),
        expected[1..]
    );
    // Years whose nanoseconds overflow.
    assert_eq!(
        required::<Int96Type>("int96 x", &[day(1_721_426, 0), day(5_373_484, 1_000)]),
        ["0001-01-01 00:00:00", "9999-12-31 00:00:00.000001"]
    );
    assert_eq!(
        cells::<Int96Type>(
            "repeated int96 x;",
            &[day(5_373_484, 0)],
            [Some(&[1][..]), Some(&[0][..])]
        ),
        ["9999-12-31 00:00:00"]
    );
    assert_eq!(
        required::<Int32Type>("int32 x (TIME_MILLIS)", &[47_100_250]),
        ["13:05:00.25"]
    );
    assert_eq!(
        required::<Int64Type>("int64 x (TIME(NANOS,true))", &[47_100_000_000_000]),
        ["13:05:00"]
    );
}

#[test]
fn a_null_is_an_empty_cell() {
    let levels = [Some(&[0, 1, 0, 1][..]), None];
    assert_eq!(
        cells::<Int64Type>("optional int64 x;", &[3, 4], levels),
        ["", "3", "", "4"]
    );
    assert_eq!(
        cells::<ByteArrayType>("optional binary x (UTF8);", &bytes(&[b"a", b"b"]), levels),
        ["", "a", "", "b"]
    );
    assert_eq!(
        cells::<BoolType>("optional boolean x;", &[], [Some(&[0, 0]), None]),
        ["", ""]
    );
}

#[test]
fn a_list_is_its_elements_with_bars_between() {
    // [a, b], null, [], [null, c], [d]
    let levels = [
        Some(&[3, 3, 0, 1, 2, 3, 3][..]),
        Some(&[0, 1, 0, 0, 0, 1, 0][..]),
    ];
    assert_eq!(
        cells::<ByteArrayType>(
            "optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }",
            &bytes(&[b"a", b"b", b"c", b"d"]),
            levels
        ),
        ["a|b", "", "", "|c", "d"]
    );
    // [1, 2], [], [3], in the three older forms.
    let levels = [Some(&[1, 1, 0, 1][..]), Some(&[0, 1, 0, 0][..])];
    for schema in [
        "required group x (LIST) { repeated group list { required int32 element; } }",
        "required group x (LIST) { repeated int32 array; }",
        "repeated int32 x;",
    ] {
        let cells = cells::<Int32Type>(schema, &[1, 2, 3], levels);
        assert_eq!(cells, ["1|2", "", "3"], "{schema}");
    }
}

#[test]
fn what_is_no_cell_is_empty_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.parquet");
    let schema = "
        required int32 a;
        required group pair { required int32 x; required int32 y; }
        optional group tags (MAP) {
            repeated group key_value { required int32 key; optional int32 value; }
        }
        optional group deep (LIST) {
            repeated group list {
                required group element (LIST) { repeated group list { required int32 element; } }
            }
        }
        optional group old (LIST) { repeated group array { required int32 x; } }
        optional fixed_len_byte_array(12) span (INTERVAL);
        required int32 b;";
    let mut writer = create(&path, schema, Compression::UNCOMPRESSED);
    let mut group = writer.next_row_group().unwrap();
    let null = [Some(&[0][..]), Some(&[0][..])];
    for value in [1, 2, 3] {
        column::<Int32Type>(&mut group, &[value], [None, None]);
    }
    for _ in 0..4 {
        column::<Int32Type>(&mut group, &[], null);
    }
    column::<FixedLenByteArrayType>(&mut group, &[], null);
    column::<Int32Type>(&mut group, &[9], [None, None]);
    group.close().unwrap();
    writer.close().unwrap();

    let reader = ParquetReader::open(&path).unwrap();
    let reasons: Vec<_> = reader
        .columns()
        .iter()
        .enumerate()
        .map(|(i, name)| (name.as_str(), reader.unreadable(i)))
        .collect();
    let lists = Some("a list of lists or structs");
    assert_eq!(
        reasons,
        [
            ("a", None),
            ("pair", Some("a struct")),
            ("tags", Some("a MAP")),
            ("deep", lists),
            ("old", lists),
            ("span", Some("an INTERVAL")),
            ("b", None),
        ]
    );
    assert_eq!(read(&path).unwrap(), [["1", "", "", "", "", "", "9"]]);
}

#[test]
fn rows_keep_their_order_across_pages_blocks_groups_and_codecs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.parquet");
    let schema = "
        required int64 id;
        optional binary word (UTF8);
        optional group tags (LIST) { repeated group list { optional int32 element; } }";
    let sizes = [2 * BATCH_ROWS + 452, 1, BATCH_ROWS, 1500];
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::BROTLI(Default::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(Default::default()),
    ] {
        let mut writer = create(&path, schema, compression);
        let mut start = 0;
        for size in sizes {
            let ids: Vec<i64> = (start..start + size as i64).collect();
            let words: Vec<ByteArray> = ids
                .iter()
                .filter(|id| *id % 3 != 0)
                .map(|id| format!("w{}", id % 50).as_bytes().into())
                .collect();
            let defined: Vec<i16> = ids.iter().map(|id| i16::from(id % 3 != 0)).collect();
            // As many elements as the id's last binary digits say.
            let (mut tags, mut definition, mut repetition) = (vec![], vec![], vec![]);
            for id in &ids {
                let elements = id % 4;
                tags.extend((0..elements).map(|i| (id + i) as i32));
                definition.extend(std::iter::repeat_n(3, elements as usize));
                repetition.extend((0..elements).map(|i| i16::from(i > 0)));
                if elements == 0 {
                    definition.push(1);
                    repetition.push(0);
                }
            }
            let mut group = writer.next_row_group().unwrap();
            column::<Int64Type>(&mut group, &ids, [None, None]);
            column::<ByteArrayType>(&mut group, &words, [Some(&defined), None]);
            column::<Int32Type>(&mut group, &tags, [Some(&definition), Some(&repetition)]);
            group.close().unwrap();
            start += size as i64;
        }
        writer.close().unwrap();

        let mut reader = ParquetReader::open(&path).unwrap();
        for id in 0..start {
            assert!(reader.read_row().unwrap());
            let tags: Vec<_> = (0..id % 4).map(|i| (id + i).to_string()).collect();
            let word = match id % 3 {
                0 => String::new(),
                _ => format!("w{}", id % 50),
            };
            let expected = [id.to_string(), word, tags.join("|")];
            assert_eq!(texts(reader.row()), expected, "{compression}");
        }
        assert_eq!(
            reader.position().to_string(),
            format!("{}, row {start}", path.display())
        );
        assert!(!reader.read_row().unwrap());
        assert!(!reader.read_row().unwrap());
    }
}

#[test]
fn a_file_without_rows_has_columns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.parquet");
    let writer = create(&path, "required int32 a;", Compression::UNCOMPRESSED);
    writer.close().unwrap();
    let mut reader = ParquetReader::open(&path).unwrap();
    assert_eq!(reader.columns(), ["a"]);
    assert!(!reader.read_row().unwrap());
}

#[test]
fn a_name_twice_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.parquet");
    let schema = "required int32 a; required int64 a;";
    create(&path, schema, Compression::UNCOMPRESSED)
        .close()
        .unwrap();
    let error = ParquetReader::open(&path).err();
    assert!(
        matches!(error.as_ref().map(DataError::kind), Some(DataErrorKind::DuplicateColumn { column, .. }) if column == "a"),
        "{error:?}"
    );
}

#[test]
fn a_damaged_file_is_an_error_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.parquet");
    let schema = "required int64 a;";
    let mut writer = create(&path, schema, Compression::SNAPPY);
    let mut group = writer.next_row_group().unwrap();
    let values: Vec<i64> = (0..5000).collect();
    column::<Int64Type>(&mut group, &values, [None, None]);
    group.close().unwrap();
    writer.close().unwrap();
    let whole = fs::read(&path).unwrap();

    let corrupt = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        let error = read(&path).unwrap_err();
        assert!(
            matches!(error.kind(), DataErrorKind::Corrupt { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("rows.parquet: "), "{error}");
    };
    corrupt(&whole[..whole.len() - 20]);
    corrupt(&whole[..whole.len() / 2]);
    corrupt(b"");
    corrupt(b"y,a\n1,x\n");
    let mut damaged = whole.clone();
    damaged[100..whole.len() / 2].fill(0xff);
    corrupt(&damaged);

    let missing = directory.path().join("missing.parquet");
    for path in [missing.as_path(), directory.path()] {
        let error = ParquetReader::open(path).err();
        assert!(
            matches!(
                error.as_ref().map(DataError::kind),
                Some(DataErrorKind::Storage(_))
            ),
            "{error:?}"
        );
    }
}

#[test]
fn no_damaged_byte_is_a_panic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.parquet");
    let schema = "
        required int64 id;
        optional binary word (UTF8);
        optional binary price (DECIMAL(20,1));
        required boolean seen;
        optional group tags (LIST) { repeated group list { optional double element; } }";
    let mut writer = create(&path, schema, Compression::UNCOMPRESSED);
    let mut group = writer.next_row_group().unwrap();
    column::<Int64Type>(&mut group, &[1, 2, 3], [None, None]);
    let words = bytes(&[b"a", b"b", b"a"]);
    column::<ByteArrayType>(&mut group, &words, [Some(&[1, 1, 1]), None]);
    column::<ByteArrayType>(&mut group, &bytes(&[b"\x07"]), [Some(&[0, 1, 0]), None]);
    column::<BoolType>(&mut group, &[true, false, true], [None, None]);
    let levels = [Some(&[3, 3, 0, 1][..]), Some(&[0, 1, 0, 0][..])];
    column::<DoubleType>(&mut group, &[0.5, 7.0], levels);
    group.close().unwrap();
    writer.close().unwrap();
    let whole = fs::read(&path).unwrap();
    let mut errors = 0;
    for byte in 0..whole.len() {
        for bits in [0x01, 0xff] {
            let mut damaged = whole.clone();
            damaged[byte] ^= bits;
            fs::write(&path, damaged).unwrap();
            errors += usize::from(read(&path).is_err());
        }
    }
    assert!(
        errors > whole.len() / 2,
        "{errors} of {} bytes",
        whole.len()
    );
}

#[test]
fn a_wrong_sign_in_the_footer_is_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.parquet");
    let schema = "required int64 a;";
    let mut writer = create(&path, schema, Compression::UNCOMPRESSED);
    let mut group = writer.next_row_group().unwrap();
    column::<Int64Type>(&mut group, &[1, 2, 3], [None, None]);
    group.close().unwrap();
    writer.close().unwrap();
    let whole = fs::read(&path).unwrap();
    // A number's sign is its last bit there.
    let negative = (0..whole.len()).filter(|&byte| {
        let mut damaged = whole.clone();
        damaged[byte] ^= 1;
        fs::write(&path, damaged).unwrap();
        read(&path).is_err_and(|error| error.to_string().contains("negative"))
    });
    assert!(negative.count() >= 2);
}
