from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import print_log

from mmderain.errors import InputError
from mmderain.io.image import image_size
from mmderain.registry import DATASETS

from .base import DerainDataset
from .pairing import pair_by_name


@DATASETS.register_module()
class PairedImageDataset(DerainDataset):
    """Rainy pictures with their clean ones.

    Args:
        data_root: root of the data set.
        data_prefix: folders of rainy (``img``) and clean (``gt``) pictures below the root; only ``img`` for
            side-by-side files.
        pairing: the rule, one of

            * ``'same_name'``: ``7.png`` with ``7.png`` or ``7.jpg``;
            * ``dict(type='prefix', img='rain-', gt='norain-')``;
            * ``dict(type='template', img='{id}_{version}', gt='{id}')``, names without suffix; ``{id:d}`` is
              compared as a number;
            * ``dict(type='side_by_side', clean='left')`` (or ``'right'``): one file, two halves.
        ann_file: text file below the root with one rainy name (relative to the ``img`` folder) a line; only
            those are used. Empty uses all.
        patches: ``dict(size=120, stride=40, hflip=False)`` makes each patch of that grid an item of its own
            (``hflip``: and its mirror image), for :class:`~mmderain.datasets.transforms.CropPatch`. The grid
            starts at the top left; a remainder narrower than the stride is left out, as in SIAN's preparation.
        source: what errors say of the data set, see :class:`~mmderain.datasets.base.DerainDataset`.
        pipeline, indices, test_mode, ...: as mmengine's ``BaseDataset``.

    Raises:
        FileNotFoundError: a folder or its pictures are missing.
        InputError: a rainy picture has no partner, the rule fits no name, or a picture is smaller than a patch.
    """

    def __init__(
        self,
        data_root: str = '',
        data_prefix: dict | None = None,
        pairing: str | dict = 'same_name',
        ann_file: str = '',
        patches: dict | None = None,
        pipeline: Sequence[dict] = (),
        **kwargs,
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
        return isinstance(self.pairing, dict) and self.pairing.get('type') == 'side_by_side'

    @property
    def needed_prefixes(self) -> tuple[str, ...]:
        return ('img',) if self.side_by_side else ('img', 'gt')

    def load_data_list(self) -> list[dict]:
        img_files = self._select(self.list_folder('img'))
        img_folder = self.folder('img')
        if self.side_by_side:
            clean = self.pairing.get('clean')
            if clean not in ('left', 'right'):
                raise InputError(f"pairing: side_by_side needs clean='left' or 'right', found {clean!r}")
            items = [dict(img_path=str(img_folder / p), clean_half=clean, name=p.as_posix()) for p in img_files]
        else:
            items = self._paired(img_files)
        return items if self.patches is None else [item for one in items for item in self._cut(one)]

    def _select(self, img_files: list[Path]) -> list[Path]:
        """Those listed in ``ann_file``, all if there is none."""
        if not self.ann_file:
            return img_files
        list_file = Path(self.data_root or '.') / self.ann_file
        if not list_file.is_file():
            raise FileNotFoundError(
                f'{list_file}: no such list of rainy pictures, which `ann_file` of the data set names.\n'
                + self.source.get('ann_file', 'Make it, or set ann_file="" to use every picture.')
            )
        wanted = list_file.read_text(encoding='utf-8').splitlines()
        if not wanted:
            raise InputError(f'{list_file}, which `ann_file` of the data set names, lists no picture')
        missing = sorted(set(wanted) - {p.as_posix() for p in img_files})
        if missing:
            raise FileNotFoundError(
                f'{list_file} names {len(missing)} pictures that {self.folder("img")} lacks, for example {missing[:3]}'
            )
        return [Path(name) for name in wanted]

    def _paired(self, img_files: list[Path]) -> list[dict]:
        img_folder, gt_folder = self.folder('img'), self.folder('gt')
        pairs, foreign, alone = pair_by_name(img_files, self.list_folder('gt'), self.pairing)
        if alone:
            raise InputError(
                f'{len(alone)} of {len(img_files)} rainy pictures in {img_folder} have no clean partner in '
                f'{gt_folder} by the rule {self.pairing!r}, for example {[p.as_posix() for p in alone[:3]]}. '
                'Complete the data set, or set `pairing` to the rule it follows.'
            )
        if not pairs:
            raise InputError(
                f'the rule {self.pairing!r} fits no name in {img_folder}, for example '
                f'{[p.as_posix() for p in foreign[:3]]}; set `pairing` to the rule the data set follows'
            )
        if foreign:
            print_log(
                f'{img_folder}: passed over {len(foreign)} files that the rule {self.pairing!r} does not fit, '
                f'for example {foreign[0].as_posix()}',
                'current',
            )
        return [
            dict(img_path=str(img_folder / img), gt_path=str(gt_folder / gt), name=img.as_posix()) for img, gt in pairs
        ]

    def _cut(self, item: dict) -> list[dict]:
        """One item for each patch of the grid; only the file's header is read."""
        size, stride = self.patches['size'], self.patches['stride']
        height, width = image_size(item['img_path'])
        if 'clean_half' in item:
            width //= 2
        if min(height, width) < size:
            raise InputError(
                f'{item["img_path"]}: {height}x{width} pixels, smaller than a patch of {size}x{size}; '
                'set a smaller `patches` size, or leave the picture out'
            )
        flips = (False, True) if self.patches.get('hflip') else (False,)
        return [
            item | dict(patch=(top, left, size), patch_flip=flip)
            for flip in flips
            for top in range(0, height - size + 1, stride)
            for left in range(0, width - size + 1, stride)
        ]
