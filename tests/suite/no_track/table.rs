//! Has every row of `cases/no_track.tsv` a case for either family in each column, or is there a
//! reason why not.
//!
//! The columns: number, what happens, tracked over IPv4 and IPv6, `no_track` over both, `no_repair`
//! over both. A cell names the case, or several, separated by semicolons; or it says `none: ` and
//! one of [`REASONS`].
use std::collections::BTreeSet;

use crate::{Column, rows};

const TABLE: &str = include_str!("../../cases/no_track.tsv");
const ROWS: u8 = 23;
const COLUMNS: [(Column, bool); 6] = [
    (Column::Tracked, false),
    (Column::Tracked, true),
    (Column::NoTrack, false),
    (Column::NoTrack, true),
    (Column::NoRepair, false),
    (Column::NoRepair, true),
];

/// Every reason there can be, and the rows it holds for.
const REASONS: [(&str, &[u8]); 5] = [
    ("IPv6 is the next row", &[5]),
    ("IPv4 is the row before", &[6]),
    ("nothing is left to be tracked", &[20]),
    ("nothing is repaired in this row", &[10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22]),
    ("keepalived is no measure", &[2, 8, 23]),
];

/// Number, column, family, and what the cell says.
fn cells() -> Vec<(u8, Column, bool, &'static str)> {
    let line = |line: &'static str| {
        let fields: Vec<_> = line.split('\t').collect();
        let [number, what, cells @ ..] = fields.as_slice() else { panic!("two columns: {line}") };
        assert!(what.len() > 10 && cells.len() == COLUMNS.len(), "{line}");
        let number = number.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        let cells = cells.to_vec();
        COLUMNS.into_iter().zip(cells).map(move |((column, v6), cell)| (number, column, v6, cell))
    };
    TABLE.lines().skip(1).flat_map(line).collect()
}

#[test]
fn every_row_has_its_cases() {
    let numbers: Vec<u8> = cells().chunks(COLUMNS.len()).map(|row| row[0].0).collect();
    assert_eq!(numbers, (1..=ROWS).collect::<Vec<_>>());
    let mut named = BTreeSet::new();
    let mut wrong = Vec::new();
    for (number, column, ipv6, cell) in cells() {
        if let Some(reason) = cell.strip_prefix("none: ") {
            let holds = REASONS.iter().any(|(why, rows)| *why == reason && rows.contains(&number));
            if !holds {
                wrong.push(format!("{number} {column:?}: no reason: {reason}"));
            }
            continue;
        }
        for name in cell.split("; ") {
            named.insert((number, format!("{column:?}"), ipv6, name));
        }
    }
    let run: BTreeSet<_> = rows()
        .iter()
        .flat_map(|row| {
            let column = format!("{:?}", row.column);
            row.families.iter().map(move |&ipv6| (row.number, column.clone(), ipv6, row.name))
        })
        .collect();
    wrong.extend(named.difference(&run).map(|cell| format!("no such case: {cell:?}")));
    wrong.extend(run.difference(&named).map(|case| format!("not in the table: {case:?}")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}
