from collections.abc import Iterator
from typing import NamedTuple

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Dataset, Sampler

from mmderain.errors import InputError
from mmderain.registry import DATA_SAMPLERS


class Draw(NamedTuple):
    """One visit to one item: the item's index, the how-manieth visit, and the run's seed.

    A data set of ours seeds the random choices of its pipeline from the three, so that they do not depend on
    the worker, its history, or whether the run was interrupted.
    """

    index: int
    visit: int
    seed: int


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """mmengine's ``DefaultSampler`` and ``InfiniteSampler`` for reproducible augmentation: yields draws.

    mmengine saves no random state, so a resumed run would continue with other crops. Here order and crops
    follow from (seed, epoch, index) alone. Ranks take turns in the shuffled order, so the batches of several
    processes together are the batch of one process of their size.

    Args:
        dataset: one that takes a :class:`Draw` for an index, as mmderain's do.
        shuffle: False visits in order.
        seed: of order and augmentation; by default the Runner passes its own.
        repeat: visits to each item in an epoch, for small data sets.
        infinite: for iteration-based training: epochs follow one another without end.
    """

    def __init__(
        self,
        dataset: Dataset,
        shuffle: bool = True,
        seed: int | None = None,
        repeat: int = 1,
        infinite: bool = False,
    ) -> None:
        if not getattr(dataset, 'accepts_seeded_index', False):
            raise InputError(
                f"SeededSampler: {type(dataset).__name__} takes no draws; mmderain's own data sets do. Around them no "
                'ConcatDataset or RepeatDataset (see `repeat`); for other data sets use DefaultSampler.'
            )
        self.rank, self.world_size = get_dist_info()
        self.length = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.repeat = repeat
        self.infinite = infinite
        self.epoch = 0
        self._skip = 0

    def _order(self, epoch: int) -> list[Draw]:
        """The draws of one epoch, of all ranks."""
        total = self.length * self.repeat
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed + epoch)
            order = torch.randperm(total, generator=generator).tolist()
        else:
            order = range(total)
        return [Draw(i % self.length, epoch * self.repeat + i // self.length, self.seed) for i in order]

    def __iter__(self) -> Iterator[Draw]:
        if self.infinite:
            total = self.length * self.repeat
            epoch, start = divmod(self._skip * self.world_size + self.rank, total)
            while True:
                yield from self._order(epoch)[start :: self.world_size]
                # Ranks go on taking turns across the end of an epoch.
                start += -(-(total - start) // self.world_size) * self.world_size - total
                epoch += 1
                while start >= total:
                    epoch, start = epoch + 1, start - total
        draws = self._order(self.epoch)
        # Every rank must have as many: the first ones come again at the end.
        whole = len(self) * self.world_size
        yield from (draws * -(-whole // len(draws)))[:whole][self.rank :: self.world_size]

    def __len__(self) -> int:
        return -(-self.length * self.repeat // self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Called by mmengine at the start of each epoch."""
        self.epoch = epoch

    def skip(self, num_samples: int) -> None:
        """Called by mmengine when an iteration-based run is resumed: start after that many draws of a rank."""
        self._skip += num_samples
