"""A sampler that makes order and augmentation a function of seed, epoch and index."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmderain.errors import InputError
from mmderain.registry import DATA_SAMPLERS


class SeededIndex(NamedTuple):
    """Index of an item, with what seeds the random choices of its pipeline.

    mmderain's data sets take it in place of a plain index. The choices then depend on these three numbers only: not on
    the worker process, nor on what it did before, nor on whether the run was interrupted.

    Attributes:
        index: index of the item in the data set.
        visit: number of earlier visits to the item, from 0.
        seed: seed of the run.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nothing calls
    visit: int
    seed: int


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Sample like mmengine's ``DefaultSampler`` and ``InfiniteSampler``, with reproducible augmentation.

    mmengine saves no random state, so a resumed run would continue with other crops. Here, order and crops follow from
    seed, epoch and index alone. The processes of a distributed run take turns in the shuffled order, so that their
    batches together are the batch of one process.

    Args:
        dataset: a data set that accepts a :class:`SeededIndex`, as those of mmderain do.
        shuffle: whether to shuffle; False keeps the order of the data set.
        seed: seed of order and augmentation; by default that of the Runner, which passes its own.
        repeat: number of visits to each item in an epoch, for small data sets.
        infinite: whether epochs follow one another without end, as iteration-based training needs.

    Raises:
        InputError: the data set accepts no :class:`SeededIndex`.
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
                f'SeededSampler: {type(dataset).__name__} does not accept a SeededIndex; the data sets of mmderain do. '
                'Do not wrap them in ConcatDataset or RepeatDataset (see `repeat`); for other data sets use '
                'DefaultSampler.'
            )
        self.rank, self.world_size = get_dist_info()
        self.length = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.repeat = repeat
        self.infinite = infinite
        self.epoch = 0
        self._skip = 0

    def _order(self, epoch: int) -> list[SeededIndex]:
        """Return the indices of one epoch in order, for all ranks."""
        total = self.length * self.repeat
        order: Sequence[int] = range(total)
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed + epoch)
            order = torch.randperm(total, generator=generator).tolist()
        return [SeededIndex(i % self.length, epoch * self.repeat + i // self.length, self.seed) for i in order]

    def __iter__(self) -> Iterator[SeededIndex]:
        if self.infinite:
            total = self.length * self.repeat
            epoch, start = divmod(self._skip * self.world_size + self.rank, total)
            while True:
                yield from self._order(epoch)[start :: self.world_size]
                # Ranks continue to take turns across the end of an epoch.
                start += -(-(total - start) // self.world_size) * self.world_size - total
                epoch += 1
                while start >= total:
                    epoch, start = epoch + 1, start - total
        indices = self._order(self.epoch)
        # Every rank needs the same number of indices, so the first ones are repeated at the end.
        padded = len(self) * self.world_size
        yield from (indices * -(-padded // len(indices)))[:padded][self.rank :: self.world_size]

    def __len__(self) -> int:
        return -(-self.length * self.repeat // self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; mmengine calls this at the start of each epoch."""
        self.epoch = epoch

    def skip(self, num_samples: int) -> None:
        """Skip the first indices of each rank; mmengine calls this when an iteration-based run is resumed."""
        self._skip += num_samples
