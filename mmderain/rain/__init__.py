from .drops import DropPreset
from .mist import MistPreset
from .streaks import StreakPreset
from .synthesis import PRESETS, REFERENCE_HEIGHT, DrawnRain, draw_rain, parse_rain, synthesize_rain

__all__ = [
    'PRESETS',
    'REFERENCE_HEIGHT',
    'DrawnRain',
    'DropPreset',
    'MistPreset',
    'StreakPreset',
    'draw_rain',
    'parse_rain',
    'synthesize_rain',
]
