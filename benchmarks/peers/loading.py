"""Prints how many images a second a DataLoader of torchvision's v2 transforms gives: TASK FOLDER SIDE BATCH WORKERS SECONDS."""

import json
import pathlib
import sys
import time

import torch
from torchvision import tv_tensors
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

# As our own defaults for the two tasks.
SSD = [
    v2.RandomPhotometricDistort(p=0.5),
    v2.RandomZoomOut(fill=[124, 116, 104], side_range=(1.0, 4.0), p=0.5),
    v2.RandomIoUCrop(),
    v2.RandomHorizontalFlip(0.5),
    v2.SanitizeBoundingBoxes(),
]


class Pictures(torch.utils.data.Dataset):
    def __init__(self, task, folder, side):
        self.task = task
        described = json.loads((folder / "instances.json").read_text())
        self.files = [folder / "images" / image["file_name"] for image in described["images"]]
        self.boxes = [[] for _ in self.files]
        for annotation in described["annotations"]:
            self.boxes[annotation["image_id"]].append((annotation["bbox"], annotation["category_id"]))
        if task == "detect":
            self.transform = v2.Compose([*SSD, v2.Resize((side, side), antialias=True)])
        else:
            self.transform = v2.Compose([v2.RandomResizedCrop(side, antialias=True), v2.RandomHorizontalFlip(0.5)])

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        image = tv_tensors.Image(decode_image(str(self.files[index]), mode=ImageReadMode.RGB))
        if self.task == "classify":
            return self.transform(image)
        boxes = tv_tensors.BoundingBoxes([box for box, _ in self.boxes[index]], format="XYWH", canvas_size=image.shape[-2:])
        labels = torch.tensor([label for _, label in self.boxes[index]])
        return self.transform(image, {"boxes": boxes, "labels": labels})


def collate(samples):
    images = [sample if isinstance(sample, torch.Tensor) else sample[0] for sample in samples]
    return torch.stack(images)


def main():
    task, folder, side, batch, workers, seconds = sys.argv[1:]
    torch.set_num_threads(1)
    data = Pictures(task, pathlib.Path(folder), int(side))
    loader = torch.utils.data.DataLoader(data, int(batch), shuffle=True, num_workers=int(workers), collate_fn=collate,
                                         drop_last=True, persistent_workers=True)
    for _ in loader:
        pass
    images, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < float(seconds):
        for found in loader:
            images += len(found)
    print(json.dumps({"images_per_second": images / (time.perf_counter() - begun)}))


if __name__ == "__main__":
    main()
