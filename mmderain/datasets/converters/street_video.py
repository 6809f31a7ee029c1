"""Label the persons in the video of a camera that does not move, by background subtraction.

The settings fit the video vtest.avi from the samples of OpenCV. It has 795 frames of 768x576 pixels, and shows people
who cross a square. The converter writes these files:

    DST/images/{train,test}/00000.jpg        frames of the video
    DST/annotations/{train,test}/00000.png   label maps: 0 background, 1 person, 255 uncertain
    DST/{train,test}.json                    boxes in COCO format, with one class: person
    DST/labels.jpg                           every second test image with its labels, to be checked by eye

The background is the median of the frames. Pixels that differ from the background in lightness or color are marked, and
small gaps between them are filled. Each connected region of marked pixels is an object. Therefore people who overlap
share one box, and the box of a person behind a pole covers only a part of this person. Regions that are too small or
too wide for a person, or that lie inside the rectangle --uncertain, are marked iscrowd: the evaluation ignores
detections in these regions. In vtest.avi, use this rectangle for a car that starts to move.
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

#: Two thresholds in 8-bit CIELAB. A pixel differs from the background if its difference in L is larger than the first
#: number. It also differs if the sum of its differences in a and b is larger than the second number. Both numbers were
#: chosen by eye on vtest.avi.
DIFFERENCE = (28, 20)
#: Limits for a region that is labeled as a person: the smallest area in pixels, the smallest height in pixels, and the
#: largest ratio of width to height.
MIN_AREA, MIN_HEIGHT, MAX_WIDTH = 150, 25, 1.1
PERSON, UNCERTAIN = 1, 255


def label_street_video(
    video: Path, dst: Path, step: int = 5, test_from: int = 600, uncertain: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> list[str]:
    """Label the persons in the video of a camera that does not move.

    Args:
        video: video of a camera that does not move.
        dst: folder to create. It must not exist. It is written completely or not at all.
        step: use every ``step``-th frame.
        test_from: number of the first frame of the test set, counted from 0 in the video. All earlier frames are for
            training.
        uncertain: x0, y0, x1, y1 of a rectangle in pixels. Regions inside it are marked as uncertain.

    Returns:
        Lines of text: one line for each split with the numbers of images, persons and uncertain regions, and a last
        line that tells the user to check ``labels.jpg``.

    Raises:
        FileNotFoundError, InputError: the video cannot be read, ``dst`` exists, or a split would be empty.
    """
    if dst.exists():
        raise InputError(f'{dst}: already exists; remove it or name another folder')
    frames = list(islice(read_frames(video)[0], None, None, step))
    train = -(-test_from // step)  # number of the used frames before test_from
    if not 0 < train < len(frames):
        raise InputError(
            f'{video}: --test-from {test_from} leaves {min(train, len(frames))} of {len(frames)} frames for training; '
            'the training set and the test set need at least one frame each'
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
    return [*report, f'{dst}: check the labels in labels.jpg']


def find_objects(
    frame: np.ndarray, background: np.ndarray, uncertain: tuple[int, int, int, int]
) -> tuple[np.ndarray, list[dict]]:
    """Find the objects in front of the background.

    Args:
        frame: BGR uint8 (H, W, 3).
        background: the empty scene in smoothed CIELAB, int16 (H, W, 3).
        uncertain: x0, y0, x1, y1 of a rectangle in pixels. Regions inside it are marked as uncertain.

    Returns:
        The label map, uint8 (H, W), and a COCO annotation for each region, without ``id`` and ``image_id``.
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
    """Return a frame with red regions and with boxes. The boxes of persons are green, those of other regions gray."""
    shown = frame.copy()
    shown[labels > 0] = (shown[labels > 0] * 0.5 + np.array([0, 0, 127])).astype(np.uint8)
    for thing in objects:
        x, y, w, h = thing['bbox']
        cv2.rectangle(shown, (x, y), (x + w, y + h), (160, 160, 160) if thing['iscrowd'] else (0, 255, 0), 2)
    return shown
