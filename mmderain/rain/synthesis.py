"""Draw rain over an image. The rain can be a preset, a preset with a severity, or a mixture of presets.

The same seed gives the same rain. Earlier calls have no effect on it.
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

#: The lengths, widths and radii of presets are given in pixels of an image with this height.
REFERENCE_HEIGHT = 320

#: Maps a severity to the factor for the amount of rain. Severity 3 is the preset itself.
STRENGTH = {1: 0.4, 2: 0.7, 3: 1.0, 4: 1.4, 5: 2.0}


def parse_rain(rain: Rain) -> list[RainPreset]:
    """Convert the argument ``rain`` to a list of presets, in the order in which they are drawn over an image.

    Args:
        rain: text, a preset, or a sequence of presets. A text is the name of a preset, or several names joined by
            ``+``. Each name can be followed by a colon and a severity from 1 to 5; the default is 3. Examples:
            ``'heavy'``, ``'light:1'``, ``'heavy:4+mist:2+drops'``.

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
                    f'rain {rain!r}: found {part!r}; expected one of {", ".join(PRESETS)}. Add :1 to :5 to a name to '
                    "set its severity; the default is 3. Join several names by +, for example 'heavy:4+mist'"
                )
            presets.append(PRESETS[name].scaled(STRENGTH[int(severity)]))
    else:
        given = [rain] if isinstance(rain, RainPreset) else rain
        if not isinstance(given, Sequence) or not all(isinstance(preset, RainPreset) for preset in given):
            raise InputError(f'rain {rain!r}: expected a name, a preset, or several presets')
        presets = list(given)
    return sorted(presets, key=lambda preset: preset.order)


def rain_seed(seed: int, name: str) -> list[int]:
    """Return the seed for the rain of one image.

    Args:
        seed: seed for the whole data set.
        name: path of the image relative to its data root, with forward slashes.
    """
    # A name can contain bytes that are not valid UTF-8. Python stores such bytes as surrogates, which UTF-8 cannot
    # encode.
    return [seed, zlib.crc32(name.encode('utf-8', 'surrogateescape'))]


class DrawnRain(NamedTuple):
    """An image with rain drawn over it.

    Attributes:
        rainy: (H, W, 3) BGR uint8, rounded and clipped.
        layer: (H, W, 3) float32, the light that the rain adds to the image on the scale 0..255, before rounding and
            clipping. Rain that consists only of streaks adds the same values to all channels, and no negative values.
        parameters: sampled parameters, one dict for each preset. The dict maps the name of the kind of rain to the list
            of dicts that :meth:`RainPreset.draw` returns.
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
        seed: one number or several numbers. The same seed gives the same rain.
        scale: factor for lengths, widths and radii. None uses ``H / REFERENCE_HEIGHT``. If the image is a crop of a
            larger image, pass the factor of the larger image.
        depth: distance of each pixel from the camera in meters, (H, W). Only mist uses it. None uses
            :func:`mmderain.rain.mist.gradient_depth`.

    Raises:
        InputError: the image or the depth has a wrong type, shape or range, or the rain is unknown.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(f'draw_rain: found a {type(image).__name__}; expected a BGR uint8 image (H, W, 3)')
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(f'draw_rain: found {image.dtype} of shape {image.shape}; expected a BGR uint8 image (H, W, 3)')
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
        # Each kind of rain has its own random stream. Therefore the streaks are the same with and without mist.
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
    """Return the rainy image of :func:`draw_rain`. If ``return_layer`` is True, also return the rain layer.

    ``preset`` is the argument ``rain`` of :func:`draw_rain`. The other arguments are the same.
    """
    drawn = draw_rain(image, preset, seed, scale)
    return (drawn.rainy, drawn.layer) if return_layer else drawn.rainy
