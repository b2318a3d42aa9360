//! Real sets, where they are at hand: in `REAL_DATA`, or beside the repository as `shared/data`.

#![allow(clippy::print_stderr)] // A skipped test says so.

mod support;

use std::sync::Arc;

use datasets::voc::{self, Classes};
use datasets::{
    Augmentation, AutoAugment, ClassificationDataset, ClassifyAugmentation, Dataset, DetectionDataset, DetectionSet,
    EvaluationSize, EvaluationView, FindingKind, Loader, LoaderOptions, Order, SegmentAugmentation,
    SegmentationDataset, Size, TargetOptions, coco, folder, segmentation,
};
use support::set_folder;

/// Objects of each class, by name.
fn objects(set: &DetectionSet, name: &str) -> usize {
    let class = set.classes.iter().position(|class| class.name == name).expect("a class of the set");
    set.records.iter().flat_map(|record| &record.objects).filter(|object| object.class == class).count()
}

/// Every image is read, augmented and found to be of its annotated size.
fn samples(set: DetectionSet, augmentation: Option<Augmentation>) -> usize {
    let (set, size) = (Arc::new(set), Size { height: 96, width: 96 });
    let dataset = match augmentation {
        Some(augmentation) => DetectionDataset::for_training(set, size, augmentation, TargetOptions::default()),
        None => DetectionDataset::for_evaluation(set, size),
    };
    let dataset = Arc::new(dataset.expect("valid options"));
    let options = LoaderOptions { batch_size: 16, workers: 2, order: Order::Shuffled, ..LoaderOptions::default() };
    let loader = Loader::new(Arc::clone(&dataset), options).expect("valid options");
    let mut count = 0;
    for batch in loader.epoch(0, 0).expect("an epoch") {
        for sample in batch.expect("every image is whole").samples {
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
fn bccd_is_read_whole_with_its_two_zero_area_boxes() {
    let Some(root) = set_folder("bccd_voc/BCCD") else { return };
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
fn coco_subset_is_read_whole_with_its_crowds_and_empty_images() {
    let Some(root) = set_folder("coco2017_subset") else { return };
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
fn voc_subset_is_read_whole_with_its_difficult_objects() {
    let Some(root) = set_folder("voc2012_subset/VOCdevkit/VOC2012") else { return };
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
fn imagenette_is_read_whole_with_its_grey_pictures() {
    let Some(root) = set_folder("imagenette224_subset") else { return };
    let read = |split: &str| folder::read(&root.join(split), Classes::Collected).expect("a valid split");
    let (train, val) = (read("train"), read("val"));
    assert_eq!((train.records.len(), val.records.len()), (2500, 500));
    assert_eq!((train.classes.len(), train.classes[0].name.as_str()), (10, "n01440764"));
    assert_eq!(train.classes, val.classes);
    assert!(train.findings.is_empty() && val.findings.is_empty());
    let size = Size { height: 64, width: 64 };
    let augmentation = ClassifyAugmentation { auto_augment: Some(AutoAugment {}), ..ClassifyAugmentation::default() };
    let training = ClassificationDataset::for_training(Arc::new(train), size, augmentation);
    let evaluation = ClassificationDataset::for_evaluation(Arc::new(val), EvaluationView::new(size));
    for (dataset, count) in [(training, 2500), (evaluation, 500)] {
        let options = LoaderOptions { batch_size: 50, workers: 2, ..LoaderOptions::default() };
        let loader = Loader::new(Arc::new(dataset.expect("valid options")), options).expect("valid options");
        let batches = loader.epoch(0, 0).expect("an epoch");
        let samples = batches.flat_map(|batch| batch.expect("every image is whole").samples);
        assert_eq!(samples.filter(|sample| sample.image.size() == size).count(), count);
    }
}

#[test]
fn voc_subset_s_masks_are_read_whole_with_their_void_labels() {
    let Some(root) = set_folder("voc2012_subset/VOCdevkit/VOC2012") else { return };
    let read = |split| Arc::new(segmentation::voc::read(&root, split, None).expect("a valid split"));
    let (train, val) = (read("train"), read("val"));
    assert_eq!((train.records.len(), val.records.len(), train.classes.len()), (200, 200, 21));
    let size = Size { height: 96, width: 96 };
    let training = SegmentationDataset::for_training(train, size, SegmentAugmentation::default());
    let evaluation = SegmentationDataset::for_evaluation(val, EvaluationSize::ShortSide(64));
    let mut seen = [false; 256];
    for (dataset, trains) in [(training, true), (evaluation, false)] {
        let options = LoaderOptions { batch_size: 10, workers: 2, ..LoaderOptions::default() };
        let loader = Loader::new(Arc::new(dataset.expect("valid options")), options).expect("valid options");
        for batch in loader.epoch(0, 0).expect("an epoch") {
            for sample in batch.expect("every pair is whole").samples {
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
