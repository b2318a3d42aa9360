#![doc = include_str!("../README.md")]
//!
//! | module | contents |
//! |---|---|
//! | [`image`] | images of any channels: decoding, encoding, resizing |
//! | [`annotations`] | classes, objects and images as read; the targets of training |
//! | [`findings`] | what the readers found and handled |
//! | [`coco`], [`voc`], [`yolo`] | readers of COCO JSON, of PASCAL VOC's XML, of YOLO's text files |
//! | [`folder`], [`flat`], [`imagenet`] | readers of class folders, of files of labels, of ImageNet's conventions |
//! | [`classification`] | a classifier's samples, their augmentation, mixing of batches |
//! | [`mask`] | images of class ids, and the colours of classes |
//! | [`segmentation`] | a segmenter's samples: readers, augmentation |
//! | [`transforms`] | augmentation for detection (SSD) |
//! | [`detection`] | a detector's samples |
//! | [`draw`] | boxes and masks on an image |
//! | [`survey`] | what headers and annotations show before training |
//! | [`check`] | the check of a complete set |
//! | [`inputs`] | files, folders, patterns, videos and lists as a stream of images |
//! | [`loader`] | batches in a fixed order from any number of threads |
//! | [`random`] | randomness by seed, epoch and index |
//! | [`recognise`] | which layout a folder has |
//! | [`shapes`] | a synthetic set of coloured shapes, written as COCO, VOC and class folders |
//!
//! Nothing here uses tensors, prints or logs.

pub mod annotations;
pub mod check;
pub mod classification;
pub mod coco;
pub mod detection;
pub mod draw;
mod error;
mod finder;
pub mod findings;
pub mod flat;
pub mod folder;
#[cfg(test)]
mod golden;
pub mod image;
pub mod imagenet;
pub mod inputs;
mod lists;
pub mod loader;
pub mod mask;
pub mod paths;
pub mod random;
pub mod recognise;
pub mod segmentation;
mod settings;
pub mod shapes;
pub mod survey;
pub mod transforms;
pub mod voc;
pub mod yolo;

pub use annotations::{Class, Classes, DetectionSet, Object, Record, Target, TargetOptions};
pub use check::{CheckOptions, CheckReport, Checked, Split};
pub use classification::{
    AutoAugment, ClassificationDataset, ClassificationRecord, ClassificationSample, ClassificationSet,
    ClassifyAugmentation, ColorJitter, EraseMode, EvaluationView, Mix, Mixing, Phase, RandAugment, RandomErasing,
    ResizedCrop, ViewOptions,
};
pub use detection::{DetectionDataset, DetectionSample};
pub use error::{Error, ErrorHandler};
pub use findings::{Finding, FindingKind, Findings};
pub use image::{
    Depth, Encoding, Format, Header, Image, Interpolation, MAX_CHANNELS, MaskPixels, Orientation, PixelOptions,
    PixelWindow, Size,
};
pub use inputs::{Frame, Input, InputOptions, Inputs};
pub use loader::{Batch, Dataset, Epoch, LastBatch, Loader, LoaderOptions, OnError, Order, Shard, Skipped};
pub use mask::{Mask, voc_palette};
pub use random::SampleRng;
pub use segmentation::{
    EvaluationSize, SegmentAugmentation, SegmentationDataset, SegmentationRecord, SegmentationSample, SegmentationSet,
};
pub use shapes::ShapesOptions;
pub use transforms::Augmentation;
