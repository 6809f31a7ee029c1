"""Make COCO annotations with boxes of cars, pedestrians and bicyclists from the label maps of CamVid.

SRC contains the folders images and annotations, each with the sub-folders train, val and test. docs/en/datasets.md
describes how to create them from the copy of CamVid that the authors of SegNet share. The gray level of a pixel in a
label map is the class of this pixel. The converter writes DST/{train,val,test}.json. It does not copy the images.

A label map contains the class of each pixel, but does not separate the objects of a class. Therefore each connected
region of a class gets one box. Two people side by side share one box, and a car behind a pole gets two boxes. The AP on
these boxes can be compared between clean, rainy and derained images, but not with published AP values.
"""

import json
from pathlib import Path

import cv2
import numpy as np

from mmderain.errors import InputError
from mmderain.io.files import atomic_write
from mmderain.io.folders import iter_images
from mmderain.io.image import decode_image, image_size

from .coco import coco_content

SPLITS = ('train', 'val', 'test')
#: Maps each class that gets boxes to its gray level in the label maps.
CLASSES = {'Car': 8, 'Pedestrian': 9, 'Bicyclist': 10}
#: Number of gray levels in the label maps: 11 classes, and one for pixels without a label.
LEVELS = 12
#: Two pixels of a class belong to the same region if they touch at an edge or a corner.
CONNECTIVITY = 8


def write_camvid_boxes(src: Path, dst: Path, min_area: int = 100) -> list[str]:
    """Write the boxes of each split to ``train.json``, ``val.json`` and ``test.json``.

    Args:
        src: folder with ``images`` and ``annotations``, each with ``train``, ``val`` and ``test``.
        dst: folder for the JSON files.
        min_area: a region with a smaller area, in pixels, is marked ``iscrowd``. The evaluation ignores detections in
            such a region.

    Returns:
        One line for each split, with the numbers of images and boxes.

    Raises:
        FileNotFoundError, InputError: a folder or label map is missing, or a label map is not as expected. In this
            case, nothing is written.
    """
    splits = {split: _annotate(src, split, min_area) for split in SPLITS}
    report = []
    for split, content in splits.items():
        path = dst / f'{split}.json'
        with atomic_write(path) as part:
            part.write_text(json.dumps(content), encoding='utf-8')
        whole = [box['category_id'] for box in content['annotations'] if not box['iscrowd']]
        counts = ', '.join(f'{whole.count(number)} {name}' for number, name in enumerate(CLASSES, start=1))
        ignored = len(content['annotations']) - len(whole)
        report.append(f'{path}: {len(content["images"])} images, {counts}; {ignored} smaller regions ignored')
    return report


def _annotate(src: Path, split: str, min_area: int) -> dict:
    """Return a split as COCO annotations, with file names relative to ``images/<split>``."""
    folder = src / 'images' / split
    names = iter_images(folder, ('.jpg', '.png')) if folder.is_dir() else ()
    paths = [folder / name for name in names if name.parent == Path()]
    if not paths:
        raise FileNotFoundError(f'{folder}: no images; SRC must contain images/{split} and annotations/{split}')
    images = []
    for path in paths:
        label_path = src / 'annotations' / split / f'{path.stem}.png'
        if not label_path.is_file():
            raise FileNotFoundError(f'{label_path}: no label map for {path}; add it, or remove the image')
        size = image_size(path)
        images.append((path.name, size, _boxes(_read_labels(label_path, size), min_area)))
    return coco_content(images, tuple(CLASSES))


def _boxes(labels: np.ndarray, min_area: int) -> list[dict]:
    """Return a COCO annotation for each connected region of one of the :data:`CLASSES`.

    The annotations have no keys ``id`` and ``image_id``. The caller adds these keys.

    Args:
        labels: label map, (H, W) uint8.
        min_area: as in :func:`write_camvid_boxes`.
    """
    found = []
    for category, level in enumerate(CLASSES.values(), start=1):
        mask = (labels == level).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=CONNECTIVITY)
        for *box, area in stats[1:].tolist():  # the first entry of stats is the background
            found.append(dict(category_id=category, bbox=box, area=area, iscrowd=int(area < min_area)))
    return found


def _read_labels(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Read a label map, uint8 (H, W).

    Raises:
        InputError: the file cannot be read, is not a label map, or differs in size from its image.
    """
    image = decode_image(path)
    labels = image.bgr[..., 0] if image.is_gray else image.bgr
    if labels.ndim != 2 or labels.dtype != np.uint8 or labels.max() >= LEVELS:
        raise InputError(
            f'{path}: found {labels.dtype} of shape {labels.shape} with levels up to {labels.max()}; expected one '
            f'channel with classes 0 to {LEVELS - 1}, as in the copy of CamVid that the authors of SegNet share. The '
            'colored label maps of other copies do not work.'
        )
    if labels.shape != size:
        raise InputError(
            f'{path} is {labels.shape[0]}x{labels.shape[1]}, but its image is {size[0]}x{size[1]}; check that both are '
            'from the same copy of CamVid'
        )
    return labels
