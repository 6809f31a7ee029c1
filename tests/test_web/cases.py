"""A derainer and a task model for tests of the web page."""

import numpy as np
import torch

from mmderain.models import NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class Dim(torch.nn.Module):
    """Subtract 12 levels; the network has no weights."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x - 12 / 255]


class Spotter:
    """Find the brightest pixel."""

    kind = 'detector'

    def __call__(self, img):
        return np.unravel_index(img.sum(2).argmax(), img.shape[:2])

    def draw(self, img, prediction):
        drawn = img.copy()
        drawn[prediction] = 0, 0, 255
        return drawn

    def caption(self, prediction):
        return f'1 lamp at {prediction[0]}, {prediction[1]}'

    def agreement(self, prediction, reference):
        return 'the same' if prediction == reference else 'another'
