"""Base class of mmderain's data sets. It makes pipelines reproducible and raises clear errors for missing data."""

import contextlib
import logging
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmderain.errors import InputError, UnreadableImageError
from mmderain.io.folders import iter_images, skipped_by_suffix, with_skipped

from .samplers import SeededIndex


@contextlib.contextmanager
def seeded(index: SeededIndex) -> Iterator[None]:
    """Seed ``random`` and ``numpy.random`` inside a block, and restore their states afterwards.

    The transforms of mmcv and mmderain use these two random generators. Inside the block, the results of these
    transforms are reproducible.

    Args:
        index: the three numbers of this index together are the seed.
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


def log(text: str, level: int = logging.INFO) -> None:
    """Write a text to the log. Bytes of file names that are not valid text are written as escape sequences."""
    print_log(text.encode('utf-8', 'backslashreplace').decode(), 'current', level)


class DerainDataset(BaseDataset):
    """Base class of data sets whose items are image files in folders.

    Args:
        source: texts for the error message about missing data. These keys are used:

            * ``name``: name of the data set;
            * ``published_at``: where the data set is published;
            * ``layout``: the expected folders and files;
            * ``prepare``: the command that creates this layout;
            * ``ann_file``: how to create the list of images.

            These texts are not stored in ``metainfo``, because mmengine treats a string in ``metainfo`` as the name of
            a file to read.
        unreadable: what to do in training if an image of an item cannot be read. ``'error'`` raises the error.
            ``'skip'`` writes a warning to the log and uses the next item of the data set instead. With
            ``test_mode=True``, the error is always raised, because another item would change the scores.
        kwargs: arguments of mmengine's ``BaseDataset``.

    Raises:
        InputError: ``unreadable`` is neither ``'error'`` nor ``'skip'``. :meth:`prepare_data` also raises this error.
    """

    accepts_seeded_index = True  # SeededSampler checks this attribute

    def __init__(self, source: dict | None = None, unreadable: str = 'error', **kwargs: Any) -> None:
        if unreadable not in ('error', 'skip'):
            raise InputError(f"{type(self).__name__}: unreadable must be 'error' or 'skip', found {unreadable!r}")
        self.source = source or {}
        self.unreadable = unreadable
        # By default, mmengine uses other items without a message if a pipeline returns None. With max_refetch=0, it
        # raises an error.
        super().__init__(max_refetch=0, **kwargs)

    def prepare_data(self, idx: int | SeededIndex) -> dict:
        """Run the pipeline on one item.

        Args:
            idx: index of the item. A :class:`SeededIndex` also seeds the random transforms.

        Raises:
            OSError, InputError: an image of the item cannot be read. With ``unreadable='skip'``, an InputError is
                raised only if no item of the data set can be read.
        """
        if self.unreadable == 'error' or self.test_mode:
            return self._run_pipeline(idx, 0)
        last: Exception | None = None
        for offset in range(len(self)):
            try:
                return self._run_pipeline(idx, offset)
            except (OSError, UnreadableImageError) as error:
                log(f'{error}; training continues with the next item', logging.WARNING)
                last = error
        raise InputError(f'{self.folder("img")}: none of the {len(self)} items can be read; the last error: {last}')

    def _run_pipeline(self, idx: int | SeededIndex, offset: int) -> dict:
        """Run the pipeline on the item with the index ``idx + offset``, with the seed of ``idx``."""
        index = idx.index if isinstance(idx, SeededIndex) else idx
        # With offset 0, an index that is too large must raise an IndexError, because this error ends a `for` loop over
        # the data set.
        if offset:
            index = (index + offset) % len(self)
        if not isinstance(idx, SeededIndex):
            return self.pipeline(self.get_data_info(index))
        with seeded(idx):
            return self.pipeline(self.get_data_info(index))

    def _join_prefix(self) -> None:
        """Keep the prefixes unchanged. :meth:`folder` joins them with the data root."""

    def folder(self, key: str) -> Path:
        """Return the path of a folder: the data root joined with ``data_prefix[key]``."""
        return Path(self.data_root or '.') / self.data_prefix[key]

    @property
    def needed_prefixes(self) -> tuple[str, ...]:
        """Return the keys of ``data_prefix`` whose folders must exist."""
        return ('img',)

    def require_folders(self) -> None:
        """Check that the folders of :attr:`needed_prefixes` exist.

        This method does not search for images in the folders.

        Raises:
            FileNotFoundError: a folder is missing. The message is the same as in :meth:`list_folder`.
        """
        for key in self.needed_prefixes:
            if not self.folder(key).is_dir():
                raise FileNotFoundError(self._missing_message(self.folder(key)))

    def list_folder(self, key: str) -> list[Path]:
        """Return the paths of the images in a folder and its sub-folders, relative to the folder.

        Args:
            key: key of the folder in ``data_prefix``, such as ``'img'``.

        Raises:
            FileNotFoundError: the folder is missing or contains no image. The message contains the path of the folder
                and the texts in ``source``.
        """
        folder = self.folder(key)
        skipped: Counter[str] = Counter()
        files = list(iter_images(folder, skipped=skipped)) if folder.is_dir() else []
        if not files:
            raise FileNotFoundError(self._missing_message(folder, skipped))
        if text := skipped_by_suffix(skipped):
            log(f'{folder}: {text}')
        return files

    def _missing_message(self, folder: Path, skipped: Mapping[str, int] | None = None) -> str:
        state = with_skipped('contains no images' if folder.is_dir() else 'does not exist', skipped or {})
        name = self.source.get('name', 'data set')
        lines = [f'{folder} {state} (looked for in {Path.cwd()}).']
        if 'published_at' in self.source:
            lines.append(f'The config expects this data set: {name}.')
            lines.append(f'Published at: {self.source["published_at"]}')
        if 'layout' in self.source:
            lines.append(f'Expected layout:\n{self.source["layout"].strip()}')
        if 'prepare' in self.source:
            lines.append('Do one of the following:')
            lines.append(f'* Unpack the data set to a folder SRC, and run `{self.source["prepare"]}`.')
            lines.append('  This command finds the pairs, and creates the layout with links to the images.')
            lines.append('* Create the layout by hand, with links to the images or copies of them.')
            lines.append('* To use images in another folder, set `data_root` of the data set in the config.')
        else:
            lines.append('Create the folder with links to the images or copies of them. To use images in another')
            lines.append('folder, set `data_root` of the data set in the config.')
        return '\n'.join(lines)
