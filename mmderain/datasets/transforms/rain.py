import zlib
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from mmderain.errors import InputError
from mmderain.rain import REFERENCE_HEIGHT, draw_rain, parse_rain
from mmderain.rain.synthesis import Rain
from mmderain.registry import TRANSFORMS


def rain_seed(seed: int, name: str) -> list[int]:
    """The seed of one picture's rain in an evaluation: from the run's number and the picture's name, with ``/``."""
    return [seed, zlib.crc32(name.encode())]


@TRANSFORMS.register_module()
class SynthesizeRain(BaseTransform):
    """Draw rain over ``img``; the picture as it was becomes ``gt_img``.

    Works in pipelines of mmdet and mmseg too, as ``mmderain.SynthesizeRain`` right after the picture is loaded. In
    training of derainers put it after a crop: rain is then drawn for the crop only, and streaks keep the scale of the
    whole picture, whose height is ``ori_shape[0]``.

    Args:
        preset: as :func:`mmderain.rain.parse_rain`, for example ``'heavy'``, ``'light:1'`` or ``'heavy:4+mist'``.
            Several of them in a list: each visit takes one, each as likely; ``'none'`` among them leaves the
            picture dry.
        seed: None draws other rain at each visit (training). A number draws the same rain over a picture in
            every run, from the number and the picture's path relative to its data root.
        data_root: of pictures of other libraries' data sets, which do not say their path relative to it (ours do, as
            ``name``). Without it, such a picture goes by its file's and its folder's name.

    Raises:
        InputError: an unknown rain, or a picture outside ``data_root``.
    """

    def __init__(self, preset: Rain | list[str] = 'heavy', seed: int | None = None, data_root: str | None = None):
        choices = preset if isinstance(preset, list) else [preset]
        self.preset = preset
        self.choices = [None if choice == 'none' else parse_rain(choice) for choice in choices]
        self.seed = seed
        self.data_root = data_root

    def name_of(self, results: dict) -> str:
        """The picture's path relative to its data root, with forward slashes."""
        if 'name' in results:
            return results['name']
        path = Path(results.get('img_path') or '')
        if self.data_root is None:
            return '/'.join(path.parts[-2:])
        try:
            # Not resolved: the pictures may be links to elsewhere.
            return path.absolute().relative_to(Path(self.data_root).absolute()).as_posix()
        except ValueError:
            raise InputError(f'SynthesizeRain: {path} does not lie in data_root={self.data_root!r}') from None

    def transform(self, results: dict) -> dict:
        if self.seed is None:
            seed, choice = np.random.randint(2**31), np.random.randint(len(self.choices))
        else:
            seed = rain_seed(self.seed, self.name_of(results))
            choice = seed[1] % len(self.choices)
        results['gt_img'] = results['img']
        if self.choices[choice] is None:
            return results
        # Of the whole picture, whose crop this may be, as large as a resize before made it.
        scale = results['ori_shape'][0] * results.get('scale_factor', (1, 1))[1] / REFERENCE_HEIGHT
        img = results['img']
        if np.issubdtype(img.dtype, np.floating):  # as mmdet's and mmseg's photometric distortion leaves it
            img = np.rint(img).clip(0, 255).astype(np.uint8)
        results['img'] = draw_rain(img, self.choices[choice], seed, scale).rainy.astype(results['img'].dtype)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(preset={self.preset!r}, seed={self.seed}, data_root={self.data_root!r})'
