"""Run one condition of a joint test: one test run of mmdet or mmseg, with its own metrics."""

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

#: Number of images drawn for each condition, spread over the test set.
NUM_DRAWINGS = 4


def run_condition(
    condition: Condition, limit: int | None = None, cfg_options: dict | None = None, drawings: Path | None = None
) -> Result:
    """Run the test loop of the task library under a condition.

    Args:
        condition: the condition.
        limit: number of images, the first ones of the test set; None takes all.
        cfg_options: entries of the task model's config to override, dotted keys.
        drawings: folder for a few images with the predictions drawn on them; None draws nothing.

    Returns:
        The result; ``drawings`` in it are names in the folder.

    Raises:
        FileNotFoundError, InputError: a config, a checkpoint, the data or an image is missing or unsuitable.
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
    recorded = RecordingHook(steps.keep)
    runner.register_hook(recorded)
    # Classes without any object in the data have no finite score.
    metrics = {k: float(v) for k, v in runner.test().items() if np.ndim(v) == 0 and np.isfinite(v)}
    # PSNR is infinite where the image is unchanged. Of real rain no clean image is known.
    changed = [value for value in steps.psnr if np.isfinite(value)] if condition.rain != 'none' else []
    return Result(
        metrics=metrics,
        interval=bootstrap(loop.evaluator.metrics[0], loop.evaluator.image_results[0]),
        psnr=float(np.mean(changed)) if changed else None,
        ssim=float(np.mean(steps.ssim)) if changed else None,
        derain_ms=median_and_95(steps.milliseconds),
        task_ms=median_and_95(recorded.milliseconds),
        images=len(recorded.milliseconds),
        drawings=draw_predictions(runner, steps.kept, recorded.predictions, drawings)
        if drawings and steps.keep
        else [],
    )


def task_config(condition: Condition, limit: int | None, cfg_options: dict | None) -> Config:
    """Make the config of a condition: the task model's, with the steps right after loading, and with recording.

    Args:
        condition: the condition.
        limit: as for :func:`run_condition`.
        cfg_options: as for :func:`run_condition`.

    Raises:
        FileNotFoundError: there is no such config.
        InputError: an option is unknown, or the config has no single loading transform or no single metric.
    """
    name = condition.model.config
    cfg = read_config(name)
    refuse_unknown_options(cfg, cfg_options or {})
    cfg.merge_from_dict(cfg_options or {})
    cfg.work_dir = cfg.get('work_dir') or 'work_dirs/joint_test'
    cfg.log_level, cfg.load_from, cfg.resume = 'ERROR', None, False
    if cfg.get('visualizer'):
        # Nothing but the drawings is written. mmengine returns an earlier visualizer of the same name, so a visualizer
        # is named by its settings.
        cfg.visualizer.vis_backends = None
        cfg.visualizer.name = str(cfg.visualizer)
    # Without loader processes the times are those of one image alone, and a derainer may use a GPU.
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False, batch_size=1)
    if limit is not None:
        cfg.test_dataloader.dataset.indices = limit
    _insert_steps(cfg.test_dataloader.dataset.pipeline, condition)
    cfg.test_evaluator = _recording_evaluator(cfg.test_evaluator, name, tested_only=limit is not None)
    return cfg


def _insert_steps(pipeline: list[ConfigDict], condition: Condition) -> None:
    """Put the steps of a condition into a pipeline, right after the transform that loads the image."""
    types = [str(transform.type) for transform in pipeline]
    loading = [index for index, name in enumerate(types) if _last_part(name) == 'LoadImageFromFile']
    if len(loading) != 1:
        raise InputError(
            f'{condition.model.config}: expected one LoadImageFromFile in the test pipeline, found {types}'
        )
    steps = dict(type='mmderain.MeasuredSteps', steps=list(condition.steps), timed=condition.timed)
    pipeline.insert(loading[0] + 1, steps)


def _recording_evaluator(evaluator: dict | list, name: str, tested_only: bool) -> dict:
    """Return the config of a recording evaluator with the metric of an evaluator's config."""
    metrics = evaluator['metrics'] if isinstance(evaluator, dict) and 'metrics' in evaluator else evaluator
    metrics = metrics if isinstance(metrics, list) else [metrics]
    if len(metrics) != 1:
        types = [metric.get('type') for metric in metrics]
        raise InputError(f'{name}: expected one metric in test_evaluator, found {types}')
    if _last_part(str(metrics[0]['type'])) == 'CocoMetric':
        metrics[0]['classwise'] = True  # persons have a column of their own
    return dict(type='mmderain.RecordingEvaluator', metrics=metrics, tested_only=tested_only)


def _last_part(type_name: str) -> str:
    """Return a type's name without its scope."""
    return type_name.rpartition('.')[2]


def _can_draw(visualizer: Visualizer) -> bool:
    """Return whether a visualizer draws predictions; mmengine's own, which a config without one gets, does not."""
    return 'out_file' in inspect.signature(visualizer.add_datasample).parameters


def _spread(total: int, number: int) -> frozenset[int]:
    """Return indices that are spread over ``total`` items, because neighboring images are often alike."""
    return frozenset((2 * n + 1) * total // (2 * number) for n in range(number))


def median_and_95(milliseconds: list[float]) -> tuple[float, float] | None:
    """Return the median and the 95th percentile, or None for an empty list."""
    if not milliseconds:
        return None
    return float(np.median(milliseconds)), float(np.percentile(milliseconds, 95))
