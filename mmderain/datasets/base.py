"""What our data sets share: errors that help, and pipelines whose random choices follow from the draw."""

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset

from .pairing import list_images
from .samplers import Draw


@contextlib.contextmanager
def seeded(draw: Draw) -> Iterator[None]:
    """Seed ``random`` and ``numpy.random`` from a draw, and put their states back afterwards.

    mmcv's transforms draw from these two, so they become reproducible with ours.
    """
    states = random.getstate(), np.random.get_state()
    words = np.random.SeedSequence([draw.seed, draw.visit, draw.index]).generate_state(5)
    random.seed(int(words[4]))
    np.random.seed(words[:4])
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


class DerainDataset(BaseDataset):
    """mmengine's ``BaseDataset`` without an annotation file: items are found in folders.

    Args:
        source: what the error for missing data says: ``name`` of the data set, ``published_at``, ``layout``
            (how it must lie), ``prepare`` (the command that puts it there), ``ann_file`` (how to make the list).
            Not part of ``metainfo``, whose strings mmengine takes for files to read, addresses included.
        kwargs: ``BaseDataset``'s.
    """

    accepts_seeded_index = True  # an index may be a Draw
    needed_prefixes = ('img',)  # folders that must be there

    def __init__(self, source: dict | None = None, **kwargs) -> None:
        self.source = source or {}
        # A picture that cannot be read is an error that names it, not a reason to draw another one.
        super().__init__(max_refetch=0, **kwargs)

    def prepare_data(self, idx: int | Draw) -> dict:
        """Run the pipeline on one item, seeded if the index is a :class:`Draw`."""
        if not isinstance(idx, Draw):
            return self.pipeline(self.get_data_info(idx))
        with seeded(idx):
            return self.pipeline(self.get_data_info(idx.index))

    def __getitem__(self, idx: int | Draw) -> dict:
        if not self._fully_initialized:
            self.full_init()
        return self.prepare_data(idx)

    def _join_prefix(self) -> None:
        """Prefixes are resolved when the data are listed, for errors to name them."""

    def folder(self, key: str) -> Path:
        """The folder of a prefix, below the data root."""
        return Path(self.data_root or '.') / self.data_prefix[key]

    def require_folders(self) -> None:
        """Raise what :meth:`list_folder` would for folders that are not there, without listing any."""
        for key in self.needed_prefixes:
            if not self.folder(key).is_dir():
                raise FileNotFoundError(self._missing_message(self.folder(key)))

    def list_folder(self, key: str) -> list[Path]:
        """Pictures of a prefix's folder, relative to it.

        Raises:
            FileNotFoundError: there is none; says where it was sought, where it is published, how it must lie.
        """
        folder = self.folder(key)
        files = list_images(folder) if folder.is_dir() else []
        if not files:
            raise FileNotFoundError(self._missing_message(folder))
        return files

    def _missing_message(self, folder: Path) -> str:
        state = 'holds no pictures' if folder.is_dir() else 'does not exist'
        name = self.source.get('name', 'data set')
        lines = [f'{name}: {folder} {state} (looked for in {Path.cwd()}).']
        if 'published_at' in self.source:
            lines.append(f'Published at: {self.source["published_at"]}')
        if 'layout' in self.source:
            lines.append(f'It must lie like this:\n{self.source["layout"].strip()}')
        if 'prepare' in self.source:
            lines.append(f'Once unpacked to SRC, `{self.source["prepare"]}` finds its pairs and puts it there,')
            lines.append('or put it there by hand (a link will do), or set `data_root` of the data set in the config.')
        else:
            lines.append('Put it there (a link will do), or set `data_root` of the data set in the config.')
        return '\n'.join(lines)
