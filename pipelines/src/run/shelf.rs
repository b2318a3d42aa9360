//! The folder of a run's checkpoints: their names, how one replaces another, and which are kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::sync_folder;

/// The name of a checkpoint's folder.
pub(super) fn name(step: u64) -> String {
    format!("step-{step:08}")
}

/// Renames `aside` to `place`. At any time one of the two, or the hidden folder beside them, is a complete checkpoint.
pub(super) fn replace(aside: &Path, place: &Path) -> io::Result<()> {
    let old = place.with_file_name(format!(".{}.old", place.file_name().unwrap_or_default().to_string_lossy()));
    if place.exists() {
        remove(&old)?;
        fs::rename(place, &old)?;
    }
    fs::rename(aside, place)?;
    sync_folder(place.parent().unwrap_or(place))?;
    remove(&old)
}

/// Makes the link `name` point to `target`, atomically.
pub(super) fn point(folder: &Path, name: &str, target: &str) -> io::Result<()> {
    let (link, aside) = (folder.join(name), folder.join(format!(".{name}.new")));
    if fs::read_link(&link).is_ok_and(|known| known == Path::new(target)) {
        return Ok(());
    }
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, &aside)?;
    fs::rename(&aside, &link)
}

/// Removes checkpoints that are neither among the `keep` newest nor the best, remains of crashes, and checkpoints after `step`, the
/// one just written: they are older, from before the run was resumed at an earlier step.
pub(super) fn prune(folder: &Path, step: u64, keep: usize, best: Option<u64>) -> io::Result<()> {
    let (placed, left): (Vec<_>, Vec<_>) = candidates(folder)?.into_iter().partition(|candidate| candidate.placed);
    for candidate in left {
        remove(&candidate.path)?;
    }
    let (reached, future): (Vec<_>, Vec<_>) = placed.into_iter().partition(|candidate| candidate.step <= step);
    let old = reached.into_iter().skip(keep).filter(|candidate| best != Some(candidate.step));
    for candidate in future.into_iter().chain(old) {
        // Renamed first: a checkpoint that is half removed must not look like a damaged one.
        let hidden = folder.join(format!(".{}.old", name(candidate.step)));
        fs::rename(&candidate.path, &hidden)?;
        remove(&hidden)?;
    }
    Ok(())
}

/// A checkpoint, or what a crash left of one.
pub(super) struct Candidate {
    pub(super) step: u64,
    /// Whether it has its final name.
    pub(super) placed: bool,
    pub(super) path: PathBuf,
}

/// Every checkpoint of a folder, newest first; of one step, the last written first.
pub(super) fn candidates(folder: &Path) -> io::Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let bare = name.strip_prefix('.').and_then(|name| name.strip_suffix(".new").or(name.strip_suffix(".old")));
        let step = bare.unwrap_or(&name).strip_prefix("step-").and_then(|digits| digits.parse().ok());
        if let Some(step) = step
            && entry.file_type()?.is_dir()
        {
            let order = if name.ends_with(".new") { 0 } else { u8::from(bare.is_some()) + 1 };
            found.push((
                std::cmp::Reverse(step),
                order,
                Candidate { step, placed: bare.is_none(), path: entry.path() },
            ));
        }
    }
    found.sort_by_key(|(step, order, _)| (*step, *order));
    Ok(found.into_iter().map(|(_, _, candidate)| candidate).collect())
}

pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_and_the_best_stay() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            [".step-00000040.new", "step-00000040", "step-00000030", "step-00000020", "step-00000010", "step-00000005"]
        {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let order: Vec<(u64, bool)> =
            candidates(folder.path()).unwrap().iter().map(|candidate| (candidate.step, candidate.placed)).collect();
        assert_eq!(order, [(40, false), (40, true), (30, true), (20, true), (10, true), (5, true)]);
        prune(folder.path(), 30, 2, Some(5)).unwrap();
        let left: Vec<u64> = candidates(folder.path()).unwrap().iter().map(|candidate| candidate.step).collect();
        assert_eq!(left, [30, 20, 5]);
    }

    #[test]
    fn a_link_is_moved() {
        let folder = tempfile::tempdir().unwrap();
        for step in [1, 2] {
            fs::create_dir(folder.path().join(name(step))).unwrap();
            point(folder.path(), "last", &name(step)).unwrap();
            assert_eq!(fs::read_link(folder.path().join("last")).unwrap(), PathBuf::from(name(step)));
        }
    }
}
