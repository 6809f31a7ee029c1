"""Give the inputs in blocks to the actors of Ray, and collect their results."""

import math
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mmderain.apis import InputResult
from mmderain.apis.plan import Plan
from mmderain.apis.remote_plan import RemotePlan
from mmderain.apis.sources import Source
from mmderain.apis.tar_shards import TarPlan
from mmderain.apis.targets import moved_owners
from mmderain.errors import InputError

from .ray_actors import DerainFiles, require_utf8, result_of
from .ray_cluster import retry_options

#: Largest number of inputs that an actor gets at a time.
BLOCK_ROWS = 256
#: Number of threads that look for existing result files.
CHECK_THREADS = 32
#: Number of times that a block is given to an actor again after its actor died.
RETRIES = 3


def derain_blocks(
    plan: Any, actor_options: dict[str, Any], pool: Any, resources: dict[str, float]
) -> Iterator[InputResult]:
    """Yield the results of the inputs that need no actor, and then the results of the actors.

    Args:
        plan: the inputs.
        actor_options: arguments of :class:`DerainFiles`.
        pool: number of actors, an ``ActorPoolStrategy`` of Ray.
        resources: ``num_gpus`` and ``num_cpus`` of each actor.

    Raises:
        InputError: the actors cannot load the model.
    """
    import ray

    rows: list[dict[str, str]] = []
    for source, result in checked(plan):
        if result is not None:
            yield result
        else:
            rows.append(row_of_source(source))
    if not rows:
        return
    # Several blocks for each actor balance their work.
    length = 1 if isinstance(plan, TarPlan) else min(BLOCK_ROWS, math.ceil(len(rows) / (4 * pool.max_size)))
    missing = {row['name'] for row in rows}
    names: Any = ray.data.from_items(rows, override_num_blocks=math.ceil(len(rows) / length))
    del rows
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Ray 2.60 warns of the arguments in retry_options
        data = names.map_batches(
            DerainFiles,
            fn_constructor_kwargs=actor_options,
            batch_size=None,
            batch_format='pyarrow',
            compute=pool,
            **resources,
            **retry_options(names.map_batches, RETRIES),
        )
    data.context.max_errored_blocks = -1  # only the death of an actor is an error of a block
    data.context.enable_progress_bars = False
    try:
        for row in data.iter_rows():
            missing.discard(row['item'])
            yield result_of(row)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1].rpartition('.InputError: ')[2]
        raise InputError(f'the actors of Ray cannot derain: {reason}') from error
    for name in sorted(missing):
        reason = f'the block with this input failed {RETRIES + 1} times, for example because its actor died'
        yield InputResult.of_error(name, InputError(f'{name}: {reason}; see the messages of Ray'))


def row_of_source(source: Source) -> dict[str, str]:
    """Return the row of a block from which :class:`DerainFiles` derains a source."""
    folder = '' if source.folder is None else str(source.folder)
    return dict(name=source.name, input=str(source.content), output=str(source.target), folder=folder)


def other_inputs(plan: Plan | RemotePlan | TarPlan) -> dict[str, Any]:
    """Return the arguments ``folders`` and ``owners`` of :class:`DerainFiles` for the inputs of a run."""
    if isinstance(plan, TarPlan):
        return {}
    targets = plan.targets if isinstance(plan, Plan) else plan
    assert targets is not None
    folders = [] if isinstance(targets, RemotePlan) else [str(folder) for folder in targets.folders]
    return dict(folders=folders, owners=moved_owners(targets.owners))


def checked(plan: Any) -> Iterator[tuple[Source, InputResult | None]]:
    """Yield each source, and its result if the source is skipped or fails before it is read.

    The driver looks for existing result files, and not the actors. If an actor dies, another actor derains its block
    again. This actor would otherwise find result files of the first attempt.
    """

    def check(source: Source) -> tuple[Source, InputResult | None]:
        result = InputResult(source.name)
        try:
            require_utf8(source)
            if not source.is_done():
                return source, None
            result.skip(source.target)
        except Exception as error:  # the same errors as in the pipeline
            result.fail(error)
        return source, result

    with ThreadPoolExecutor(CHECK_THREADS) as threads:
        sources = iter(plan.sources() if isinstance(plan, TarPlan) else plan)
        while group := [source for _, source in zip(range(1000), sources)]:
            yield from threads.map(check, group)
