"""Show the predictions of a detector or segmentor for each frame of a video."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from mmderain.io import atomic_write, read_frames, write_frames
from mmderain.io.files import short_name
from mmderain.io.image_header import MAX_PIXELS
from mmderain.models import Derainer
from mmderain.rain.synthesis import Rain

from .scene import View, view_scene
from .task import TaskInferencer


def show_scene_video(
    source: Path,
    target: Path,
    derainer: Derainer | None,
    task: TaskInferencer,
    rain: Rain | None = 'heavy',
    seed: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> list[View]:
    """Write a video in which the views of each frame are side by side, and a JSON file with the predictions.

    The JSON file is :func:`predictions_path` of the video. It contains ``classes``, ``rate`` (frames per
    second) and ``frames``. Each frame maps the title of a view to its predictions:

    * for a detector, a list of ``{"label", "score", "box"}``; a box is ``[left, top, right, bottom]`` in pixels of the
      source, and the label is the name of a class;
    * for a segmentor, the share of each class in the pixels, from 0 to 1.

    The JSON file is written before the video gets its name.

    Args:
        source: a video.
        target: path of the result, which ends in ``.mp4``.
        derainer: see :func:`~mmderain.perception.scene.view_scene`.
        task: a detector or segmentor.
        rain: see :func:`~mmderain.perception.scene.view_scene`. Each frame gets other rain.
        seed: seed of the drawn rain. The rain of a frame also depends on the number of the frame.
        max_pixels: largest number of pixels of a frame.

    Returns:
        The views of the last frame. Their captions describe the whole video.

    Raises:
        InputError: the video cannot be read or is incomplete, or the target cannot be written.
    """
    frames, rate = read_frames(source, max_pixels)
    predictions: list[dict[str, Any]] = []
    last: list[View] = []

    def composed() -> Iterator[np.ndarray]:
        nonlocal last
        for number, frame in enumerate(frames):
            last = view_scene(frame, derainer, task, rain, [seed, number])
            predictions.append({view.title: _describe(task, view) for view in last})
            yield side_by_side(last)
        # If the program ends early, an existing video must mean that the JSON file is complete, too.
        with atomic_write(predictions_path(target)) as part:
            content = {'classes': list(task.classes), 'rate': rate, 'frames': predictions}
            part.write_text(json.dumps(content, indent=1), encoding='utf-8')

    write_frames(composed(), target, rate)
    for view in last:
        view.caption = f'{len(predictions)} frames'
        if task.kind == 'detector':
            view.caption += f', {sum(len(frame[view.title]) for frame in predictions)} boxes'
        view.agreement, view.scores = '', {}
    return last


def predictions_path(video: Path) -> Path:
    """Return the path of the JSON file beside a result video: the name of the video with the suffix ``.json``.

    The name is shortened if it would be too long for the file system.
    """
    return video.with_name(f'{short_name(video.stem, 250)}.json')


def side_by_side(views: list[View]) -> np.ndarray:
    """Return the drawings of the views side by side, with their titles, BGR uint8 of an even size."""
    images = []
    for view in views:
        image = cv2.copyMakeBorder(view.drawn, 24, 0, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        cv2.putText(image, view.title, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        images.append(image)
    image = cv2.hconcat(images)
    rows, columns = (size % 2 for size in image.shape[:2])
    return cv2.copyMakeBorder(image, 0, rows, 0, columns, cv2.BORDER_REPLICATE)


def _describe(task: TaskInferencer, view: View) -> Any:
    """Return the predictions of a view as JSON values."""
    prediction = view.prediction
    assert prediction is not None, 'view_scene stores the prediction if there is a task model'
    if task.kind == 'segmentor':
        labels = prediction.pred_sem_seg.data.flatten()
        shares = (torch.bincount(labels, minlength=len(task.classes)) / len(labels)).tolist()
        return {name: round(share, 4) for name, share in zip(task.classes, shares, strict=False)}
    boxes = prediction.pred_instances
    return [
        {'label': task.classes[label], 'score': round(score, 4), 'box': [round(value, 1) for value in box]}
        for label, score, box in zip(boxes.labels.tolist(), boxes.scores.tolist(), boxes.bboxes.tolist(), strict=True)
        if score >= task.score_threshold
    ]
