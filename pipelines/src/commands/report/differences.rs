//! How runs differ from the first, with intervals, from the predictions in their folders.

use eval::coco::IouType;
use eval::{BootstrapOptions, Comparison, classification, coco, segmentation};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::console::{self, Progress, Table};
use crate::failure::Failure;
use crate::report::Tables;
use crate::report::page::RunPage;

/// Each run against the first, where both were evaluated on the same images and annotations.
pub(super) fn tables(runs: &[RunPage]) -> Result<Vec<Table>, Failure> {
    let Some((first, others)) = runs.split_first() else { return Ok(Vec::new()) };
    let mut tables = Vec::new();
    let mut progress = Progress::new("comparing", others.len() as u64);
    for other in others {
        match compare(first, other)? {
            Some(comparison) => tables.extend(comparison.tables().into_iter().map(|table| {
                let title = format!("A: {}, B: {}\n{}", first.name, other.name, table.title);
                Table { title, ..table }
            })),
            None => console::warning(format!(
                "no differences between {} and {}: they were not evaluated on the same images and annotations",
                first.name, other.name
            )),
        }
        progress.advance(1, || other.name.clone());
    }
    progress.finish();
    Ok(tables)
}

/// The predictions of two runs compared, where both have the same truth.
fn compare(a: &RunPage, b: &RunPage) -> Result<Option<Comparison>, Failure> {
    let options = BootstrapOptions::default();
    let both = |name: &str| [a.folder.join(name), b.folder.join(name)];
    let comparison = if are_equal(&both("ground_truth.json"))? {
        let ([truth, _], [a, b]) = (both("ground_truth.json"), both("predictions.json"));
        coco::compare_files(truth, a, b, IouType::Bbox, options)
    } else if are_equal(&both("ground_truth.csv"))? {
        let ([truth, _], [a, b]) = (both("ground_truth.csv"), both("predictions.csv"));
        classification::compare_files(truth, a, b, options)
    } else if have_equal_files(&both("ground_truth"))? {
        let names: Vec<&str> = a.contents.classes.iter().map(|(name, _)| name.as_str()).collect();
        let ([truth, _], [folder_a, folder_b]) = (both("ground_truth"), both("predictions"));
        segmentation::compare_folders(truth, folder_a, folder_b, names, a.contents.ignored, options)
    } else {
        return Ok(None);
    };
    Ok(Some(comparison?))
}

/// Whether both files exist and have the same bytes.
fn are_equal(files: &[PathBuf; 2]) -> Result<bool, Failure> {
    if !files.iter().all(|file| file.is_file()) {
        return Ok(false);
    }
    let [a, b] = files.each_ref().map(|file| read(file));
    Ok(a? == b?)
}

/// Whether both folders exist and have the same files.
fn have_equal_files(folders: &[PathBuf; 2]) -> Result<bool, Failure> {
    if !folders.iter().all(|folder| folder.is_dir()) {
        return Ok(false);
    }
    let [a, b] = folders.each_ref().map(|folder| names(folder));
    let (a, b) = (a?, b?);
    let equal = |name: &OsString| are_equal(&folders.each_ref().map(|folder| folder.join(name)));
    Ok(a == b && a.iter().map(equal).collect::<Result<Vec<_>, _>>()?.into_iter().all(|equal| equal))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::cannot("read", file, &error))
}

fn names(folder: &Path) -> Result<BTreeSet<OsString>, Failure> {
    let entries = std::fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    entries.map_err(|error| Failure::cannot("read", folder, &error))
}
