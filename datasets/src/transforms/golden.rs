//! Against torchvision's own results, made by `tools/golden/ssd_augment.py`.

use serde::Deserialize;

use super::*;
use crate::golden::{self, Moments};
use crate::image::PixelWindow;

#[derive(Deserialize)]
struct Photometric {
    height: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize, Debug)]
struct Case {
    brightness: Option<f64>,
    contrast: Option<f64>,
    saturation: Option<f64>,
    hue: Option<f64>,
    contrast_last: Option<f64>,
    channels: Vec<usize>,
}

#[test]
fn photometric_distortion_equals_torchvision() {
    let Photometric { height, cases } = golden::json("photometric.json");
    let stacked = golden::image("photometric.png");
    let part = stacked.width * height * 3;
    let source = Image::new(Size { height, width: stacked.width }, 3, stacked.data[..part].to_vec());
    for (case, expected) in cases.iter().zip(stacked.data[part..].chunks_exact(part)) {
        let &Case { brightness, contrast, saturation, hue, contrast_last, ref channels } = case;
        let channels = channels.clone();
        let distortion = Distortion { brightness, contrast, saturation, hue, contrast_last, channels };
        let mut found = source.clone();
        distortion.apply(&mut found, PixelWindow::whole(source.size()));
        let apart: Vec<u8> = found.data.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).collect();
        let unequal = apart.iter().filter(|&&levels| levels > 0).count();
        // A level lost on a rounding edge is stretched by the steps after it.
        let steps = [brightness, contrast, saturation, hue, contrast_last].iter().flatten().count();
        let most = if steps > 1 { 2 } else { 1 };
        let near = apart.iter().all(|&levels| levels <= most) && unequal * 200 <= part;
        assert!(near, "{unequal} of {part} differ: {case:?}");
    }
    assert_eq!(stacked.height, height * (cases.len() + 1));
}

#[test]
fn distortion_leaves_pixels_outside_its_window_unchanged() {
    let size = Size { height: 6, width: 8 };
    let window = PixelWindow { left: 2, top: 1, width: 3, height: 3 };
    let everything = Distortion {
        brightness: Some(1.1),
        saturation: Some(1.4),
        hue: Some(0.2),
        contrast_last: Some(0.6),
        channels: vec![2, 1, 0],
        contrast: None,
    };
    let source = Image::filled(size, [200, 90, 30]);
    let mut image = source.clone();
    everything.apply(&mut image, window);
    for place in 0..size.pixels() {
        let (x, y) = (place % size.width, place / size.width);
        let inside = (2..5).contains(&x) && (1..4).contains(&y);
        assert_eq!(image.data[place * 3..place * 3 + 3] != source.data[place * 3..place * 3 + 3], inside, "{x}, {y}");
    }
    everything.apply(&mut image, PixelWindow { left: 7, top: 5, width: 93, height: 95 });
}

#[derive(Deserialize)]
struct Geometry {
    source: [usize; 2],
    boxes: Vec<[f64; 4]>,
    draws: usize,
    unchanged: f64,
    crop: Moments,
    kept: Vec<f64>,
    zoom_out: Moments,
}

#[test]
fn crops_and_zooms_are_distributed_as_torchvision_s() {
    let golden: Geometry = golden::json("ssd_augment.json");
    let [height, width] = golden.source;
    let size = Size { height, width };
    let targets: Vec<Target> = golden.boxes.iter().map(|&corners| Target { class: 0, corners }).collect();
    let (crop, zoom_out) = (IouCrop::default(), ZoomOut { p: 1.0, ..ZoomOut::default() });
    let (mut crops, mut zooms, mut kept) = (Vec::new(), Vec::new(), vec![0.0; targets.len()]);
    for index in 0..golden.draws as u64 {
        let mut rng = SampleRng::for_sample(0, 0, index);
        let mut scene = Scene::new(size, &targets);
        if let Some(window) = crop.sample(&scene, &mut rng) {
            crops.push([window.left, window.top, window.width, window.height]);
            scene.crop(window);
            scene.boxes.iter().for_each(|placed| kept[placed.target] += 1.0);
        }
        let canvas = zoom_out.sample(Window::whole(size), &mut rng);
        zooms.push([-canvas.left, -canvas.top, canvas.width, canvas.height]);
    }
    golden.crop.assert_equal(&crops, (golden.draws as f64 * (1.0 - golden.unchanged)) as usize, "crop");
    golden.zoom_out.assert_equal(&zooms, golden.draws, "zoom-out");
    let share = |count: f64, of: usize| count / of as f64;
    let unchanged = share((golden.draws - crops.len()) as f64, golden.draws);
    assert!((unchanged - golden.unchanged).abs() < 0.015, "{unchanged} unchanged, torchvision's {}", golden.unchanged);
    for (kept, expected) in kept.iter().zip(&golden.kept) {
        let kept = share(*kept, crops.len());
        assert!((kept - expected).abs() < 0.02, "{kept} kept, torchvision's {expected}");
    }
}
