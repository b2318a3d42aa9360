//! Small networks of all three tasks in deploy form, and their traces.

use backbone::{Architecture, Backbone, Form, MobileOne, Mode, OutputStride, Setup, Spec, Stage};
use formats::graph::Graph;
use formats::onnx::{Builder, Dim, Model, Session};
use formats::{Array, Data, Element};
use heads::{
    HeadSpec,
    classifier::{Classifier, ClassifierConfig},
    deeplabv3::{DeepLabV3, DeepLabV3Config},
    ssdlite::{SsdLite, SsdLiteConfig},
};
use tch::{Device, Kind, Tensor, nn};
use tch_ext::jit::{Module, Tracing};

pub const FLOATS: (Kind, Device) = (Kind::Float, Device::Cpu);
pub const CLASSES: i64 = 5;

/// A published variant at an eighth of its width; the last has squeeze-and-excitation where S4 has it.
pub fn narrow(variant: backbone::Variant) -> Spec {
    let mut spec = Spec::from(variant);
    spec.stem = (spec.stem / 8).max(16);
    for stage in &mut spec.stages {
        stage.width = (stage.width / 8).max(16);
        stage.blocks = stage.blocks.min(3);
        stage.squeeze_excite = stage.squeeze_excite.min(stage.blocks);
    }
    spec
}

/// A network with at most two blocks per stage, for tests that run many.
pub fn tiny() -> Spec {
    let stage = |width| Stage { width, blocks: 1, squeeze_excite: 0 };
    Spec {
        in_channels: 3,
        stem: 8,
        stages: [stage(8), stage(16), stage(16), stage(24)],
        branches: 1,
        scale: true,
        skip: true,
    }
}

/// Random weights, biases included, with which the values of deep layers stay in range.
fn shake(vs: &nn::VarStore) {
    let mut variables: Vec<_> = vs.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    tch::no_grad(|| {
        for (name, mut tensor) in variables {
            if name.ends_with("bias") {
                let _ = tensor.uniform_(-0.3, 0.3);
            }
        }
    });
}

type Forward = Box<dyn Fn(&Tensor) -> Vec<Tensor>>;

/// A network: its weights by name, and its function.
pub struct Net {
    pub parameters: Vec<(String, Tensor)>,
    forward: Forward,
}

impl Net {
    fn new(build: impl FnOnce(&nn::Path) -> Forward) -> Self {
        tch::manual_seed(7);
        let mut vs = nn::VarStore::new(Device::Cpu);
        let forward = build(&vs.root());
        shake(&vs);
        // A network that is trained computes some layers in another way.
        vs.freeze();
        let mut parameters: Vec<_> = vs.variables().into_iter().collect();
        parameters.sort_by(|a, b| a.0.cmp(&b.0));
        Self { parameters, forward }
    }

    pub fn forward(&self, images: &Tensor) -> Vec<Tensor> {
        tch::no_grad(|| (self.forward)(images))
    }

    pub fn trace(&self, images: &Tensor) -> Module {
        let tracing = Tracing::new("Network").parameters(&self.parameters).input("images", images);
        tracing
            .record(|inputs| -> Result<_, tch_ext::Error> { Ok((self.forward)(&inputs[0])) })
            .expect("the network traces")
    }
}

/// Logits `[N, CLASSES]` of `[N, 3, H, W]`.
pub fn classifier(spec: &Spec) -> Net {
    Net::new(|path| {
        let backbone = MobileOne::new(path, spec, Form::Deploy, OutputStride::Os32);
        let head = Classifier::new(path, backbone.channels()[3], CLASSES, &ClassifierConfig::default()).unwrap();
        Box::new(move |images: &Tensor| {
            vec![head.forward(&backbone.forward(images, Mode::Eval).unwrap(), Mode::Eval).unwrap()]
        })
    })
}

/// The same under the network of another publication.
pub fn published(architecture: Architecture) -> Net {
    Net::new(|path| {
        let backbone = architecture.build(path, 3, Setup::classifier(Form::Deploy));
        let head = Classifier::new(path, backbone.channels()[3], CLASSES, &ClassifierConfig::default()).unwrap();
        Box::new(move |images: &Tensor| {
            vec![head.forward(&backbone.forward(images, Mode::Eval).unwrap(), Mode::Eval).unwrap()]
        })
    })
}

/// An SSDLite detector and its head.
pub fn detector_head(path: &nn::Path, spec: &Spec, size: [i64; 2], config: &SsdLiteConfig) -> (MobileOne, SsdLite) {
    let backbone = MobileOne::new(path, spec, Form::Deploy, OutputStride::Os32);
    let spec = HeadSpec {
        channels: backbone.channels(),
        output_stride: OutputStride::Os32,
        classes: CLASSES,
        form: Form::Deploy,
    };
    let head = SsdLite::new(path, &spec, size, config).unwrap();
    (backbone, head)
}

/// Logits `[N, A, CLASSES + 1]` and offsets `[N, A, 4]` of `[N, 3, H, W]` of the given size.
pub fn detector(spec: &Spec, size: [i64; 2], config: &SsdLiteConfig) -> Net {
    Net::new(|path| {
        let (backbone, head) = detector_head(path, spec, size, config);
        Box::new(move |images: &Tensor| {
            let predictions = head.forward(&backbone.forward(images, Mode::Eval).unwrap(), Mode::Eval).unwrap();
            vec![predictions.logits, predictions.deltas]
        })
    })
}

/// Logits `[N, CLASSES, h, w]` of `[N, 3, H, W]`.
pub fn segmenter(spec: &Spec, output_stride: OutputStride, config: &DeepLabV3Config) -> Net {
    Net::new(|path| {
        let backbone = MobileOne::new(path, spec, Form::Deploy, output_stride);
        let spec = HeadSpec { channels: backbone.channels(), output_stride, classes: CLASSES, form: Form::Deploy };
        let head = DeepLabV3::new(path, &spec, config).unwrap();
        Box::new(move |images: &Tensor| {
            vec![head.forward(&backbone.forward(images, Mode::Eval).unwrap(), Mode::Eval).unwrap().logits]
        })
    })
}

pub fn images(batch: i64, size: [i64; 2]) -> Tensor {
    Tensor::randn([batch, 3, size[0], size[1]], FLOATS)
}

/// A tensor as a plain array.
pub fn array(tensor: &Tensor) -> Array {
    let shape = tensor.size().iter().map(|&side| side as usize).collect();
    let flat = tensor.contiguous().reshape(-1);
    let data = match tensor.kind() {
        Kind::Float => Data::F32(flat.try_into().unwrap()),
        Kind::Uint8 => Data::U8(flat.try_into().unwrap()),
        Kind::Int8 => Data::I8(flat.try_into().unwrap()),
        Kind::Int => Data::I32(flat.try_into().unwrap()),
        Kind::Int64 => Data::I64(flat.try_into().unwrap()),
        Kind::Bool => Data::Bool(flat.try_into().unwrap()),
        kind => panic!("{kind:?}"),
    };
    Array::new(shape, data).unwrap()
}

/// An array of floats or 64-bit integers as a tensor.
pub fn tensor(array: &Array) -> Tensor {
    let flat = match array.data() {
        Data::F32(values) => Tensor::from_slice(values),
        Data::I64(values) => Tensor::from_slice(values),
        _ => panic!("{:?}", array.element()),
    };
    let shape: Vec<i64> = array.shape().iter().map(|&side| side as i64).collect();
    flat.view(shape.as_slice())
}

/// Largest difference over largest expected value, of arrays of one shape and kind.
pub fn relative(found: &Array, expected: &Array) -> f64 {
    assert_eq!((found.shape(), found.element()), (expected.shape(), expected.element()));
    let numbers = |array: &Array| -> Vec<f64> {
        match array.data() {
            Data::F32(values) => values.iter().map(|&value| value.into()).collect(),
            Data::U8(values) => values.iter().map(|&value| value.into()).collect(),
            Data::I8(values) => values.iter().map(|&value| value.into()).collect(),
            Data::I32(values) => values.iter().map(|&value| value.into()).collect(),
            Data::I64(values) => values.iter().map(|&value| value as f64).collect(),
            Data::Bool(values) => values.iter().map(|&value| f64::from(u8::from(value))).collect(),
        }
    };
    let (found, expected) = (numbers(found), numbers(expected));
    assert!(found.iter().all(|value| value.is_finite()));
    let difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    difference / expected.iter().fold(1e-12, |largest: f64, value| largest.max(value.abs()))
}

pub fn assert_close(found: &[Array], expected: &[Tensor], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = relative(found, &array(expected));
        assert!(difference <= tolerance, "{what}, output {index}: {difference:e}");
    }
}

/// Written to a temporary folder, and loaded.
pub fn reloaded(model: &Model) -> Session {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    model.write(&path).unwrap();
    Session::load(&path).unwrap()
}

pub fn fixed(sides: &[i64]) -> Vec<Dim> {
    sides.iter().map(|&side| Dim::Fixed(side)).collect()
}

/// A free "batch", then these sides.
pub fn batch_of(sides: &[i64]) -> Vec<Dim> {
    std::iter::once(Dim::named("batch")).chain(fixed(sides)).collect()
}

/// The graph of a recorded network whose inputs have these ranks.
pub fn read(module: &Module, ranks: &[usize]) -> Graph {
    Graph::read(&module.nodes("forward").unwrap(), ranks).unwrap()
}

/// The network alone, its outputs called "output0" and so on, with free sides where they are -1.
pub fn plain(net: &Net, size: [i64; 2], input: &[Dim]) -> Model {
    let graph = read(&net.trace(&images(1, size)), &[4]);
    let mut builder = Builder::new("network");
    let given = builder.input("images", Element::F32, input).unwrap();
    let values = builder.network(&graph, &[given]).unwrap();
    for (index, value) in values.iter().enumerate() {
        let sides: Vec<_> = (0..value.rank()).map(|axis| Dim::Named(format!("output{index}_{axis}"))).collect();
        builder.output(&format!("output{index}"), value, &sides).unwrap();
    }
    builder.finish(&Default::default()).unwrap()
}

/// ImageNet's normalisation.
pub const MEAN: &[f64] = &[0.485, 0.456, 0.406];
pub const STD: &[f64] = &[0.229, 0.224, 0.225];

/// Blobs of colour, so that no two places are alike: equal scores have no defined order.
pub fn photos(batch: i64, size: [i64; 2]) -> Tensor {
    tch::manual_seed(21);
    let blobs = Tensor::rand([batch, 3, 5, 7], FLOATS).upsample_bilinear2d(size, false, None, None);
    let noise = Tensor::rand([batch, 3, size[0], size[1]], FLOATS);
    ((blobs * 0.8 + noise * 0.2) * 255.0).to_kind(Kind::Uint8).permute([0, 2, 3, 1]).contiguous()
}

/// The same as a network takes them, float `[N, 3, H, W]`.
pub fn normalized(photos: &Tensor) -> Tensor {
    let channels = |values: &[f64]| Tensor::from_slice(values).to_kind(Kind::Float).view([1, 3, 1, 1]);
    (photos.permute([0, 3, 1, 2]).to_kind(Kind::Float) / 255.0 - channels(MEAN)) / channels(STD)
}
