//! The promises of the crate to its users, as one program.

mod channels;
mod check;
mod classification;
mod coco;
mod detection;
mod files;
mod formats;
mod image;
mod inputs;
mod layouts;
mod loader;
mod real_data;
mod segmentation;
mod shapes;
mod survey;
mod voc;
