"""Makes heads/tests/golden/ssdlite_*.safetensors: outputs of torchvision's SSDLite for small inputs.

    .venv/bin/python tools/golden/ssdlite.py
"""

import functools
import pathlib

import safetensors.torch
import torch
import torchvision
from torch import nn
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteHead, _extra_block
from torchvision.ops import box_iou

assert torch.__version__.split("+")[0] == "2.11.0", torch.__version__
assert torchvision.__version__.split("+")[0] == "0.26.0", torchvision.__version__

HERE = pathlib.Path(__file__).resolve().parents[2] / "heads" / "tests" / "golden"
RATIOS = [[2, 3]] * 6
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)


def save(name, tensors):
    path = HERE / f"ssdlite_{name}.safetensors"
    safetensors.torch.save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, path)
    assert path.stat().st_size < 150_000, path


def grids(size, levels, first_halvings):
    """The grids that convolutions of stride 2 with padding give, from the first level on."""
    xs, found = torch.zeros(1, 1, *size), []
    kernel = torch.zeros(1, 1, 3, 3)
    for halving in range(1, first_halvings + levels):
        xs = nn.functional.conv2d(xs, kernel, stride=2, padding=1)
        if halving >= first_halvings:
            found.append(list(xs.shape[-2:]))
    return found


def default_boxes(size, generator=None, first_halvings=4):
    generator = generator or DefaultBoxGenerator(RATIOS, min_ratio=0.2, max_ratio=0.95)
    images = ImageList(torch.zeros(1, 3, *size), [tuple(size)])
    maps = [torch.zeros(1, 1, *grid) for grid in grids(size, len(generator.aspect_ratios), first_halvings)]
    return generator(images, maps)[0]


def random_boxes(rng, count, size, smallest=0.02, largest=0.9):
    height, width = size
    extent = torch.tensor([width, height]) * (smallest + (largest - smallest) * torch.rand(count, 2, generator=rng) ** 2)
    corner = (torch.tensor([width, height]) - extent) * torch.rand(count, 2, generator=rng)
    return torch.cat([corner, corner + extent], 1)


def anchors():
    explicit = DefaultBoxGenerator(
        [[2], [2, 3], [2, 3], [], [3], [2], [1.5]], scales=[0.04, 0.1, 0.26, 0.42, 0.58, 0.74, 0.9, 1.06]
    )
    seven = DefaultBoxGenerator([[2, 3]] * 7, min_ratio=0.1, max_ratio=0.9)
    save("anchors", {
        "320x320": default_boxes([320, 320]),
        "200x328": default_boxes([200, 328]),
        "c3_explicit_96x64": default_boxes([96, 64], explicit, first_halvings=3),
        "c3_range_64x64": default_boxes([64, 64], seven, first_halvings=3),
    })


def box_coder():
    rng = torch.Generator().manual_seed(1)
    coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    start = default_boxes([320, 320])[::50]
    boxes = random_boxes(rng, len(start), [320, 320], smallest=0.003)
    deltas = torch.randn(len(start), 4, generator=rng) * torch.tensor([8.0, 8.0, 6.0, 6.0])
    deltas[::9, 2:] = torch.tensor([25.0, 100.0])
    save("box_coder", {
        "anchors": start,
        "boxes": boxes,
        "encoded": coder.encode_single(boxes, start),
        "deltas": deltas,
        "decoded": coder.decode_single(deltas, start),
    })


def matching():
    rng = torch.Generator().manual_seed(2)
    start = default_boxes([320, 320])
    matcher = SSDMatcher(0.5)
    cases = {
        "few": random_boxes(rng, 4, [320, 320]),
        "crowd": random_boxes(rng, 60, [320, 320], largest=0.4),
        "large": random_boxes(rng, 5, [320, 320], smallest=0.6, largest=0.999),
        "same_box_twice": torch.tensor([[40.0, 40.0, 150.0, 170.0], [40.0, 40.0, 150.0, 170.0]]),
        "one_best_anchor_for_three": torch.tensor([[150.0, 150.0, 160.0, 160.0], [151.0, 150.0, 161.0, 160.0], [150.0, 151.0, 160.0, 161.0]]),
        "tiny": torch.tensor([[100.0, 100.0, 101.0, 101.0], [8.0, 8.0, 8.5, 8.25], [319.0, 0.0, 320.0, 1.0]]),
        "between_cells": torch.tensor([[232.0, 112.0, 264.0, 288.0], [16.0, 48.0, 64.0, 80.0], [40.0, 40.0, 216.0, 200.0]]),
        "overlap_of_exactly_half": torch.tensor([[16.0, 16.0, 176.0, 96.0]]),
        "no_overlap": torch.tensor([[400.0, 400.0, 450.0, 450.0], [20.0, 20.0, 200.0, 240.0]]),
        "whole_image": torch.tensor([[0.0, 0.0, 320.0, 320.0]]),
        "anchors_themselves": start[torch.tensor([0, 7, 100, 2399, 2405, 3000, 3230, 3233])],
    }
    tensors = {}
    for name, boxes in cases.items():
        matches = matcher(box_iou(boxes, start))
        positive = torch.where(matches >= 0)[0]
        tensors[f"{name}.boxes"] = boxes
        tensors[f"{name}.anchors"] = positive
        tensors[f"{name}.objects"] = matches[positive]
    assert (tensors["anchors_themselves.anchors"].unsqueeze(0) == 2405).any()
    assert (box_iou(cases["overlap_of_exactly_half"], start) == 0.5).any()
    for overlaps in box_iou(cases["between_cells"], start):
        assert (overlaps == overlaps.max()).sum() > 1, "the best anchor must be tied"
    shared = matcher(box_iou(cases["one_best_anchor_for_three"], start))
    assert (shared >= 0).sum() < 3 or len(set(shared[shared >= 0].tolist())) < 3
    save("matching", tensors)


def ssd(size, columns, **options):
    generator = DefaultBoxGenerator(RATIOS, min_ratio=0.2, max_ratio=0.95)
    defaults = dict(score_thresh=0.001, nms_thresh=0.55, detections_per_img=300, topk_candidates=300)
    return SSD(nn.Identity(), generator, tuple(size), columns, head=nn.Identity(), **{**defaults, **options})


def losses_of(model, start, logits, deltas, targets):
    matched = []
    for target in targets:
        if len(target["boxes"]) == 0:
            matched.append(torch.full((len(start),), -1))
        else:
            matched.append(model.proposal_matcher(box_iou(target["boxes"], start)))
    outputs = {"cls_logits": logits, "bbox_regression": deltas}
    return model.compute_loss(targets, outputs, [start] * len(targets), matched)


def loss():
    rng = torch.Generator().manual_seed(3)
    size, columns = [96, 96], 6
    start = default_boxes(size)
    crowd = start[::3][:95] + torch.randn(95, 4, generator=rng)
    crowd = torch.cat([crowd[:, :2], torch.maximum(crowd[:, 2:], crowd[:, :2] + 2)], 1)
    boxes = [random_boxes(rng, 3, size), torch.zeros(0, 4), crowd, random_boxes(rng, 6, size)]
    targets = [
        {"boxes": each, "labels": torch.randint(1, columns, (len(each),), generator=rng)} for each in boxes
    ]
    logits = torch.randn(len(boxes), len(start), columns, generator=rng) * 2
    deltas = torch.randn(len(boxes), len(start), 4, generator=rng)
    tensors = {"logits": logits, "deltas": deltas}
    for image, target in enumerate(targets):
        tensors |= {f"boxes.{image}": target["boxes"], f"labels.{image}": target["labels"]}

    # The order that torchvision leaves open, that of equal losses, is the order of the anchors here.
    plain_sort = torch.Tensor.sort
    torch.Tensor.sort = lambda tensor, dim, descending=False: plain_sort(tensor, stable=True, dim=dim, descending=descending)

    def run(name, logits, deltas, targets, **options):
        logits, deltas = logits.clone().requires_grad_(), deltas.clone().requires_grad_()
        found = losses_of(ssd(size, columns, **options), start, logits, deltas, targets)
        (found["classification"] + 2 * found["bbox_regression"]).backward()
        tensors[f"{name}.classification"] = found["classification"]
        tensors[f"{name}.localization"] = found["bbox_regression"]
        return logits.grad, deltas.grad

    logits_grad, deltas_grad = run("default", logits, deltas, targets)
    counted = logits_grad.abs().sum(-1) > 0
    matched = deltas_grad.abs().sum(-1) > 0
    assert matched[2].sum() * 4 > len(start), "image 2 must have fewer negatives than wanted"
    assert not counted[1].any()
    tensors |= {"default.logits_grad": logits_grad, "default.deltas_grad": deltas_grad}
    run("third_positive", logits, deltas, targets, positive_fraction=0.35)
    flat, _ = run("flat", torch.zeros_like(logits), torch.zeros_like(deltas), targets)
    tensors["flat.counted"] = (flat.abs().sum(-1) > 0).to(torch.uint8)
    empty = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}] * len(boxes)
    run("empty", logits, deltas, empty)
    torch.Tensor.sort = plain_sort
    save("loss", tensors)


def tied_logits(start, columns):
    """Few candidates a class, many of equal score, some of them overlapping."""
    logits = torch.full((1, len(start), columns), -12.0)
    logits[:, :, 0] = 4.0
    overlaps = torch.triu(box_iou(start, start), 1)
    first, second = (index[:4].tolist() for index in torch.where((overlaps > 0.6) & (overlaps < 0.99)))
    for label, (a, b) in enumerate(zip(first, second), 1):
        logits[0, [a, b], label] = 4.0
        logits[0, 200 + label, label] = 4.0
    logits[0, [60, 180], 5] = 4.0
    return logits


def post_processing():
    rng = torch.Generator().manual_seed(4)
    size, columns = [96, 96], 6
    start = default_boxes(size)
    logits = torch.randn(2, len(start), columns, generator=rng) * 3
    deltas = torch.randn(2, len(start), 4, generator=rng) * 2
    tied = tied_logits(start, columns)
    tensors = {"logits": logits, "deltas": deltas, "tied.logits": tied}
    cases = {
        "default": (logits, deltas, {}),
        "strict": (logits, deltas, dict(score_thresh=0.3, nms_thresh=0.2, topk_candidates=25, detections_per_img=40)),
        "tied": (tied, torch.zeros(1, len(start), 4), {}),
        "nothing": (tied, torch.zeros(1, len(start), 4), dict(score_thresh=0.9)),
    }
    for name, (logits, deltas, options) in cases.items():
        outputs = {"cls_logits": logits, "bbox_regression": deltas}
        found = ssd(size, columns, **options).postprocess_detections(
            outputs, [start] * len(logits), [tuple(size)] * len(logits)
        )
        for image, detections in enumerate(found):
            tensors |= {f"{name}.{image}.{key}": value for key, value in detections.items()}
    assert len(tensors["tied.0.scores"].unique()) < len(tensors["tied.0.scores"])
    save("post_processing", tensors)


class Network(nn.Module):
    def __init__(self, c4, c5, extra_channels, columns):
        super().__init__()
        norm = functools.partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
        inputs = [c5, *extra_channels]
        self.extra = nn.ModuleList(_extra_block(a, b, norm) for a, b in zip(inputs, extra_channels))
        self.head = SSDLiteHead([c4, *inputs], [6] * 6, columns, norm)

    def forward(self, c4, c5):
        maps = [c4, c5]
        for block in self.extra:
            maps.append(block(maps[-1]))
        return self.head(maps)


def network():
    torch.manual_seed(5)
    c4, c5 = torch.randn(3, 12, 6, 5).relu(), torch.randn(3, 20, 3, 3).relu()
    model = Network(12, 20, [16, 12, 10, 8], columns=4)
    for name, value in model.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.3, 2)
        elif name.endswith("running_mean"):
            value.normal_(0, 0.3)
        elif value.dim() == 1 and value.is_floating_point():
            value.normal_(0.6, 0.4)
        elif value.dim() > 1:
            value.normal_(0, (2 / value[0].numel()) ** 0.5)
    tensors = {"c4": c4, "c5": c5}
    kept = {name: value.clone() for name, value in model.state_dict().items() if "num_batches" not in name}
    tensors |= {f"before.{name}": value for name, value in kept.items()}
    for mode in ("eval", "train"):
        outputs = model.train(mode == "train")(c4, c5)
        tensors |= {f"{mode}.logits": outputs["cls_logits"], f"{mode}.deltas": outputs["bbox_regression"]}
    (outputs["cls_logits"].square().sum() + outputs["bbox_regression"].square().sum()).backward()
    tensors |= {f"grad.{name}": value.grad for name, value in model.named_parameters() if name.startswith("extra")}
    after = {name: value for name, value in model.state_dict().items() if "running" in name}
    tensors |= {f"after.{name}": value for name, value in after.items()}
    save("network", tensors)


HERE.mkdir(parents=True, exist_ok=True)
for make in (anchors, box_coder, matching, loss, post_processing, network):
    make()
