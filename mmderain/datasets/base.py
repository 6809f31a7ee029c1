"""Base class of mmderain's data sets, with reproducible pipelines and helpful errors for missing data."""

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

    The transforms of mmcv and mmderain use these two generators. Inside the block, their results are reproducible.

    Args:
        index: the seed. All three numbers of the index are used.
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
    """Base class of data sets whose items are the image files in folders.

    Args:
        source: texts for the error message about missing data: ``name`` (of the data set), ``published_at``, ``layout``
            (of the folders), ``prepare`` (the command that creates this layout) and ``ann_file`` (how to create the
            list of images). They are not part of ``metainfo``, because mmengine treats a string in it as the name of
            a file to read.
        unreadable: what to do in training with an item whose images cannot be read. ``'error'`` stops the training.
            ``'skip'`` writes a warning to the log and uses the next item of the data set instead. A test always stops,
            because its scores would otherwise be those of other images.
        kwargs: arguments of mmengine's ``BaseDataset``.

    Raises:
        InputError: ``unreadable`` has another value. Also raised when an item is loaded whose images cannot be read.
    """

    accepts_seeded_index = True  # SeededSampler checks this attribute

    def __init__(self, source: dict | None = None, unreadable: str = 'error', **kwargs: Any) -> None:
        if unreadable not in ('error', 'skip'):
            raise InputError(f"{type(self).__name__}: unreadable must be 'error' or 'skip', found {unreadable!r}")
        self.source = source or {}
        self.unreadable = unreadable
        # By default, mmengine silently loads another item if an image cannot be read. With max_refetch=0, the image
        # raises an error that names it.
        super().__init__(max_refetch=0, **kwargs)

    def prepare_data(self, idx: int | SeededIndex) -> dict:
        """Run the pipeline on one item. If the index is a :class:`SeededIndex`, it seeds the random transforms."""
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
        """Run the pipeline on the item that is ``offset`` places after ``idx``, with the seed of ``idx``."""
        index = idx.index if isinstance(idx, SeededIndex) else idx
        # With offset 0, an index that is too large must raise an IndexError, because that error ends an iteration.
        if offset:
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
        """Keep the prefixes unchanged. :meth:`folder` joins them with the data root when a folder is needed."""

    def folder(self, key: str) -> Path:
        """Return the folder of a key of ``data_prefix``, such as ``'img'``; it includes the data root."""
        return Path(self.data_root or '.') / self.data_prefix[key]

    @property
    def needed_prefixes(self) -> tuple[str, ...]:
        """Return the keys of ``data_prefix`` whose folders must exist."""
        return ('img',)

    def require_folders(self) -> None:
        """Check that the needed folders exist, without listing their files.

        Raises:
            FileNotFoundError: a folder is missing. The message is that of :meth:`list_folder`.
        """
        for key in self.needed_prefixes:
            if not self.folder(key).is_dir():
                raise FileNotFoundError(self._missing_message(self.folder(key)))

    def list_folder(self, key: str) -> list[Path]:
        """Return the paths of the images in a folder, relative to this folder.

        Args:
            key: key of the folder in ``data_prefix``, such as ``'img'``.

        Raises:
            FileNotFoundError: the folder is missing or contains no image. The message says where the folder was
                expected, where the data set is published, and which layout it must have.
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
            lines.append(f'The config expects {name}. To use your own images, change `data_root` of the data set.')
            lines.append(f'Published at: {self.source["published_at"]}')
        if 'layout' in self.source:
            lines.append(f'Expected layout:\n{self.source["layout"].strip()}')
        if 'prepare' in self.source:
            lines.append(f'Unpack the data set to a folder SRC and run `{self.source["prepare"]}`, which finds the')
            lines.append('pairs and links them; or create the layout by hand, with links or copies;')
            lines.append('or set `data_root` of the data set in the config.')
        else:
            lines.append('Create the folder, with links to the images or copies of them,')
            lines.append('or set `data_root` of the data set in the config.')
        return '\n'.join(lines)
