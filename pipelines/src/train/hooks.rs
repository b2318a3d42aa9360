//! Who is told of a run's steps: the terminal, the CSV file, TensorBoard.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tensorboard_rs::summary_writer::SummaryWriter;

use super::progress::{Epoch, Hook, Means, Step};
use crate::console::{self, Progress};
use crate::failure::Failure;

/// A bar with loss parts, learning rate and images a second; a line an epoch.
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
            progress.advance(1, || format!("{} lr {rate:.2e} {speed:.1} images/s", words(&means.values())));
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
            words(&epoch.losses),
            epoch.learning_rate,
            epoch.images_per_second,
            clock(left),
            if epoch.metrics.is_empty() { "" } else { " | " },
            words(&epoch.metrics[..epoch.metrics.len().min(3)]),
        ));
        Ok(())
    }
}

fn words(values: &[(&'static str, f64)]) -> String {
    values.iter().map(|(name, value)| format!("{name} {value:.3}")).collect::<Vec<_>>().join(" ")
}

fn clock(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    if minutes >= 60 { format!("{}h{:02}m", minutes / 60, minutes % 60) } else { format!("{minutes}m") }
}

/// `metrics.csv`: a row an epoch. A column is added where a metric first appears; what is missing stays empty.
pub struct Csv {
    path: PathBuf,
    columns: Vec<String>,
}

impl Csv {
    /// Appends to `path`, which keeps the rows of the first `epochs` epochs that it has.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: PathBuf, epochs: u64) -> Result<Self, Failure> {
        let mut csv = Self { path, columns: Vec::new() };
        if csv.path.exists() {
            let text = std::fs::read_to_string(&csv.path).map_err(|error| csv.failed(&error))?;
            let kept: Vec<&str> = text.lines().take(1 + epochs as usize).collect();
            csv.columns = kept.first().map(|line| line.split(',').map(str::to_owned).collect()).unwrap_or_default();
            let kept: String = kept.iter().map(|line| format!("{line}\n")).collect();
            crate::run_folder::write_whole(&csv.path, kept.as_bytes())?;
        }
        Ok(csv)
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::failed(format!("{}: {error}", self.path.display()))
    }

    /// Rewrites the file with `columns` added at the right.
    fn widen(&mut self, columns: Vec<String>) -> Result<(), Failure> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(self.failed(&error)),
        };
        let padding = ",".repeat(columns.len());
        self.columns.extend(columns);
        let mut wider = self.columns.join(",") + "\n";
        for row in text.lines().skip(1) {
            wider.push_str(&format!("{row}{padding}\n"));
        }
        crate::run_folder::write_whole(&self.path, wider.as_bytes())
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
        cells.extend(epoch.losses.iter().chain(&epoch.metrics).map(|(name, value)| (*name, format!("{value:.6}"))));
        let new: Vec<String> =
            cells.iter().map(|(name, _)| (*name).to_owned()).filter(|name| !self.columns.contains(name)).collect();
        if !new.is_empty() {
            self.widen(new)?;
        }
        let row: Vec<&str> = self
            .columns
            .iter()
            .map(|column| cells.iter().find(|(name, _)| name == column).map_or("", |(_, cell)| cell.as_str()))
            .collect();
        let mut file = OpenOptions::new().append(true).open(&self.path).map_err(|error| self.failed(&error))?;
        writeln!(file, "{}", row.join(",")).and_then(|()| file.sync_data()).map_err(|error| self.failed(&error))
    }
}

/// `events.*`: losses and learning rate every few steps, metrics every epoch.
pub struct TensorBoard {
    writer: SummaryWriter,
}

/// Steps between two points of a loss curve.
const POINTS: u64 = 10;

impl TensorBoard {
    /// Writes into `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written (the writer itself would panic).
    pub fn new(folder: &Path) -> Result<Self, Failure> {
        let probe = folder.join(".writable");
        File::create(&probe)
            .and_then(|_| std::fs::remove_file(&probe))
            .map_err(|error| Failure::failed(format!("{} cannot be written: {error}", folder.display())))?;
        Ok(Self { writer: SummaryWriter::new(folder) })
    }

    fn scalars(&mut self, group: &str, values: &[(&'static str, f64)], step: u64) {
        for (name, value) in values {
            self.writer.add_scalar(&format!("{group}/{name}"), *value as f32, step as usize);
        }
    }
}

impl Hook for TensorBoard {
    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        if step.number.is_multiple_of(POINTS) {
            self.scalars("train", &step.losses, step.number);
            self.scalars("train", &[("lr", step.learning_rate)], step.number);
            if let Some(norm) = step.gradient_norm {
                self.scalars("train", &[("gradient_norm", norm)], step.number);
            }
        }
        Ok(())
    }

    fn epoch(&mut self, epoch: &Epoch) -> Result<(), Failure> {
        self.scalars("val", &epoch.metrics, epoch.step);
        self.scalars("train", &[("images_per_second", epoch.images_per_second)], epoch.step);
        self.writer.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn epoch(number: u64, metrics: Vec<(&'static str, f64)>) -> Epoch {
        let losses = vec![("loss", 1.5)];
        let elapsed = Duration::from_secs(number * 10);
        Epoch { number, step: number * 4, learning_rate: 0.1, losses, images_per_second: 20.0, elapsed, metrics }
    }

    #[test]
    fn a_resumed_csv_drops_the_rows_of_epochs_that_are_done_again() {
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
