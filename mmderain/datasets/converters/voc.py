"""Read boxes from XML files in the format of PASCAL VOC, and make a test set for detectors that were trained on COCO.

SRC and its sub-folders contain images. Each image has an XML file of the same name. The folder Rain of DAWN and RTTS of
RESIDE have this layout. The converter writes DST/images with links to the images, and DST/test.json with the boxes as
COCO annotations. Images without an XML file and boxes of classes that COCO does not have are left out.
"""

import math
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from mmderain.errors import InputError
from mmderain.io.folders import iter_images, list_images, skipped_by_suffix

from .coco import Box, write_test_set

#: XML elements that contain the corners of the box of an object.
CORNERS = tuple(f'bndbox/{name}' for name in ('xmin', 'ymin', 'xmax', 'ymax'))


def write_voc_test_set(src: Path, dst: Path) -> list[str]:
    """Write the test set: the folder ``images`` and the file ``test.json``.

    Args:
        src: folder with images and XML files.
        dst: folder to write. It must be new or empty. It is written completely or not at all.

    Returns:
        Lines of text with the numbers of images and boxes, and with the numbers of boxes and images that are left out.

    Raises:
        FileNotFoundError, InputError: the folder does not exist, no image has an XML file, two XML files have the same
            name, or a file is not as expected. In this case, nothing is written.
    """
    if not src.is_dir():
        raise FileNotFoundError(f'{src}: no such folder; give the folder with the images and the XML files')
    annotations: dict[str, Path] = {}
    for path in (src / name for name in iter_images(src, ('.xml',))):
        if annotations.setdefault(path.stem, path) != path:
            raise InputError(
                f'{path} and {annotations[path.stem]}: two XML files have the same name; give a folder SRC that '
                'contains only one of these files'
            )
    skipped: Counter[str] = Counter()
    images = [src / path for path in list_images(src, skipped=skipped)]
    del skipped['.xml']
    boxes = {path: read_voc_boxes(annotations[path.stem]) for path in images if path.stem in annotations}
    if not boxes:
        raise InputError(
            f'{src}: found {len(images)} images and {len(annotations)} XML files, but no XML file with the name of an '
            'image; docs/en/datasets.md shows the expected layout'
        )
    report = write_test_set(boxes, dst)
    if len(boxes) < len(images):
        report.append(f'left out, without an XML file: {len(images) - len(boxes)} images')
    if text := skipped_by_suffix(skipped):
        report.append(text)
    return report


def read_voc_boxes(path: Path) -> list[Box]:
    """Read the boxes of one image from an XML file of PASCAL VOC.

    As in mmdet, coordinates in the file start at 1, so 1 is subtracted from them. Boxes that are marked ``difficult``
    are ignored in the evaluation.

    Raises:
        InputError: the file is not XML, or a box lacks its name or a coordinate.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last two mean an unknown encoding
        raise InputError(f'{path}: cannot be read as XML ({error}); restore the file, or remove it') from None
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
