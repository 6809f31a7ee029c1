from .streaks import PRESETS, REFERENCE_HEIGHT, StreakPreset, draw_streaks, synthesize_rain

__all__ = ['PRESETS', 'REFERENCE_HEIGHT', 'StreakPreset', 'draw_streaks', 'synthesize_rain']
