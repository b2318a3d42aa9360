"""Prints how many images a second the steps of a training take, eager: TASK VARIANT SIDE BATCH SECONDS."""

import json
import os
import statistics
import sys
import time

import timm
import torch
from torch import nn


def classifier(variant, batch, side):
    model = timm.create_model(f"mobileone_{variant}", num_classes=5)
    labels = torch.randint(0, 5, (batch,))
    return model, lambda images: nn.functional.cross_entropy(model(images), labels)


class Pyramid(nn.Module):
    """The two last stages of the backbone and SSDLite's extra layers."""

    def __init__(self, variant):
        from torchvision.models.detection.ssdlite import _extra_block

        super().__init__()
        self.backbone = timm.create_model(f"mobileone_{variant}", features_only=True, out_indices=(3, 4))
        channels = self.backbone.feature_info.channels()
        widths = [channels[-1], 512, 256, 256, 128]
        norm = lambda size: nn.BatchNorm2d(size, eps=0.001, momentum=0.03)
        self.extra = nn.ModuleList(_extra_block(a, b, norm) for a, b in zip(widths, widths[1:]))
        self.out_channels = [*channels, *widths[1:]]

    def forward(self, images):
        found = self.backbone(images)
        for block in self.extra:
            found.append(block(found[-1]))
        return {str(index): features for index, features in enumerate(found)}


def detector(variant, batch, side):
    from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
    from torchvision.models.detection.ssd import SSD
    from torchvision.models.detection.ssdlite import SSDLiteHead

    pyramid = Pyramid(variant)
    anchors = DefaultBoxGenerator([[2, 3]] * len(pyramid.out_channels), min_ratio=0.2, max_ratio=0.95)
    norm = lambda size: nn.BatchNorm2d(size, eps=0.001, momentum=0.03)
    head = SSDLiteHead(pyramid.out_channels, anchors.num_anchors_per_location(), 6, norm)
    model = SSD(pyramid, anchors, (side, side), 6, head=head)
    corners = torch.rand(batch, 3, 2) * side * 0.5
    boxes = torch.cat([corners, corners + 20 + torch.rand(batch, 3, 2) * side * 0.3], 2)
    targets = [{"boxes": box, "labels": torch.randint(1, 6, (3,))} for box in boxes]
    return model, lambda images: sum(model(list(images), targets).values())


class Last(nn.Module):
    def __init__(self, variant):
        super().__init__()
        self.backbone = timm.create_model(f"mobileone_{variant}", features_only=True, out_indices=(4,), output_stride=16)
        self.channels = self.backbone.feature_info.channels()[-1]

    def forward(self, images):
        return {"out": self.backbone(images)[0]}


def segmenter(variant, batch, side):
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3

    last = Last(variant)
    model = DeepLabV3(last, DeepLabHead(last.channels, 6, (6, 12, 18)))
    labels = torch.randint(0, 6, (batch, side, side))
    return model, lambda images: nn.functional.cross_entropy(model(images)["out"], labels)


def main():
    task, variant, side, batch, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    model, loss = {"classify": classifier, "detect": detector, "segment": segmenter}[task](variant, batch, side)
    model.train()
    images = torch.rand(batch, 3, side, side)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)

    def step():
        optimizer.zero_grad()
        loss(images).backward()
        optimizer.step()

    step()
    times, begun = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    print(json.dumps({"images_per_second": batch / statistics.median(times)}))


if __name__ == "__main__":
    main()
