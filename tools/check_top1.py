"""Top-1 of re-parameterised MobileOne weights (timm's names) among ImageNet's 1000 classes, by timm, to compare with `pipeline eval`.

    .venv/bin/python tools/check_top1.py mobileone_s0 weights.safetensors FOLDER [--class-names FILE]

FOLDER has class folders named by WordNet ids, of all classes or some. --class-names writes the `id name` lines of the 1000 classes
for `data.val.class_names`, so that a subset keeps the indices of ImageNet.
"""

import argparse
import pathlib

import safetensors.torch
import timm
import torch
from PIL import Image
from timm.data import ImageNetInfo, create_transform
from timm.utils import reparameterize_model

assert timm.__version__ == "1.0.31", timm.__version__

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("weights")
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--class-names", type=pathlib.Path)
args = parser.parse_args()

info = ImageNetInfo("imagenet-1k")
ids = [info.index_to_label_name(index) for index in range(1000)]
assert ids == sorted(ids)
if args.class_names:
    lines = [f"{name} {info.index_to_description(index)}\n" for index, name in enumerate(ids)]
    args.class_names.write_text("".join(lines))

model = reparameterize_model(timm.create_model(args.model)).eval()
model.load_state_dict(safetensors.torch.load_file(args.weights), strict=True)
transform = create_transform((3, 224, 224), interpolation="bilinear", crop_pct=0.875, crop_mode="center")

right, within_five, images = 0, 0, 0
with torch.no_grad():
    for folder in sorted(path for path in args.folder.iterdir() if path.is_dir()):
        truth = ids.index(folder.name)
        files = sorted(folder.iterdir())
        for start in range(0, len(files), 50):
            batch = [transform(Image.open(file).convert("RGB")) for file in files[start : start + 50]]
            best = model(torch.stack(batch)).topk(5, 1).indices
            right += (best[:, 0] == truth).sum().item()
            within_five += (best == truth).any(1).sum().item()
            images += len(batch)
print(f"timm {timm.__version__}: {images} images, top-1 {right / images:.4f}, top-5 {within_five / images:.4f}")
