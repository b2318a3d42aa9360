//! Tables of text.

use comfy_table::{CellAlignment, ContentArrangement, Table as Grid, presets};
use serde::{Deserialize, Serialize};

/// Columns of a table at most.
const MAX_WIDTH: u16 = 100;

/// Rows under a header, with numbers to the right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// A line above the table.
    pub title: String,
    /// Column names.
    pub header: Vec<String>,
    /// Cells, row by row.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of `header`, without rows yet.
    pub fn new(title: impl Into<String>, header: &[&str]) -> Self {
        Self { title: title.into(), header: header.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// The table as lines of text, at most 100 columns wide.
    pub fn render(&self) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Dynamic);
        grid.set_width(MAX_WIDTH).set_header(&self.header);
        for row in &self.rows {
            grid.add_row(row);
        }
        for (index, column) in grid.column_iter_mut().enumerate().skip(1) {
            if self.has_numbers(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let title: String = self.title.lines().map(|line| wrapped(line) + "\n").collect();
        format!("{title}{grid}\n")
    }

    /// Whether a column holds nothing but numbers.
    pub fn has_numbers(&self, column: usize) -> bool {
        let is_number = |cell: &String| cell.is_empty() || cell == "-" || cell.parse::<f64>().is_ok();
        self.rows.iter().all(|row| row.get(column).is_none_or(is_number))
    }
}

/// Breaks a line into lines no wider than a table.
fn wrapped(line: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > usize::from(MAX_WIDTH) {
            text.push('\n');
            width = 0;
        } else if width > 0 {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += length;
    }
    text
}
