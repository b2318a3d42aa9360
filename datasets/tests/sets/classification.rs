//! Class folders, ImageNet's conventions, and the samples made of them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datasets::imagenet::{self, Synsets};
use datasets::{
    Classes, ClassificationDataset, ClassificationSet, ClassifyAugmentation, Error, EvaluationView, FindingKind,
    Loader, LoaderOptions, Order, Phase, PixelOptions, Size, flat, folder,
};

use crate::files::{jpeg, write};

fn names(set: &ClassificationSet) -> Vec<&str> {
    set.classes.iter().map(|class| class.name.as_str()).collect()
}

fn files(set: &ClassificationSet, root: &Path) -> Vec<(String, usize)> {
    let below = |file: &Path| file.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
    set.records.iter().map(|record| (below(&record.file), record.class)).collect()
}

#[test]
fn sub_folders_are_classes_by_name_and_only_images_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for name in
        ["owl/2.PNG", "owl/1.jpg", "Ant/x/deep.WebP", "Ant/b.jpeg", "Ant/notes.txt", "readme.md", "owl/.hidden.jpg"]
    {
        write(root, name, b"");
    }
    fs::create_dir(root.join("zebra")).expect("created");
    let set = folder::read(root, Classes::Collected).expect("a valid folder");
    assert_eq!(names(&set), ["Ant", "owl", "zebra"]);
    assert_eq!(set.classes[2].id, 2);
    let expected = [("Ant/b.jpeg", 0), ("Ant/x/deep.WebP", 0), ("owl/1.jpg", 1), ("owl/2.PNG", 1)];
    assert_eq!(files(&set, root), expected.map(|(file, class)| (file.to_owned(), class)));
    assert_eq!(
        (set.findings.count(FindingKind::NotAnImage), set.findings.count(FindingKind::ClassWithoutImages)),
        (2, 1)
    );
    assert!(set.findings.to_string().contains("1 class without images, kept in the class list (zebra)"));
}

#[test]
fn given_classes_keep_their_order_and_refuse_other_folders() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    write(root, "b/1.jpg", b"");
    let given = ["c", "b"].map(str::to_owned);
    let set = folder::read(root, Classes::Given(&given)).expect("a valid folder");
    assert_eq!((names(&set), set.records[0].class), (vec!["c", "b"], 1));
    assert_eq!(set.findings.count(FindingKind::ClassWithoutImages), 1);
    write(root, "d/1.jpg", b"");
    let error = folder::read(root, Classes::Given(&given)).expect_err("d is not a class").to_string();
    assert!(error.ends_with("d: \"d\" is not among the set's classes"), "{error}");
}

#[test]
fn folders_without_classes_or_images_are_errors_and_links_in_a_circle_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("set");
    fs::create_dir(&root).expect("created");
    assert!(matches!(folder::read(&root, Classes::Collected), Err(Error::Empty { what: "classes", .. })));
    fs::create_dir(root.join("a")).expect("created");
    assert!(matches!(folder::read(&root, Classes::Collected), Err(Error::Empty { what: "images", .. })));
    assert!(matches!(folder::read(&root.join("none"), Classes::Collected), Err(Error::Io { .. })));
    let elsewhere = folder.path().join("elsewhere");
    write(&elsewhere, "1.jpg", b"");
    std::os::unix::fs::symlink(&elsewhere, root.join("b")).expect("linked");
    assert_eq!(folder::read(&root, Classes::Collected).expect("a valid folder").records.len(), 1);
    std::os::unix::fs::symlink(&root, root.join("a/loop")).expect("linked");
    let error = folder::read(&root, Classes::Collected).expect_err("a loop").to_string();
    assert!(error.contains("folders nest deeper than 16"), "{error}");
}

#[test]
fn a_names_file_names_imagenet_s_classes_in_the_order_of_their_ids() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for id in ["n02102040", "n01440764"] {
        write(root, &format!("val/{id}/1.jpg"), b"");
    }
    let val = root.join("val");
    let plain = Synsets::from_folders(&val, None).expect("folders");
    assert_eq!(plain.names, ["n01440764", "n02102040"]);
    let mapping = "n02102040 English springer\nn01440764 tench, Tinca tinca\n\nn01443537 goldfish\n";
    let mapping = write(root, "mapping.txt", mapping.as_bytes());
    let synsets = Synsets::from_folders(&val, Some(&mapping)).expect("names");
    assert_eq!(synsets.names, ["tench, Tinca tinca", "goldfish", "English springer"]);
    let set = imagenet::read_folders(&val, &synsets).expect("a valid split");
    assert_eq!(names(&set), ["tench, Tinca tinca", "goldfish", "English springer"]);
    assert_eq!(set.records.iter().map(|record| record.class).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(set.findings.count(FindingKind::ClassWithoutImages), 1);
    let bare = write(root, "names.txt", b"tench\nspringer\n");
    let synsets = Synsets::from_folders(&val, Some(&bare)).expect("names");
    assert_eq!((synsets.ids.len(), synsets.names[1].as_str()), (2, "springer"));
    let refused = |content: &str| {
        let file = write(root, "wrong.txt", content.as_bytes());
        let error = Synsets::from_folders(&val, Some(&file)).expect_err("a wrong file").to_string();
        error.rsplit_once("wrong.txt").expect("the file is named").1.to_owned()
    };
    assert!(refused("one\ntwo\nthree\n").starts_with(":3: 3 names, but "));
    assert_eq!(refused("n01440764 tench\nspringer\n"), ":2: \"springer\" does not begin with a WordNet id");
    assert_eq!(refused("n01440764 tench\nn01440764 tench\n"), ":2: n01440764 is given twice");
    assert_eq!(refused("n01440764 \n"), ":1: n01440764 has no name");
    assert_eq!(refused(""), " contains no classes");
}

#[test]
fn classes_with_one_name_get_different_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |content: &str| write(folder.path(), "names.txt", content.as_bytes());
    let synsets = Synsets::from_names(&file("n02012849 crane\nn03126707 crane\nn01440764 tench\n")).expect("names");
    assert_eq!(synsets.names, ["tench", "crane (n02012849)", "crane (n03126707)"]);
    let synsets = Synsets::from_names(&file("crane\ntench\ncrane\n")).expect("names");
    assert_eq!(synsets.names, ["crane (0)", "tench", "crane (2)"]);
}

#[test]
fn a_flat_validation_folder_is_read_by_its_labels_and_wrong_lines_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let synsets = Synsets {
        ids: ["n01440764", "n02102040"].map(str::to_owned).to_vec(),
        names: ["tench", "springer"].map(str::to_owned).to_vec(),
    };
    let read = |content: &str, synsets: &Synsets| {
        let labels = write(root, "val.txt", content.as_bytes());
        flat::read(&root.join("val"), &labels, Some(synsets), &mut Err)
    };
    for name in ["a.JPEG", "b c.JPEG"] {
        write(root, &format!("val/{name}"), b"not opened");
    }
    let set = read("a.JPEG 1\nb c.JPEG\tn01440764\n", &synsets).expect("valid labels");
    assert_eq!(set.records.iter().map(|record| record.class).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(set.records[1].file, root.join("val/b c.JPEG"));
    assert_eq!(names(&set), ["tench", "springer"]);
    let refused = |content: &str, synsets: &Synsets| {
        let error = read(content, synsets).expect_err("wrong labels").to_string();
        error.rsplit_once("val.txt").expect("the file is named").1.to_owned()
    };
    assert_eq!(refused("a.JPEG 0\na.JPEG 0", &synsets), ":2: image \"a.JPEG\" is listed twice");
    assert_eq!(refused("a.JPEG 2", &synsets), ":1: label 2 is not an index from 0 to 1");
    assert_eq!(refused("a.JPEG n09999999", &synsets), ":1: label n09999999 is not among the 2 classes");
    assert_eq!(
        refused("a.JPEG -1", &synsets),
        ":1: label \"-1\" is neither one of the 2 classes' names, nor a WordNet id, nor an index"
    );
    assert_eq!(refused("a.JPEG", &synsets), ":1: \"a.JPEG\" is not an image and its label");
    let nameless = Synsets { ids: Vec::new(), ..synsets };
    assert!(refused("a n01440764", &nameless).contains("the classes have names only"));
    assert_eq!(read("a 1", &nameless).expect("an index").records[0].class, 1);
    assert!(imagenet::read_folders(root, &nameless).is_err());
}

#[test]
fn samples_have_the_size_of_their_epoch_s_phase_in_any_number_of_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for index in 0..7usize {
        let size = Size { height: 30 + 40 * index, width: 200 - 20 * index };
        let colour = [40 * index as u8, 10, 200];
        let (name, bytes) = match index {
            6 => (format!("b/{index}.bmp"), bmp(colour)),
            _ => (format!("{}/{index}.jpg", if index < 3 { "a" } else { "b" }), jpeg(size, colour)),
        };
        write(root, &name, &bytes);
    }
    let set = Arc::new(folder::read(root, Classes::Collected).expect("a valid folder"));
    let phases =
        vec![Phase { from_epoch: 0, size: 16, strength: 0.0 }, Phase { from_epoch: 2, size: 24, strength: 1.0 }];
    let training = |workers| {
        let size = Size { height: 8, width: 8 };
        let augmentation = ClassifyAugmentation { phases: phases.clone(), ..ClassifyAugmentation::default() };
        let dataset =
            ClassificationDataset::for_training(Arc::clone(&set), size, augmentation, PixelOptions::default());
        let options = LoaderOptions { batch_size: 3, workers, order: Order::Shuffled, ..LoaderOptions::default() };
        Loader::new(Arc::new(dataset.expect("valid phases")), options).expect("valid options")
    };
    for (epoch, side) in [(0, 16), (1, 16), (2, 24), (9, 24)] {
        let read = |workers| -> Vec<_> {
            let batches = training(workers).epoch(epoch, 0).expect("an epoch");
            batches.flat_map(|batch| batch.expect("valid images").samples).collect()
        };
        let samples = read(0);
        assert_eq!(samples.len(), 7);
        assert!(samples.iter().all(|sample| sample.image.size() == Size { height: side, width: side }));
        assert_eq!(samples, read(2));
        for sample in &samples {
            assert_eq!(sample.class, usize::from(sample.index >= 3));
            assert_eq!(sample.path, set.records[sample.index].file);
            assert!(sample.image.data[0].abs_diff(40 * sample.index as u8) <= 4, "{:?}", &sample.image.data[..3]);
        }
    }
}

#[test]
fn a_damaged_image_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = jpeg(Size { height: 40, width: 40 }, [1, 2, 3]);
    let file = write(folder.path(), "a/1.jpg", &bytes[..bytes.len() / 2]);
    let set = Arc::new(folder::read(folder.path(), Classes::Collected).expect("a valid folder"));
    let view = EvaluationView::new(Size { height: 8, width: 8 });
    let dataset = ClassificationDataset::for_evaluation(set, view, PixelOptions::default()).expect("a valid view");
    let loader = Loader::new(Arc::new(dataset), LoaderOptions::default()).expect("valid options");
    let error = loader.epoch(0, 0).expect("an epoch").next().expect("an item").expect_err("cut short").to_string();
    assert!(error.starts_with(&format!("cannot read {}: ", file.display())), "{error}");
}

/// A bitmap of 2x2 pixels of one colour.
fn bmp([red, green, blue]: [u8; 3]) -> Vec<u8> {
    let mut bytes = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\x18\0".to_vec();
    bytes.extend([0, 0, 0, 0, 16, 0, 0, 0].into_iter().chain([0; 16]));
    for _ in 0..2 {
        bytes.extend([blue, green, red, blue, green, red, 0, 0]);
    }
    bytes
}
