"""Run one condition of a joint test: one test loop of mmengine with a task model and a metric of mmdet or mmseg."""

import copy
import inspect
from pathlib import Path

import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from mmderain.engine.config import refuse_unknown_options, require_data
from mmderain.errors import InputError
from mmderain.io.config import config_errors, read_config
from mmderain.perception.task import load_task_weights

from .bootstrap import bootstrap
from .conditions import Condition, Result
from .gallery import draw_predictions
from .recording import RecordingHook
from .steps import MeasuredSteps

#: Number of images for which predictions are drawn in each condition. The images are spread evenly over the test set.
NUM_DRAWINGS = 4


def run_condition(
    condition: Condition, limit: int | None = None, cfg_options: dict | None = None, drawings: Path | None = None
) -> Result:
    """Run the test loop of mmengine under a condition.

    Args:
        condition: the condition.
        limit: number of images to test, from the start of the test set. None tests all images.
        cfg_options: entries of the config of the task model to override, with dotted keys.
        drawings: folder for drawings of the predictions for a few images. None draws nothing.

    Returns:
        The result. Its attribute ``drawings`` contains names of files in the folder ``drawings``.

    Raises:
        FileNotFoundError: a config, a checkpoint, the data or an image does not exist.
        InputError: an option is unknown, a checkpoint does not fit its config, or an image has an unexpected size or
            format.
    """
    cfg = task_config(condition, limit, cfg_options)
    require_data(cfg, 'test_dataloader')
    with config_errors(condition.model.config):
        runner = Runner.from_cfg(cfg)
    load_task_weights(runner.model, condition.model.checkpoint, condition.model.config)
    loop = runner.test_loop
    (steps,) = [step for step in loop.dataloader.dataset.pipeline.transforms if isinstance(step, MeasuredSteps)]
    if drawings is not None and _can_draw(runner.visualizer):
        steps.keep = _spread(len(loop.dataloader.dataset), NUM_DRAWINGS)
    hook = RecordingHook(steps.keep)
    runner.register_hook(hook)
    # Scores that are not finite are removed. Such a score belongs to a class without an object in the data.
    metrics = {k: float(v) for k, v in runner.test().items() if np.ndim(v) == 0 and np.isfinite(v)}
    # PSNR is infinite if the steps did not change the image. If the images show real rain, clean images are not known.
    changed = [value for value in steps.psnr if np.isfinite(value)] if condition.rain != 'none' else []
    return Result(
        metrics=metrics,
        interval=bootstrap(loop.evaluator.metrics[0], loop.evaluator.image_results[0]),
        psnr=float(np.mean(changed)) if changed else None,
        ssim=float(np.mean(steps.ssim)) if changed else None,
        derain_ms=median_and_p95(steps.milliseconds),
        task_ms=median_and_p95(hook.milliseconds),
        images=len(hook.milliseconds),
        drawings=draw_predictions(runner, steps.kept, hook.predictions, drawings) if drawings and steps.keep else [],
    )


def task_config(condition: Condition, limit: int | None, cfg_options: dict | None) -> Config:
    """Build the config of a condition from the config of the task model.

    The steps of the condition are inserted directly after the loading transform. The evaluator is replaced by
    :class:`RecordingEvaluator`.

    Args:
        condition: the condition.
        limit: see :func:`run_condition`.
        cfg_options: see :func:`run_condition`.

    Returns:
        The config, from which a runner can be built.

    Raises:
        FileNotFoundError: the config file does not exist.
        InputError: an option is unknown, or the config does not have exactly one loading transform and one metric.
    """
    name = condition.model.config
    cfg = read_config(name)
    refuse_unknown_options(cfg, cfg_options or {})
    cfg.merge_from_dict(copy.deepcopy(cfg_options or {}))  # mmengine removes `_delete_` from its argument
    cfg.work_dir = cfg.get('work_dir') or 'work_dirs/joint_test'
    cfg.log_level, cfg.load_from, cfg.resume = 'ERROR', None, False
    if cfg.get('visualizer'):
        # Without back ends, the visualizer writes no files. If a visualizer with the same name already exists, mmengine
        # returns it and ignores the settings in the config. Therefore the name contains the settings.
        cfg.visualizer.vis_backends = None
        cfg.visualizer.name = str(cfg.visualizer)
    # Without loader processes, nothing else runs while a time is measured, and the derainer can use a GPU.
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False, batch_size=1)
    if limit is not None:
        cfg.test_dataloader.dataset.indices = limit
    _insert_steps(cfg.test_dataloader.dataset.pipeline, condition)
    cfg.test_evaluator = _recording_evaluator(cfg.test_evaluator, name, tested_only=limit is not None)
    return cfg


def _insert_steps(pipeline: list[ConfigDict], condition: Condition) -> None:
    """Insert the steps of a condition into a pipeline, directly after the transform that loads the image.

    Raises:
        InputError: the pipeline does not have exactly one loading transform.
    """
    types = [str(transform.type) for transform in pipeline]
    indices = [index for index, name in enumerate(types) if _last_part(name) == 'LoadImageFromFile']
    if len(indices) != 1:
        raise InputError(
            f'{condition.model.config}: expected one LoadImageFromFile in the test pipeline, found {types}'
        )
    steps = dict(type='mmderain.MeasuredSteps', steps=list(condition.steps), timed=condition.timed)
    pipeline.insert(indices[0] + 1, steps)


def _recording_evaluator(evaluator: dict | list, name: str, tested_only: bool) -> dict:
    """Return the config of a :class:`RecordingEvaluator` that uses the metric of another evaluator.

    Args:
        evaluator: config of the other evaluator, or its list of metrics.
        name: name of the config of the task model, for the error message.
        tested_only: see :class:`RecordingEvaluator`.

    Raises:
        InputError: the evaluator does not have exactly one metric.
    """
    metrics = evaluator['metrics'] if isinstance(evaluator, dict) and 'metrics' in evaluator else evaluator
    metrics = metrics if isinstance(metrics, list) else [metrics]
    if len(metrics) != 1:
        types = [metric.get('type') for metric in metrics]
        raise InputError(f'{name}: expected one metric in test_evaluator, found {types}')
    if _last_part(str(metrics[0]['type'])) == 'CocoMetric':
        metrics[0]['classwise'] = True  # the table has a column for the class `person`
    return dict(type='mmderain.RecordingEvaluator', metrics=metrics, tested_only=tested_only)


def _last_part(type_name: str) -> str:
    """Return the name of a type without its scope."""
    return type_name.rpartition('.')[2]


def _can_draw(visualizer: Visualizer) -> bool:
    """Return whether a visualizer can draw predictions.

    If a config has no visualizer, mmengine creates an object of the base class ``Visualizer``, which cannot draw
    predictions.
    """
    return 'out_file' in inspect.signature(visualizer.add_datasample).parameters


def _spread(total: int, number: int) -> frozenset[int]:
    """Return ``number`` indices that are evenly spread over ``total`` images.

    The first ``number`` images would often be similar, because data sets often contain successive frames.
    """
    return frozenset((2 * n + 1) * total // (2 * number) for n in range(number))


def median_and_p95(milliseconds: list[float]) -> tuple[float, float] | None:
    """Return the median and the 95th percentile of run times, or None for an empty list."""
    if not milliseconds:
        return None
    return float(np.median(milliseconds)), float(np.percentile(milliseconds, 95))
