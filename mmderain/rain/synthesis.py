"""Draw rain over an image: presets by name, severities, mixtures.

The same seed gives the same rain, independent of anything drawn before.
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmderain.errors import InputError

from .base import RainPreset
from .presets import PRESETS

Rain = str | RainPreset | Sequence[RainPreset]

#: Height in pixels of the image that the lengths, widths and radii of presets refer to.
REFERENCE_HEIGHT = 320

#: Severity -> factor on the amount of rain; severity 3 is the preset itself.
STRENGTH = {1: 0.4, 2: 0.7, 3: 1.0, 4: 1.4, 5: 2.0}


def parse_rain(rain: Rain) -> list[RainPreset]:
    """Return the presets that a rain consists of, in the order in which they are drawn.

    Args:
        rain: names joined by ``+``, each followed by a severity from 1 to 5 if it is not 3: ``'heavy'``, ``'light:1'``,
            ``'heavy:4+mist:2+drops'``. Or a preset, or several presets.

    Raises:
        InputError: a name or severity is unknown, or ``rain`` is of another type.
    """
    presets: list[RainPreset] = []
    if isinstance(rain, str):
        for part in rain.split('+'):
            name, colon, severity = part.strip().partition(':')
            severity = severity if colon else '3'
            if name not in PRESETS or severity not in map(str, STRENGTH):
                raise InputError(
                    f'rain {rain!r}: found {part!r}; expected one of {", ".join(PRESETS)}, with :1 to :5 after it for '
                    "a severity other than 3, several joined by +, for example 'heavy:4+mist'"
                )
            presets.append(PRESETS[name].scaled(STRENGTH[int(severity)]))
    else:
        given = [rain] if isinstance(rain, RainPreset) else rain
        if not isinstance(given, Sequence) or not all(isinstance(preset, RainPreset) for preset in given):
            raise InputError(f'rain {rain!r}: expected a name, a preset, or several presets')
        presets = list(given)
    return sorted(presets, key=lambda preset: preset.order)


def rain_seed(seed: int, name: str) -> list[int]:
    """Return the seed of one image's rain in an evaluation.

    Args:
        seed: seed of the evaluation.
        name: path of the image relative to its data root, with forward slashes.
    """
    return [seed, zlib.crc32(name.encode())]


class DrawnRain(NamedTuple):
    """An image with rain drawn over it.

    Attributes:
        rainy: (H, W, 3) BGR uint8, rounded and clipped.
        layer: (H, W, 3) float32, what the rain adds on 0..255 before clipping. Streaks alone add the same to all
            channels, and nothing negative.
        parameters: drawn parameters, one dict for each preset: the name of its kind -> list of layers, drops or the
            like.
    """

    rainy: np.ndarray
    layer: np.ndarray
    parameters: list[dict]


def draw_rain(
    image: np.ndarray,
    rain: Rain = 'heavy',
    seed: int | Sequence[int] = 0,
    scale: float | None = None,
    depth: np.ndarray | None = None,
) -> DrawnRain:
    """Draw rain over a clean image.

    Args:
        image: (H, W, 3), BGR, uint8.
        rain: as in :func:`parse_rain`.
        seed: one number or several; the same seed gives the same rain.
        scale: factor on lengths, widths and radii; by default ``H / REFERENCE_HEIGHT``. For a crop, give that of the
            whole image.
        depth: (H, W), meters, for mist; by default :func:`mmderain.rain.mist.gradient_depth`.

    Raises:
        InputError: the image or depth has another type, shape or range, or the rain is unknown.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(f'rain is drawn over a BGR uint8 image (H, W, 3), found {image.dtype} {image.shape}')
    height, width = image.shape[:2]
    if depth is not None and depth.shape != (height, width):
        raise InputError(f'depth: expected the shape ({height}, {width}) of the image, found {depth.shape}')
    if depth is not None and not (np.isfinite(depth).all() and depth.min() >= 0):
        raise InputError('depth: expected finite values in meters, 0 or more; found NaN, infinite or negative values')
    scale = height / REFERENCE_HEIGHT if scale is None else scale
    rainy: np.ndarray = image.astype(np.float32)
    parameters: list[dict] = []
    drawn_before: Counter[int] = Counter()
    for preset in parse_rain(rain):
        # A random stream for each preset: with or without mist, the streaks are the same.
        rng = np.random.default_rng([*np.atleast_1d(seed).tolist(), preset.stream, drawn_before[preset.stream]])
        drawn_before[preset.stream] += 1
        rainy, drawn = preset.draw(rainy, rng, scale, depth)
        parameters.append({preset.name: drawn})
    return DrawnRain(np.clip(np.rint(rainy), 0, 255).astype(np.uint8), rainy - image, parameters)


def synthesize_rain(
    image: np.ndarray,
    preset: Rain = 'heavy',
    seed: int | Sequence[int] = 0,
    scale: float | None = None,
    return_layer: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Return the rainy image of :func:`draw_rain`, and with ``return_layer`` the rain layer too."""
    drawn = draw_rain(image, preset, seed, scale)
    return (drawn.rainy, drawn.layer) if return_layer else drawn.rainy
