"""The named presets of rain, and a function that registers new presets."""

import re

from mmderain.errors import InputError

from .base import RainPreset
from .drops import DropPreset
from .mist import MistPreset
from .streaks import StreakPreset

#: Maps names to presets, in the order in which help texts and error messages list the names.
PRESETS: dict[str, RainPreset] = {}


def register_rain(name: str, preset: RainPreset) -> None:
    """Register a preset under a name, so that configs and Python code can use this name.

    The options of commands accept only the names that mmderain itself registers.

    Args:
        name: name of letters, digits, ``_`` and ``-``. ``'none'`` is not allowed, because it means no rain.
        preset: the rain at severity 3.

    Raises:
        InputError: the name already exists or contains other characters, or ``preset`` is not a RainPreset.
    """
    if name in PRESETS or name == 'none' or not re.fullmatch(r'[\w-]+', name):
        raise InputError(
            f'register_rain({name!r}): expected a new name of letters, digits, _ and -; these names already exist: '
            f'{", ".join(["none", *PRESETS])}'
        )
    if not isinstance(preset, RainPreset):
        raise InputError(f'register_rain({name!r}): found {preset!r}; expected a RainPreset')
    PRESETS[name] = preset


# The parameters of 'light' are calibrated on Rain100L, and the parameters of 'heavy' on Rain100H. docs/en/rain.md
# compares each of the two presets with its benchmark.
register_rain(
    'light',
    StreakPreset(
        layers=(2, 2),
        density=(0.0034, 0.0068),
        length=(20, 54),
        sigma=(0.5, 0.72),
        amplitude=(15.2, 33.5),
        angle=8,
        layer_angle=1,
        variety=0.9,
    ),
)
register_rain(
    'heavy',
    StreakPreset(
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
)
# The ranges of 'varied-light' and 'varied-heavy' are wider than those of Rain100L and Rain100H. These two presets are
# for training networks on rain of many slants, widths and brightnesses. The ranges of the presets for training and of
# 'drops' are not fitted to a data set.
register_rain(
    'varied-light',
    StreakPreset(
        layers=(1, 2),
        density=(0.0006, 0.004),
        length=(15, 70),
        sigma=(0.5, 2.2),
        amplitude=(15, 150),
        angle=22,
        layer_angle=3,
        variety=0.6,
    ),
)
register_rain(
    'varied-heavy',
    StreakPreset(
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
)
# Rain that is denser, brighter and more slanted than 'varied-heavy'. It is for training, too.
register_rain(
    'wide-heavy',
    StreakPreset(
        layers=(1, 3),
        density=(0.006, 0.036),
        length=(12, 100),
        sigma=(0.4, 1.6),
        amplitude=(15, 100),
        angle=24,
        layer_angle=14,
        variety=0.87,
        ceiling=(110, 320),
    ),
)
# The ranges of beta and airlight are those of RainCityscapes.
register_rain('mist', MistPreset(beta=(0.005, 0.015), airlight=(0.8, 1.0), horizon=(0.35, 0.55)))
register_rain(
    'drops',
    DropPreset(number=(25, 50), radius=(4, 20), flatness=(0.8, 1.1), magnification=(1.2, 2.5), opacity=(0.75, 0.95)),
)
# For training: drops of more sizes. Like real drops, many of them show a large part of the scene.
register_rain(
    'varied-drops',
    DropPreset(number=(5, 60), radius=(1.5, 16), flatness=(0.7, 1.2), magnification=(0.15, 2), opacity=(0.5, 0.95)),
)
