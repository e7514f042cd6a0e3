//! The first rows of a CSV or TSV file. Pure.

use drydock_wire::tracking::{Preview, PreviewColumn, PreviewKind};

use super::{MAX_COLUMNS, MAX_ROWS, cell, empty, plain};

pub fn of(text: &str, separator: u8, size_bytes: u64, truncated: bool) -> Preview {
    // The record at the end of a head is cut somewhere.
    let whole = if truncated { text.rfind('\n').map_or("", |end| &text[..=end]) } else { text };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(separator).has_headers(true).flexible(true).from_reader(whole.as_bytes());
    let columns: Vec<PreviewColumn> = match reader.headers() {
        Ok(head) => {
            head.iter().take(MAX_COLUMNS).map(|name| PreviewColumn { name: cell(name), kind: String::new() }).collect()
        }
        Err(_) => Vec::new(),
    };
    if columns.is_empty() {
        return plain(text, size_bytes, truncated);
    }
    let (mut rows, mut count) = (Vec::new(), 0u64);
    for record in reader.records().map_while(Result::ok) {
        if rows.len() < MAX_ROWS {
            rows.push(record.iter().take(MAX_COLUMNS).map(|text| Some(cell(text))).collect());
        }
        count += 1;
    }
    Preview {
        truncated: truncated || count > rows.len() as u64,
        columns,
        rows,
        total_rows: (!truncated).then_some(count),
        ..empty(PreviewKind::Table, size_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_line_breaks_inside_them_belong_to_a_cell() {
        let preview = of("a,b\n1,\"x\ny\"\n2,\"say \"\"hi\"\"\"\n", b',', 30, false);
        assert_eq!(preview.rows[0][1].as_deref(), Some("x\ny"));
        assert_eq!(preview.rows[1][1].as_deref(), Some("say \"hi\""));
        assert_eq!((preview.total_rows, preview.truncated), (Some(2), false));
    }

    #[test]
    fn a_record_that_is_cut_off_is_left_out() {
        let preview = of("a\tb\n1\t2\n3\t", b'\t', 9999, true);
        assert_eq!(preview.rows.len(), 1);
        assert_eq!(preview.total_rows, None);
        assert!(preview.truncated);
    }
}
