"""Frames, boxes and label maps of persons from a video of a still camera, by background subtraction.

    python tools/dataset_converters/street_video.py vtest.avi data/street --uncertain 690 20 768 100

Made for `vtest.avi` of OpenCV's samples (795 frames of 768x576: people crossing a square). Every --step-th frame before
--test-from is for training, those from it on for testing. Writes DST/images/{train,test}/00000.jpg, label maps in
DST/annotations (0 background, 1 person, 255 uncertain), DST/{train,test}.json (COCO, one class: person), and
DST/labels.jpg: every second test picture with its labels drawn, to be looked at.

The background is the median of the frames. What differs from it in lightness or colour is closed over small gaps, and
each connected region is an object. So people who overlap are one box, and a part of a person that hides behind a pole
is cut off. Regions that are too small, not upright or within --uncertain (a car that moves off, in vtest.avi) are
uncertain: marked iscrowd, they count neither for nor against.
"""

import argparse
import json
import shutil
import sys
from itertools import islice
from pathlib import Path

import cv2
import mmcv
import numpy as np
from rich.progress import track

from mmderain.errors import InputError
from mmderain.io.video import read_frames
from mmderain.perception.joint_test.gallery import grid

DIFFERENCE = (28, 20)  # in lightness, in both colours together (8-bit CIELAB): calibrated by eye on vtest.avi
SMALLEST = (150, 25)  # area, height of a certain person, px
WIDEST = 1.1  # width of a certain person over the height
PERSON, UNCERTAIN = 1, 255


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('video', type=Path, help='of a camera that stands still')
    parser.add_argument('dst', type=Path, nargs='?', default=Path('data/street'), help='default: %(default)s')
    parser.add_argument('--step', type=int, default=5, metavar='N', help='take every N-th frame (default: 5)')
    parser.add_argument(
        '--test-from', type=int, default=600, metavar='FRAME', help='first frame of the test set (default: 600)'
    )
    parser.add_argument(
        '--uncertain',
        type=int,
        nargs=4,
        metavar=('X0', 'Y0', 'X1', 'Y1'),
        default=(0, 0, 0, 0),
        help='rectangle, px, in which no region is certainly a person (default: none)',
    )
    return parser.parse_args(argv)


def colours(frame: np.ndarray) -> np.ndarray:
    """Smoothed CIELAB, (H, W, 3) int16."""
    return cv2.cvtColor(cv2.GaussianBlur(frame, (5, 5), 0), cv2.COLOR_BGR2LAB).astype(np.int16)


def find_objects(
    frame: np.ndarray, background: np.ndarray, uncertain: tuple[int, int, int, int]
) -> tuple[np.ndarray, list[dict]]:
    """What stands before the background.

    Args:
        frame: (H, W, 3) BGR uint8. background: what :func:`colours` gives of the empty scene.
        uncertain: x0, y0, x1, y1 of the rectangle whose regions are uncertain, px.

    Returns:
        The label map, (H, W) uint8, and a COCO annotation for each region, without ids.
    """
    change = np.abs(colours(frame) - background)
    mask = ((change[..., 0] > DIFFERENCE[0]) | (change[..., 1:].sum(-1) > DIFFERENCE[1])).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((11, 5), np.uint8))
    _, regions, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    labels, found = np.zeros(mask.shape, np.uint8), []
    for number, (*box, area) in enumerate(stats[1:].tolist(), start=1):
        x, y, w, h = box
        outside = not (uncertain[0] <= x and x + w <= uncertain[2] and uncertain[1] <= y and y + h <= uncertain[3])
        certain = outside and area >= SMALLEST[0] and h >= SMALLEST[1] and w <= WIDEST * h
        labels[regions == number] = PERSON if certain else UNCERTAIN
        found.append(dict(category_id=1, bbox=box, area=area, iscrowd=int(not certain)))
    return labels, found


def drawn(frame: np.ndarray, labels: np.ndarray, objects: list[dict]) -> np.ndarray:
    """The frame with its regions tinted and boxes drawn: green, or grey where uncertain."""
    shown = frame.copy()
    shown[labels > 0] = (shown[labels > 0] * 0.5 + np.array([0, 0, 127])).astype(np.uint8)
    for thing in objects:
        x, y, w, h = thing['bbox']
        cv2.rectangle(shown, (x, y), (x + w, y + h), (160, 160, 160) if thing['iscrowd'] else (0, 255, 0), 2)
    return shown


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if args.dst.exists():
            raise InputError(f'{args.dst}: is there already; remove it or name another folder')
        frames = [frame for frame in islice(read_frames(args.video)[0], None, None, args.step)]
        train = -(-args.test_from // args.step)  # frames before --test-from, of those taken
        if not 0 < train < len(frames):
            raise InputError(
                f'{args.video}: --test-from {args.test_from} leaves {min(train, len(frames))} of {len(frames)} frames '
                'for training; both halves need some'
            )
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    background = colours(np.median(frames, axis=0).astype(np.uint8))
    part, looked_at = args.dst.with_name(f'.{args.dst.name}.part'), {}
    shutil.rmtree(part, ignore_errors=True)
    for split, first, last in (('train', 0, train), ('test', train, len(frames))):
        images, annotations = [], []
        for place in track(range(first, last), split):
            frame, name = frames[place], f'{place * args.step:05}'
            labels, objects = find_objects(frame, background, args.uncertain)
            mmcv.imwrite(frame, str(part / 'images' / split / f'{name}.jpg'), [cv2.IMWRITE_JPEG_QUALITY, 95])
            mmcv.imwrite(labels, str(part / 'annotations' / split / f'{name}.png'))
            images.append(dict(id=place, file_name=f'{name}.jpg', height=frame.shape[0], width=frame.shape[1]))
            annotations += [dict(id=len(annotations) + i, image_id=place, **o) for i, o in enumerate(objects, start=1)]
            if split == 'test' and place % 2 == 0:
                looked_at[name] = cv2.resize(drawn(frame, labels, objects), None, fx=0.5, fy=0.5)
        content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='person')])
        (part / f'{split}.json').write_text(json.dumps(content), encoding='utf-8')
        certain = sum(not thing['iscrowd'] for thing in annotations)
        print(f'{split}: {len(images)} pictures, {certain} persons, {len(annotations) - certain} uncertain regions')
    mmcv.imwrite(grid(looked_at, 4), str(part / 'labels.jpg'))
    part.rename(args.dst)
    print(f'{args.dst}: look at labels.jpg')
    return 0


if __name__ == '__main__':
    sys.exit(main())
