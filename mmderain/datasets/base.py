"""Base of mmderain's data sets: pipelines whose random choices follow from an index, and errors for missing data."""

import contextlib
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmderain.errors import InputError, UnreadableImageError
from mmderain.io.image import list_images

from .samplers import SeededIndex


@contextlib.contextmanager
def seeded(index: SeededIndex) -> Iterator[None]:
    """Seed ``random`` and ``numpy.random`` inside a block, and restore their states afterwards.

    The transforms of mmcv and mmderain use these two generators, so they become reproducible.

    Args:
        index: its three numbers are the seed.
    """
    states = random.getstate(), np.random.get_state()
    words = np.random.SeedSequence([index.seed, index.visit, index.index]).generate_state(5)
    random.seed(int(words[4]))
    np.random.seed(words[:4])
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


class DerainDataset(BaseDataset):
    """Base class of data sets that list the images of folders; they have no annotation file.

    Args:
        source: facts for the error that missing data raises: ``name`` of the data set, ``published_at``, ``layout`` on
            disk, ``prepare`` (the command that creates this layout), ``ann_file`` (how to create the list). They are
            not part of ``metainfo``, whose strings mmengine treats as files to read.
        unreadable: what to do in training with an item whose images cannot be read. ``'error'`` stops the training;
            ``'skip'`` writes a warning to the log and uses the next item instead, in every process in the same way. A
            test always stops, because its scores would be of other images.
        kwargs: arguments of mmengine's ``BaseDataset``.

    Raises:
        InputError: ``unreadable`` has another value; or, when an item is loaded, its images cannot be read.
    """

    accepts_seeded_index = True  # SeededSampler requires it

    def __init__(self, source: dict | None = None, unreadable: str = 'error', **kwargs: Any) -> None:
        if unreadable not in ('error', 'skip'):
            raise InputError(f"{type(self).__name__}: unreadable must be 'error' or 'skip', found {unreadable!r}")
        self.source = source or {}
        self.unreadable = unreadable
        # An unreadable image raises an error that names it. mmengine would silently load another one.
        super().__init__(max_refetch=0, **kwargs)

    def prepare_data(self, idx: int | SeededIndex) -> dict:
        """Run the pipeline on one item, seeded if the index is a :class:`SeededIndex`."""
        if self.unreadable == 'error' or self.test_mode:
            return self._run_pipeline(idx, 0)
        last: Exception | None = None
        for offset in range(len(self)):
            try:
                return self._run_pipeline(idx, offset)
            except (OSError, UnreadableImageError) as error:
                print_log(f'{error}; the training uses the next item instead', 'current', logging.WARNING)
                last = error
        raise InputError(f'{self.folder("img")}: none of the {len(self)} items can be read; the last error: {last}')

    def _run_pipeline(self, idx: int | SeededIndex, offset: int) -> dict:
        """Run the pipeline on the item that lies ``offset`` items after an index, with the seed of the index."""
        index = idx.index if isinstance(idx, SeededIndex) else idx
        if offset:  # without an offset, an index behind the last item must raise an IndexError, which ends an iteration
            index = (index + offset) % len(self)
        if not isinstance(idx, SeededIndex):
            return self.pipeline(self.get_data_info(index))
        with seeded(idx):
            return self.pipeline(self.get_data_info(index))

    def __getitem__(self, idx: int | SeededIndex) -> dict:
        if not self._fully_initialized:
            self.full_init()
        return self.prepare_data(idx)

    def _join_prefix(self) -> None:
        """Keep the prefixes as they are; :meth:`folder` joins them, so that errors can name them."""

    def folder(self, key: str) -> Path:
        """Return the folder of a prefix, inside the data root."""
        return Path(self.data_root or '.') / self.data_prefix[key]

    @property
    def needed_prefixes(self) -> tuple[str, ...]:
        """Return the keys of ``data_prefix`` whose folders must exist."""
        return ('img',)

    def require_folders(self) -> None:
        """Raise the error of :meth:`list_folder` if a folder is missing, without listing any."""
        for key in self.needed_prefixes:
            if not self.folder(key).is_dir():
                raise FileNotFoundError(self._missing_message(self.folder(key)))

    def list_folder(self, key: str) -> list[Path]:
        """Return the images in the folder of a prefix, relative to it.

        Raises:
            FileNotFoundError: the folder is missing or holds no image. The message says where it was expected, where
                the data set is published, and its layout.
        """
        folder = self.folder(key)
        files = list_images(folder) if folder.is_dir() else []
        if not files:
            raise FileNotFoundError(self._missing_message(folder))
        return files

    def _missing_message(self, folder: Path) -> str:
        state = 'holds no images' if folder.is_dir() else 'does not exist'
        name = self.source.get('name', 'data set')
        lines = [f'{folder} {state} (looked for in {Path.cwd()}).']
        if 'published_at' in self.source:
            lines.append(f'The config expects {name}. For images of your own, correct `data_root` of the data set.')
            lines.append(f'Published at: {self.source["published_at"]}')
        if 'layout' in self.source:
            lines.append(f'Expected layout:\n{self.source["layout"].strip()}')
        if 'prepare' in self.source:
            lines.append(f'Unpack it to SRC and run `{self.source["prepare"]}`, which finds the pairs and links them;')
            lines.append('or create the layout by hand, with links or copies;')
            lines.append('or set `data_root` of the data set in the config.')
        else:
            lines.append('Create it, with links or copies, or set `data_root` of the data set in the config.')
        return '\n'.join(lines)
