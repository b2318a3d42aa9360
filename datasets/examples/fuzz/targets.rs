//! The readers of what others wrote, each fed with bytes, and what must hold whatever the bytes are.

use std::fs;
use std::path::{Component, Path};

use datasets::annotations::TargetOptions;
use datasets::imagenet::{self, Synsets};
use datasets::voc::{self, Classes};
use datasets::{DetectionSet, Image, Mask, Orientation, coco};
use tempfile::TempDir;

/// A reader under test.
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Files that it reads.
    pub seeds: Vec<Vec<u8>>,
    /// Whether the bytes were accepted; it panics where a promise is broken.
    pub run: fn(&TempDir, &[u8]) -> bool,
}

const COCO: &str = r#"{"info": {"year": 2017}, "images": [{"id": 1, "file_name": "a.jpg", "width": 60, "height": 40},
 {"id": 2, "file_name": "sub/b.jpg", "width": 640, "height": 480, "license": 3}], "annotations": [{"id": 1, "image_id": 1,
 "category_id": 18, "bbox": [1.5, 2, 30, 4e1], "area": 7.5, "iscrowd": 0, "segmentation": [[1.0, 2.0, 3.0, 4.0]]},
 {"id": 2, "image_id": 2, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1, "segmentation": {"counts": "ab"}}],
 "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person", "supercategory": "person"}]}"#;
const XML: &str = "<?xml version=\"1.0\"?>\n<annotation><filename>a.jpg</filename><size><width>60</width><height>40</height>\
 <depth>3</depth></size><object><name>dog</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>2.5</ymin>\
 <xmax>40</xmax><ymax>30</ymax></bndbox><part><name>head</name></part></object><!-- c --><object><name>cat</name><bndbox>\
 <xmin>5</xmin><ymin>5</ymin><xmax>6</xmax><ymax>7</ymax></bndbox></object></annotation>";

/// Every target; `formats` is the folder of small image files.
pub fn all(formats: &Path) -> Vec<Target> {
    let mut files: Vec<_> =
        fs::read_dir(formats).expect("image files").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|ending| ending != "json"));
    let images: Vec<_> = files.iter().map(|file| fs::read(file).expect("readable")).collect();
    let size = datasets::Size { height: 9, width: 13 };
    let masks = [0, 3, 255].map(|class| Mask::filled(size, class).encode(&datasets::voc_palette()).expect("encoded"));
    let pngs = images.iter().filter(|bytes| bytes.starts_with(b"\x89PNG")).cloned();
    vec![
        Target { name: "coco", seeds: vec![COCO.into()], run: coco_json },
        Target { name: "voc", seeds: vec![XML.into()], run: voc_xml },
        Target {
            name: "lists",
            seeds: vec![b"a\nb/c\n\nd 1\n".to_vec(), b"n01440764 0\nb.jpg 1\n".to_vec()],
            run: lists,
        },
        Target { name: "mask", seeds: masks.into_iter().chain(pngs).collect(), run: mask },
        Target { name: "image", seeds: images, run: image },
    ]
}

fn coco_json(folder: &TempDir, bytes: &[u8]) -> bool {
    let (images, file) = (folder.path().join("images"), folder.path().join("instances.json"));
    fs::write(&file, bytes).expect("written");
    let strict = coco::read(&images, &file);
    let mut faults = 0;
    let tolerant = coco::read_with(&images, &file, &mut |_| {
        faults += 1;
        Ok(())
    });
    assert!(
        strict.is_err() || (faults == 0 && strict.as_ref().ok() == tolerant.as_ref().ok()),
        "tolerance changes a set"
    );
    if let Ok(set) = &tolerant {
        sound(set, &images);
    }
    strict.is_ok()
}

fn voc_xml(folder: &TempDir, bytes: &[u8]) -> bool {
    let root = folder.path();
    if !root.join("JPEGImages").exists() {
        let jpeg = Image::filled(datasets::Size { height: 40, width: 60 }, [9; 3]);
        let jpeg = jpeg.encode(datasets::Encoding::Jpeg(50)).expect("encoded");
        for (place, content) in
            [("JPEGImages/a.jpg", &jpeg[..]), ("ImageSets/Main/x.txt", b"a"), ("Annotations/a.xml", b"")]
        {
            fs::create_dir_all(root.join(place).parent().expect("a folder")).expect("made");
            fs::write(root.join(place), content).expect("written");
        }
    }
    fs::write(root.join("Annotations/a.xml"), bytes).expect("written");
    let set = voc::read(root, "x", Classes::Collected);
    if let Ok(set) = &set {
        sound(set, &root.join("JPEGImages"));
    }
    set.is_ok()
}

/// Files inside the folder, classes of the set, and targets inside the image.
fn sound(set: &DetectionSet, images: &Path) {
    for record in &set.records {
        assert!(inside(&record.file, images), "{} is outside", record.file.display());
        assert!(record.objects.iter().all(|object| object.class < set.classes.len()), "a class that is none");
        for target in record.targets(&TargetOptions::default()) {
            let [left, top, right, bottom] = target.corners;
            assert!(0.0 <= left && left < right && right <= record.width as f64, "{:?}", target.corners);
            assert!(0.0 <= top && top < bottom && bottom <= record.height as f64, "{:?}", target.corners);
        }
    }
}

fn inside(file: &Path, folder: &Path) -> bool {
    file.starts_with(folder) && !file.components().any(|part| part == Component::ParentDir)
}

fn lists(folder: &TempDir, bytes: &[u8]) -> bool {
    let root = folder.path();
    let (list, images) = (root.join("ImageSets/Segmentation/x.txt"), root.join("flat"));
    fs::create_dir_all(list.parent().expect("a folder")).expect("made");
    fs::write(&list, bytes).expect("written");
    drop(datasets::segmentation::voc::read(root, "x", None));
    let synsets = Synsets::from_names(&list);
    let known = Synsets { ids: vec!["n01440764".to_owned()], names: vec!["tench".to_owned()] };
    let set = imagenet::read_flat(&images, &list, &known);
    if let Ok(set) = &set {
        assert!(set.records.iter().all(|record| inside(&record.file, &images) && record.class == 0));
    }
    synsets.is_ok() || set.is_ok()
}

fn mask(_: &TempDir, bytes: &[u8]) -> bool {
    let mask = Mask::decode(bytes.to_vec(), Path::new("m.png"));
    if let Ok(mask) = &mask {
        assert_eq!(mask.data.len(), mask.height * mask.width);
    }
    mask.is_ok()
}

fn image(_: &TempDir, bytes: &[u8]) -> bool {
    let read = |orientation| {
        let image = Image::decode(bytes.to_vec(), Path::new("a"), orientation).ok()?;
        assert_eq!(image.data.len(), image.height * image.width * 3);
        Some(image.height * image.width)
    };
    let (stored, upright) = (read(Orientation::AsStored), read(Orientation::Upright));
    stored.is_some() && upright.is_some()
}
