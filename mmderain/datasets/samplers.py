"""A sampler for reproducible training.

The order of the items and their augmentation depend only on the seed, the epoch and the index of the item.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmderain.errors import InputError, require_whole_number
from mmderain.registry import DATA_SAMPLERS

#: Number of indices that :class:`SeededSampler` converts to Python objects at a time.
CHUNK = 2**16


class SeededIndex(NamedTuple):
    """Index of an item, with two more numbers that seed the random transforms of the pipeline.

    The data sets of mmderain accept a SeededIndex instead of a plain index. The random transforms then depend only on
    these three numbers. They do not depend on the worker process, on the items that this process loaded before, or on
    whether the run was interrupted.

    Attributes:
        index: index of the item in the data set.
        visit: number that distinguishes the uses of the same item in a run. The first use has the number 0.
        seed: seed of the run.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nothing calls
    visit: int
    seed: int


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Sample like mmengine's ``DefaultSampler`` and ``InfiniteSampler``, with reproducible augmentation.

    mmengine does not save the state of random generators. With the samplers of mmengine, a resumed run therefore uses
    other crops than a run without an interruption. With this sampler, the order and the crops depend only on the seed,
    the epoch and the index of the item. Both runs are therefore equal.

    In a distributed run of ``n`` processes, process ``k`` uses the items at the positions ``k``, ``k + n``, ``k + 2 n``
    and so on. Together, the batches of ``n`` processes contain the same items as one batch of a single process with
    ``n`` times the batch size.

    Args:
        dataset: a data set that accepts a :class:`SeededIndex`, such as the data sets of mmderain.
        shuffle: whether to shuffle. False keeps the order of the data set.
        seed: seed of the order and of the augmentation. If the config does not set it, mmengine's Runner passes the
            seed of the run. None uses a random seed that is the same in all processes.
        repeat: number of times that each item is used in an epoch. It makes the epochs of small data sets longer.
        infinite: True starts the next epoch automatically, without end. Iteration-based training needs True.

    Raises:
        InputError: the data set is empty, or does not accept a :class:`SeededIndex`. Also raised if ``seed`` is not an
            integer of at least 0, or if ``repeat`` is not an integer of at least 1.
    """

    def __init__(
        self,
        dataset: BaseDataset,
        shuffle: bool = True,
        seed: int | None = None,
        repeat: int = 1,
        infinite: bool = False,
    ) -> None:
        if not getattr(dataset, 'accepts_seeded_index', False):
            raise InputError(
                f'SeededSampler: {type(dataset).__name__} does not accept a SeededIndex. Use a data set of mmderain '
                'without a wrapper such as ConcatDataset or RepeatDataset. Instead of RepeatDataset, set `repeat` of '
                'the sampler. For other data sets, use DefaultSampler.'
            )
        if not len(dataset):
            raise InputError('SeededSampler: the data set is empty; expected at least one item')
        require_whole_number('SeededSampler: repeat', repeat, 1)
        if seed is not None:
            require_whole_number('SeededSampler: seed', seed, 0)
        self.rank, self.world_size = get_dist_info()
        self.length = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.repeat = repeat
        self.infinite = infinite
        self.epoch = 0
        self._skip = 0

    def _indices(self, epoch: int, positions: range) -> Iterator[SeededIndex]:
        """Yield the indices at some positions of an epoch.

        The order of the epoch is one tensor, with 8 bytes for each index. Only :data:`CHUNK` of the indices exist as
        Python objects at the same time, because these objects take about 150 bytes for each index.

        Args:
            epoch: number of the epoch. Every rank computes the same order of an epoch. The order is random if
                ``shuffle`` is True.
            positions: positions in this order. After its last position, the order starts again at its first position.
        """
        total = self.length * self.repeat
        order = None
        if self.shuffle:
            order = torch.randperm(total, generator=torch.Generator().manual_seed(self.seed + epoch))
        for first in range(0, len(positions), CHUNK):
            part = positions[first : first + CHUNK]
            items = torch.arange(part.start, part.stop, part.step) % total
            for i in (items if order is None else order[items]).tolist():
                yield SeededIndex(i % self.length, epoch * self.repeat + i // self.length, self.seed)

    def __iter__(self) -> Iterator[SeededIndex]:
        if self.infinite:
            total = self.length * self.repeat
            epoch, start = divmod(self._skip * self.world_size + self.rank, total)
            while True:
                yield from self._indices(epoch, range(start, total, self.world_size))
                # The ranks take the indices in turn. The next epoch starts with the rank whose turn it is.
                start += -(-(total - start) // self.world_size) * self.world_size - total
                epoch += 1
                while start >= total:
                    epoch, start = epoch + 1, start - total
        # Every rank needs the same number of indices. If they cannot be divided equally, the first indices of the epoch
        # are used again at its end.
        yield from self._indices(self.epoch, range(self.rank, len(self) * self.world_size, self.world_size))

    def __len__(self) -> int:
        return -(-self.length * self.repeat // self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; mmengine calls this method at the start of each epoch."""
        self.epoch = epoch

    def skip(self, num_samples: int) -> None:
        """Skip the first ``num_samples`` indices of this rank. This works only if ``infinite`` is True.

        The onedl fork of mmengine calls this method when an iteration-based run is resumed. The original mmengine
        0.10.7 loads and discards the data instead.
        """
        self._skip += num_samples
