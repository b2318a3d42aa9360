//! What comes before a network in a file.

use super::model::{Builder, Kind, Value};
use super::operators;
use crate::Error;
use crate::graph::Binary;

impl Builder {
    /// `(x / 255 - mean) / std` of images of bytes, `[N, H, W, C]`, as the network's input; `mean` and `std` have a number for each
    /// channel.
    ///
    /// # Errors
    /// [`Error::Value`] where these are not as many as the channels.
    pub fn normalize(&mut self, images: &Value, mean: &[f64], std: &[f64]) -> Result<Value, Error> {
        let channels = images.sides.last().map_or(0, |side| side.length) as usize;
        if [mean.len(), std.len()] != [channels; 2] {
            let found = format!("{} and {}", mean.len(), std.len());
            return Err(Error::value("means and standard deviations", format!("{channels} of both"), found));
        }
        "normalize".clone_into(&mut self.scope);
        let numbers = self.tensor("numbers", Kind::F32, &images.sides, None);
        self.operator(operators::cast(), &[images], &[&numbers]);
        let scale: Vec<f32> = std.iter().map(|std| (1.0 / (255.0 * std)) as f32).collect();
        let shift: Vec<f32> = mean.iter().zip(std).map(|(mean, std)| (-mean / std) as f32).collect();
        let shape = [channels as i64];
        let (scale, shift) = (self.floats("scale", &scale, &shape), self.floats("shift", &shift, &shape));
        let sides = images.sides.clone();
        let scaled = self.compute("scaled", operators::binary(Binary::Mul), &[&numbers, &scale], &sides);
        Ok(self.compute("images", operators::binary(Binary::Add), &[&scaled, &shift], &sides))
    }
}
