"""Draw contact sheets of data sets.

A contact sheet shows some items of a data set, and how each transform of the pipeline changes their images.
"""

from typing import Any

import cv2
import numpy as np
import torch

from mmderain.errors import InputError
from mmderain.visualization import panel

from .base import seeded
from .samplers import SeededIndex

#: Name of a transform, and the images after this transform, BGR uint8 (H, W, 3): the rainy image and, if there is one,
#: the clean image.
Step = tuple[str, list[np.ndarray]]


def unwrap_dataset(dataset: Any) -> Any:
    """Return the data set inside wrappers such as ``RepeatDataset`` and ``ConcatDataset``.

    If a wrapper contains several data sets, the first one is used.
    """
    while not hasattr(dataset, 'get_data_info') or not hasattr(dataset, 'pipeline') or hasattr(dataset, 'datasets'):
        dataset = dataset.datasets[0] if hasattr(dataset, 'datasets') else dataset.dataset
    return dataset


def images_of(results: dict) -> list[np.ndarray]:
    """Return the rainy image and the clean image from the results of a pipeline.

    A clean image of another size is left out. The list is empty if no image is loaded yet.

    Args:
        results: results of a transform.

    Returns:
        One or two images, BGR uint8 (H, W, 3).
    """
    if 'img' in results:
        images = [results['img'], results.get('gt_img')]
    else:
        inputs, truth = results.get('inputs'), getattr(results.get('data_samples'), 'gt_img', None)
        inputs = inputs[0] if isinstance(inputs, list) else inputs  # the first view of test-time augmentation
        images = [None if t is None else t.numpy().transpose(1, 2, 0) for t in (inputs, truth)]
    images = [np.rint(np.clip(image, 0, 255)).astype(np.uint8) for image in images if image is not None]
    return [image for image in images if image.shape == images[0].shape]


def pipeline_steps(dataset: Any, index: int, seed: int) -> list[Step]:
    """Run the pipeline on one item, and return the images after each transform that changes an image.

    Args:
        dataset: a data set with ``get_data_info`` and ``pipeline``, see :func:`unwrap_dataset`.
        index: index of the item.
        seed: seed of the random transforms.

    Raises:
        InputError: a transform returns None.
    """
    steps: list[Step] = []
    with seeded(SeededIndex(index, 0, seed)):
        torch.manual_seed(seed + index)
        results = dataset.get_data_info(index)
        for transform in dataset.pipeline.transforms:
            results = transform(results)
            if results is None:
                raise InputError(f'item {index}: {type(transform).__name__} returns None; try another item or seed')
            images = images_of(results)
            if images and not (steps and np.array_equal(images, steps[-1][1])):
                # Copy the images, because the next transform may change them in place.
                steps.append((type(transform).__name__, [image.copy() for image in images]))
    return steps


def contact_sheet(rows: list[list[Step]], height: int) -> np.ndarray:
    """Draw a contact sheet with a row for each item. A caption shows the name of each step and the size of its images.

    Args:
        rows: the steps of each item, see :func:`pipeline_steps`.
        height: height of each drawn image in pixels.

    Returns:
        BGR uint8 (H, W, 3).
    """
    drawn = []
    for steps in rows:
        tiles = []
        for name, images in steps:
            h, w = images[0].shape[:2]
            size = (max(round(w * height / h), 1), height)
            shown = np.concatenate([cv2.resize(img, size, interpolation=cv2.INTER_AREA) for img in images], axis=1)
            caption = f'{name} {h}x{w}'
            tiles.append(panel({caption: pad_right(shown, 7 * len(caption))}))  # at least as wide as the caption
        drawn.append(np.concatenate(tiles, axis=1))
    return np.concatenate([pad_right(row, max(row.shape[1] for row in drawn)) for row in drawn])


def pad_right(image: np.ndarray, width: int) -> np.ndarray:
    """Add white columns at the right if an image is narrower than ``width`` pixels."""
    return np.pad(image, ((0, 0), (0, max(width - image.shape[1], 0)), (0, 0)), constant_values=255)
