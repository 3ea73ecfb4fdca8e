//! Rows of data: from csv, JSON, a list of URLs, or the file itself.
//!
//! Invariants: a feed that comes out has at least one row and a cell in every column of every row; its size is bounded.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Compiler;
use crate::scenario::keys::FEED;
use crate::scenario::mistake::{Place, SourceFile, SourceSort, did_you_mean};
use crate::scenario::plan::{Feed, FeedMode};
use crate::scenario::read::{Entry, Fields, Node};

/// Largest file of rows; all of them are in memory.
const MAX_BYTES: usize = 256 << 20;
/// Most rows: with ten columns some gigabytes.
const MAX_ROWS: usize = 5_000_000;

/// Columns and rows.
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Compiler<'_> {
    pub(super) fn read_feeds(&mut self, feeds: &[Entry<'_>]) {
        for entry in feeds {
            self.feed_names.push((entry.key.to_owned(), entry.place));
            self.check_new_name(entry.key, entry.place);
            if self.constants.contains_key(entry.key) {
                let message = format!("`{}` is a value in [vars] too", entry.key);
                self.findings.add(entry.place, message, "give one of them another name");
            }
            if let Some(feed) = self.read_feed(entry) {
                self.feeds.push(feed);
            }
        }
    }

    fn read_feed(&mut self, entry: &Entry<'_>) -> Option<Feed> {
        let fields = entry.node.fields(&FEED, &mut self.findings)?;
        let sources = fields.present(&["csv", "json", "urls", "rows"]);
        let source = match sources.as_slice() {
            [one] => *one,
            [] => {
                let hint = "give one of csv, json, urls, rows";
                self.findings.add(entry.place, format!("feed `{}` has no rows", entry.key), hint);
                return None;
            }
            [_, second, ..] => {
                let hint = "give one of csv, json, urls, rows";
                self.findings.add(second.place, "rows come from one place", hint);
                return None;
            }
        };
        let mode = match fields.get("mode").map(|node| node.word(&["circular", "unique", "random"], &mut self.findings))
        {
            None | Some(Some(0)) => FeedMode::Circular,
            Some(Some(1)) => FeedMode::Unique,
            Some(Some(_)) => FeedMode::Random,
            Some(None) => return None,
        };
        let mut sheet = self.read_sheet(source)?;
        self.read_numbers(&fields, source.key, &mut sheet);
        if sheet.rows.is_empty() {
            let message = format!("feed `{}` is empty", entry.key);
            self.findings.add(source.node.place, message, "give it at least one row below the names of the columns");
            return None;
        }
        if sheet.rows.len() > MAX_ROWS {
            let message = format!("feed `{}` has {} rows", entry.key, sheet.rows.len());
            self.findings.add(source.node.place, message, format!("at most {MAX_ROWS} are read"));
            return None;
        }
        Some(Feed { name: entry.key.to_owned(), mode, columns: sheet.columns, rows: sheet.rows })
    }

    fn read_sheet(&mut self, source: Entry<'_>) -> Option<Sheet> {
        if source.key == "rows" {
            let list = source.node.list(&mut self.findings);
            let rows = list.iter().map(|row| (row.place, row.json())).collect();
            return self.sheet_of_json(rows);
        }
        let (file, text) = self.data_file(source.node)?;
        match source.key {
            "csv" => self.sheet_of_csv(file, &text),
            "json" => self.sheet_of_json_file(file, &text),
            _ => self.sheet_of_urls(file, &text),
        }
    }

    /// The text of a file of data; its number is for mistakes inside it.
    pub(super) fn data_file(&mut self, node: Node<'_>) -> Option<(usize, String)> {
        let name = self.fixed_text(node)?;
        let path = self.beside(node.place, &name);
        let bytes = self.read_bytes(node.place, &path, MAX_BYTES)?;
        let Ok(text) = String::from_utf8(bytes) else {
            self.findings.add(node.place, format!("{} is no UTF-8 text", path.display()), "save it as UTF-8");
            return None;
        };
        let sort = SourceSort::Data;
        self.files.push(SourceFile { name: path.display().to_string(), text: text.clone(), sort });
        Some((self.files.len() - 1, text))
    }

    fn sheet_of_csv(&mut self, file: usize, text: &str) -> Option<Sheet> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(text.as_bytes());
        let place = |position: Option<&csv::Position>| {
            let start = position.map_or(0, |position| position.byte() as usize);
            let length = text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
            Place { file, start, end: start + length }
        };
        let columns: Vec<String> = match reader.headers() {
            Ok(names) => names.iter().map(ToOwned::to_owned).collect(),
            Err(error) => {
                self.findings.add(place(error.position()), error.to_string(), "the first line names the columns");
                return None;
            }
        };
        self.check_columns(&columns, Place { file, start: 0, end: text.lines().next().map_or(0, str::len) })?;
        let mut rows = Vec::new();
        for record in reader.records() {
            match record {
                Ok(record) => rows.push(record.iter().map(Value::from).collect()),
                Err(error) => {
                    let (at, count) = (place(error.position()), columns.len());
                    let message = match error.kind() {
                        csv::ErrorKind::UnequalLengths { len, .. } => {
                            format!("this row has {len} cells, the first line names {count} columns")
                        }
                        _ => error.to_string(),
                    };
                    self.findings.add(at, message, "put a cell with a comma in it into quotes");
                    return None;
                }
            }
        }
        Some(Sheet { columns, rows })
    }

    fn sheet_of_json_file(&mut self, file: usize, text: &str) -> Option<Sheet> {
        let rows: Vec<Value> = match serde_json::from_str(text) {
            Ok(rows) => rows,
            Err(error) => {
                let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
                let start = (before + error.column().saturating_sub(1)).min(text.len());
                let place = Place { file, start, end: start };
                self.findings.add(place, error.to_string(), "the file is one list, [ { .. }, { .. } ]");
                return None;
            }
        };
        let start = Place { file, start: 0, end: 0 };
        self.sheet_of_json(rows.into_iter().map(|row| (start, row)).collect())
    }

    /// Objects with the same keys, or plain values.
    fn sheet_of_json(&mut self, rows: Vec<(Place, Value)>) -> Option<Sheet> {
        let columns: Vec<String> = match rows.first() {
            Some((_, Value::Object(first))) => first.keys().cloned().collect(),
            _ => vec!["value".to_owned()],
        };
        if let Some((place, _)) = rows.first() {
            self.check_columns(&columns, *place)?;
        }
        let mut sheet = Sheet { columns, rows: Vec::with_capacity(rows.len()) };
        for (number, (place, row)) in rows.into_iter().enumerate() {
            let cells = match row {
                Value::Object(mut row) => {
                    let cells: Option<Vec<Value>> = sheet.columns.iter().map(|column| row.remove(column)).collect();
                    cells.filter(|_| row.is_empty())
                }
                plain if sheet.columns == ["value"] => Some(vec![plain]),
                _ => None,
            };
            let Some(cells) = cells else {
                let message = format!("row {} has not the columns of the first one", number + 1);
                let wanted = sheet.columns.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                self.findings.add(place, message, format!("every row has {wanted}"));
                return None;
            };
            sheet.rows.push(cells);
        }
        Some(sheet)
    }

    fn check_columns(&mut self, columns: &[String], place: Place) -> Option<()> {
        let mut seen = BTreeSet::new();
        for column in columns {
            let legal = column.chars().all(|letter| letter.is_alphanumeric() || "_-. ".contains(letter));
            if column.is_empty() || !legal {
                let hint = "the first line names the columns: letters, digits, _, - and .";
                self.findings.add(place, format!("`{column}` is no name of a column"), hint);
                return None;
            }
            if !seen.insert(column) {
                self.findings.add(place, format!("two columns are called `{column}`"), "rename one");
                return None;
            }
        }
        Some(())
    }

    fn read_numbers(&mut self, fields: &Fields<'_>, source: &str, sheet: &mut Sheet) {
        let Some(entry) = fields.entry("numbers") else { return };
        if source != "csv" {
            self.findings.add(entry.place, "only cells of a csv file need to be told apart", "remove `numbers`");
            return;
        }
        for item in entry.node.list(&mut self.findings) {
            let Some(name) = item.text(&mut self.findings) else { continue };
            let Some(column) = sheet.columns.iter().position(|column| column == name) else {
                let hint = did_you_mean(name, sheet.columns.iter().map(String::as_str), "");
                self.findings.add(item.place, format!("there is no column `{name}`"), hint);
                continue;
            };
            for (number, row) in sheet.rows.iter_mut().enumerate() {
                let parsed = row[column].as_str().and_then(|text| text.trim().parse::<serde_json::Number>().ok());
                let Some(parsed) = parsed else {
                    let message = format!("row {}: `{name}` is {}, no number", number + 1, row[column]);
                    self.findings.add(item.place, message, "mend the row, or take the column out of `numbers`");
                    return;
                };
                row[column] = Value::Number(parsed);
            }
        }
    }
}
