//! Hooks that report a run's steps and epochs: on the terminal and in `metrics.csv`.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Instant;

use super::progress::{Epoch, Hook, Step};
use crate::console::{self, Progress};
use crate::failure::Failure;
use crate::files;
use crate::run::Means;

/// A bar with loss parts, learning rate and images a second; one line per epoch.
pub struct Terminal {
    epochs: u64,
    number: u64,
    progress: Option<Progress>,
    means: Means,
    images: usize,
    begun: Instant,
}

impl Terminal {
    /// For a run of `epochs` epochs.
    pub fn new(epochs: u64) -> Self {
        Self { epochs, number: 0, progress: None, means: Means::default(), images: 0, begun: Instant::now() }
    }
}

impl Hook for Terminal {
    fn begin(&mut self, epoch: u64, batches: usize) {
        self.number = epoch;
        self.progress = Some(Progress::new(format!("epoch {epoch}/{}", self.epochs), batches as u64));
        (self.means, self.images, self.begun) = (Means::default(), 0, Instant::now());
    }

    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        self.means.add(&step.losses, step.images as f64);
        self.images += step.images;
        let speed = self.images as f64 / self.begun.elapsed().as_secs_f64();
        let (means, rate) = (&self.means, step.learning_rate);
        if let Some(progress) = &mut self.progress {
            progress.advance(1, || format!("{} lr {rate:.2e} {speed:.1} images/s", formatted(&means.values())));
        }
        Ok(())
    }

    fn end(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
    }

    fn epoch(&mut self, epoch: &Epoch) -> Result<(), Failure> {
        let left = epoch.elapsed.as_secs_f64() / epoch.number as f64 * (self.epochs - epoch.number) as f64;
        console::status(format!(
            "epoch {}/{} {} lr {:.2e} {:.1} images/s {} left{}{}",
            epoch.number,
            self.epochs,
            formatted(&epoch.losses),
            epoch.learning_rate,
            epoch.images_per_second,
            clock(left),
            if epoch.metrics.is_empty() { "" } else { " | " },
            formatted(&epoch.metrics[..epoch.metrics.len().min(3)]),
        ));
        Ok(())
    }
}

fn formatted(values: &[(impl AsRef<str>, f64)]) -> String {
    values.iter().map(|(name, value)| format!("{} {value:.3}", name.as_ref())).collect::<Vec<_>>().join(" ")
}

fn clock(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    if minutes >= 60 { format!("{}h{:02}m", minutes / 60, minutes % 60) } else { format!("{minutes}m") }
}

/// `metrics.csv`: a row per epoch. A column is added where a metric first appears; what is missing stays empty.
pub struct Csv {
    path: PathBuf,
    columns: Vec<String>,
    rows: Vec<String>,
}

impl Csv {
    /// Opens `path` and keeps the rows of its first `epochs` epochs.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: PathBuf, epochs: u64) -> Result<Self, Failure> {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::cannot("read", &path, &error)),
        };
        let mut lines = text.lines();
        let columns = lines.next().map(|line| line.split(',').map(str::to_owned).collect()).unwrap_or_default();
        Ok(Self { path, columns, rows: lines.take(epochs as usize).map(str::to_owned).collect() })
    }
}

impl Hook for Csv {
    fn step(&mut self, _step: &Step) -> Result<(), Failure> {
        Ok(())
    }

    fn epoch(&mut self, epoch: &Epoch) -> Result<(), Failure> {
        let mut cells = vec![
            ("epoch", epoch.number.to_string()),
            ("step", epoch.step.to_string()),
            ("seconds", format!("{:.1}", epoch.elapsed.as_secs_f64())),
            ("images_per_second", format!("{:.2}", epoch.images_per_second)),
            ("lr", format!("{:.6e}", epoch.learning_rate)),
        ];
        cells.extend(epoch.losses.iter().map(|(name, value)| (name.as_str(), format!("{value:.6}"))));
        cells.extend(epoch.metrics.iter().map(|(name, value)| (*name, format!("{value:.6}"))));
        for (name, _) in &cells {
            if !self.columns.iter().any(|column| column == name) {
                self.columns.push((*name).to_owned());
                self.rows.iter_mut().for_each(|row| row.push(','));
            }
        }
        let row: Vec<&str> = self
            .columns
            .iter()
            .map(|column| cells.iter().find(|(name, _)| name == column).map_or("", |(_, cell)| cell.as_str()))
            .collect();
        self.rows.push(row.join(","));
        let lines = std::iter::once(self.columns.join(",")).chain(self.rows.iter().cloned());
        let text: String = lines.map(|line| line + "\n").collect();
        Ok(files::write(&self.path, text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn epoch(number: u64, metrics: Vec<(&'static str, f64)>) -> Epoch {
        let losses = vec![("loss".to_owned(), 1.5)];
        let elapsed = Duration::from_secs(number * 10);
        Epoch {
            number,
            step: number * 4,
            learning_rate: 0.1,
            losses,
            images_per_second: 20.0,
            elapsed,
            metrics,
            samples: Vec::new(),
        }
    }

    #[test]
    fn a_resumed_csv_drops_the_rows_of_epochs_that_are_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut csv = Csv::open(path.clone(), 0).unwrap();
        csv.epoch(&epoch(1, vec![])).unwrap();
        csv.epoch(&epoch(2, vec![("ap", 0.25)])).unwrap();
        csv.epoch(&epoch(3, vec![("ap", 0.5)])).unwrap();
        let mut csv = Csv::open(path.clone(), 2).unwrap();
        csv.epoch(&epoch(3, vec![])).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "epoch,step,seconds,images_per_second,lr,loss,ap");
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1], "1,4,10.0,20.00,1.000000e-1,1.500000,");
        assert_eq!(lines[2], "2,8,20.0,20.00,1.000000e-1,1.500000,0.250000");
        assert_eq!(lines[3], "3,12,30.0,20.00,1.000000e-1,1.500000,");
    }
}
