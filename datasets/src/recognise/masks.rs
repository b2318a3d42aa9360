//! The classes of a folder of masks: as a file beside them names them, or as their pixels show.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::Error;
use crate::findings::Findings;
use crate::folder::images_below;
use crate::image::{MaskPixels, Orientation};
use crate::lists::{self, lines};

/// How many masks are looked into.
const SAMPLE: usize = 40;
/// The usual number of ignored pixels.
const IGNORE: u8 = 255;

/// What the numbers or colours in masks mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskClasses {
    /// The classes in the order of their indices.
    pub names: Vec<String>,
    /// The class of each number, where numbers are not indices.
    pub ids: BTreeMap<u16, u8>,
    /// The number of ignored pixels.
    pub ignore: u8,
}

impl MaskClasses {
    /// The names of CVAT's and Datumaro's `labelmap.txt`, of Roboflow's `_classes.csv`, of a `classes.txt`; without them a class
    /// for each number that occurs.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Decode`] where no mask can be read, [`Error::Layout`] where masks have colours that nothing names.
    pub fn of(masks: &Path, suffix: &str) -> Result<MaskClasses, Error> {
        for folder in masks.ancestors().take(3) {
            let text = |name: &str| {
                let file = folder.join(name);
                file.is_file().then(|| lists::read(&file, &mut Findings::default())).transpose()
            };
            let named = |names: Vec<String>| MaskClasses { names, ids: BTreeMap::new(), ignore: IGNORE };
            if let Some(text) = text("labelmap.txt")? {
                let names = lines(&text).filter_map(|(_, line)| Some(line.split_once(':')?.0.trim().to_owned()));
                return Ok(named(names.collect()));
            }
            if let Some(text) = text("_classes.csv")? {
                let names =
                    lines(&text).skip(1).filter_map(|(_, line)| Some(line.split_once(',')?.1.trim().to_owned()));
                return Ok(named(names.collect()));
            }
            if let Some(text) = text("classes.txt")? {
                return Ok(named(lines(&text).map(|(_, line)| line.to_owned()).collect()));
            }
        }
        MaskClasses::of_pixels(masks, suffix)
    }

    fn of_pixels(masks: &Path, suffix: &str) -> Result<MaskClasses, Error> {
        let files = images_below(masks, &mut Findings::default())?;
        let is_mask =
            |file: &&std::path::PathBuf| file.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with(suffix));
        let mut numbers = BTreeSet::new();
        for file in files.iter().filter(is_mask).take(SAMPLE) {
            match MaskPixels::read(file, Orientation::Stored)? {
                MaskPixels::Numbers { numbers: found, .. } => numbers.extend(found),
                MaskPixels::Colours(_) => {
                    let reason = "its pixels are colours, and no labelmap.txt says what they mean: write one with lines like \
                                  cup:48,112,32::, or give options.colors";
                    return Err(Error::Layout { path: file.clone(), reason: reason.to_owned() });
                }
            }
        }
        let most = numbers.iter().copied().filter(|&number| number != u16::from(IGNORE)).max().unwrap_or_default();
        // 0 and 255 alone are a drawing in black and white.
        if numbers.contains(&u16::from(IGNORE)) && most == 0 {
            let names = ["background", "object"].map(str::to_owned).to_vec();
            return Ok(MaskClasses { names, ids: BTreeMap::from([(0, 0), (255, 1)]), ignore: IGNORE - 1 });
        }
        if most < 64 {
            let names = (0..=most.max(1)).map(|index| format!("class_{index}")).collect();
            return Ok(MaskClasses { names, ids: BTreeMap::new(), ignore: IGNORE });
        }
        let ids: BTreeMap<u16, u8> = numbers
            .iter()
            .copied()
            .filter(|&id| id != u16::from(IGNORE))
            .zip(0..)
            .map(|(id, class)| (id, class as u8))
            .collect();
        let names = ids.keys().map(|id| format!("id_{id}")).collect();
        Ok(MaskClasses { names, ids, ignore: IGNORE })
    }
}
