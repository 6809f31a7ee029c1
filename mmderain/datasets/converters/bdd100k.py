"""Select the images of BDD100K in one kind of weather, and make a test set for detectors that were trained on COCO.

SRC is the folder bdd100k with images/100k and labels/det_20 (the packages "100K Images" and "Detection 2020 Labels").
The converter writes DST/images with links to the images, and DST/test.json with the boxes as COCO annotations.
Pedestrians and riders get the class person. Traffic signs are left out, because COCO has no such class.
"""

import json
from pathlib import Path

from mmderain.errors import InputError
from mmderain.io.text import read_text

from .coco import Box, write_test_set


def write_bdd100k_test_set(src: Path, dst: Path, weather: str = 'rainy', split: str = 'val') -> list[str]:
    """Write the test set: the folder ``images`` and the file ``test.json``.

    Args:
        src: folder ``bdd100k``.
        dst: folder to write. It must be new or empty. It is written completely or not at all.
        weather: kind of weather, for example ``'rainy'`` or ``'clear'``. Only images whose attribute ``weather`` has
            this value are used.
        split: ``'train'`` or ``'val'``.

    Returns:
        Lines of text with the numbers of images and boxes, and with the number of boxes that are left out.

    Raises:
        FileNotFoundError, InputError: a file is missing, or the labels are not as expected. In this case, nothing is
            written.
    """
    labels = src / 'labels/det_20' / f'det_{split}.json'
    if not labels.is_file():
        raise FileNotFoundError(f'{labels}: no such file; SRC must contain labels/det_20 and images/100k of BDD100K')
    folder = src / 'images/100k' / split
    images = {folder / name: boxes for name, boxes in read_labels(labels, weather).items()}
    for path in images:
        if not path.is_file():
            raise FileNotFoundError(
                f'{path}: {labels} lists this image, but the file does not exist; unpack the package "100K Images"'
            )
    return write_test_set(images, dst)


def read_labels(path: Path, weather: str) -> dict[str, list[Box]]:
    """Read the boxes of the images that show one kind of weather.

    Args:
        path: label file in the format of Scalabel.
        weather: as in :func:`write_bdd100k_test_set`.

    Returns:
        A dict that maps the name of each image to its boxes.

    Raises:
        InputError: the file is not as expected, or contains no image with this weather.
    """
    found, other = {}, set()
    try:
        for frame in json.loads(read_text(path)):
            if frame['attributes']['weather'] != weather:
                other.add(frame['attributes']['weather'])
                continue
            # For an image without objects, the key `labels` is missing or null. The labels of lanes have no box.
            labels = [label for label in frame.get('labels') or [] if label.get('box2d')]
            found[frame['name']] = [Box(label['category'], _corners(label['box2d'])) for label in labels]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f'{path}: {type(error).__name__}: {error}; expected a list of images with name, attributes.weather and '
            'labels (category and box2d), as in the Detection 2020 Labels of BDD100K'
        ) from None
    if not found:
        raise InputError(
            f'{path}: no image has the weather {weather!r}; expected one of {", ".join(sorted(map(repr, other)))}'
        )
    return found


def _corners(box: dict) -> tuple[float, float, float, float]:
    """Return x0, y0, x1, y1 of a box."""
    return float(box['x1']), float(box['y1']), float(box['x2']), float(box['y2'])
