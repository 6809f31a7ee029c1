"""Make frames, boxes and label maps of persons from the video of a still camera, by background subtraction.

Made for vtest.avi of OpenCV's samples: 795 frames of 768x576 of people who cross a square. Writes
DST/images/{train,test}/00000.jpg, label maps in DST/annotations (0 background, 1 person, 255 uncertain),
DST/{train,test}.json (COCO, one class: person), and DST/labels.jpg for an inspection by eye: every second test image
with its labels.

The background is the median of the frames. Pixels that differ from it in lightness or color are closed over small gaps,
and each connected region is an object. People who overlap are therefore one box, and a part of a person behind a pole
is cut off. Regions that are too small, not upright or in --uncertain (in vtest.avi a car that starts there) are marked
iscrowd: they count neither for nor against a detector.
"""

import json
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mmderain.errors import InputError
from mmderain.io.files import atomic_folder
from mmderain.io.image import write_image
from mmderain.io.video import read_frames
from mmderain.visualization import grid

#: Least difference from the background in lightness, and in both colors together (8-bit CIELAB); calibrated by eye on
#: vtest.avi.
DIFFERENCE = (28, 20)
#: Least area and height of a certain person, px, and largest width as a fraction of the height.
MIN_AREA, MIN_HEIGHT, MAX_WIDTH = 150, 25, 1.1
PERSON, UNCERTAIN = 1, 255


def label_street_video(
    video: Path, dst: Path, step: int = 5, test_from: int = 600, uncertain: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> list[str]:
    """Label the persons in a video of a still camera.

    Args:
        video: video of a camera that stands still.
        dst: folder to write, which must not exist; it appears completely or not at all.
        step: take every ``step``-th frame.
        test_from: first frame of the test set; the frames before it are for training.
        uncertain: x0, y0, x1, y1 in px of a rectangle in which no region is certainly a person.

    Returns:
        One line for each split, with its numbers of images and persons, and a last one.

    Raises:
        FileNotFoundError, InputError: the video cannot be read, ``dst`` exists, or a split would be empty.
    """
    if dst.exists():
        raise InputError(f'{dst}: already exists; remove it or name another folder')
    frames = list(islice(read_frames(video)[0], None, None, step))
    train = -(-test_from // step)  # number of the taken frames that lie before test_from
    if not 0 < train < len(frames):
        raise InputError(
            f'{video}: --test-from {test_from} leaves {min(train, len(frames))} of {len(frames)} frames for training; '
            'both halves need some'
        )
    background = _smooth_lab(np.median(frames, axis=0).astype(np.uint8))
    drawn, report = {}, []
    with atomic_folder(dst) as part:
        for split, first, last in (('train', 0, train), ('test', train, len(frames))):
            images: list[dict] = []
            annotations: list[dict] = []
            for place in track(range(first, last), split):
                frame, name = frames[place], f'{place * step:05}'
                labels, objects = find_objects(frame, background, uncertain)
                write_image(frame, part / 'images' / split / f'{name}.jpg')
                write_image(labels, part / 'annotations' / split / f'{name}.png')
                images.append(dict(id=place, file_name=f'{name}.jpg', height=frame.shape[0], width=frame.shape[1]))
                annotations += [
                    dict(id=len(annotations) + i, image_id=place, **o) for i, o in enumerate(objects, start=1)
                ]
                if split == 'test' and place % 2 == 0:
                    drawn[name] = cv2.resize(_draw(frame, labels, objects), None, fx=0.5, fy=0.5)
            content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='person')])
            (part / f'{split}.json').write_text(json.dumps(content), encoding='utf-8')
            certain = sum(not thing['iscrowd'] for thing in annotations)
            report.append(
                f'{split}: {len(images)} images, {certain} persons, {len(annotations) - certain} uncertain regions'
            )
        write_image(grid(drawn, 4), part / 'labels.jpg')
    return [*report, f'{dst}: look at labels.jpg']


def find_objects(
    frame: np.ndarray, background: np.ndarray, uncertain: tuple[int, int, int, int]
) -> tuple[np.ndarray, list[dict]]:
    """Find the objects in front of the background.

    Args:
        frame: BGR uint8 (H, W, 3).
        background: the empty scene in smoothed CIELAB, int16 (H, W, 3).
        uncertain: x0, y0, x1, y1 of the rectangle whose regions are uncertain, px.

    Returns:
        The label map, uint8 (H, W), and a COCO annotation without ids for each region.
    """
    change = np.abs(_smooth_lab(frame) - background)
    mask = ((change[..., 0] > DIFFERENCE[0]) | (change[..., 1:].sum(-1) > DIFFERENCE[1])).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((11, 5), np.uint8))
    _, regions, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    labels, found = np.zeros(mask.shape, np.uint8), []
    for number, (*box, area) in enumerate(stats[1:].tolist(), start=1):
        x, y, w, h = box
        outside = not (uncertain[0] <= x and x + w <= uncertain[2] and uncertain[1] <= y and y + h <= uncertain[3])
        certain = outside and area >= MIN_AREA and h >= MIN_HEIGHT and w <= MAX_WIDTH * h
        labels[regions == number] = PERSON if certain else UNCERTAIN
        found.append(dict(category_id=1, bbox=box, area=area, iscrowd=int(not certain)))
    return labels, found


def _smooth_lab(frame: np.ndarray) -> np.ndarray:
    """Convert BGR uint8 to smoothed CIELAB, int16 (H, W, 3)."""
    return cv2.cvtColor(cv2.GaussianBlur(frame, (5, 5), 0), cv2.COLOR_BGR2LAB).astype(np.int16)


def _draw(frame: np.ndarray, labels: np.ndarray, objects: list[dict]) -> np.ndarray:
    """Return a frame with its regions tinted and its boxes drawn: green, or gray if they are uncertain."""
    shown = frame.copy()
    shown[labels > 0] = (shown[labels > 0] * 0.5 + np.array([0, 0, 127])).astype(np.uint8)
    for thing in objects:
        x, y, w, h = thing['bbox']
        cv2.rectangle(shown, (x, y), (x + w, y + h), (160, 160, 160) if thing['iscrowd'] else (0, 255, 0), 2)
    return shown
