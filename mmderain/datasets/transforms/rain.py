"""The transform that draws rain."""

from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from mmderain.errors import InputError
from mmderain.rain import REFERENCE_HEIGHT, draw_rain, parse_rain
from mmderain.rain.synthesis import Rain, rain_seed
from mmderain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SynthesizeRain(BaseTransform):
    """Draw rain over ``img``, and keep the clean image as ``gt_img``.

    It works in pipelines of mmdet and mmseg too: ``mmderain.SynthesizeRain`` right after the image is loaded. For the
    training of derainers, put it after a crop, so that rain is drawn over the crop only; streaks keep the scale of the
    whole image, whose height is ``ori_shape[0]``.

    Args:
        preset: rain as in :func:`mmderain.rain.parse_rain`, for example ``'heavy'``, ``'light:1'`` or
            ``'heavy:4+mist'``. For a list, each visit draws one of its entries with equal probability; ``'none'`` in it
            leaves the image dry.
        seed: None draws other rain at each visit, for training. A number draws the same rain in every run; it then
            follows from the number and from the image's path relative to its data root.
        data_root: data root of images of other libraries' data sets, which do not pass the relative path on (those of
            mmderain do, as ``name``). Without it, the name of the file and its folder take the place of the path.

    Raises:
        InputError: the rain is unknown, or an image lies outside ``data_root``.
    """

    def __init__(
        self, preset: Rain | list[str] = 'heavy', seed: int | None = None, data_root: str | None = None
    ) -> None:
        choices = preset if isinstance(preset, list) else [preset]
        self.preset = preset
        self.choices = [None if choice == 'none' else parse_rain(choice) for choice in choices]
        self.seed = seed
        self.data_root = data_root

    def name_of(self, results: dict) -> str:
        """Return the image's path relative to its data root, with forward slashes."""
        if 'name' in results:
            return results['name']
        path = Path(results.get('img_path') or '')
        if self.data_root is None:
            return '/'.join(path.parts[-2:])
        try:
            # The path is not resolved, because images may be links to files elsewhere.
            return path.absolute().relative_to(Path(self.data_root).absolute()).as_posix()
        except ValueError:
            raise InputError(f'SynthesizeRain: {path} does not lie in data_root={self.data_root!r}') from None

    def transform(self, results: dict) -> dict:
        """Return the results with a rainy ``img`` and the clean ``gt_img``."""
        if 'img' not in results:
            raise InputError('SynthesizeRain: no image is loaded yet; put it behind the loading transform')
        seed: int | list[int]
        if self.seed is None:
            seed, choice = np.random.randint(2**31), np.random.randint(len(self.choices))
        else:
            seed = rain_seed(self.seed, self.name_of(results))
            choice = seed[1] % len(self.choices)
        results['gt_img'] = results['img']
        presets = self.choices[choice]
        if presets is None:
            return results
        # `img` may be a crop: the scale is that of the whole image, after a resize before the crop.
        scale = results['ori_shape'][0] * results.get('scale_factor', (1, 1))[1] / REFERENCE_HEIGHT
        img = results['img']
        if np.issubdtype(img.dtype, np.floating):  # photometric distortion of mmdet and mmseg returns float32
            img = np.rint(img).clip(0, 255).astype(np.uint8)
        results['img'] = draw_rain(img, presets, seed, scale).rainy.astype(results['img'].dtype)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(preset={self.preset!r}, seed={self.seed}, data_root={self.data_root!r})'
