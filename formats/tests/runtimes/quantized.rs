//! Quantised networks: close to those in floating point, and every format computes what the interpreter computes.

use std::collections::BTreeSet;

use crate::support::*;
use formats::graph::Graph;
use formats::onnx::{Builder, Session};
use formats::quantize::{
    Images, Quantized, Reconstruction, parameters, quantize, reconstruct, settled, units, with_parameters,
};
use formats::torchscript;
use formats::{Element, Error};
use heads::{deeplabv3::DeepLabV3Config, ssdlite::SsdLiteConfig};
use tch::{Kind, Tensor};

const SIZE: [i64; 2] = [64, 64];

/// Batches that are given.
struct Given(Vec<Tensor>);

impl Images for Given {
    fn batches(&self) -> usize {
        self.0.len()
    }

    fn batch(&self, index: usize) -> Result<Tensor, Error> {
        Ok(self.0[index].shallow_clone())
    }
}

fn calibration(size: [i64; 2]) -> Given {
    tch::manual_seed(11);
    Given((0..3).map(|_| images(4, size)).collect())
}

fn graph(net: &Net) -> Graph {
    read(&net.trace(&images(2, SIZE)), &[4])
}

/// A graph calibrated on random images.
pub fn calibrated(graph: &Graph, size: [i64; 2]) -> Quantized {
    quantize(graph, &calibration(size), &BTreeSet::new(), &mut |_, _, _| ()).unwrap()
}

fn quantized(net: &Net) -> Quantized {
    calibrated(&graph(net), SIZE)
}

/// A network of each task for images of this size.
pub fn networks(size: [i64; 2]) -> [(&'static str, Net); 3] {
    let segmenter = segmenter(
        &tiny(),
        backbone::OutputStride::Os16,
        &DeepLabV3Config { channels: 16, ..DeepLabV3Config::default() },
    );
    [
        ("classifier", classifier(&tiny())),
        ("detector", detector(&tiny(), size, &SsdLiteConfig::default())),
        ("segmenter", segmenter),
    ]
}

/// Signal to noise in decibels.
pub fn decibels(expected: &Tensor, found: &Tensor) -> f64 {
    let power = |tensor: &Tensor| tensor.square().sum(Kind::Double).double_value(&[]);
    10.0 * (power(expected) / power(&(found - expected)).max(1e-30)).log10()
}

#[test]
fn int8_stays_close_to_floating_point_and_equalised_channels_compute_the_same() {
    for (what, net) in networks(SIZE) {
        let Quantized { graph, reference, layers } = quantized(&net);
        let input = images(2, SIZE);
        let expected = net.forward(&input);
        for (index, expected) in expected.iter().enumerate() {
            let equal = decibels(expected, &reference.run(&[input.shallow_clone()]).unwrap()[index]);
            assert!(equal > 80.0, "{what}: {equal} dB after equalisation");
            let close = decibels(expected, &graph.run(&[input.shallow_clone()]).unwrap()[index]);
            assert!(close > 20.0, "{what}: {close} dB in int8");
        }
        assert!(layers.iter().filter(|layer| layer.int8).count() > layers.len() / 3, "{what}");
        assert_eq!(layers.len(), graph.layers().count(), "{what}");
    }
}

#[test]
fn weights_in_int8_are_steps_of_their_grids() {
    let Quantized { graph, .. } = quantized(&classifier(&tiny()));
    for position in graph.layers() {
        let layer = graph.layer(position);
        let scales = layer.scales.as_ref().unwrap();
        let mut shape = vec![1; layer.weight.tensor.dim()];
        shape[0] = -1;
        let back = layer.integers().unwrap().to_kind(Kind::Float) * scales.view(shape.as_slice());
        assert!((back - &layer.weight.tensor).abs().max().double_value(&[]) < 1e-6);
    }
}

#[test]
fn an_onnx_file_in_int8_computes_what_the_interpreter_computes() {
    for (what, net) in networks(SIZE) {
        let Quantized { graph, .. } = quantized(&net);
        let mut builder = Builder::new("int8");
        let given = builder.input("images", Element::F32, &batch_of(&[3, SIZE[0], SIZE[1]])).unwrap();
        for (index, value) in builder.network(&graph, &[given]).unwrap().iter().enumerate() {
            let sides: Vec<_> =
                (0..value.rank()).map(|axis| formats::onnx::Dim::Named(format!("side{index}_{axis}"))).collect();
            builder.output(&format!("output{index}"), value, &sides).unwrap();
        }
        let session: Session = reloaded(&builder.finish(&Default::default()).unwrap());
        for batch in [1, 3] {
            let input = images(batch, SIZE);
            let expected = graph.run(&[input.shallow_clone()]).unwrap();
            for (found, expected) in session.run(&[array(&input)]).unwrap().iter().zip(&expected) {
                assert_near(what, &tensor(found), expected);
            }
        }
    }
}

#[test]
fn a_torchscript_module_in_int8_computes_what_the_interpreter_computes() {
    for (what, net) in networks(SIZE) {
        let Quantized { graph, .. } = quantized(&net);
        let module = torchscript::module(&graph, "Int8").unwrap();
        for batch in [1, 3] {
            let input = images(batch, SIZE);
            let expected = graph.run(&[input.shallow_clone()]).unwrap();
            for (found, expected) in module.run(&[input]).unwrap().iter().zip(&expected) {
                assert_near(what, found, expected);
            }
        }
    }
}

/// Runtimes round ties and sums otherwise: a value may be a step away here and there, so the noise is far below that of int8 itself.
fn assert_near(what: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.size(), expected.size());
    let near = decibels(expected, found);
    assert!(near > 35.0, "{what}: {near} dB");
}

#[test]
fn named_layers_stay_in_floating_point() {
    let net = classifier(&tiny());
    let float = BTreeSet::from(["stage1.0.reparam_conv".to_owned(), "linear".to_owned()]);
    let Quantized { graph, layers, .. } =
        quantize(&graph(&net), &calibration(SIZE), &float, &mut |_, _, _| ()).unwrap();
    for layer in layers {
        assert_eq!(layer.int8, !float.contains(&layer.name), "{}", layer.name);
    }
    let input = images(2, SIZE);
    assert!(decibels(&net.forward(&input)[0], &graph.run(&[input]).unwrap()[0]) > 20.0);
}

#[test]
fn a_name_that_no_layer_has_and_weights_that_are_not_finite_are_errors() {
    let net = classifier(&tiny());
    let refused = |graph: &Graph, float: &BTreeSet<String>| {
        quantize(graph, &calibration(SIZE), float, &mut |_, _, _| ()).unwrap_err().to_string()
    };
    let text = refused(&graph(&net), &BTreeSet::from(["nothing".to_owned()]));
    assert!(text.contains("`nothing`") && text.contains("linear"), "{text}");
    let (name, tensor) = net.parameters.iter().find(|(name, _)| name.ends_with("weight")).unwrap();
    tch::no_grad(|| {
        let _ = tensor.flatten(0, -1).narrow(0, 0, 1).fill_(f64::NAN);
    });
    let text = refused(&graph(&net), &BTreeSet::new());
    assert!(text.contains(name) && text.contains("finite"), "{text}");
}

#[test]
fn reconstruction_lowers_the_noise_and_is_the_same_every_time() {
    let net = classifier(&tiny());
    let run = || {
        let mut quantized = quantized(&net);
        let before = quantized.layers.clone();
        let options = Reconstruction { epochs: 4, ..Reconstruction::default() };
        let noise = reconstruct(&mut quantized, &calibration(SIZE), options, &mut |_, _, _| ()).unwrap();
        assert_ne!(quantized.layers, before, "the report is that of the trained network");
        (quantized.graph, noise)
    };
    let ((first, noise), (second, again)) = (run(), run());
    assert!(noise[1] < noise[0], "{noise:?}");
    assert_eq!(noise, again);
    let input = images(2, SIZE);
    assert_eq!(first.run(&[input.shallow_clone()]).unwrap()[0], second.run(&[input]).unwrap()[0]);
}

#[test]
fn a_single_batch_cannot_be_reconstructed_because_none_is_held_out() {
    let mut quantized = quantized(&classifier(&tiny()));
    let one = Given(vec![images(4, SIZE)]);
    let error = reconstruct(&mut quantized, &one, Reconstruction::default(), &mut |_, _, _| ()).unwrap_err();
    assert!(error.to_string().contains("at least 2"), "{error}");
}

#[test]
fn a_graph_is_the_same_after_its_parameters_were_taken_and_given_back() {
    for (what, net) in networks(SIZE) {
        let Quantized { graph: calibrated, .. } = quantized(&net);
        let float = graph(&net);
        let mut tensors = parameters(&calibrated).unwrap();
        let input = [images(2, SIZE)];
        let given = with_parameters(&float, &tensors).unwrap();
        for graph in [&given, &settled(&given).unwrap()] {
            for (found, expected) in graph.run(&input).unwrap().iter().zip(calibrated.run(&input).unwrap()) {
                assert_eq!(*found, expected, "{what}");
            }
        }
        let units = units(&float, &tensors).unwrap();
        for (name, unit) in &units {
            let tensor = tensors.get(name).unwrap_or_else(|| panic!("{what}: {name}"));
            assert_eq!((tensor / unit).size(), tensor.size(), "{what}: {name}");
            assert_eq!(tensor / unit * unit, *tensor, "{what}: {name} is rounded by its unit");
        }
        let (known, _) = tensors.pop_first().unwrap();
        let text = with_parameters(&float, &tensors).unwrap_err().to_string();
        assert!(text.contains(known.rsplit_once('.').unwrap().1) || text.contains("others"), "{what}: {text}");
    }
}
