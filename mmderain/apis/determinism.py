"""Settings with which several processes compute exactly the same results as one process."""

import torch


def compute_deterministically() -> None:
    """Make the results of this process independent of the load of the machine and of other processes.

    The function sets the number of CPU threads of torch to 1, because sums in several threads can be rounded in another
    order. On a GPU, cuDNN uses its deterministic algorithms, and does not choose them by their speed.

    The results are equal only for the same machine type, the same versions, ``batch_size=1``, a fixed ``precision``
    (not ``'auto'``) and a fixed ``tile`` (not None). The function changes the whole process. Therefore only programs
    call it.
    """
    torch.set_num_threads(1)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
