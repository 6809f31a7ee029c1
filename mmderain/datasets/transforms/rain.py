"""The transform that draws synthetic rain."""

from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from mmderain.errors import InputError
from mmderain.rain import REFERENCE_HEIGHT, draw_rain, parse_rain
from mmderain.rain.synthesis import Rain, rain_seed
from mmderain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SynthesizeRain(BaseTransform):
    """Draw synthetic rain over ``img``, and keep the clean image as ``gt_img``.

    The transform also works in pipelines of mmdet and mmseg: add ``mmderain.SynthesizeRain`` directly after the
    transform that loads the image. To train derainers, put it after the crop, so that rain is drawn only over the crop.
    The size of the streaks depends on the height of the whole image, also if ``img`` is a crop.

    Args:
        preset: rain as in :func:`mmderain.rain.parse_rain`, for example ``'heavy'``, ``'light:1'`` or
            ``'heavy:4+mist'``. If ``preset`` is a list, one entry is chosen for each image, with equal probability.
            The text ``'none'`` draws no rain.
        seed: None draws different rain each time an image is loaded. Use it for training. With a number, the rain
            depends only on this number and on the path of the image relative to its data root. Each image then has the
            same rain in every run.
        data_root: root folder of a data set of another library, such as mmdet. It is used only if ``seed`` is a number,
            to compute the relative path of an image. With None, the relative path consists of the last folder and the
            file name. The data sets of mmderain do not need it, because they pass the relative path as ``name``.
        random_scale: range of a factor for the sizes of streaks and drops. The logarithm of the factor is sampled
            uniformly for each image. None means that the sizes depend only on the height of the image.

    Raises:
        InputError: a preset is unknown, ``random_scale`` is not as expected, no image is loaded yet, or an image lies
            outside ``data_root``.
    """

    def __init__(
        self,
        preset: Rain | list[str] = 'heavy',
        seed: int | None = None,
        data_root: str | None = None,
        random_scale: tuple[float, float] | None = None,
    ) -> None:
        if random_scale is not None and not 0 < random_scale[0] <= random_scale[1]:
            raise InputError(
                f'SynthesizeRain: random_scale must be None or (low, high) with 0 < low <= high, found {random_scale!r}'
            )
        choices = preset if isinstance(preset, list) else [preset]
        self.preset = preset
        self.choices = [None if choice == 'none' else parse_rain(choice) for choice in choices]
        self.seed = seed
        self.data_root = data_root
        self.random_scale = random_scale

    def name_of(self, results: dict) -> str:
        """Return the path of the image relative to its data root, with forward slashes; see ``data_root``."""
        if 'name' in results:
            return results['name']
        path = Path(results.get('img_path') or '')
        if self.data_root is None:
            return '/'.join(path.parts[-2:])
        try:
            # The path is not resolved, because an image may be a link to a file outside the data root.
            return path.absolute().relative_to(Path(self.data_root).absolute()).as_posix()
        except ValueError:
            raise InputError(f'SynthesizeRain: {path} does not lie in data_root={self.data_root!r}') from None

    def transform(self, results: dict) -> dict:
        """Return the results with a rainy ``img`` and the clean ``gt_img``."""
        if 'img' not in results:
            raise InputError('SynthesizeRain: no image is loaded yet; put this transform after the loading transform')
        seed: int | list[int]
        if self.seed is None:
            seed, choice = np.random.randint(2**31), np.random.randint(len(self.choices))
        else:
            seed = rain_seed(self.seed, self.name_of(results))
            choice = seed[1] % len(self.choices)
        results['gt_img'] = results['img']
        if 'img_bits' in results:
            results['gt_bits'] = results['img_bits']
        presets = self.choices[choice]
        if presets is None:
            return results
        # `img` may be a crop. The scale depends on the height of the whole image before the crop, but after a resize.
        scale = results['ori_shape'][0] * results.get('scale_factor', (1, 1))[1] / REFERENCE_HEIGHT
        if self.random_scale is not None:
            rng = np.random.default_rng(seed)
            scale *= float(np.exp(rng.uniform(*np.log(self.random_scale))))
        img = results['img']
        if isinstance(img, np.ndarray) and img.dtype.kind == 'f':
            # The photometric distortion of mmdet and mmseg returns float32.
            if not np.isfinite(img).all() or (img.max(initial=0) <= 1 and (img % 1 != 0).any()):
                raise InputError(
                    f'SynthesizeRain: {self.name_of(results)}: the values are not finite, or from 0 to 1; expected '
                    'values from 0 to 255'
                )
            img = np.rint(img).clip(0, 255).astype(np.uint8)
        results['img'] = draw_rain(img, presets, seed, scale).rainy.astype(results['img'].dtype)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(preset={self.preset!r}, seed={self.seed}, data_root={self.data_root!r}, '
            f'random_scale={self.random_scale})'
        )
