//! What the readers of data sets promise for any bytes.

use std::fmt::Debug;
use std::fs;
use std::path::{Component, Path};

use datasets::annotations::TargetOptions;
use datasets::check::check;
use datasets::classification::{ClassificationRecord, ClassificationSet};
use datasets::imagenet::Synsets;
use datasets::voc::{self, Classes};
use datasets::{
    CheckOptions, Checked, Class, Dataset, DetectionDataset, DetectionSet, Encoding, Error, Findings, Header, Image,
    Mask, Orientation, PixelOptions, Record, SampleRng, Size, Split, coco, flat, segmentation, voc_palette,
};

use super::memory::Bound;

/// The readers' limit, as Pillow's.
const MAX_PIXELS: usize = 178_956_970;
/// Records, names and maps of them.
const ANNOTATIONS: Bound = Bound { fixed: 1 << 20, times: 64 };
/// A mask's samples of 16 bits as decoded and as numbers, then its bytes.
const MASK: Bound = Bound { fixed: 6 * MAX_PIXELS + (1 << 20), times: 8 };
/// Four channels as decoded, then three.
const IMAGE: Bound = Bound { fixed: 8 * MAX_PIXELS + (1 << 20), times: 8 };

fn put(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes)
        .or_else(|_| {
            fs::create_dir_all(file.parent().expect("a folder"))?;
            fs::write(file, bytes)
        })
        .expect("written");
}

/// Writes a small image and a mask of the same size, unless they exist.
fn put_images(jpeg: &Path, mask: &Path) {
    let size = Size { height: 40, width: 60 };
    if !jpeg.exists() {
        put(jpeg, &Image::filled(size, [9; 3]).encode(Encoding::Jpeg(50)).expect("encoded"));
        put(mask, &Mask::filled(size, 1).encode(&voc_palette()).expect("encoded"));
    }
}

/// A strict reader fails with the first fault that the tolerant one reports; without a fault both return the same.
fn agree<T: PartialEq + Debug>(strict: &Result<T, Error>, tolerant: &Result<T, Error>, faults: &[String]) {
    let message = |read: &Result<T, Error>| read.as_ref().err().map(Error::to_string);
    match faults.first() {
        Some(first) => assert_eq!(message(strict).as_ref(), Some(first)),
        None => {
            assert_eq!(message(strict), message(tolerant));
            assert_eq!(strict.as_ref().ok(), tolerant.as_ref().ok());
        }
    }
}

fn inside(file: &Path, folder: &Path) -> bool {
    file.starts_with(folder) && !file.components().any(|part| part == Component::ParentDir)
}

/// Files inside the folder, classes of the set, finite boxes, and targets inside the image.
fn sound(set: &DetectionSet, images: &Path) {
    assert!(!set.classes.is_empty());
    for record in &set.records {
        assert!(inside(&record.file, images), "{} is outside", record.file.display());
        assert!(record.width > 0 && record.height > 0, "{}", record.size());
        for object in &record.objects {
            assert!(object.class < set.classes.len(), "an unknown class");
            assert!(object.bbox.iter().all(|number| number.is_finite()), "{:?}", object.bbox);
            assert!(object.area.is_finite(), "an area of {}", object.area);
        }
        for target in record.targets(&TargetOptions { keep_difficult: true, keep_empty: true, keep_crowds: true }) {
            let [left, top, right, bottom] = target.corners;
            assert!(0.0 <= left && left < right && right <= record.width as f64, "{:?}", target.corners);
            assert!(0.0 <= top && top < bottom && bottom <= record.height as f64, "{:?}", target.corners);
        }
    }
}

/// COCO's JSON.
pub fn coco(folder: &Path, bytes: &[u8]) -> bool {
    let (images, file) = (folder.join("images"), folder.join("instances.json"));
    put(&file, bytes);
    let strict = ANNOTATIONS.hold(bytes.len(), || coco::read(&images, &file));
    let mut faults = Vec::new();
    let tolerant = coco::read_with(&images, &file, Orientation::default(), &mut |error| {
        faults.push(error.to_string());
        Ok(())
    });
    agree(&strict, &tolerant, &faults);
    tolerant.iter().for_each(|set| sound(set, &images));
    strict.is_ok()
}

/// The XML of a VOC devkit.
pub fn voc(folder: &Path, bytes: &[u8]) -> bool {
    let images = folder.join("JPEGImages");
    put_images(&images.join("a.jpg"), &folder.join("SegmentationClass/a.png"));
    put(&folder.join("ImageSets/Main/x.txt"), b"a");
    put(&folder.join("Annotations/a.xml"), bytes);
    let strict = ANNOTATIONS.hold(bytes.len(), || voc::read(folder, "x", Classes::Collected));
    let mut faults = Vec::new();
    let tolerant =
        voc::read_with(&voc::Layout::devkit(folder, "x"), Classes::Collected, Orientation::default(), &mut |error| {
            faults.push(error.to_string());
            Ok(())
        });
    agree_unless_empty(&strict, &tolerant, &faults);
    for set in strict.iter().chain(&tolerant) {
        sound(set, &images);
        let letters: usize = set.classes.iter().map(|class| class.name.len()).sum();
        assert!(letters <= bytes.len(), "{letters} bytes of names out of a file of {}", bytes.len());
    }
    strict.is_ok()
}

/// As [`agree`], for a reader that fails with [`Error::Empty`] where it left out the only record.
fn agree_unless_empty<T: PartialEq + Debug>(strict: &Result<T, Error>, tolerant: &Result<T, Error>, faults: &[String]) {
    agree(strict, tolerant, faults);
    assert!(faults.is_empty() || !matches!(tolerant, Err(other) if !matches!(other, Error::Empty { .. })));
}

/// Lists of images, of images with their labels, and of class names.
pub fn lists(folder: &Path, bytes: &[u8]) -> bool {
    let (list, images) = (folder.join("ImageSets/Segmentation/x.txt"), folder.join("JPEGImages"));
    put_images(&images.join("a.jpg"), &folder.join("SegmentationClass/a.png"));
    put(&list, bytes);
    let pairs = ANNOTATIONS.hold(bytes.len(), || segmentation::voc::read(folder, "x", None));
    let mut faults = Vec::new();
    let tolerant = segmentation::voc::read_with(folder, &list, None, &mut |error| {
        faults.push(error.to_string());
        Ok(())
    });
    agree(&pairs, &tolerant, &faults);
    for record in tolerant.iter().flat_map(|set| &set.records) {
        assert!(inside(&record.image, folder) && inside(record.mask.path(), folder), "{} is outside", record.id);
    }

    let known = Synsets { ids: vec!["n01440764".to_owned()], names: vec!["tench".to_owned()] };
    let strict = ANNOTATIONS.hold(bytes.len(), || flat::read(&images, &list, Some(&known), &mut Err));
    let mut faults = Vec::new();
    let tolerant = flat::read(&images, &list, Some(&known), &mut |error| {
        faults.push(error.to_string());
        Ok(())
    });
    agree(&strict, &tolerant, &faults);
    for record in tolerant.iter().flat_map(|set| &set.records) {
        assert!(inside(&record.file, &images) && record.class == 0, "{record:?}");
    }

    let synsets = ANNOTATIONS.hold(bytes.len(), || Synsets::from_names(&list));
    if let Ok(Synsets { ids, names }) = &synsets {
        assert!(ids.is_sorted_by(|one, other| one < other) && (ids.is_empty() || ids.len() == names.len()));
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort_unstable();
        assert!(sorted.is_sorted_by(|one, other| one < other), "two classes have one name: {names:?}");
    }
    pairs.is_ok() || strict.is_ok() || synsets.is_ok()
}

/// PNG files as masks.
pub fn mask(folder: &Path, bytes: &[u8]) -> bool {
    let file = folder.join("mask.png");
    put(&file, bytes);
    let Ok(mask) = MASK.hold(bytes.len(), || Mask::read(&file)) else { return false };
    assert_eq!(mask.data.len(), mask.height * mask.width);
    assert_eq!(Image::measure(&file, Orientation::Stored).expect("a size"), mask.size());
    let again = mask.encode(&voc_palette()).expect("encoded");
    assert_eq!(Mask::decode(again, &file).expect("decoded"), mask, "encoding changes a mask");
    true
}

/// Image files of every format: their headers, their pixels, and a sample made of them.
pub fn image(folder: &Path, bytes: &[u8]) -> bool {
    let file = folder.join("image");
    put(&file, bytes);
    let header = IMAGE.hold(bytes.len(), || Header::read(&file)).ok();
    let read = |orientation| {
        let options = PixelOptions { orientation, ..PixelOptions::default() };
        IMAGE.hold(bytes.len(), || Image::read(&file, &options)).ok()
    };
    let stored = read(Orientation::Stored);
    for (orientation, image) in
        [(Orientation::Stored, stored.clone()), (Orientation::Upright, read(Orientation::Upright))]
    {
        assert_eq!(image.is_some(), stored.is_some(), "an image is read with both orientations or with none");
        if let Some(image) = image {
            assert_eq!(Some(image.size()), header.map(|header| header.size(orientation)));
            assert_eq!(image.data.len(), image.height * image.width * 3);
        }
    }
    // Other channels than red, green and blue are read by other code, of which only grey takes every file.
    for channels in [1].into_iter().chain(header.map(|header| header.channels).filter(|own| (4..=16).contains(own))) {
        let options = PixelOptions { orientation: Orientation::Stored, channels, ..PixelOptions::default() };
        let image = IMAGE.hold(bytes.len(), || Image::read(&file, &options)).ok();
        assert!(
            channels != 1 || image.is_some() == stored.is_some(),
            "grey and colours are read together or not at all"
        );
        if let Some(image) = image {
            assert_eq!(Some(image.size()), header.map(|header| header.stored));
            assert_eq!(image.data.len(), image.height * image.width * channels);
        }
    }
    let measured = header.map(|header| header.upright());

    let classes = vec![Class { id: 0, name: "a".to_owned() }];
    let record = ClassificationRecord { file: file.clone(), class: 0 };
    let set = ClassificationSet { classes: classes.clone(), records: vec![record], findings: Findings::default() };
    let split = Split::read("x", |_| Ok(Checked::Classification(set)));
    let options = CheckOptions { threads: 1, ..CheckOptions::default() };
    let report = check(&[split], &options, &|_, _| {}).expect("a report");
    assert_eq!(!report.has_errors(), stored.is_some(), "{report:?}");

    if let Some(Size { height, width }) = measured {
        let record = Record { image_id: 1, file, width, height, objects: Vec::new() };
        let set =
            DetectionSet { classes, records: vec![record], ids: Default::default(), findings: Findings::default() };
        let size = Size { height: 8, width: 6 };
        let samples = DetectionDataset::for_evaluation(set.into(), size, PixelOptions::default()).expect("a data set");
        if let Ok(sample) = samples.load(0, 0, &mut SampleRng::for_sample(0, 0, 0)) {
            assert_eq!(sample.image.size(), size);
        }
    }
    stored.is_some()
}
