"""Choose how the inputs of a call are listed: local files, files on servers, or shards."""

import array
import io
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmderain.errors import InputError
from mmderain.io.files import require_path
from mmderain.io.naming import Naming
from mmderain.io.remote import is_remote
from mmderain.io.tar_shards import is_shard

from .plan import Plan
from .remote_plan import RemotePlan
from .shards import Shard
from .sources import Input
from .tar_shards import TarPlan, shard_input_names

#: Types of Python that are iterable, but are no inputs.
NO_INPUTS = (bytes, bytearray, memoryview, array.array, Mapping, io.IOBase)


def make_plan(
    inputs: Iterable[Input],
    out_dir: str | Path | None = None,
    existing: str = 'refuse',
    shard: Shard | None = None,
    finished: Collection[str] = (),
    naming: Naming | None = None,
    share_videos: bool = False,
) -> Plan | RemotePlan | TarPlan:
    """Return the plan for the inputs of a call.

    Args:
        inputs: the inputs. URLs and shards must be in a list or tuple, and cannot be mixed with other kinds of inputs.
        out_dir: as in :class:`~mmderain.apis.plan.Plan`, or a URL.
        existing: as in :class:`~mmderain.apis.plan.Plan`.
        shard: as in :class:`~mmderain.apis.plan.Plan`.
        finished: as in :class:`~mmderain.apis.plan.Plan`.
        naming: as in :class:`~mmderain.apis.plan.Plan`. Shards keep the names of their members.
        share_videos: as in :class:`~mmderain.apis.plan.Plan`.

    Raises:
        FileNotFoundError, InputError: see the classes of the plans.
        InputError: there are inputs of several kinds; ``inputs`` is neither a list nor another iterable of inputs; or
            ``out_dir`` is an empty text.
    """
    if isinstance(inputs, NO_INPUTS) or not isinstance(inputs, Iterable):
        raise InputError(
            f'inputs: found {type(inputs).__name__}; expected a path, an array, a Pillow image, a tensor, or a list of '
            'them. PIL.Image.open reads images from files and from io.BytesIO. numpy.asarray reads a memoryview.'
        )
    if out_dir is not None:
        out_dir = require_path('out_dir', out_dir) if not is_remote(out_dir) else out_dir
    if isinstance(inputs, Sequence):
        inputs = [image for item in inputs for image in _images(item)]
        items = inputs
    else:
        if is_remote(out_dir):
            raise InputError(f'{out_dir}: is a URL; expected a list of inputs, found {type(inputs).__name__}')
        inputs, items = (image for item in inputs for image in _images(item)), []
    paths = [item for item in items if isinstance(item, str | Path)]
    shards = [path for path in paths if _names_shards(path)]
    if shards:
        _require_one_kind(items, shards, 'is a shard')
        return TarPlan(shards, out_dir, existing, shard, finished)
    urls = [path for path in paths if is_remote(path)]
    if urls:
        _require_one_kind(items, urls, 'is a URL')
    if urls or is_remote(out_dir):
        return RemotePlan(items, out_dir, existing, shard, finished, naming)
    return Plan(inputs, out_dir, existing, shard, finished, naming, share_videos)


def input_names(inputs: Sequence[str | Path], out_dir: str | Path | None = None) -> Iterator[tuple[str, str]]:
    """Yield the name of each input in the results and in the log, and the name of its shard or ''.

    Args:
        inputs: paths or URLs of files, folders or shards.
        out_dir: folder for the results. If it lies inside an input folder, its files are not inputs.

    Raises:
        FileNotFoundError, InputError: as in :func:`make_plan`; or a shard cannot be read.
    """
    if any(_names_shards(item) for item in inputs):
        yield from shard_input_names(inputs)
        return
    plan = make_plan(inputs, out_dir)
    assert not isinstance(plan, TarPlan)
    for source in plan:
        yield source.name, ''


def _names_shards(path: str | Path) -> bool:
    """Return whether an input names one or several shards. The name of a folder can end with .tar too."""
    return is_shard(str(path)) and not Path(path).is_dir()


def _images(item: Input) -> Iterable[Input]:
    """Return the images of an array (N, H, W, 3), and any other input as it is, except that paths become texts."""
    if isinstance(item, os.PathLike) and not isinstance(item, Path):  # for example an entry of os.scandir
        return [os.fsdecode(item)]
    return item if isinstance(item, np.ndarray) and item.ndim == 4 else [item]


def _require_one_kind(items: Sequence[Input], found: Sequence[Input], kind: str) -> None:
    if len(found) < len(items):
        raise InputError(
            f'{found[0]}: {kind}, but other inputs are not; derain the two kinds of inputs in separate calls'
        )
