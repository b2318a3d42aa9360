//! A validation split of images that have none, kept in list files.

use datasets::SampleRng;
use datasets::paths;
use datasets::recognise::Layout;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::failure::Failure;
use crate::files;
use crate::task::Member;

/// One of so many images is kept for validation.
const ONE_OF: usize = 5;

/// The images of both splits, each in the order of the set.
pub(super) struct Lists {
    pub(super) train: Vec<Member>,
    pub(super) val: Vec<Member>,
}

impl Lists {
    /// Every fifth image by the seed, class after class, so that each class has its share; an image with objects of several classes
    /// is one of the rarest.
    ///
    /// # Errors
    /// When there are fewer than two images.
    pub(super) fn of(members: &[Member], seed: u64) -> Result<Self, Failure> {
        let mut by_class: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for (index, member) in members.iter().enumerate() {
            by_class.entry(member.class).or_default().push(index);
        }
        for (place, group) in (0..).zip(by_class.values_mut()) {
            SampleRng::for_sample(seed, 0, place).shuffle(group);
        }
        let ordered: Vec<usize> = by_class.into_values().flatten().collect();
        let every = ONE_OF.min(ordered.len());
        let mut is_val = vec![false; members.len()];
        ordered
            .chunks_exact(every.max(1))
            .filter(|chunk| chunk.len() > 1)
            .for_each(|chunk| is_val[chunk[every / 2]] = true);
        let part = |val: bool| {
            members.iter().zip(&is_val).filter(|(_, is)| **is == val).map(|(member, _)| member.clone()).collect()
        };
        let lists = Self { train: part(false), val: part(true) };
        match lists.val.is_empty() || lists.train.is_empty() {
            true => Err(Failure::failed("one image is too few to train on one and validate on another")),
            false => Ok(lists),
        }
    }

    /// Writes both lists beside the configuration, in the form that the layout reads.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn write(&self, layout: &Layout, root: &Path, output: &Path) -> Result<(), Failure> {
        let folder = folder(output);
        files::create_folder(&folder)?;
        for (name, members) in [("train", &self.train), ("val", &self.val)] {
            let mut text = String::new();
            for member in members {
                text.push_str(&line(layout, root, &folder, member));
                text.push('\n');
            }
            files::write(&folder.join(format!("{name}.txt")), text.as_bytes())?;
        }
        Ok(())
    }
}

/// The folder of the lists: `cells_lists` beside `cells.yaml`.
pub(super) fn folder(output: &Path) -> PathBuf {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{stem}_lists"))
}

fn line(layout: &Layout, root: &Path, folder: &Path, member: &Member) -> String {
    let below = |base: &Path, path: &Path| {
        paths::text(path.strip_prefix(root.join(base)).or_else(|_| path.strip_prefix(base)).unwrap_or(path))
    };
    match layout {
        Layout::Folder(base) | Layout::Flat { images: base, .. } => {
            format!("{}\t{}", below(base, &member.image), member.label.as_deref().unwrap_or_default())
        }
        Layout::Coco { images, .. } => below(images, &member.image),
        Layout::Voc { folder, .. } => paths::text(&Path::new(&below(folder, &member.image)).with_extension("")),
        Layout::VocMasks { .. } => paths::text(Path::new(member.image.file_stem().unwrap_or_default())),
        Layout::Yolo { .. } | Layout::YoloData { .. } => paths::text(&relative(folder, &member.image)),
        Layout::Pairs { images, masks, .. } => {
            let mask = member.mask.as_deref().unwrap_or(Path::new(""));
            format!("{}\t{}", below(images, &member.image), below(masks, mask))
        }
    }
}

/// The path from one folder to a file or folder, both as they are found from here. Links are followed, because `..` is the folder
/// above a link's target.
pub(super) fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to) = (resolved(from), resolved(to));
    let shared = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

/// The path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let existing = absolute.ancestors().find_map(|folder| Some((folder, folder.canonicalize().ok()?)));
    match existing {
        Some((folder, target)) => match absolute.strip_prefix(folder) {
            Ok(rest) if !rest.as_os_str().is_empty() => target.join(rest),
            _ => target,
        },
        None => absolute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: usize, class: usize) -> Member {
        Member { image: format!("{number}.jpg").into(), mask: None, class: Some(class), label: None }
    }

    #[test]
    fn a_fifth_of_each_class_is_kept_the_same_for_one_seed() {
        let members: Vec<Member> = (0..100).map(|number| member(number, usize::from(number >= 90))).collect();
        let lists = Lists::of(&members, 7).unwrap();
        let of_class = |class| lists.val.iter().filter(|member| member.class == Some(class)).count();
        assert_eq!((of_class(0), of_class(1), lists.train.len()), (18, 2, 80));
        let files = |lists: &Lists| lists.val.iter().map(|member| member.image.clone()).collect::<Vec<_>>();
        assert_eq!(files(&lists), files(&Lists::of(&members, 7).unwrap()));
        assert_ne!(files(&lists), files(&Lists::of(&members, 8).unwrap()));
    }

    #[test]
    fn two_images_are_one_for_each_split_and_one_is_too_few() {
        let lists = Lists::of(&[member(0, 0), member(1, 1)], 0).unwrap();
        assert_eq!((lists.train.len(), lists.val.len()), (1, 1));
        assert!(Lists::of(&[member(0, 0)], 0).is_err());
    }

    #[test]
    fn a_path_leads_from_one_folder_to_the_other() {
        assert_eq!(relative(Path::new("a/b"), Path::new("a/c/1.jpg")), Path::new("../c/1.jpg"));
        assert_eq!(relative(Path::new("/x"), Path::new("/y/z")), Path::new("../y/z"));
        assert_eq!(
            relative(Path::new("cells"), Path::new("cells_lists/train.txt")),
            Path::new("../cells_lists/train.txt")
        );
        let folder = tempfile::tempdir().unwrap();
        let [set, link] = ["a/b/set", "link"].map(|name| folder.path().join(name));
        std::fs::create_dir_all(&set).unwrap();
        std::os::unix::fs::symlink(&set, &link).unwrap();
        std::fs::write(folder.path().join("list.txt"), "x").unwrap();
        let found = link.join(relative(&link, &folder.path().join("list.txt")));
        assert_eq!(std::fs::read_to_string(found).unwrap(), "x");
    }
}
