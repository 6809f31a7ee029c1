"""Derain images on the machines of a Ray cluster. This module needs the extra ``mmderain[ray]``.

The driver lists the inputs and sends their names to actors in blocks. Each actor has its own model, and reads and
writes the files itself, so that no image passes through the object store of Ray. The functions ``ray.data.read_images``
and ``ray.data.read_binary_files`` are not used, for two reasons. They stop the whole run at the first file that they
cannot read. They also decode some images in another way than mmderain. To derain a data set that these functions
return, use :class:`DerainBatch`.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmderain import DEFAULT_DERAINER
from mmderain.apis import InputResult, trained_derainer
from mmderain.apis.determinism import deterministic_options
from mmderain.apis.pipeline import WORKERS
from mmderain.apis.plans import make_plan
from mmderain.apis.progress import show_progress
from mmderain.apis.run_log import finished_outputs, logged
from mmderain.apis.tar_shards import TarPlan
from mmderain.errors import InputError, require_whole_number
from mmderain.io.image_header import MAX_PIXELS
from mmderain.io.naming import Naming
from mmderain.io.video import VideoOptions

from .ray_actors import DerainBatch, DerainFiles
from .ray_blocks import derain_blocks, other_inputs
from .ray_cluster import absolute_path, choose_actors, connect, is_model_path

__all__ = ['DerainBatch', 'DerainFiles', 'Summary', 'derain_images']


@dataclass
class Summary:
    """Numbers of inputs of a call.

    Attributes:
        done: number of inputs that were derained.
        skipped: number of inputs whose result file existed before, or that the log names as complete.
        failed: number of inputs that were not derained because of an error.
        other_files: number of the files in the input folders that are neither images nor videos, for each suffix.
    """

    done: int = 0
    skipped: int = 0
    failed: int = 0
    other_files: Counter[str] = field(default_factory=Counter)

    def add(self, result: InputResult) -> None:
        """Count a result."""
        if result.error is not None:
            self.failed += 1
        elif result.skipped:
            self.skipped += 1
        else:
            self.done += 1


def derain_images(
    source: str | Path | Sequence[str | Path],
    destination: str | Path,
    model: str | Path | dict = DEFAULT_DERAINER,
    weights: str | Path | None = None,
    batch_size: int = 1,
    num_gpus: float | None = None,
    num_cpus: float = 1,
    concurrency: int | tuple[int, int] | None = None,
    existing: str = 'refuse',
    log: str | Path | None = None,
    precision: str | None = None,
    tile: int | None = None,
    max_pixels: int = MAX_PIXELS,
    workers: int = WORKERS,
    deterministic: bool = False,
    video: VideoOptions | None = None,
    on_result: Callable[[InputResult], None] | None = None,
    keep_suffix: bool = False,
    progress: bool = False,
) -> Summary:
    """Derain images on a Ray cluster.

    The function uses the cluster to which the program is connected. Otherwise it calls ``ray.init``, which uses the
    cluster at ``RAY_ADDRESS`` or starts Ray on this machine, without its dashboard. This call sets the level of the
    logger ``ray`` to ``ERROR``. To see all messages of Ray, call ``ray.init`` before.

    mmderain must be installed on all machines. Paths of files must be the same on all machines, as on a shared disk;
    URLs need no shared disk. The driver keeps the names of all inputs in memory.

    If an actor dies, Ray starts it again, and derains its block of inputs again. After
    :data:`~mmderain.integrations.ray_blocks.RETRIES` retries, the inputs of the block fail, and the other blocks are
    derained.

    Args:
        source: path or URL of an image or a folder, shards, or a list of them, as in
            :class:`~mmderain.apis.DerainInferencer`.
        destination: folder or URL for the result files.
        model: as in :class:`~mmderain.apis.DerainInferencer`.
        weights: as in :class:`~mmderain.apis.DerainInferencer`.
        batch_size: number of images of the same size that are derained together.
        num_gpus: number of GPUs of each actor. With 0.5, two actors share a GPU. None uses 1 if the cluster has GPUs,
            else 0.
        num_cpus: number of CPUs of each actor.
        concurrency: number of actors, or the smallest and the largest number, between which Ray chooses. None uses as
            many actors as the cluster has room for, and at least one.
        existing: what to do if a result file already exists, as in :class:`~mmderain.apis.DerainInferencer`. The driver
            looks for these files before the run starts.
        log: path of a JSONL file, see :mod:`mmderain.apis.run_log`. The driver writes it.
        precision: as in :class:`~mmderain.apis.DerainInferencer`.
        tile: as in :class:`~mmderain.apis.DerainInferencer`.
        max_pixels: as in :class:`~mmderain.apis.DerainInferencer`.
        workers: number of threads of each actor that read and write files.
        deterministic: True computes exactly the same results as ``mmderain derain --deterministic``. It needs
            ``batch_size=1``.
        video: options of the result videos. None uses the default options.
        on_result: function that is called with each result when it is complete.
        keep_suffix: as in :class:`~mmderain.apis.DerainInferencer`.
        progress: True shows a progress bar. The progress bars of Ray are never shown.

    Returns:
        The numbers of derained, skipped and failed inputs.

    Raises:
        InputError: Ray is not installed, an argument is not as expected, a folder contains no image, or the actors
            cannot load the model.

    Example::

        derain_images('s3://bucket/rainy', 's3://bucket/derained', model='nafnet', num_gpus=0.5, concurrency=(2, 16))
    """
    require_whole_number('batch_size', batch_size, 1)
    if deterministic:
        precision, tile = deterministic_options(batch_size, precision, tile)
    inputs = [source] if isinstance(source, str | Path) else list(source)
    if not all(isinstance(item, str | Path) for item in inputs):
        raise InputError('source: found an array or a tensor; expected paths or URLs. Write the images to files first.')
    finished = finished_outputs(log) if log is not None and existing == 'skip' else ()
    options = video or VideoOptions()
    naming = Naming(options.container, keep_suffix)
    plan = make_plan(inputs, destination, existing, None, finished, naming, share_videos=options.shard[1] > 1)
    inferencer_options = dict(
        model=absolute_path(model) if is_model_path(model) else model,
        weights=absolute_path(weights),
        precision=precision,
        tile=tile,
        max_pixels=max_pixels,
    )
    actor_options = dict(
        inferencer=inferencer_options,
        batch_size=batch_size,
        workers=workers,
        root=os.getcwd(),
        deterministic=deterministic,
        video=video,
        existing=existing,
        keep_suffix=keep_suffix,
        **other_inputs(plan),
    )
    # A wrong model is found here, before Ray starts. Errors of actors are hard to read.
    trained_derainer(model, weights, 'cpu', {'model.precision': precision, 'model.tile': tile})
    ray = connect()
    num_gpus, smallest, largest = choose_actors(ray.cluster_resources(), num_gpus, num_cpus, concurrency)
    inferencer_options['device'] = 'cuda:0' if num_gpus else 'cpu'
    pool = ray.data.ActorPoolStrategy(min_size=smallest, max_size=largest)
    results = derain_blocks(plan, actor_options, pool, dict(num_gpus=num_gpus, num_cpus=num_cpus))
    if log is not None:
        results = logged(results, log)
    summary = Summary()
    for result in show_progress(results, plan.count) if progress else results:
        summary.add(result)
        if on_result is not None:
            on_result(result)
    summary.skipped += plan.num_finished
    if not isinstance(plan, TarPlan):
        summary.other_files = plan.skipped
    return summary
