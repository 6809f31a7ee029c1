import zlib

import numpy as np
from mmcv.transforms import BaseTransform

from mmderain.rain import REFERENCE_HEIGHT, synthesize_rain
from mmderain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SynthesizeRain(BaseTransform):
    """Draw rain over ``img``; the picture as it was becomes ``gt_img``.

    Put it after a crop in training (rain is then drawn for the crop only): streaks keep the scale of the whole
    picture, whose height is ``ori_shape[0]``.

    Args:
        preset: a key of :data:`mmderain.rain.PRESETS`.
        seed: None draws other rain at each visit (training). A number draws the same rain over a picture in
            every run, from the number and the picture's ``name``, its path relative to the data root.
    """

    def __init__(self, preset: str = 'heavy', seed: int | None = None) -> None:
        self.preset = preset
        self.seed = seed

    def transform(self, results: dict) -> dict:
        if self.seed is None:
            seed = np.random.randint(2**31)
        else:
            seed = [self.seed, zlib.crc32(results['name'].encode())]
        results['gt_img'] = results['img']
        results['img'] = synthesize_rain(
            results['img'], self.preset, seed, scale=results['ori_shape'][0] / REFERENCE_HEIGHT
        )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(preset={self.preset!r}, seed={self.seed})'
