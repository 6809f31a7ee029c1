"""Boxes of cars, pedestrians and bicyclists for CamVid, from its label maps, as COCO annotations.

    python tools/dataset_converters/camvid.py data/camvid data/camvid_boxes

SRC holds images and annotations, each with train, val and test; docs/en/datasets.md says how to make it of CamVid as
SegNet's authors share it. Label maps have the class as their grey level. Writes DST/{train,val,test}.json; the pictures
stay where they are.

CamVid says what a pixel shows, not which object it belongs to: a box is put around each connected region of a class.
So two people side by side are one box, and a car behind a pole is two. Regions of fewer than --min-area pixels are
marked iscrowd, so that a detection there counts neither for nor against. AP on these boxes compares conditions; it is
no measure of a detector beside published ones.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mmderain.errors import InputError
from mmderain.io.image import image_size

SPLITS = ('train', 'val', 'test')
CLASSES = {'Car': 8, 'Pedestrian': 9, 'Bicyclist': 10}  # name: grey level in the label maps
LABELS = 12  # of them: 11 classes, and 11 for what is not labelled
CONNECTIVITY = 8  # pixels that touch by a corner belong together


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, nargs='?', default=Path('data/camvid'), help='default: data/camvid')
    parser.add_argument('dst', type=Path, nargs='?', default=Path('data/camvid_boxes'), help='default: %(default)s')
    parser.add_argument(
        '--min-area', type=int, default=100, metavar='PX', help='smaller regions are ignored (default: 100 px)'
    )
    return parser.parse_args(argv)


def boxes(labels: np.ndarray, min_area: int) -> list[dict]:
    """One COCO annotation for each connected region of the classes, without ids.

    Args:
        labels: (H, W) uint8, class of each pixel.
        min_area: smaller regions, px, become ``iscrowd``.
    """
    found = []
    for category, level in enumerate(CLASSES.values(), start=1):
        mask = (labels == level).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=CONNECTIVITY)
        for *box, area in stats[1:].tolist():  # the first is the background
            found.append(dict(category_id=category, bbox=box, area=area, iscrowd=int(area < min_area)))
    return found


def read_labels(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A label map.

    Raises:
        InputError: it cannot be read, is no label map, or has another size (height, width) than its picture.
    """
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if labels is None:
        raise InputError(f'{path}: not a readable label map; expected a PNG with the class as the grey level')
    if labels.ndim != 2 or labels.dtype != np.uint8 or labels.max() >= LABELS:
        raise InputError(
            f'{path}: found {labels.dtype} of shape {labels.shape} with levels up to {labels.max()}; expected one '
            f"channel with classes 0 to {LABELS - 1}, as SegNet's authors share CamVid (not the coloured maps)"
        )
    if labels.shape != size:
        raise InputError(
            f'{path} is {labels.shape[0]}x{labels.shape[1]}, its picture {size[0]}x{size[1]}: are both of one release?'
        )
    return labels


def annotate(src: Path, split: str, min_area: int) -> dict:
    """A split as COCO annotations; file names are relative to ``images/<split>``.

    Raises:
        FileNotFoundError: a folder or a label map is missing. InputError: as :func:`read_labels`.
    """
    folder = src / 'images' / split
    pictures = sorted(path for path in folder.glob('*') if path.suffix.lower() in ('.jpg', '.png'))
    if not pictures:
        raise FileNotFoundError(f'{folder}: no pictures; SRC must hold images/{split} and annotations/{split}')
    images, annotations = [], []
    for number, path in enumerate(track(pictures, split), start=1):
        label_path = src / 'annotations' / split / f'{path.stem}.png'
        if not label_path.is_file():
            raise FileNotFoundError(f'{label_path}: no label map for {path}; add it, or take the picture away')
        height, width = size = image_size(path)
        images.append(dict(id=number, file_name=path.name, height=height, width=width))
        for box in boxes(read_labels(label_path, size), min_area):
            annotations.append(dict(id=len(annotations) + 1, image_id=number, **box))
    categories = [dict(id=number, name=name) for number, name in enumerate(CLASSES, start=1)]
    return dict(images=images, annotations=annotations, categories=categories)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        splits = {split: annotate(args.src, split, args.min_area) for split in SPLITS}
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    args.dst.mkdir(parents=True, exist_ok=True)
    for split, content in splits.items():
        path = args.dst / f'{split}.json'
        part = path.with_suffix('.part')
        part.write_text(json.dumps(content), encoding='utf-8')
        os.replace(part, path)
        whole = [a['category_id'] for a in content['annotations'] if not a['iscrowd']]
        counts = ', '.join(f'{whole.count(number)} {name}' for number, name in enumerate(CLASSES, start=1))
        ignored = len(content['annotations']) - len(whole)
        print(f'{path}: {len(content["images"])} pictures, {counts}; {ignored} smaller regions ignored')
    return 0


if __name__ == '__main__':
    sys.exit(main())
