//! Each format, well and badly formed.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;

fn problem(bytes: &[u8]) -> String {
    let read = || -> Result<u64, Stop> {
        let mut table = open("t.csv", Source::from(bytes))?;
        let mut rows = 0;
        while table.next_row()?.is_some() {
            rows += 1;
        }
        Ok(rows)
    };
    match read() {
        Err(Stop::Malformed(words)) => words,
        Err(Stop::Io(error)) => panic!("{error}"),
        Ok(rows) => format!("fine, {rows} rows"),
    }
}

#[test]
fn each_malformed_file_is_explained() {
    assert_eq!(problem(b"a,b\n1,2\n3\n"), "Line 3 has 1 cell, the header has 2.");
    assert_eq!(problem(b"a,b\n1,2\n\xff\xfe,2\n"), "Line 3 is not UTF-8 text; save the file as UTF-8.");
    assert!(problem(b"").contains("empty"));
    assert!(problem(b"\n\n").contains("empty"));
    assert!(problem(b"1,2,3\n4,5,6\n").contains("header line"));
    assert_eq!(problem(b"a,a\n1,2\n"), "Two columns are called `a`.");
    assert_eq!(problem(b"a,b\n"), "fine, 0 rows");
}

#[test]
fn an_open_quote_does_not_pull_the_whole_file_into_memory() {
    let mut bytes = b"a,b\n1,\"".to_vec();
    bytes.resize(12 << 20, b'x');
    assert!(problem(&bytes).contains("longer than 4 MiB"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    assert_eq!(open("t.csv", Source::from(&b"\xef\xbb\xbfa,b\n"[..])).ok().unwrap().columns(), ["a", "b"]);
}

#[test]
fn quoted_line_breaks_keep_the_line_numbers_right() {
    let mut table = open("t.csv", Source::from("a,b\n\"x\ny\",1\nz,2\n")).ok().unwrap();
    let mut lines = vec![];
    while let Some(row) = table.next_row().ok().unwrap() {
        lines.push(row.line);
    }
    assert_eq!(lines, [2, 4]);
}

#[test]
fn tables_are_known_by_their_names() {
    assert!(
        is_tabular("a.csv")
            && is_tabular("dir/B.CSV")
            && is_tabular("c.tsv")
            && is_tabular("d.jsonl")
            && is_tabular("e.parquet")
    );
    assert!(!is_tabular("csv") && !is_tabular("a.csv.gz") && !is_tabular("a.txt"));
}

fn words(rows: Result<Box<dyn Rows>, Stop>) -> Vec<Vec<String>> {
    let mut rows = rows.ok().unwrap();
    let mut found = vec![];
    while let Some(row) = rows.next_row().ok().unwrap() {
        found.push((0..row.len()).map(|n| row.cell(n).text.to_owned()).collect());
    }
    found
}

#[test]
fn the_separator_is_found_in_the_header() {
    for text in ["a;b\n\"1;2\";3,5\n", "a\tb\n1;2\t3,5\n", "\"a,x\"|b\n1;2|3,5\n"] {
        assert_eq!(words(open("t.csv", Source::from(text))), [["1;2", "3,5"]], "{text:?}");
    }
    assert_eq!(words(open("t.csv", Source::from("a\n1\n"))), [["1"]]);
}

#[test]
fn spreadsheets_utf_16_is_read() {
    let text = "name,größe\nÄ 🙂,1\n";
    let little: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    for bytes in [little, big] {
        assert_eq!(words(open("t.csv", Source::from(bytes.as_slice()))), [["Ä 🙂", "1"]]);
    }
}

#[test]
fn a_line_of_json_without_end_is_not_pulled_into_memory() {
    let mut bytes = b"{\"a\": 1}\n{\"a\": \"".to_vec();
    bytes.resize(12 << 20, b'x');
    let mut rows = open("t.jsonl", Source::from(bytes.as_slice())).ok().unwrap();
    rows.next_row().ok().unwrap();
    let Err(Stop::Malformed(words)) = rows.next_row() else { panic!("it was read") };
    assert_eq!(words, "Line 2 is longer than 4 MiB.");
}

fn parquet_of(batch: &arrow::array::RecordBatch) -> Vec<u8> {
    let mut bytes = vec![];
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn sample() -> arrow::array::RecordBatch {
    use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, StringArray, TimestampMillisecondArray};
    let list = ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>([Some(vec![Some(1)]), None, None]);
    let columns: [(&str, ArrayRef); 5] = [
        ("n", std::sync::Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))),
        ("x", std::sync::Arc::new(Float64Array::from(vec![0.5, 1.5, f64::NAN]))),
        ("code", std::sync::Arc::new(StringArray::from(vec!["7", "8", "9"]))),
        ("at", std::sync::Arc::new(TimestampMillisecondArray::from(vec![0, 1_500, 86_400_000]))),
        ("list", std::sync::Arc::new(list)),
    ];
    arrow::array::RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn parquet_has_its_types_and_lists_are_left_out() {
    use drydock_wire::datasets::ColumnKind;
    let bytes = parquet_of(&sample());
    let got = super::super::profile::profile("t.parquet", "d", || Ok(Source::from(bytes.as_slice())));
    assert_eq!(got.problem, None);
    let kinds: Vec<(&str, ColumnKind)> = got.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    use ColumnKind::{Float, Integer, Text, Timestamp};
    assert_eq!(kinds, [("n", Integer), ("x", Float), ("code", Text), ("at", Timestamp)]);
    assert_eq!((got.row_count, got.columns[0].null_count, got.columns[3].max), (3, 1, Some(86_400_000.0)));
}

#[test]
fn values_of_a_fixed_width_that_no_row_can_hold_are_left_out() {
    let column = |width: i32| {
        let values = std::iter::repeat_n(vec![7u8; width as usize], 3);
        std::sync::Arc::new(arrow::array::FixedSizeBinaryArray::try_from_iter(values).unwrap())
            as arrow::array::ArrayRef
    };
    let batch = arrow::array::RecordBatch::try_from_iter([("id", column(16)), ("bomb", column(1 << 20))]).unwrap();
    let bytes = parquet_of(&batch);
    let got = super::super::profile::profile("t.parquet", "d", || Ok(Source::from(bytes.as_slice())));
    let names: Vec<&str> = got.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((got.problem, names), (None, vec!["id"]));
}

#[test]
fn damaged_parquet_is_explained_and_never_ends_the_server() {
    let bytes = parquet_of(&sample());
    let run = |bytes: &[u8]| super::super::profile::profile("t.parquet", "d", || Ok(Source::from(bytes))).problem;
    for cut in (0..bytes.len()).step_by(7) {
        assert!(run(&bytes[..cut]).is_some(), "cut at {cut}");
    }
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 0x55;
        // whatever it says, it says something
        let _ = run(&flipped);
    }
}

#[test]
fn a_page_that_claims_gigabytes_is_refused_before_it_is_unpacked() {
    // a page header: type 0, 2 GB unpacked, 10 bytes packed, end
    let varint = |mut value: u64| {
        let mut out = vec![];
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    };
    let mut header = vec![0x15, 0x00, 0x15];
    header.extend(varint(2 * 2_000_000_000));
    header.extend([0x15, 20, 0x00]);
    let parsed = pages::parse_for_tests(&header).unwrap();
    assert_eq!(parsed, (header.len() as u64, 10, 2_000_000_000));
    // in a real file: the sample's first page header is given a size it has not
    let bytes = parquet_of(&sample());
    let first = pages::parse_for_tests(&bytes[4..]).unwrap();
    assert!(first.2 < 1_000);
}

#[test]
fn a_long_word_that_a_small_file_says_often_is_looked_at_by_its_beginning() {
    use arrow::array::{DictionaryArray, Int32Array, StringArray};
    let words = StringArray::from(vec!["y".repeat(1 << 17), "y".repeat((1 << 17) + 1)]);
    let keys = Int32Array::from((0..20_000).map(|n| n % 2).collect::<Vec<_>>());
    let column: arrow::array::ArrayRef =
        std::sync::Arc::new(DictionaryArray::try_new(keys, std::sync::Arc::new(words)).unwrap());
    let bytes = parquet_of(&arrow::array::RecordBatch::try_from_iter([("s", column)]).unwrap());
    assert!(bytes.len() < 1 << 20, "{} bytes say 2.5 GiB", bytes.len());
    let got = super::super::profile::profile("t.parquet", "d", || Ok(Source::from(bytes.as_slice())));
    assert_eq!((got.problem, got.row_count), (None, 20_000));
    assert_eq!(got.columns[0].distinct_count, 2, "the lengths differ");
}
