//! Real sets, read and checked: in the folder `REAL_DATA`, or beside the repository in `shared/data`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datasets::check::{CheckFinding, Kind, check};
use datasets::voc::{self, Classes};
use datasets::{
    Augmentation, AutoAugment, CheckOptions, CheckReport, Checked, ClassificationDataset, ClassifyAugmentation,
    Dataset, DetectionDataset, DetectionSet, EvaluationSize, EvaluationView, FindingKind, Loader, LoaderOptions, Order,
    PixelOptions, SegmentAugmentation, SegmentationDataset, Size, Split, TargetOptions, coco, folder, segmentation,
};

/// The folder of a set.
fn set_folder(name: &str) -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("REAL_DATA").map_or_else(beside, PathBuf::from).join(name);
    assert!(folder.is_dir(), "{} does not exist: set REAL_DATA to the folder of the sets", folder.display());
    folder
}

/// Objects of each class, by name.
fn objects(set: &DetectionSet, name: &str) -> usize {
    let class = set.classes.iter().position(|class| class.name == name).expect("a class of the set");
    set.records.iter().flat_map(|record| &record.objects).filter(|object| object.class == class).count()
}

/// Every image is read, augmented and found to be of its annotated size.
fn samples(set: DetectionSet, augmentation: Option<Augmentation>) -> usize {
    let (set, size) = (Arc::new(set), Size { height: 96, width: 96 });
    let dataset = match augmentation {
        Some(augmentation) => {
            DetectionDataset::for_training(set, size, augmentation, TargetOptions::default(), PixelOptions::default())
        }
        None => DetectionDataset::for_evaluation(set, size, PixelOptions::default()),
    };
    let dataset = Arc::new(dataset.expect("valid options"));
    let options = LoaderOptions { batch_size: 16, workers: 2, order: Order::Shuffled, ..LoaderOptions::default() };
    let loader = Loader::new(Arc::clone(&dataset), options).expect("valid options");
    let mut count = 0;
    for batch in loader.epoch(0, 0).expect("an epoch") {
        for sample in batch.expect("every image is complete").samples {
            assert_eq!(sample.image.size(), size);
            assert_eq!(sample.boxes.len(), sample.labels.len());
            for [left, top, right, bottom] in sample.boxes {
                assert!(0.0 <= left && left < right && right <= 96.0 && 0.0 <= top && top < bottom && bottom <= 96.0);
            }
            count += 1;
        }
    }
    assert_eq!(count, dataset.len());
    count
}

#[test]
#[ignore = "needs data: bccd_voc/BCCD"]
fn bccd_is_read_with_its_two_zero_area_boxes() {
    let root = set_folder("bccd_voc/BCCD");
    let read = |split| voc::read(&root, split, Classes::Collected).expect("a valid split");
    let splits = ["train", "val", "test"].map(read);
    assert_eq!(splits.each_ref().map(|set| set.records.len()), [205, 87, 72]);
    let total = |name| splits.iter().map(|set| objects(set, name)).sum::<usize>();
    assert_eq!(["RBC", "WBC", "Platelets"].map(total), [4155, 372, 361]);
    let without_area: Vec<_> = splits
        .iter()
        .flat_map(|set| set.findings.iter().filter(|(kind, _)| *kind == FindingKind::BoxWithoutArea))
        .flat_map(|(_, finding)| finding.examples.clone())
        .collect();
    let mut names = without_area;
    names.sort();
    assert_eq!(names, ["BloodImage_00338.jpg", "BloodImage_00343.jpg"]);
    assert_eq!(splits.iter().map(|set| set.findings.count(FindingKind::BoxWithoutArea)).sum::<usize>(), 2);
    assert!(splits.iter().all(|set| set.findings.count(FindingKind::BoxBeyondFrame) == 0));
    let [train, val, _] = splits;
    assert_eq!(samples(train, Some(Augmentation::default())), 205);
    assert_eq!(samples(val, None), 87);
}

#[test]
#[ignore = "needs data: coco2017_subset"]
fn coco_subset_is_read_with_its_crowds_and_empty_images() {
    let root = set_folder("coco2017_subset");
    let read = |split: &str| {
        let annotations = root.join(format!("annotations/instances_{split}.json"));
        coco::read(&root.join(split), &annotations).expect("valid JSON")
    };
    let (train, val) = (read("train2017"), read("val2017"));
    assert_eq!((train.records.len(), val.records.len()), (215, 206));
    assert_eq!(train.classes.len(), 80);
    assert_eq!(train.classes, val.classes);
    assert_eq!((train.classes[0].id, train.classes[79].id), (1, 90));
    let counts = |set: &DetectionSet| {
        [FindingKind::Crowd, FindingKind::ImageWithoutObjects].map(|kind| set.findings.count(kind))
    };
    assert_eq!((counts(&train), counts(&val)), ([19, 1], [21, 2]));
    assert_eq!(train.records.iter().map(|record| record.objects.len()).sum::<usize>(), 2035);
    let shown = samples(train, Some(Augmentation::default()));
    assert!((200..215).contains(&shown), "{shown} images to train on");
    assert_eq!(samples(val, None), 206);
}

#[test]
#[ignore = "needs data: voc2012_subset/VOCdevkit/VOC2012"]
fn voc_subset_is_read_with_its_difficult_objects() {
    let root = set_folder("voc2012_subset/VOCdevkit/VOC2012");
    let trainval = voc::read(&root, "trainval", Classes::Collected).expect("a valid split");
    assert_eq!((trainval.records.len(), trainval.classes.len()), (400, 20));
    assert_eq!(trainval.records.iter().map(|record| record.objects.len()).sum::<usize>(), 1023);
    assert_eq!(trainval.findings.count(FindingKind::Difficult), 147);
    assert_eq!(trainval.classes[0].name, "aeroplane");
    let names: Vec<String> = trainval.classes.iter().map(|class| class.name.clone()).collect();
    let train = voc::read(&root, "train", Classes::Given(&names)).expect("a valid split");
    assert_eq!((train.records.len(), train.classes.len()), (200, 20));
    assert!(samples(train, Some(Augmentation::default())) > 150);
    assert_eq!(samples(trainval, None), 400);
}

#[test]
#[ignore = "needs data: imagenette224_subset"]
fn imagenette_is_read_with_its_classes() {
    let root = set_folder("imagenette224_subset");
    let read = |split: &str| folder::read(&root.join(split), Classes::Collected).expect("a valid split");
    let (train, val) = (read("train"), read("val"));
    assert_eq!((train.records.len(), val.records.len()), (2500, 500));
    assert_eq!((train.classes.len(), train.classes[0].name.as_str()), (10, "n01440764"));
    assert_eq!(train.classes, val.classes);
    assert!(train.findings.is_empty() && val.findings.is_empty());
    let size = Size { height: 64, width: 64 };
    let augmentation = ClassifyAugmentation { auto_augment: Some(AutoAugment {}), ..ClassifyAugmentation::default() };
    let training = ClassificationDataset::for_training(Arc::new(train), size, augmentation, PixelOptions::default());
    let evaluation =
        ClassificationDataset::for_evaluation(Arc::new(val), EvaluationView::new(size), PixelOptions::default());
    for (dataset, count) in [(training, 2500), (evaluation, 500)] {
        let options = LoaderOptions { batch_size: 50, workers: 2, ..LoaderOptions::default() };
        let loader = Loader::new(Arc::new(dataset.expect("valid options")), options).expect("valid options");
        let batches = loader.epoch(0, 0).expect("an epoch");
        let samples = batches.flat_map(|batch| batch.expect("every image is complete").samples);
        assert_eq!(samples.filter(|sample| sample.image.size() == size).count(), count);
    }
}

#[test]
#[ignore = "needs data: voc2012_subset/VOCdevkit/VOC2012"]
fn voc_subset_s_masks_are_read_with_their_void_labels() {
    let root = set_folder("voc2012_subset/VOCdevkit/VOC2012");
    let read = |split| Arc::new(segmentation::voc::read(&root, split, None).expect("a valid split"));
    let (train, val) = (read("train"), read("val"));
    assert_eq!((train.records.len(), val.records.len(), train.classes.len()), (200, 200, 21));
    let size = Size { height: 96, width: 96 };
    let training =
        SegmentationDataset::for_training(train, size, SegmentAugmentation::default(), PixelOptions::default());
    let evaluation = SegmentationDataset::for_evaluation(val, EvaluationSize::ShortSide(64), PixelOptions::default());
    let mut seen = [false; 256];
    for (dataset, trains) in [(training, true), (evaluation, false)] {
        let options = LoaderOptions { batch_size: 10, workers: 2, ..LoaderOptions::default() };
        let loader = Loader::new(Arc::new(dataset.expect("valid options")), options).expect("valid options");
        for batch in loader.epoch(0, 0).expect("an epoch") {
            for sample in batch.expect("every pair is complete").samples {
                let (image, mask) = (sample.image.size(), sample.mask.size());
                let expected = if trains { (size, size) } else { (image, sample.original) };
                assert_eq!((image, mask), expected);
                assert!(trains || image.height.min(image.width) == 64);
                sample.mask.data.iter().for_each(|&class| seen[usize::from(class)] = true);
            }
        }
    }
    let classes: Vec<usize> = (0..256).filter(|&class| seen[class]).collect();
    assert_eq!(classes, (0..21).chain([255]).collect::<Vec<_>>());
}

/// Checks the splits, of which every image can be decoded.
fn checked(splits: &[Split]) -> CheckReport {
    let report = check(splits, &CheckOptions::default(), &|_, _| {}).expect("valid options");
    assert!(report.splits.iter().all(|split| split.images > 0 && split.decoded == split.images));
    report
}

fn counts(report: &CheckReport) -> Vec<(Kind, usize)> {
    report.kinds.iter().map(|met| (met.kind, met.count)).collect()
}

#[test]
#[ignore = "needs data: bccd_voc/BCCD"]
fn bccd_has_its_two_boxes_without_area_and_nothing_else() {
    let root = set_folder("bccd_voc/BCCD");
    let names = ["Platelets", "RBC", "WBC"].map(str::to_owned);
    let split = |name| {
        Split::read(name, |on_error| {
            voc::read_with(
                &voc::Layout::devkit(&root, name),
                Classes::Given(&names),
                datasets::Orientation::default(),
                on_error,
            )
            .map(Checked::Detection)
        })
    };
    let report = checked(&["train", "val", "test"].map(split));
    assert_eq!(counts(&report), [(Kind::BoxWithoutArea, 2)]);
    let place = |finding: &CheckFinding| {
        (finding.split.clone(), finding.file.file_name().expect("a file").to_owned(), finding.place.clone())
    };
    let expected = [("train", "BloodImage_00343.jpg", 4), ("val", "BloodImage_00338.jpg", 13)];
    let expected =
        expected.map(|(split, file, object)| (split.into(), file.into(), Some(format!("object {object} (RBC)"))));
    assert_eq!(report.findings.iter().map(place).collect::<Vec<_>>(), expected);
    let boxes = report.splits[0].box_sizes.as_ref().expect("boxes");
    assert_eq!((boxes.small, boxes.medium, boxes.large), (20, 775, 2009));
}

#[test]
#[ignore = "needs data: coco2017_subset"]
fn coco_subset_has_its_crowds_and_three_images_without_objects() {
    let root = set_folder("coco2017_subset");
    let split = |name: &str| {
        let annotations = root.join(format!("annotations/instances_{name}.json"));
        Split::read(name, |on_error| {
            coco::read_with(&root.join(name), &annotations, datasets::Orientation::default(), on_error)
                .map(Checked::Detection)
        })
    };
    let report = checked(&["train2017", "val2017"].map(split));
    assert_eq!(counts(&report), [(Kind::ImageWithoutObjects, 3), (Kind::Crowd, 40)]);
    let boxes = report.splits[1].box_sizes.as_ref().expect("boxes");
    assert_eq!((boxes.small, boxes.medium, boxes.large), (782, 571, 412));
}

#[test]
#[ignore = "needs data: voc2012_subset/VOCdevkit/VOC2012"]
fn voc_subset_has_its_difficult_objects_and_valid_masks() {
    let root = set_folder("voc2012_subset/VOCdevkit/VOC2012");
    let names: Vec<String> = segmentation::voc::CLASSES.map(str::to_owned).to_vec();
    let boxes = |name| {
        Split::read(name, |on_error| {
            voc::read_with(
                &voc::Layout::devkit(&root, name),
                Classes::Given(&names),
                datasets::Orientation::default(),
                on_error,
            )
            .map(Checked::Detection)
        })
    };
    let report = checked(&["train", "val"].map(boxes));
    let masks = |name| {
        Split::read(name, |on_error| {
            segmentation::voc::read_with(
                &root,
                &root.join(format!("ImageSets/Segmentation/{name}.txt")),
                None,
                on_error,
            )
            .map(Checked::Segmentation)
        })
    };
    let segmented = checked(&["train", "val"].map(masks));
    assert_eq!((counts(&report), counts(&segmented)), (vec![(Kind::Difficult, 147)], vec![]));
}

#[test]
#[ignore = "needs data: imagenette224_subset"]
fn imagenette_has_its_grey_images() {
    let root = set_folder("imagenette224_subset");
    let split = |name: &str| {
        Split::read(name, |_| folder::read(&root.join(name), Classes::Collected).map(Checked::Classification))
    };
    let report = checked(&["train", "val"].map(split));
    assert_eq!(counts(&report), []);
    assert_eq!(report.splits.iter().map(|split| split.facts.grey).collect::<Vec<_>>(), [61, 15]);
}
