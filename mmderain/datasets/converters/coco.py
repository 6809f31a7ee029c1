"""Write boxes as COCO annotations."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmderain.errors import InputError
from mmderain.io.files import atomic_folder, link_or_copy, require_new_folder
from mmderain.io.image import image_size

#: The classes of COCO, in the order of mmdet. With them, a detector that was trained on COCO needs no other classes.
COCO_CLASSES = (
    'person', 'bicycle', 'car', 'motorcycle', 'airplane', 'bus', 'train', 'truck', 'boat', 'traffic light',
    'fire hydrant', 'stop sign', 'parking meter', 'bench', 'bird', 'cat', 'dog', 'horse', 'sheep', 'cow', 'elephant',
    'bear', 'zebra', 'giraffe', 'backpack', 'umbrella', 'handbag', 'tie', 'suitcase', 'frisbee', 'skis', 'snowboard',
    'sports ball', 'kite', 'baseball bat', 'baseball glove', 'skateboard', 'surfboard', 'tennis racket', 'bottle',
    'wine glass', 'cup', 'fork', 'knife', 'spoon', 'bowl', 'banana', 'apple', 'sandwich', 'orange', 'broccoli',
    'carrot', 'hot dog', 'pizza', 'donut', 'cake', 'chair', 'couch', 'potted plant', 'bed', 'dining table', 'toilet',
    'tv', 'laptop', 'mouse', 'remote', 'keyboard', 'cell phone', 'microwave', 'oven', 'toaster', 'sink',
    'refrigerator', 'book', 'clock', 'vase', 'scissors', 'teddy bear', 'hair drier', 'toothbrush',
)  # fmt: skip
#: Maps names of other data sets to the class of COCO with the same meaning.
SYNONYMS = {
    'pedestrian': 'person',
    'rider': 'person',
    'bike': 'bicycle',
    'motor': 'motorcycle',
    'motorbike': 'motorcycle',
}


class Box(NamedTuple):
    """A box of an object.

    Attributes:
        name: name of its class.
        corners: x0, y0, x1, y1 in pixels.
        ignore: True: detections in this box are not scored.
    """

    name: str
    corners: tuple[float, float, float, float]
    ignore: bool = False


def coco_content(images: Sequence[tuple[str, tuple[int, int], list[dict]]], classes: Sequence[str]) -> dict:
    """Return COCO annotations.

    Args:
        images: file name, size (height, width) and boxes of each image. A box is an annotation without ids, whose
            ``category_id`` counts from 1.
        classes: names of the classes.
    """
    content: dict[str, list] = dict(images=[], annotations=[], categories=[])
    content['categories'] = [dict(id=number, name=name) for number, name in enumerate(classes, start=1)]
    for number, (name, (height, width), boxes) in enumerate(images, start=1):
        content['images'].append(dict(id=number, file_name=name, height=height, width=width))
        for box in boxes:
            content['annotations'].append(dict(id=len(content['annotations']) + 1, image_id=number, **box))
    return content


def write_test_set(images: dict[Path, list[Box]], dst: Path) -> list[str]:
    """Write a test set for detectors that were trained on COCO: ``images`` with links, and ``test.json``.

    Boxes without area are left out, and so are boxes of classes that COCO does not have.

    Args:
        images: the boxes of each image.
        dst: folder to write, new or empty; it appears completely or not at all.

    Returns:
        One line with the numbers of images and boxes, and one for each reason why boxes are left out.

    Raises:
        InputError: there is no image, two images have the same name, an image cannot be read, or ``dst`` is not empty.
    """
    require_new_folder(dst)
    names: dict[str, Path] = {}
    for path in images:
        if names.setdefault(path.name, path) != path:
            raise InputError(f'{path} and {names[path.name]}: both would be written as {path.name}; rename one')
    written: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    entries = []
    for path, boxes in images.items():
        kept = []
        for box in boxes:
            name = SYNONYMS.get(box.name, box.name)
            x0, y0, x1, y1 = box.corners
            if not all(map(math.isfinite, box.corners)):
                raise InputError(f'{path}: found a box with the corners {box.corners}; expected finite numbers')
            if name not in COCO_CLASSES:
                left_out[f'COCO has no class {box.name}'] += 1
            elif x1 <= x0 or y1 <= y0:
                left_out['without area'] += 1
            else:
                written[name] += 1
                annotation = dict(bbox=[x0, y0, x1 - x0, y1 - y0], area=(x1 - x0) * (y1 - y0), iscrowd=int(box.ignore))
                kept.append(dict(category_id=COCO_CLASSES.index(name) + 1, **annotation))
        entries.append((path.name, image_size(path, decode=True), kept))
    if not written:
        raise InputError(f'{dst}: not written, because no box of a class of COCO was found in {len(images)} images')
    with atomic_folder(dst) as part:
        for path in images:
            link_or_copy(path, part / 'images' / path.name)
        content = json.dumps(coco_content(entries, COCO_CLASSES))
        (part / 'test.json').write_text(content, encoding='utf-8')
    counts = ', '.join(f'{number} {name}' for name, number in written.most_common())
    return [
        f'{dst}: {len(images)} images, {counts}',
        *(f'left out, {reason}: {n} boxes' for reason, n in left_out.items()),
    ]
