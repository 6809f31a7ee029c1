"""Draw synthetic rain over images: streaks, mist, drops on the lens."""

from .base import RainPreset
from .drops import DropPreset
from .mist import MistPreset
from .presets import PRESETS, register_rain
from .streaks import StreakPreset
from .synthesis import REFERENCE_HEIGHT, DrawnRain, draw_rain, parse_rain, synthesize_rain

__all__ = [
    'PRESETS',
    'REFERENCE_HEIGHT',
    'DrawnRain',
    'DropPreset',
    'MistPreset',
    'RainPreset',
    'StreakPreset',
    'draw_rain',
    'parse_rain',
    'register_rain',
    'synthesize_rain',
]
