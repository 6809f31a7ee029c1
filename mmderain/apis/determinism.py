"""Settings with which several processes compute exactly the same results as one process."""

import torch

from mmderain.errors import InputError


def deterministic_options(batch_size: int, precision: str | None, tile: int | None) -> tuple[str | None, int]:
    """Return the precision and the side of the tiles for results that do not depend on the other inputs.

    Args:
        batch_size: number of images of a batch.
        precision: the requested precision. ``'auto'`` becomes ``'fp32'``.
        tile: the requested side of the tiles in pixels. None becomes 0, which means no tiles.

    Raises:
        InputError: the batch size is not 1.
    """
    if batch_size != 1:
        raise InputError(f'batch_size={batch_size}: deterministic results need batch_size=1 (--batch-size 1)')
    return 'fp32' if precision == 'auto' else precision, tile or 0


def compute_deterministically() -> None:
    """Make the results of this process independent of the load of the machine and of other processes.

    The function sets the number of CPU threads of torch to 1, because several threads add numbers in another order. On
    a GPU, cuDNN uses its deterministic algorithms, and does not choose them by their speed.

    The results are equal only for the same machine type, the same versions, ``batch_size=1``, a fixed ``precision``
    (not ``'auto'``) and a fixed ``tile`` (not None). The function changes the whole process, so only commands and tools
    call it.
    """
    torch.set_num_threads(1)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
