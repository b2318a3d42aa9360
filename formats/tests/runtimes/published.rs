//! Networks of other publications in every format.

use backbone::Architecture;
use formats::coreml;

use crate::litert::{run, written};
use crate::quantized::{calibrated, decibels};
use crate::support::*;

/// The sides of MobileViT's last features are odd: it resizes them.
const SIZE: [i64; 2] = [64, 96];

#[test]
fn onnx_and_core_ml_files_run_like_libtorch() {
    for architecture in Architecture::ALL {
        let net = published(architecture);
        let session = reloaded(&plain(&net, SIZE, &batch_of(&[3, SIZE[0], SIZE[1]])));
        for batch in [1, 3] {
            let input = images(batch, SIZE);
            let found = session.run(&[array(&input)]).unwrap();
            assert_close(&found, &net.forward(&input), 1e-4, &format!("{architecture}, {batch} images"));
        }
        let graph = read(&net.trace(&images(2, SIZE)), &[4]);
        let input = images(1, SIZE);
        let package = crate::coreml::package(&graph, 3, &[SIZE], coreml::Kind::F32);
        let found = crate::coreml::loaded(&package).run(&input).unwrap();
        let near = decibels(&net.forward(&input)[0], &found[0]);
        assert!(near > 90.0, "{architecture}, Core ML: {near} dB");
    }
}

#[test]
fn litert_files_run_like_libtorch() {
    for architecture in Architecture::ALL {
        let net = published(architecture);
        let graph = read(&net.trace(&images(2, SIZE)), &[4]);
        let (session, last) = written(&graph, SIZE, false);
        for batch in [1, 3] {
            let input = images(batch, SIZE);
            let near = decibels(&net.forward(&input)[0], &run(&session, &input, &last)[0]);
            assert!(near > 90.0, "{architecture}, {batch} images: {near} dB");
        }
    }
}

#[test]
fn networks_in_int8_are_near_those_in_floating_point_and_files_compute_the_same() {
    for architecture in [Architecture::MobilenetV2, Architecture::EfficientnetB0, Architecture::ShufflenetV2X1] {
        let net = published(architecture);
        let graph = read(&net.trace(&images(2, SIZE)), &[4]);
        let int8 = calibrated(&graph, SIZE).graph;
        let input = images(2, SIZE);
        let expected = &int8.run(&[input.shallow_clone()]).unwrap()[0];
        let lost = decibels(&net.forward(&input)[0], expected);
        let (session, last) = written(&int8, SIZE, false);
        let near = decibels(expected, &run(&session, &input, &last)[0]);
        // A deep network with random weights amplifies every step: a runtime rounds ties otherwise.
        assert!(lost > 15.0 && near > 15.0, "{architecture}: {lost} dB, LiteRT {near} dB");
    }
}
