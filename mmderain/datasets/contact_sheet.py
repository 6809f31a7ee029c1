"""Contact sheets of data sets: images after each step of a pipeline."""

from typing import Any

import cv2
import numpy as np
import torch

from mmderain.errors import InputError
from mmderain.visualization import panel

from .base import seeded
from .samplers import SeededIndex

#: Name of a transform, and the rainy image and its truth (if there is one) after it; BGR uint8 (H, W, 3).
Step = tuple[str, list[np.ndarray]]


def unwrap_dataset(dataset: Any) -> Any:
    """Return the data set inside wrappers that repeat, join or mix; of several, the first."""
    while not hasattr(dataset, 'get_data_info') or not hasattr(dataset, 'pipeline') or hasattr(dataset, 'datasets'):
        dataset = dataset.datasets[0] if hasattr(dataset, 'datasets') else dataset.dataset
    return dataset


def images_of(results: dict) -> list[np.ndarray]:
    """Return the image in the results of a pipeline, and its truth if it has one of the same size; BGR uint8."""
    if 'img' in results:
        images = [results['img'], results.get('gt_img')]
    else:
        inputs, truth = results.get('inputs'), getattr(results.get('data_samples'), 'gt_img', None)
        inputs = inputs[0] if isinstance(inputs, list) else inputs  # of test-time augmentation the first view
        images = [None if t is None else t.numpy().transpose(1, 2, 0) for t in (inputs, truth)]
    images = [np.clip(image, 0, 255).astype(np.uint8) for image in images if image is not None]
    return [image for image in images if image.shape == images[0].shape]


def pipeline_steps(dataset: Any, index: int, seed: int) -> list[Step]:
    """Return the transforms that change the image of an item, and the images after each.

    Args:
        dataset: a data set with ``get_data_info`` and ``pipeline``, see :func:`unwrap_dataset`.
        index: number of the item.
        seed: seed of the random transforms.

    Raises:
        InputError: a transform returns nothing.
    """
    steps: list[Step] = []
    with seeded(SeededIndex(index, 0, seed)):
        torch.manual_seed(seed + index)
        results = dataset.get_data_info(index)
        for transform in dataset.pipeline.transforms:
            results = transform(results)
            if results is None:
                raise InputError(f'item {index}: {type(transform).__name__} returns nothing; it may need other images')
            images = images_of(results)
            if images and not (steps and np.array_equal(images, steps[-1][1])):
                # Copies, because the next transform may change its input in place.
                steps.append((type(transform).__name__, [image.copy() for image in images]))
    return steps


def contact_sheet(rows: list[list[Step]], height: int) -> np.ndarray:
    """Draw the steps of several items, a row for each item, each image captioned and ``height`` px high.

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
    """Widen an image to ``width`` px, if it is narrower, by white columns at its right."""
    return np.pad(image, ((0, 0), (0, max(width - image.shape[1], 0)), (0, 0)), constant_values=255)
