"""Data set of rainy images with their clean images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmderain.errors import InputError
from mmderain.io.image import image_size
from mmderain.io.text import read_lines
from mmderain.registry import DATASETS

from .base import DerainDataset, log
from .pairing import pair_by_name


@DATASETS.register_module()
class PairedImageDataset(DerainDataset):
    """Rainy images with their clean images.

    Args:
        data_root: root folder of the data set.
        data_prefix: folders of the rainy images (``img``) and of the clean images (``gt``), relative to the root.
            Side-by-side files need only ``img``. Default: ``dict(img='rain', gt='norain')``.
        pairing: rule that finds the clean image of each rainy image. It is one of these:

            * ``'same_name'``: both names are equal, except for the suffix.
            * ``dict(type='prefix', img='rain-', gt='norain-')``: only the prefixes of the names differ.
            * ``dict(type='template', img='{id}_{version}', gt='{id}')``: templates for the names without suffix. The
              values of ``{id:d}`` are compared as numbers.
            * ``dict(type='side_by_side', clean='left')``: each file contains both images. ``clean`` is the side of the
              clean image, ``'left'`` or ``'right'``.
        ann_file: text file that lists the rainy images to use, relative to the root. Each line is a path relative to
            the ``img`` folder. Empty lines are ignored. An empty string uses all images.
        patches: None uses whole images. ``dict(size=120, stride=40, hflip=False)`` divides each image into a grid of
            patches of 120x120 pixels, one every 40 pixels. Each patch becomes an item of the data set. The pipeline
            must contain :class:`~mmderain.datasets.transforms.CropPatch`, which crops the patch. ``hflip=True`` adds a
            mirrored copy of each patch. The grid starts at the top left corner, and incomplete patches are left out, as
            in the code of SIAN's authors.
        pipeline: configs of transforms.
        kwargs: arguments of :class:`~mmderain.datasets.base.DerainDataset` and mmengine's ``BaseDataset``, such as
            ``source``, ``indices`` and ``test_mode``.

    Raises:
        FileNotFoundError: a folder is missing or contains no image, ``ann_file`` is missing, or an image that
            ``ann_file`` lists is missing.
        InputError: a rainy image has no clean image, no rainy image has a name that matches the rule, or an image is
            smaller than a patch.
    """

    def __init__(
        self,
        data_root: str = '',
        data_prefix: dict | None = None,
        pairing: str | dict = 'same_name',
        ann_file: str = '',
        patches: dict | None = None,
        pipeline: Sequence[dict] = (),
        **kwargs: Any,
    ) -> None:
        self.pairing = pairing
        self.patches = patches
        super().__init__(
            data_root=data_root,
            data_prefix=data_prefix or dict(img='rain', gt='norain'),
            ann_file=ann_file,
            pipeline=list(pipeline),
            **kwargs,
        )

    @property
    def side_by_side(self) -> bool:
        """Return whether each file contains the rainy and the clean image."""
        return isinstance(self.pairing, dict) and self.pairing.get('type') == 'side_by_side'

    @property
    def needed_prefixes(self) -> tuple[str, ...]:
        """Return the keys of ``data_prefix`` whose folders must exist."""
        return ('img',) if self.side_by_side else ('img', 'gt')

    def load_data_list(self) -> list[dict]:
        """Return one item for each pair, or for each patch if ``patches`` is set."""
        img_files = self._select(self.list_folder('img'))
        img_folder = self.folder('img')
        if isinstance(self.pairing, dict) and self.side_by_side:
            clean = self.pairing.get('clean')
            if clean not in ('left', 'right'):
                raise InputError(f"pairing: side_by_side needs clean='left' or 'right', found {clean!r}")
            items = [dict(img_path=str(img_folder / p), clean_half=clean, name=p.as_posix()) for p in img_files]
        else:
            items = self._paired(img_files)
        if self.patches is None:
            return items
        return [patch for item in items for patch in self._patches_of(item, **self.patches)]

    def _select(self, img_files: list[Path]) -> list[Path]:
        """Return the files in the order of ``ann_file``; all files if there is no ``ann_file``."""
        if not self.ann_file:
            return img_files
        list_file = Path(self.data_root or '.') / self.ann_file
        if not list_file.is_file():
            raise FileNotFoundError(
                f'{list_file} does not exist; `ann_file` of the data set names it as the list of rainy images.\n'
                + self.source.get('ann_file', 'Create this file, or set ann_file="" to use all images.')
            )
        wanted = read_lines(list_file)
        if not wanted:
            raise InputError(f'{list_file} lists no image; add paths of images, or set ann_file="" to use all images')
        known = {p.as_posix() for p in img_files}
        # A list that was written on Windows can separate folders by backslashes.
        wanted = [name if name in known else name.replace('\\', '/') for name in wanted]
        missing = sorted(set(wanted) - known)
        if missing:
            raise FileNotFoundError(
                f'{list_file} lists {len(missing)} images that are not in {self.folder("img")}, for example '
                f'{missing[:3]}. Add these images, or remove their names from the list.'
            )
        return [Path(name) for name in wanted]

    def _paired(self, img_files: list[Path]) -> list[dict]:
        """Return an item for each rainy image and its clean image.

        Raises:
            InputError: a rainy image has no clean image, or no rainy image has a name that matches the rule.
        """
        img_folder, gt_folder = self.folder('img'), self.folder('gt')
        pairs, foreign, alone = pair_by_name(img_files, self.list_folder('gt'), self.pairing)
        if alone:
            raise InputError(
                f'{len(alone)} of {len(img_files)} rainy images in {img_folder} have no clean image in {gt_folder}, '
                f'for example {[p.as_posix() for p in alone[:3]]}. The pairing rule is {self.pairing!r}. '
                'Add the missing images, or set `pairing` to the rule of this data set.'
            )
        if not pairs:
            raise InputError(
                f'no name in {img_folder} matches the pairing rule {self.pairing!r}, for example '
                f'{[p.as_posix() for p in foreign[:3]]}; set `pairing` to the rule of this data set'
            )
        if foreign:
            log(
                f'{img_folder}: skipped {len(foreign)} files whose names do not match the pairing rule '
                f'{self.pairing!r}, for example {foreign[0].as_posix()}'
            )
        return [
            dict(img_path=str(img_folder / img), gt_path=str(gt_folder / gt), name=img.as_posix()) for img, gt in pairs
        ]

    @staticmethod
    def _patches_of(item: dict, size: int, stride: int, hflip: bool = False) -> list[dict]:
        """Return an item for each patch of an image. Only the header of the image file is read.

        Raises:
            InputError: the image is smaller than a patch.
        """
        height, width = image_size(item['img_path'])
        if 'clean_half' in item:
            width //= 2
        if min(height, width) < size:
            raise InputError(
                f'{item["img_path"]}: {height}x{width} pixels, smaller than a patch of {size}x{size}; '
                'set a smaller `size` in `patches`, or leave the image out'
            )
        flips = (False, True) if hflip else (False,)
        return [
            item | dict(patch=(top, left, size), patch_flip=flip)
            for flip in flips
            for top in range(0, height - size + 1, stride)
            for left in range(0, width - size + 1, stride)
        ]
