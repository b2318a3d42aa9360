//! The metrics against their references, in memory and on files.

mod classification_files;
mod classification_golden;
mod classification_properties;
mod coco_analysis;
mod coco_files;
mod coco_properties;
mod coco_pycocotools;
mod coco_segm;
mod comparable;
mod comparison;
mod folder;
mod golden;
mod intervals;
mod merging;
mod real_data;
mod segmentation_files;
mod segmentation_golden;
mod segmentation_properties;
mod statistics;
mod tables;
mod voc;
mod voc_case;
mod voc_files;
mod voc_properties;

type Outcome = Result<(), Box<dyn std::error::Error>>;
