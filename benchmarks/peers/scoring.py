"""Scores predictions with pycocotools or faster_coco_eval: MODULE ANNOTATIONS PREDICTIONS [bbox|segm]. Prints the twelve numbers."""

import contextlib
import json
import sys


def main():
    module, annotations, predictions, iou_type = [*sys.argv[1:], "bbox"][:4]
    with contextlib.redirect_stdout(sys.stderr):
        if module == "pycocotools":
            from pycocotools.coco import COCO
            from pycocotools.cocoeval import COCOeval
        else:
            from faster_coco_eval import COCO
            from faster_coco_eval import COCOeval_faster as COCOeval
        truth = COCO(annotations)
        evaluation = COCOeval(truth, truth.loadRes(predictions), iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    print(json.dumps(list(map(float, evaluation.stats))))


if __name__ == "__main__":
    main()
