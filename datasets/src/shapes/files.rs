//! The files of the synthetic set.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::figure::Figure;
use super::scene::Scene;
use crate::Error;
use crate::image::Encoding;
use crate::mask::{Mask, voc_palette};

const QUALITY: u8 = 92;
const FOLDERS: [&str; 6] =
    ["JPEGImages", "Annotations", "ImageSets/Main", "ImageSets/Segmentation", "SegmentationClass", "coco"];

/// The folder to fill.
pub(super) struct Folder {
    root: PathBuf,
}

/// A written image, as the lists and COCO's JSON need it.
pub(super) struct Annotated {
    id: u64,
    height: usize,
    width: usize,
    visible: Vec<Visible>,
}

/// The visible part of an object.
struct Visible {
    figure: Figure,
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    area: usize,
    /// Lengths of the alternating runs outside and inside the object, column by column from the left.
    runs: Vec<usize>,
}

impl Annotated {
    fn name(&self) -> String {
        format!("{:06}", self.id)
    }
}

impl Folder {
    pub(super) fn create(root: &Path) -> Result<Folder, Error> {
        FOLDERS.iter().try_for_each(|folder| create_folder(&root.join(folder)))?;
        Ok(Folder { root: root.to_path_buf() })
    }

    pub(super) fn write_annotated(&self, id: u64, scene: &Scene) -> Result<Annotated, Error> {
        let visible = (1..).zip(&scene.figures).map(|(owner, &figure)| Visible::of(scene, owner, figure)).collect();
        let image = Annotated { id, height: scene.image.height, width: scene.image.width, visible };
        let name = image.name();
        self.write(&format!("JPEGImages/{name}.jpg"), &scene.image.encode(Encoding::Jpeg(QUALITY))?)?;
        self.write(&format!("Annotations/{name}.xml"), voc_xml(&image).as_bytes())?;
        let mask = format!("SegmentationClass/{name}.png");
        let labels = Mask { height: scene.image.height, width: scene.image.width, data: scene.labels.clone() };
        self.write(&mask, &labels.encode(&voc_palette())?)?;
        Ok(image)
    }

    pub(super) fn write_portrait(&self, split: &str, figure: Figure, index: usize, scene: &Scene) -> Result<(), Error> {
        let folder = format!("classify/{split}/{}", figure.name());
        create_folder(&self.root.join(&folder))?;
        self.write(&format!("{folder}/{index:04}.jpg"), &scene.image.encode(Encoding::Jpeg(QUALITY))?)
    }

    /// The image lists of VOC, and COCO's JSON, of every split.
    pub(super) fn write_lists(&self, splits: &[(&str, Vec<Annotated>)]) -> Result<(), Error> {
        let mut all = String::new();
        for (split, images) in splits {
            let list: String = images.iter().map(|image| image.name() + "\n").collect();
            self.write_list(split, &list)?;
            all += &list;
            self.write_json(&format!("coco/instances_{split}.json"), &coco_file(images))?;
        }
        self.write_list("trainval", &all)
    }

    pub(super) fn write_json(&self, name: &str, content: &impl Serialize) -> Result<(), Error> {
        let path = self.root.join(name);
        let text = serde_json::to_vec(content).map_err(|error| Error::io("write", &path)(error.into()))?;
        self.write(name, &text)
    }

    fn write_list(&self, split: &str, list: &str) -> Result<(), Error> {
        self.write(&format!("ImageSets/Main/{split}.txt"), list.as_bytes())?;
        self.write(&format!("ImageSets/Segmentation/{split}.txt"), list.as_bytes())
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.root.join(name);
        fs::write(&path, content).map_err(Error::io("write", &path))
    }
}

pub(super) fn create_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::io("create", path))
}

impl Visible {
    fn of(scene: &Scene, owner: u8, figure: Figure) -> Visible {
        let (height, width) = (scene.image.height, scene.image.width);
        let (mut left, mut top, mut right, mut bottom) = (width, height, 0, 0);
        let mut area = 0;
        let mut runs = vec![0];
        let mut inside = false;
        for x in 0..width {
            for y in 0..height {
                let here = scene.owners[y * width + x] == owner;
                if here {
                    (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1));
                    area += 1;
                }
                if here != inside {
                    runs.push(0);
                    inside = here;
                }
                if let Some(run) = runs.last_mut() {
                    *run += 1;
                }
            }
        }
        Visible { figure, left, top, width: right.saturating_sub(left), height: bottom.saturating_sub(top), area, runs }
    }
}

fn voc_xml(image: &Annotated) -> String {
    let mut xml = format!(
        "<annotation>\n\t<folder>JPEGImages</folder>\n\t<filename>{}.jpg</filename>\n\t<size>\n\t\t<width>{}</width>\n\
         \t\t<height>{}</height>\n\t\t<depth>3</depth>\n\t</size>\n\t<segmented>1</segmented>\n",
        image.name(),
        image.width,
        image.height
    );
    for object in &image.visible {
        let name = object.figure.name();
        let (xmin, ymin) = (object.left + 1, object.top + 1);
        let (xmax, ymax) = (object.left + object.width, object.top + object.height);
        // Writing to a string cannot fail.
        let _ = write!(
            xml,
            "\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Unspecified</pose>\n\t\t<truncated>0</truncated>\n\
             \t\t<difficult>0</difficult>\n\t\t<bndbox>\n\t\t\t<xmin>{xmin}</xmin>\n\t\t\t<ymin>{ymin}</ymin>\n\
             \t\t\t<xmax>{xmax}</xmax>\n\t\t\t<ymax>{ymax}</ymax>\n\t\t</bndbox>\n\t</object>\n"
        );
    }
    xml + "</annotation>\n"
}

#[derive(Serialize)]
struct CocoFile {
    images: Vec<CocoImage>,
    annotations: Vec<CocoAnnotation>,
    categories: Vec<CocoCategory>,
}

#[derive(Serialize)]
struct CocoImage {
    id: u64,
    file_name: String,
    width: usize,
    height: usize,
}

#[derive(Serialize)]
struct CocoAnnotation {
    id: u64,
    image_id: u64,
    category_id: u64,
    bbox: [usize; 4],
    area: usize,
    iscrowd: u8,
    segmentation: CocoMask,
}

#[derive(Serialize)]
struct CocoMask {
    size: [usize; 2],
    counts: Vec<usize>,
}

#[derive(Serialize)]
struct CocoCategory {
    id: u64,
    name: &'static str,
}

fn coco_file(images: &[Annotated]) -> CocoFile {
    let objects = images.iter().flat_map(|image| image.visible.iter().map(move |object| (image, object)));
    let annotations = (1..).zip(objects).map(|(id, (image, object))| CocoAnnotation {
        id,
        image_id: image.id,
        category_id: object.figure.index() as u64 + 1,
        bbox: [object.left, object.top, object.width, object.height],
        area: object.area,
        iscrowd: 0,
        segmentation: CocoMask { size: [image.height, image.width], counts: object.runs.clone() },
    });
    CocoFile {
        annotations: annotations.collect(),
        images: images
            .iter()
            .map(|image| CocoImage {
                id: image.id,
                file_name: format!("{}.jpg", image.name()),
                width: image.width,
                height: image.height,
            })
            .collect(),
        categories: (1..).zip(Figure::ALL).map(|(id, figure)| CocoCategory { id, name: figure.name() }).collect(),
    }
}
