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

#: The classes of COCO, in the order of mmdet. A test set with these classes fits detectors that were trained on COCO.
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
#: Maps class names of other data sets to the COCO class with the same meaning.
SYNONYMS = {
    'pedestrian': 'person',
    'rider': 'person',
    'bike': 'bicycle',
    'motor': 'motorcycle',
    'motorbike': 'motorcycle',
}


class Box(NamedTuple):
    """The box of an object.

    Attributes:
        name: name of the class of the object.
        corners: x0, y0, x1, y1 in pixels.
        ignore: whether the evaluation ignores detections in this box.
    """

    name: str
    corners: tuple[float, float, float, float]
    ignore: bool = False


def coco_content(images: Sequence[tuple[str, tuple[int, int], list[dict]]], classes: Sequence[str]) -> dict:
    """Return COCO annotations.

    Args:
        images: file name, size (height, width) and boxes of each image. A box is an annotation without ``id`` and
            ``image_id``. The values of ``category_id`` start at 1.
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
    """Write a test set for detectors that were trained on COCO.

    The folder ``images`` contains links to the images. The file ``test.json`` contains the boxes. Boxes without area,
    boxes of classes that COCO does not have, and images that cannot be read are left out.

    Args:
        images: maps the path of each image to its boxes.
        dst: folder to write. It must be new or empty. It is written completely or not at all.

    Returns:
        One line with the numbers of images and boxes, one line for each reason why boxes are left out, and one line for
        each image that is left out.

    Raises:
        InputError: two images have the same name, no image can be read, or ``dst`` is not empty. Also raised if a
            corner of a box is not a finite number, or if no box has a class of COCO.
    """
    require_new_folder(dst)
    names: dict[str, Path] = {}
    for path in images:
        if names.setdefault(path.name, path) != path:
            raise InputError(f'{path} and {names[path.name]}: both would be written as {path.name}; rename one')
    written: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    entries, readable, problems = [], list[Path](), list[str]()
    for path, boxes in images.items():
        try:
            size = image_size(path, decode=True)
        except (OSError, InputError) as error:
            problems.append(f'left out, {error}')
            continue
        readable.append(path)
        kept = []
        for box in boxes:
            name = SYNONYMS.get(box.name, box.name)
            x0, y0, x1, y1 = box.corners
            if not all(map(math.isfinite, box.corners)):
                raise InputError(
                    f'{path}: found a box with the corners {box.corners}; expected finite numbers. Correct or remove '
                    'this box.'
                )
            if name not in COCO_CLASSES:
                left_out[f'COCO has no class {box.name}'] += 1
            elif x1 <= x0 or y1 <= y0:
                left_out['without area'] += 1
            else:
                written[name] += 1
                annotation = dict(bbox=[x0, y0, x1 - x0, y1 - y0], area=(x1 - x0) * (y1 - y0), iscrowd=int(box.ignore))
                kept.append(dict(category_id=COCO_CLASSES.index(name) + 1, **annotation))
        entries.append((path.name, size, kept))
    if not readable and problems:
        raise InputError(f'{dst}: not written, because no image can be read; {problems[0]}')
    if not written:
        raise InputError(
            f'{dst}: not written, because the {len(images)} images have no box of a COCO class; expected boxes of '
            'classes such as person or car'
        )
    with atomic_folder(dst) as part:
        for path in readable:
            link_or_copy(path, part / 'images' / path.name)
        content = json.dumps(coco_content(entries, COCO_CLASSES))
        (part / 'test.json').write_text(content, encoding='utf-8')
    counts = ', '.join(f'{number} {name}' for name, number in written.most_common())
    return [
        f'{dst}: {len(readable)} images, {counts}',
        *(f'left out, {reason}: {n} boxes' for reason, n in left_out.items()),
        *problems,
    ]
