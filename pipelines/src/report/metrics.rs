//! `metrics.csv` of a run, read while it trains or later.

use std::path::Path;

use crate::failure::Failure;
use crate::files;

/// A row for each epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    columns: Vec<String>,
    rows: Vec<Vec<Option<f64>>>,
}

/// What a row says of the epoch, before its losses.
const OF_EPOCH: [&str; 5] = ["epoch", "step", "seconds", "images_per_second", "lr"];

impl Metrics {
    /// Reads the file in a run's folder; nothing where there is none yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("metrics.csv");
        match path.exists() {
            true => Ok(Self::parse(&files::read_text(&path)?)),
            false => Ok(Self::default()),
        }
    }

    /// The rows of such a file; a cell that is not a number counts as empty.
    pub fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let columns = lines.next().map(|line| line.split(',').map(str::to_owned).collect()).unwrap_or_default();
        Self { columns, rows: lines.map(|line| line.split(',').map(|cell| cell.parse().ok()).collect()).collect() }
    }

    /// How many epochs ended.
    pub fn epochs(&self) -> usize {
        self.rows.len()
    }

    /// The values of a column as `[epoch, value]`, where they are finite.
    pub fn points(&self, column: &str) -> Vec<[f64; 2]> {
        let place = |name: &str| self.columns.iter().position(|found| found == name);
        let (Some(epoch), Some(value)) = (place("epoch"), place(column)) else { return Vec::new() };
        let of_row = |row: &Vec<Option<f64>>| Some([(*row.get(epoch)?)?, (*row.get(value)?)?]);
        self.rows.iter().filter_map(of_row).filter(|point| point.iter().all(|value| value.is_finite())).collect()
    }

    /// The last value of a column.
    pub fn last(&self, column: &str) -> Option<f64> {
        self.points(column).last().map(|point| point[1])
    }

    /// The columns of losses, where those of evaluations are called `scalars`.
    pub fn losses(&self, scalars: &[impl AsRef<str>]) -> Vec<&str> {
        let is_scalar = |name: &str| scalars.iter().any(|scalar| scalar.as_ref() == name);
        let others = self.columns.iter().map(String::as_str).filter(|name| !OF_EPOCH.contains(name));
        others.filter(|name| !is_scalar(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_gaps_are_left_out() {
        let text =
            "epoch,step,seconds,images_per_second,lr,loss,box,ap\n1,4,1,9,0.1,2.5,NaN,\n2,8,2,9,0.1,1.5,1,0.25\n3,12";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.epochs(), 3);
        assert_eq!(metrics.points("loss"), [[1.0, 2.5], [2.0, 1.5]]);
        assert_eq!((metrics.points("ap"), metrics.points("box")), (vec![[2.0, 0.25]], vec![[2.0, 1.0]]));
        assert_eq!((metrics.last("loss"), metrics.last("map")), (Some(1.5), None));
        assert_eq!(metrics.losses(&["ap", "ap50"]), ["loss", "box"]);
        assert_eq!(Metrics::parse("").losses(&["ap"]), Vec::<&str>::new());
    }
}
