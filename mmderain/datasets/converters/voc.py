"""Make a test set for detectors that were trained on COCO from boxes in the XML files of PASCAL VOC.

SRC and its sub-folders hold images and, for each image, an XML file of the same name, as DAWN (the folder Rain) and
RTTS of RESIDE do. Writes DST/images with links to the images, and DST/test.json with the boxes as COCO annotations.
Images without an XML file are left out, and so are boxes of classes that COCO does not have.
"""

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from mmderain.errors import InputError
from mmderain.io.image import list_images

from .coco import Box, write_test_set

#: Entries of an object with the corners of its box.
CORNERS = tuple(f'bndbox/{name}' for name in ('xmin', 'ymin', 'xmax', 'ymax'))


def write_voc_test_set(src: Path, dst: Path) -> list[str]:
    """Write ``images`` and ``test.json``.

    Args:
        src: folder with images and XML files.
        dst: folder to write, new or empty; it appears completely or not at all.

    Returns:
        Lines with the numbers of images and boxes, and with what is left out.

    Raises:
        FileNotFoundError, InputError: the folder or an XML file is missing or not as expected. Nothing is written then.
    """
    if not src.is_dir():
        raise FileNotFoundError(f'{src}: no such folder; give the folder with the images and the XML files')
    annotations: dict[str, Path] = {}
    for path in sorted(src.rglob('*.xml')):
        if annotations.setdefault(path.stem, path) != path:
            raise InputError(
                f'{path} and {annotations[path.stem]}: two XML files for images of the same name; give a smaller SRC'
            )
    images = [src / path for path in list_images(src)]
    boxes = {path: read_voc_boxes(annotations[path.stem]) for path in images if path.stem in annotations}
    if not boxes:
        raise InputError(
            f'{src}: found {len(images)} images and {len(annotations)} XML files, but no XML file with the name of an '
            'image; docs/en/datasets.md shows the expected layout'
        )
    report = write_test_set(boxes, dst)
    if len(boxes) < len(images):
        report.append(f'left out, without an XML file: {len(images) - len(boxes)} images')
    return report


def read_voc_boxes(path: Path) -> list[Box]:
    """Read the boxes of one image from an XML file of PASCAL VOC.

    As in mmdet, the first pixel of the file has the coordinate 1, and boxes that are marked ``difficult`` are ignored.

    Raises:
        InputError: the file is not XML, or a box lacks its name or a coordinate.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the latter two: an unsupported encoding
        raise InputError(f'{path}: is not XML in a known encoding ({error}); restore the file, or remove it') from None
    boxes = []
    for number, item in enumerate(root.findall('object'), start=1):
        values = {key: item.findtext(key, '').strip() for key in ('name', *CORNERS)}
        try:
            x0, y0, x1, y1 = (float(values[key]) - 1 for key in CORNERS)
            if not all(map(math.isfinite, (x0, y0, x1, y1))):
                raise ValueError
        except ValueError:
            raise InputError(
                f'{path}: object {number} has the entries {values}; expected a name and four numbers, as in PASCAL VOC'
            ) from None
        boxes.append(Box(values['name'], (x0, y0, x1, y1), item.findtext('difficult', '0').strip() == '1'))
    return boxes
