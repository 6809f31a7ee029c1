"""Weights and images that are equal on every machine. They are computed without a random generator."""

import json
import math

import numpy as np
import torch
from conftest import GOLDEN
from torch import Tensor


def authors_keys(network: str) -> list[tuple[str, list[int]]]:
    """Return the name and the shape of each tensor in the authors' checkpoint, in the order of the checkpoint."""
    return json.loads((GOLDEN / f'{network}_state_dict.json').read_text())['state_dict']


def fill(keys: list[tuple[str, list[int]]], seed: int) -> dict[str, Tensor]:
    """Return fixed pseudo-random weights, keyed by the authors' names.

    Weights of convolutions have the variance 1 / fan-in. Biases lie between -0.05 and 0.05.
    """
    weights = {}
    for number, (key, shape) in enumerate(keys):
        if key.endswith('num_batches_tracked'):
            weights[key] = torch.zeros((), dtype=torch.long)
            continue
        count = math.prod(shape)
        wave = np.sin(12.9898 * np.arange(1, count + 1) + 78.233 * (number + 1) + 3.7 * seed) * 43758.5453
        uniform = 2 * (wave - np.floor(wave)) - 1
        if key.endswith('running_mean'):
            values = 0.1 * uniform
        elif key.endswith('running_var'):
            values = 1 + 0.5 * uniform
        elif len(shape) == 1 and key.endswith('weight'):  # the scale of a normalization layer
            values = 1 + 0.2 * uniform
        elif len(shape) == 1:
            values = 0.05 * uniform
        else:
            values = math.sqrt(3.0 / math.prod(shape[1:])) * uniform
        weights[key] = torch.from_numpy(values.reshape(shape).astype(np.float32))
    return weights


def image(n: int, height: int, width: int, seed: int) -> Tensor:
    """Return a batch of n images, (n, 3, height, width), in [0, 1]."""
    c, y, x = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing='ij')
    images = [0.5 + 0.5 * np.sin(0.11 * x * (c + 1) + 0.07 * y * (b + 1) + seed + c) for b in range(n)]
    return torch.from_numpy(np.stack(images).astype(np.float32))


def expected(name: str) -> Tensor:
    """Return the stored output in ``<name>.npz``.

    The plain formulation of MAFNet, and the authors' code of the other networks, have computed these outputs.
    """
    return torch.from_numpy(np.load(GOLDEN / f'{name}.npz')['y'])
