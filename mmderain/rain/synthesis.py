"""Rain by name: presets, severities, mixtures; the same seed gives the same rain, whatever else has been drawn."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from mmderain.errors import InputError

from .drops import DropPreset, draw_drops
from .mist import MistPreset, draw_mist
from .streaks import StreakPreset, draw_streaks

Preset = StreakPreset | MistPreset | DropPreset
Rain = str | Preset | Sequence[Preset]

#: Lengths, widths and radii of presets are meant for pictures of this height and scale with it.
REFERENCE_HEIGHT = 320

#: How much of it there is at severities 1 to 5; 3 is the preset as calibrated.
STRENGTH = {1: 0.4, 2: 0.7, 3: 1.0, 4: 1.4, 5: 2.0}

#: Streaks are calibrated: ``light`` on Rain100L, ``heavy`` on Rain100H (docs/en/rain.md says how close they come).
#: ``varied-light`` and ``varied-heavy`` are wider than either benchmark, for training what is to meet rain of any
#: slant, width and strength; they and ``drops`` are of our choosing. ``mist`` has RainCityscapes' ranges.
PRESETS: dict[str, Preset] = {
    'light': StreakPreset(
        layers=(2, 2),
        density=(0.0026, 0.0052),
        length=(22, 60),
        sigma=(0.5, 0.72),
        amplitude=(16.5, 36),
        angle=8,
        layer_angle=1,
        variety=0.9,
    ),
    'heavy': StreakPreset(
        layers=(1, 2),
        density=(0.021, 0.034),
        length=(19, 70),
        sigma=(0.44, 0.64),
        amplitude=(29, 76),
        angle=6,
        layer_angle=3,
        variety=0.87,
        ceiling=(140, 320),
    ),
    'varied-light': StreakPreset(
        layers=(1, 2),
        density=(0.0006, 0.004),
        length=(15, 70),
        sigma=(0.5, 2.2),
        amplitude=(15, 150),
        angle=22,
        layer_angle=3,
        variety=0.6,
    ),
    'varied-heavy': StreakPreset(
        layers=(1, 3),
        density=(0.004, 0.024),
        length=(15, 90),
        sigma=(0.45, 1.4),
        amplitude=(15, 76),
        angle=14,
        layer_angle=10,
        variety=0.87,
        ceiling=(100, 320),
    ),
    'mist': MistPreset(beta=(0.005, 0.015), airlight=(0.8, 1.0), horizon=(0.35, 0.55)),
    'drops': DropPreset(
        number=(25, 50), radius=(4, 20), flatness=(0.8, 1.1), magnification=(1.2, 2.5), opacity=(0.75, 0.95)
    ),
}

# Mist lies before the scene, streaks fall before both, drops sit on the lens.
_ORDER = (MistPreset, StreakPreset, DropPreset)
_KIND = ('mist', 'streaks', 'drops')


def parse_rain(rain: Rain) -> list[Preset]:
    """The presets that a rain consists of, in the order in which they are drawn.

    Args:
        rain: names joined by ``+``, each with a severity from 1 to 5 if it is not 3: ``'heavy'``, ``'light:1'``,
            ``'heavy:4+mist:2+drops'``; or one's own preset, or several.

    Raises:
        InputError: an unknown name or severity.
    """
    if isinstance(rain, str):
        presets = []
        for part in rain.split('+'):
            name, *severity = part.strip().split(':')
            if name not in PRESETS or severity not in ([], *([str(s)] for s in STRENGTH)):
                raise InputError(
                    f'rain {rain!r}: found {part!r}; expected one of {", ".join(PRESETS)}, with :1 to :5 after it for '
                    "a severity other than 3, several joined by +, for example 'heavy:4+mist'"
                )
            presets.append(PRESETS[name].scaled(STRENGTH[int((severity or [3])[0])]))
    else:
        presets = [rain] if isinstance(rain, _ORDER) else rain
        if not isinstance(presets, Sequence) or not all(isinstance(preset, _ORDER) for preset in presets):
            raise InputError(f'rain {rain!r}: expected a name, a preset, or several presets')
    return sorted(presets, key=lambda preset: _ORDER.index(type(preset)))


class DrawnRain(NamedTuple):
    """A picture with rain over it.

    Attributes:
        rainy: (H, W, 3) uint8, rounded and clipped.
        layer: (H, W, 3) float32 on 0..255, what the rain adds before clipping; of streaks alone the same in all
            channels and nowhere negative.
        parameters: what was drawn: one dict for each preset, its kind to a list of layers, drops, or one mist.
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
    """Draw rain over a clean picture: ``B + R`` for streaks, NASNet's Eq. 2 and 3 for drops and mist, clipped.

    Args:
        image: (H, W, 3), BGR, uint8.
        rain: as :func:`parse_rain`.
        seed: one number or several; the same ones give the same rain.
        scale: factor on lengths, widths and radii; by default ``H / REFERENCE_HEIGHT``. Give the whole picture's when
            ``image`` is a crop of it.
        depth: (H, W), m, for mist; by default :func:`mmderain.rain.mist.gradient_depth`.

    Raises:
        InputError: another kind of array, or an unknown rain.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(f'rain is drawn on a BGR uint8 picture (H, W, 3), found {image.dtype} {image.shape}')
    height, width = image.shape[:2]
    if depth is not None and (depth.shape != (height, width) or not (np.isfinite(depth).all() and depth.min() >= 0)):
        raise InputError(f'depth must be ({height}, {width}), finite, in metres from 0; found {depth.shape}')
    scale = height / REFERENCE_HEIGHT if scale is None else scale
    rainy, parameters, drawn_before = image.astype(np.float32), [], Counter()
    for preset in parse_rain(rain):
        kind = _ORDER.index(type(preset))
        # A random stream of its own for each: with mist or without, the streaks stay where they are.
        rng = np.random.default_rng([*np.atleast_1d(seed).tolist(), kind, drawn_before[kind]])
        drawn_before[kind] += 1
        drawn = preset.sample(rng, scale)
        if isinstance(preset, StreakPreset):
            rainy += draw_streaks(height, width, drawn, rng)[..., None]
        elif isinstance(preset, MistPreset):
            rainy = draw_mist(rainy, drawn, depth)
        else:
            rainy = draw_drops(np.clip(rainy, 0, 255), drawn)
        things = drawn if isinstance(drawn, list) else [drawn]
        parameters.append({_KIND[kind]: [asdict(thing) for thing in things]})
    return DrawnRain(np.clip(np.rint(rainy), 0, 255).astype(np.uint8), rainy - image, parameters)


def synthesize_rain(
    image: np.ndarray,
    preset: Rain = 'heavy',
    seed: int | Sequence[int] = 0,
    scale: float | None = None,
    return_layer: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """:func:`draw_rain` for who wants the rainy picture, and with ``return_layer`` the rain layer."""
    drawn = draw_rain(image, preset, seed, scale)
    return (drawn.rainy, drawn.layer) if return_layer else drawn.rainy
