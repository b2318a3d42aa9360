//! A detector as one module: a traced network between scripted normalisation and scripted decoding and non-maximum
//! suppression, run by processes that never built it.

mod difference;
mod jit_net;

use std::{collections::BTreeMap, path::Path, process::Command};

use difference::difference;
use jit_net::{FLOATS, Net};
use tch::{Device, Kind, Tensor};
use tch_ext::{
    Error,
    jit::{LiteModule, Module, extra_files},
};

const SIZE: i64 = 16;

const SOURCE: &str = r#"
def nms(self, boxes, scores, iou_threshold: float):
    order = torch.argsort(scores, stable=True, descending=True)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    keep: List[Tensor] = []
    while order.numel() > 0:
        best = order[0]
        keep.append(best)
        rest = order[1:]
        corner = torch.max(boxes[best, :2], boxes[rest, :2])
        extent = (torch.min(boxes[best, 2:], boxes[rest, 2:]) - corner).clamp(min=0)
        shared = extent[:, 0] * extent[:, 1]
        iou = shared / (areas[best] + areas[rest] - shared)
        order = rest[iou <= iou_threshold]
    if len(keep) == 0:
        return order
    return torch.stack(keep)

def forward(self, image) -> Tuple[Tensor, Tensor, Tensor]:
    """image: uint8 [1, H, W, 3] -> boxes [M, 4], scores [M], labels [M]"""
    x = (image.permute(0, 3, 1, 2).float() / 255.0 - self.mean) / self.std
    regression, probabilities = self.net.forward(x)
    corners = regression[0, :, :2] * 0.5
    boxes = torch.cat([corners, corners + regression[0, :, 2:] * 0.5], 1) * float(image.size(1))
    all_boxes: List[Tensor] = []
    all_scores: List[Tensor] = []
    all_labels: List[Tensor] = []
    for label in range(probabilities.size(2)):
        chosen = torch.where(probabilities[0, :, label] > 0.3)[0]
        scores = probabilities[0, :, label][chosen]
        kept = self.nms(boxes[chosen], scores, 0.5)
        all_boxes.append(boxes[chosen][kept])
        all_scores.append(scores[kept])
        all_labels.append(torch.full_like(kept, label))
    return torch.cat(all_boxes), torch.cat(all_scores), torch.cat(all_labels)
"#;

fn per_channel(values: [f32; 3]) -> Tensor {
    Tensor::from_slice(&values).view([1, 3, 1, 1])
}

fn mean_and_std() -> (Tensor, Tensor) {
    (per_channel([0.485, 0.456, 0.406]), per_channel([0.229, 0.224, 0.225]))
}

fn detector(net: &Net) -> Module {
    let (mean, std) = mean_and_std();
    let mut detector = Module::new("Detector").unwrap();
    detector.register_buffer("mean", &mean).unwrap();
    detector.register_buffer("std", &std).unwrap();
    detector.register_module("net", net.trace(&Tensor::rand([1, 3, SIZE, SIZE], FLOATS))).unwrap();
    detector.define(SOURCE).unwrap();
    detector
}

fn photo() -> Tensor {
    tch::manual_seed(11);
    Tensor::randint(256, [1, SIZE, SIZE, 3], FLOATS).to_kind(Kind::Uint8)
}

fn network_outputs(net: &Net, photo: &Tensor) -> Vec<Tensor> {
    let (mean, std) = mean_and_std();
    net.forward(&((photo.permute([0, 3, 1, 2]).to_kind(Kind::Float) / 255.0 - mean) / std))
}

/// The number of boxes before suppression.
fn candidates(net: &Net, photo: &Tensor) -> i64 {
    network_outputs(net, photo)[1].gt(0.3).sum(Kind::Int64).int64_value(&[])
}

/// The detector in plain Rust.
fn eager(net: &Net, photo: &Tensor) -> Vec<Tensor> {
    let outputs = network_outputs(net, photo);
    let (regression, probabilities) = (outputs[0].get(0), outputs[1].get(0));
    let corners = regression.narrow(1, 0, 2) * 0.5;
    let boxes = Tensor::cat(&[&corners, &(&corners + regression.narrow(1, 2, 2) * 0.5)], 1) * SIZE as f64;
    let boxes = Vec::<Vec<f32>>::try_from(&boxes).unwrap();
    let probabilities = Vec::<Vec<f32>>::try_from(&probabilities.transpose(0, 1)).unwrap();
    let iou = |a: &[f32], b: &[f32]| {
        let side = |d: usize| (a[d + 2].min(b[d + 2]) - a[d].max(b[d])).max(0.0);
        let area = |c: &[f32]| (c[2] - c[0]) * (c[3] - c[1]);
        let shared = side(0) * side(1);
        shared / (area(a) + area(b) - shared)
    };
    let (mut all_boxes, mut scores, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for (label, probabilities) in probabilities.iter().enumerate() {
        let mut order: Vec<_> = (0..boxes.len()).filter(|&i| probabilities[i] > 0.3).collect();
        order.sort_by(|&i, &j| probabilities[j].total_cmp(&probabilities[i]));
        let mut kept: Vec<usize> = Vec::new();
        for i in order {
            if kept.iter().all(|&k| iou(&boxes[k], &boxes[i]) <= 0.5) {
                kept.push(i);
            }
        }
        for i in kept {
            all_boxes.extend_from_slice(&boxes[i]);
            scores.push(probabilities[i]);
            labels.push(label as i64);
        }
    }
    vec![Tensor::from_slice(&all_boxes).view([-1, 4]), Tensor::from_slice(&scores), Tensor::from_slice(&labels)]
}

fn write(path: &Path, tensors: &[Tensor]) {
    let named: Vec<_> = tensors.iter().enumerate().map(|(i, tensor)| (i.to_string(), tensor.contiguous())).collect();
    Tensor::write_safetensors(&named, path).unwrap();
}

fn read(path: &Path) -> Vec<Tensor> {
    let tensors: BTreeMap<_, _> = Tensor::read_safetensors(path).unwrap().into_iter().collect();
    tensors.into_values().collect()
}

/// Runs the module in the folder in another process: this test program again, for `run_by_another_process`.
fn in_another_process(folder: &Path, file: &str) -> Vec<Tensor> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "run_by_another_process", "--nocapture"])
        .env("TCH_EXT_JIT_FOLDER", folder)
        .env("TCH_EXT_JIT_FILE", file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read(&folder.join(format!("{file}.out")))
}

/// The part of the other process; otherwise it does nothing.
#[test]
fn run_by_another_process() {
    let (Some(folder), Ok(file)) = (std::env::var_os("TCH_EXT_JIT_FOLDER"), std::env::var("TCH_EXT_JIT_FILE")) else {
        return;
    };
    let folder = Path::new(&folder);
    let inputs = read(&folder.join("in"));
    let outputs = if file.ends_with(".ptl") {
        LiteModule::load(&folder.join(&file)).unwrap().run(&inputs)
    } else {
        Module::load(&folder.join(&file), Device::Cpu).unwrap().run(&inputs)
    };
    write(&folder.join(format!("{file}.out")), &outputs.unwrap());
}

#[test]
fn one_module_gives_the_same_detections_of_a_photo_in_every_form_and_process() {
    let (net, photo) = (Net::new(), photo());
    let expected = eager(&net, &photo);
    let (found, candidates) = (expected[1].size()[0], candidates(&net, &photo));
    assert!(found > 3 && found < candidates, "{found} of {candidates} detections do not test suppression");

    let module = detector(&net);
    let frozen = module.freeze(&[]).unwrap();
    let mobile = frozen.optimize_for_mobile(&[]).unwrap();
    for module in [&module, &frozen, &mobile] {
        for _ in 0..3 {
            let outputs = module.run(std::slice::from_ref(&photo)).unwrap();
            assert!(difference(&outputs, &expected) <= 1e-5);
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let extras = [("classes.txt".to_owned(), "cat\ndog\nbröd\n".to_owned())].into();
    module.save(&folder.path().join("whole.pt"), &extras).unwrap();
    frozen.save(&folder.path().join("frozen.pt"), &extras).unwrap();
    mobile.save_for_mobile(&folder.path().join("mobile.ptl"), &extras).unwrap();
    frozen.save_for_mobile(&folder.path().join("frozen.ptl"), &extras).unwrap();
    write(&folder.path().join("in"), &[photo]);
    for file in ["whole.pt", "frozen.pt", "mobile.ptl", "frozen.ptl"] {
        let outputs = in_another_process(folder.path(), file);
        assert!(difference(&outputs, &expected) <= 1e-5, "{file}");
        assert_eq!(extra_files(&folder.path().join(file)).unwrap(), extras, "{file}");
    }

    let operators = |file: &str| LiteModule::load(&folder.path().join(file)).unwrap().operators().unwrap();
    let has = |operators: &[String], name: &str| operators.iter().any(|operator| operator == name);
    assert!(has(&operators("mobile.ptl"), "prepacked::conv2d_clamp_run"), "{:?}", operators("mobile.ptl"));
    let plain = operators("frozen.ptl");
    assert!(has(&plain, "aten::_convolution") && plain.iter().all(|name| name.starts_with("aten::")), "{plain:?}");
}

#[test]
fn source_that_does_not_compile_names_the_line() {
    let compile = |source: &str| Module::new("Broken").unwrap().define(source).unwrap_err().to_string();
    let error = compile("def forward(self, x):\n    y = x + 1\n    return y + missing\n");
    assert!(error.contains("undefined value missing at `return y + missing`"), "{error}");
    let error = compile("def forward(self, x):\n    return (x\n");
    assert!(error.starts_with("libtorch could not compile TorchScript source: "), "{error}");
    let error = compile("def forward(self, x):\n    return self.net.forward(x)\n");
    assert!(
        error.contains("no attribute or method 'net'") && error.ends_with("at `return self.net.forward(x)`"),
        "{error}"
    );
    let error = compile("def forward(self, x):\n    return torch.no_such_operator(x)\n");
    assert!(error.contains("no_such_operator"), "{error}");
}

#[test]
fn names_are_unique() {
    let child = || Module::new("Child").unwrap();
    let mut module = Module::new("Parent").unwrap();
    module.register_module("part", child()).unwrap();
    let error = module.register_module("part", child()).unwrap_err().to_string();
    assert!(error.contains("'part' is already used"), "{error}");
    module.register_buffer("part.scale", &Tensor::ones([1], FLOATS)).unwrap();
    let error = module.register_buffer("part.scale.deeper", &Tensor::ones([1], FLOATS)).unwrap_err().to_string();
    assert!(error.contains("'scale' in 'part.scale.deeper' is not a submodule"), "{error}");
    let error = module.register_module("two.parts", child()).unwrap_err();
    assert!(matches!(error, Error::Name { .. }), "{error}");
    let error = module.register_buffer("nothing", &Tensor::new()).unwrap_err();
    assert!(matches!(error, Error::Undefined { .. }), "{error}");
}
