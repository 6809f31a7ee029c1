"""Derainers and task models together: one test run of mmdet or mmseg for each condition, with their own metrics."""

import copy
import functools
import hashlib
import inspect
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner

import mmderain
from mmderain.engine.config import refuse_unknown_options
from mmderain.errors import InputError
from mmderain.hub import find_derainer
from mmderain.io.files import atomic_write, file_sha256
from mmderain.perception.task import load_task_weights

from .bootstrap import bootstrap
from .measured import FIGURES, MeasuredSteps

#: What the table calls its own rows: names that nobody else may have.
OWN_NAMES = ('clean', 'rainy', 'median blur 5x5')
#: So many pictures of each condition are drawn, spread over the test set.
DRAWN = 4


@dataclass(frozen=True)
class TaskModel:
    """A detector or segmentor: its config, whose test set is used, and its checkpoint."""

    name: str
    config: str
    checkpoint: str


@dataclass(frozen=True)
class Condition:
    """One row of the table.

    Attributes:
        rain: as :func:`mmderain.rain.parse_rain`; None for pictures as they are.
        treatment: what is done to the picture before the task model sees it, in words.
        steps: configs of the transforms that do it. timed: the number of the step that is the treatment.
        model: which task model looks.
    """

    rain: str | None
    treatment: str
    model: TaskModel
    steps: tuple[dict, ...] = ()
    timed: int | None = None


@dataclass
class Result:
    """What a condition gave.

    Attributes:
        metrics: of the task library. interval: 95% bootstrap interval over images of the main one, if it can be had.
        psnr, ssim: means against the clean picture at native resolution; None where nothing was changed, and where the
            rain is real and no clean picture known.
        derain_ms, task_ms: milliseconds an image, (median, 95th percentile).
        drawn: what :func:`draw` drew; from :func:`evaluate` with the folder below the cache.
    """

    metrics: dict[str, float]
    interval: tuple[float, float] | None
    psnr: float | None
    ssim: float | None
    derain_ms: tuple[float, float] | None
    task_ms: tuple[float, float]
    images: int
    drawn: list[str] = field(default_factory=list)


def conditions(
    model: TaskModel,
    rains: list[str],
    derainers: dict[str, dict],
    rivals: list[TaskModel],
    folders: dict[str, str],
    data_root: str,
    seed: int = 0,
) -> Iterator[Condition]:
    """Rows in the order of the table: clean, then each rain; see ``docs/en/perception.md``.

    Args:
        rains: names of rain; ``'none'`` alone takes the pictures as they are for rainy ones.
        derainers: name -> arguments of ``mmderain.Derain``.
        rivals: other task models, for example one fine-tuned on rain; they look at clean and rainy pictures.
        folders: name -> folder of pictures that another program derained.
    """
    names = [model.name, *(r.name for r in rivals), *derainers, *folders, *OWN_NAMES]
    refuse_repeated('names', names)
    refuse_repeated('rains', rains)
    if 'none' in rains and rains != ['none']:
        raise InputError("rain 'none' is for data whose rain is real: name no other rain beside it")
    derain = {name: dict(type='mmderain.Derain', **arguments) for name, arguments in derainers.items()}
    if rains != ['none']:
        yield Condition(None, 'clean', model)
        for rival in rivals:
            yield Condition(None, 'clean', rival)
        for name, step in derain.items():
            yield Condition(None, f'clean, then {name}', model, (step,), 0)
    for rain in rains:
        first = ()
        if rain != 'none':
            first = (dict(type='mmderain.SynthesizeRain', preset=rain, seed=seed, data_root=data_root),)
        yield Condition(rain, 'rainy', model, first)
        for rival in rivals:
            yield Condition(rain, 'rainy', rival, first)
        treatments = {OWN_NAMES[-1]: dict(type='mmderain.MedianBlur', size=5), **derain}
        for name, folder in folders.items():
            treatments[name] = dict(type='mmderain.ReplaceFromFolder', folder=folder, data_root=data_root)
        for name, step in treatments.items():
            yield Condition(rain, name, model, (*first, step), len(first))


def refuse_repeated(what: str, values: list[str]) -> None:
    """Raises:
    InputError: one of them is there twice.
    """
    twice = {value for value in values if values.count(value) > 1}
    if twice:
        raise InputError(f'{what} must differ, found {", ".join(sorted(twice))} twice ({", ".join(values)})')


# --- one condition ---------------------------------------------------------------------------------


def run_condition(
    condition: Condition, limit: int | None = None, cfg_options: dict | None = None, drawings: Path | None = None
) -> Result:
    """Run the task library's test loop under a condition.

    Args:
        limit: use the first so many images only.
        drawings: folder for a few pictures with the answer drawn on them; None draws nothing.
    """
    cfg = task_config(condition, limit, cfg_options)
    runner = Runner.from_cfg(cfg)
    load_task_weights(runner.model, condition.model.checkpoint, condition.model.config)
    loop = runner.test_loop
    (metric,) = loop.evaluator.metrics
    if type(metric).__name__ == 'CocoMetric':
        metric.classwise = True  # persons have a column of their own
    steps, total = measured(loop), len(loop.dataloader.dataset)
    # mmengine's own visualizer, which a config without one gets, cannot draw answers.
    can_draw = 'out_file' in inspect.signature(runner.visualizer.add_datasample).parameters
    if drawings is not None and can_draw:
        # Across the whole set: neighbours are alike.
        steps.keep = frozenset((2 * n + 1) * total // (2 * DRAWN) for n in range(DRAWN))
    answers, captured, task_ms = {}, [], []
    compute, step = metric.compute_metrics, runner.model.test_step

    def remember(results: list) -> dict:
        captured.append(copy.deepcopy(results))
        if limit is not None and type(metric).__name__ == 'CocoMetric':
            # Else the images left out would count as ones in which nothing was found.
            metric.img_ids = [gt['img_id'] for gt, _ in results]
        return compute(results)

    def timed_step(data: dict) -> list:
        start = time.perf_counter()
        out = step(data)
        task_ms.append(1000 * (time.perf_counter() - start) / len(out))
        if len(task_ms) - 1 in steps.keep:
            answers[len(task_ms) - 1] = copy.deepcopy(out[0])
        return out

    metric.compute_metrics, runner.model.test_step = remember, timed_step
    # Classes without a box in the data have no figure.
    metrics = {k: float(v) for k, v in runner.test().items() if np.ndim(v) == 0 and np.isfinite(v)}
    records = steps.records
    # Of real rain no clean picture is known.
    finite = [r for r in records if np.isfinite(r[FIGURES[0]]) and condition.rain != 'none']
    derain_ms = [r['milliseconds'] for r in records if r['milliseconds'] is not None]
    return Result(
        metrics=metrics,
        interval=bootstrap(metric, captured[0]),
        psnr=float(np.mean([r[FIGURES[0]] for r in finite])) if finite else None,
        ssim=float(np.mean([r[FIGURES[1]] for r in records])) if finite else None,
        derain_ms=median_and_95(derain_ms),
        task_ms=median_and_95(task_ms),
        images=len(records),
        drawn=draw(runner, steps.kept, answers, drawings) if steps.keep else [],
    )


def draw(runner: Runner, kept: dict, answers: dict, folder: Path) -> list[str]:
    """Draw answers on the pictures that the pipeline gave, by the visualizer of the config. What a preprocessor of the
    task model makes of them, a derainer in it included, is not shown.

    Args:
        kept: as :attr:`MeasuredSteps.kept`. answers: number -> data sample of mmdet or mmseg.
        folder: gets ``<name>.png`` and, where the data set loads annotations, ``<name>.truth.png``.

    Returns:
        The names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = {}
    threshold = runner.cfg.get('default_hooks', {}).get('visualization', {}).get('score_thr', 0.3)
    names = []
    for number, sample in answers.items():
        path, img = kept[number]
        name = f'{number:05d}_{Path(path).stem}'
        if 'pred_instances' in sample:
            options['pred_score_thr'] = threshold
        for suffix, truth in (('', False), ('.truth', True)):
            if truth and not {'gt_instances', 'gt_sem_seg'} & set(sample.keys()):
                continue
            runner.visualizer.add_datasample(
                name,
                np.ascontiguousarray(img[..., ::-1]),
                sample,
                draw_gt=truth,
                draw_pred=not truth,
                out_file=str(folder / f'{name}{suffix}.png'),
                **options,
            )
        names.append(name)
    return names


def task_config(condition: Condition, limit: int | None, cfg_options: dict | None) -> Config:
    """The task model's config, its test pipeline measured and treated right after loading."""
    if not Path(condition.model.config).is_file():
        raise FileNotFoundError(f'{condition.model.config}: no such config file (looked for in {Path.cwd()})')
    cfg = Config.fromfile(condition.model.config)
    refuse_unknown_options(cfg, cfg_options or {})
    cfg.merge_from_dict(cfg_options or {})
    cfg.work_dir = cfg.get('work_dir') or 'work_dirs/joint_test'
    cfg.log_level, cfg.load_from, cfg.resume = 'ERROR', None, False
    # In this process: times are then those of one picture alone, and a derainer may use the GPU.
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False, batch_size=1)
    dataset = cfg.test_dataloader.dataset
    if limit is not None:
        dataset.indices = limit
    kinds = [str(transform.type) for transform in dataset.pipeline]
    loading = [number for number, kind in enumerate(kinds) if kind.rpartition('.')[2] == 'LoadImageFromFile']
    if len(loading) != 1:
        raise InputError(
            f'{condition.model.config}: expected one LoadImageFromFile in the test pipeline, found {kinds}'
        )
    steps = dict(type='mmderain.MeasuredSteps', steps=list(condition.steps), timed=condition.timed)
    dataset.pipeline.insert(loading[0] + 1, steps)
    return cfg


def measured(loop: object) -> MeasuredSteps:
    """The ``MeasuredSteps`` in a test loop's pipeline."""
    (steps,) = [t for t in loop.dataloader.dataset.pipeline.transforms if isinstance(t, MeasuredSteps)]
    return steps


def median_and_95(milliseconds: list[float]) -> tuple[float, float] | None:
    """None of nothing."""
    if not milliseconds:
        return None
    return float(np.median(milliseconds)), float(np.percentile(milliseconds, 95))


# --- all of them, cached ---------------------------------------------------------------------------


@functools.cache
def code_hash() -> str:
    """Of every source file of mmderain, as this process found them: a result is of the code that made it."""
    root = Path(mmderain.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob('*.py')):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def key_of(condition: Condition, limit: int | None, cfg_options: dict | None) -> str:
    """What a result depends on, hashed: configs as they resolve, weights, rain, annotations, other programs' pictures,
    code.
    """
    cfg = task_config(condition, limit, cfg_options)
    parts = [cfg.pretty_text, file_sha256(condition.model.checkpoint), code_hash()]
    parts += contents(dict(model=cfg.model, data=cfg.test_dataloader, evaluator=cfg.test_evaluator))
    for step in condition.steps:
        if step['type'] == 'mmderain.ReplaceFromFolder':
            files = (path for path in sorted(Path(step['folder']).rglob('*')) if path.is_file())
            parts += [f'{path} {path.stat().st_size} {path.stat().st_mtime_ns}' for path in files]
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()[:16]


def contents(node: object, data_root: str = '') -> Iterator[str]:
    """Of the files that a config names, derainers ahead and annotations, what is in them: names alone do not tell."""
    if isinstance(node, list | tuple):
        for entry in node:
            yield from contents(entry, data_root)
    if not isinstance(node, dict):
        return
    data_root = node.get('data_root') or data_root
    if 'config' in node and 'checkpoint' in node:
        yield find_derainer(node['config'])[0].pretty_text
    for key in ('checkpoint', 'ann_file'):
        names = [node[key], str(Path(data_root) / node[key])] if isinstance(node.get(key), str) else []
        yield from (file_sha256(name) for name in names if Path(name).is_file())
    for entry in node.values():
        yield from contents(entry, data_root)


def evaluate(
    rows: list[Condition],
    cache: Path,
    limit: int | None = None,
    cfg_options: dict | None = None,
    on_result: Callable[[Condition, Result], None] = lambda *_: None,
) -> list[Result]:
    """Run the conditions that the cache does not hold, one after the other.

    Args:
        cache: folder; a file for each result, whole or not at all, so an interrupted evaluation continues, and
            beside it a folder of its drawings.
        on_result: called after each.
    """
    cache.mkdir(parents=True, exist_ok=True)
    results = []
    for row in rows:
        path = cache / f'{key_of(row, limit, cfg_options)}.json'
        result = Result(**json.loads(path.read_text(encoding='utf-8'))) if path.is_file() else None
        if result is None or not all((cache / f'{name}.png').is_file() for name in result.drawn):
            result = run_condition(row, limit, cfg_options, cache / path.stem)
            result.drawn = [f'{path.stem}/{name}' for name in result.drawn]
            with atomic_write(path) as part:
                part.write_text(json.dumps(asdict(result)), encoding='utf-8')
        results.append(result)
        on_result(row, result)
    return results


def recovery(rows: list[Condition], results: list[Result], metric: str) -> list[float | None]:
    """Of each row the share of what rain took that comes back: (M - M_rainy) / (M_clean - M_rainy), by task model 0.

    None where rain took nothing for certain: where the intervals of clean and rainy overlap.
    """
    main = rows[0].model
    pairs = list(zip(rows, results, strict=True))
    clean = {r.treatment: x for r, x in pairs if r.rain is None and r.model == main}.get('clean')
    rainy = {r.rain: x for r, x in pairs if r.rain is not None and r.treatment == 'rainy' and r.model == main}
    shares = []
    for row, result in pairs:
        reference = rainy.get(row.rain)
        if clean is None or reference is None or reference is result:
            shares.append(None)
            continue
        low, high = ((x.metrics[metric],) * 2 if x.interval is None else x.interval for x in (reference, clean))
        lost = clean.metrics[metric] - reference.metrics[metric]
        certain = lost > 0 and low[1] < high[0]
        shares.append((result.metrics[metric] - reference.metrics[metric]) / lost if certain else None)
    return shares
