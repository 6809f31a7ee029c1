"""Show the predictions of a detector or segmentor for files: a figure for each image, and a video for each video."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from mmderain.apis.pipeline import Pipeline
from mmderain.apis.plan import Plan
from mmderain.apis.results import failure_reason
from mmderain.apis.sources import Input, Source
from mmderain.apis.targets import is_kept
from mmderain.errors import InputError
from mmderain.io.image import DecodedImage, read_image, write_image
from mmderain.io.image_header import MAX_PIXELS
from mmderain.io.naming import Naming
from mmderain.models import Derainer
from mmderain.rain.synthesis import Rain

from .scene import View, draw_scene, figure, make_views
from .scene_video import predictions_path, show_scene_video
from .task import TaskInferencer


def stream_scenes(
    inputs: Sequence[Input],
    out_dir: str | Path,
    derainer: Derainer | None,
    task: TaskInferencer,
    rain: Rain | None = 'heavy',
    seed: int = 0,
    existing: str = 'refuse',
    keep_suffix: bool = False,
    skipped: Counter[str] | None = None,
) -> Iterator[tuple[str, list[View] | Exception]]:
    """Make the views of each image with :func:`~mmderain.perception.scene.view_scene`, and write a figure of the views.

    For a video, :func:`~mmderain.perception.scene_video.show_scene_video` writes a video and a JSON file.
    Images are read in threads while the models run. Only a few images are in memory at the same time.

    Args:
        inputs: image files, video files, and folders of such files.
        out_dir: folder for the figures. Each figure has the same file name as its image.
        derainer: see :func:`~mmderain.perception.scene.view_scene`.
        task: see :func:`~mmderain.perception.scene.view_scene`.
        rain: see :func:`~mmderain.perception.scene.view_scene`.
        seed: seed of the drawn rain. The rain on an image also depends on the position of the image among all images
            in ``inputs``.
        existing: see :class:`~mmderain.apis.DerainInferencer`.
        keep_suffix: see :class:`~mmderain.apis.DerainInferencer`.
        skipped: the files in the input folders that are neither images nor videos are added to it, see
            :func:`~mmderain.io.folders.iter_names`. None counts no files.

    Returns:
        An iterator over pairs of a name and views. The views of a video are those of its last frame. If an input cannot
        be read or derained, or if its figure must not be written, an exception takes the place of the views. Skipped
        inputs have no pair.

    Raises:
        FileNotFoundError: the only input does not exist. In this case, no file has been written.
        InputError: a folder contains no image. In this case, no file has been written.
    """
    plan = Plan(inputs, out_dir, existing, naming=Naming(keep_suffix=keep_suffix))
    return _stream(plan, derainer, task, rain, seed, skipped)


def _stream(
    plan: Plan,
    derainer: Derainer | None,
    task: TaskInferencer,
    rain: Rain | None,
    seed: int,
    skipped: Counter[str] | None,
) -> Iterator[tuple[str, list[View] | Exception]]:
    for is_video, group in groupby(enumerate(plan), key=lambda pair: pair[1].is_video):
        if not is_video:
            scenes = (_Scene(**vars(source), rain=rain, seed=(seed, number)) for number, source in group)
            yield from _image_scenes(scenes, derainer, task)
            continue
        for _, source in group:
            try:
                views = _video_scene(source, plan, derainer, task, rain, seed)
                if views is not None:
                    yield source.name, views
            except Exception as error:  # decoders and models can raise any exception
                yield source.name, _failure(failure_reason(source.name, error), error)
    if skipped is not None:
        skipped.update(plan.skipped)


def _video_scene(
    source: Source, plan: Plan, derainer: Derainer | None, task: TaskInferencer, rain: Rain | None, seed: int
) -> list[View] | None:
    """Write the results for a video, and return the views of its last frame; None if the video is skipped."""
    if source.is_done():
        return None
    assert isinstance(source.content, Path) and isinstance(source.target, Path) and plan.targets is not None
    predictions = predictions_path(source.target)
    if predictions.exists():
        is_kept(predictions, plan.targets.existing)  # raises an error with existing='refuse'
    return show_scene_video(source.content, source.target, derainer, task, rain, seed)


def _image_scenes(
    scenes: Iterator['_Scene'], derainer: Derainer | None, task: TaskInferencer
) -> Iterator[tuple[str, list[View] | Exception]]:
    waiting: deque[_Scene] = deque()

    def remember() -> Iterator[_Scene]:
        for scene in scenes:
            waiting.append(scene)
            yield scene

    for result in Pipeline(derainer or cast('Derainer', _Unchanged())).run(remember()):
        scene = waiting.popleft()
        if result.skipped:
            continue
        outcome: list[View] | Exception
        try:
            if result.error is not None:
                raise result.error
            images = scene.images
            if derainer is not None:
                assert isinstance(result.prediction, np.ndarray)
                images['derained'] = result.prediction
            outcome = make_views(images, task)
            assert isinstance(scene.target, Path)
            write_image(figure(outcome), scene.target)
        except Exception as error:  # task models can raise any exception
            outcome = _failure(result.reason or failure_reason(scene.name, error), error)
        yield scene.name, outcome


@dataclass
class _Scene(Source):
    """One image on which rain is drawn before it is derained. Its result is not written.

    Attributes:
        rain: see :func:`~mmderain.perception.scene.view_scene`.
        seed: seed of the drawn rain.
        images: the images of the scene after it was loaded, see :func:`~mmderain.perception.scene.draw_scene`.
    """

    rain: Rain | None = None
    seed: Sequence[int] = ()
    images: dict[str, np.ndarray] = field(default_factory=dict)

    def load(self, max_pixels: int = MAX_PIXELS) -> DecodedImage:
        """Read the image, and draw rain on it."""
        if not isinstance(self.content, Path):
            raise InputError(f'{self.name}: expected the path of an image or a video')
        self.images = draw_scene(read_image(self.content, max_pixels), self.rain, self.seed)
        return DecodedImage.from_array(self.images['rainy'], self.name)

    def fit_target(self, loaded: DecodedImage | Tensor) -> bool:
        """Return False, because the figure has no transparent pixels."""
        return False

    def save(self, array: np.ndarray) -> np.ndarray:
        """Return the derained image."""
        return array


class _Unchanged(torch.nn.Module):
    """Network in place of a derainer, which returns its input."""

    tile = None

    def restore(self, images: Tensor, tile: int | None = None) -> Tensor:
        """Return the images."""
        return images


def _failure(reason: str, error: Exception) -> InputError:
    failure = InputError(reason)
    failure.__cause__ = error  # for --traceback
    return failure
