"""List the conditions of a joint test: the rows of its table."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mmderain.errors import InputError

#: Name of the row with the control, a filter that knows nothing of rain.
CONTROL = 'median blur 5x5'
#: Names that the table uses itself. No derainer, folder or task model may have one of them.
OWN_NAMES = ('clean', 'rainy', CONTROL)


@dataclass(frozen=True)
class TaskModel:
    """A detector or segmentor.

    Attributes:
        name: name in the table.
        config: path of its config, whose test set is used.
        checkpoint: path of its weights.
    """

    name: str
    config: str
    checkpoint: str


@dataclass(frozen=True)
class Condition:
    """One row of the table: a task model, and what is done to the images before it sees them.

    Attributes:
        rain: rain as for :func:`mmderain.rain.parse_rain`; ``'none'`` if the rain in the images is real; None for clean
            images.
        treatment: name of what is done to the images.
        model: the task model.
        steps: configs of the transforms that do it, run right after loading.
        timed: index of the step whose time is measured; None measures none.
    """

    rain: str | None
    treatment: str
    model: TaskModel
    steps: tuple[dict, ...] = ()
    timed: int | None = None


@dataclass
class Result:
    """Result of one condition.

    Attributes:
        metrics: metrics of the task library.
        interval: 95% bootstrap interval over images of the main metric, None if it has none.
        psnr: mean PSNR-Y against the clean image at native resolution, dB. None if the images are unchanged, or the
            rain is real and no clean image is known.
        ssim: mean SSIM-Y(valid), like ``psnr``.
        derain_ms: milliseconds of the timed step for an image, (median, 95th percentile); None without such a step.
        task_ms: milliseconds of the task model for an image, (median, 95th percentile); None for no images.
        images: number of images.
        drawings: names of the images with drawn results, without suffix, in the order of the test set. Relative to the
            cache folder in results of :func:`~mmderain.perception.joint_test.evaluate`.
    """

    metrics: dict[str, float]
    interval: tuple[float, float] | None
    psnr: float | None
    ssim: float | None
    derain_ms: tuple[float, float] | None
    task_ms: tuple[float, float] | None
    images: int
    drawings: list[str] = field(default_factory=list)


def conditions(
    model: TaskModel,
    rains: list[str],
    derainers: dict[str, str | Path | dict],
    baselines: list[TaskModel],
    folders: dict[str, str],
    data_root: str,
    seed: int = 0,
    device: str = 'cpu',
) -> Iterator[Condition]:
    """List the rows in the order of the table: the clean ones, then those of each rain; see ``docs/en/joint_test.md``.

    Args:
        model: the task model that sees all images.
        rains: rains to draw, as for :func:`mmderain.rain.parse_rain`. ``['none']`` takes the images as rainy as they
            are.
        derainers: name -> derainer, as for :func:`~mmderain.perception.derain.parse_derainer`.
        baselines: other task models, for example one fine-tuned on rain. They see the clean and the rainy images.
        folders: name -> folder of images that another program derained.
        data_root: folder of the test set; the rain of an image depends on its path relative to this folder.
        seed: seed of the rain.
        device: device of the derainers.

    Yields:
        The conditions.

    Raises:
        InputError: two names or two rains are the same, or ``'none'`` stands beside another rain.
    """
    refuse_repeated('names', [model.name, *(b.name for b in baselines), *derainers, *folders, *OWN_NAMES])
    refuse_repeated('rains', rains)
    if 'none' in rains and rains != ['none']:
        raise InputError("rain 'none' is for data whose rain is real: name no other rain beside it")
    derain: dict[str, dict] = {
        name: dict(type='mmderain.Derain', derainer=derainer, device=device) for name, derainer in derainers.items()
    }
    if rains != ['none']:
        for task_model in (model, *baselines):
            yield Condition(None, 'clean', task_model)
        for name, step in derain.items():
            yield Condition(None, f'clean, then {name}', model, (step,), 0)
    treatments: dict[str, dict] = {CONTROL: dict(type='mmderain.MedianBlur', size=5), **derain}
    for name, folder in folders.items():
        treatments[name] = dict(type='mmderain.ReplaceFromFolder', folder=folder, data_root=data_root)
    for rain in rains:
        first: tuple[dict, ...] = ()
        if rain != 'none':
            first = (dict(type='mmderain.SynthesizeRain', preset=rain, seed=seed, data_root=data_root),)
        for task_model in (model, *baselines):
            yield Condition(rain, 'rainy', task_model, first)
        for name, step in treatments.items():
            yield Condition(rain, name, model, (*first, step), len(first))


def refuse_repeated(what: str, values: list[str]) -> None:
    """Check that all values differ.

    Args:
        what: what the values are, for the error message.
        values: the values.

    Raises:
        InputError: a value is there twice.
    """
    twice = {value for value in values if values.count(value) > 1}
    if twice:
        raise InputError(f'{what} must differ, found {", ".join(sorted(twice))} twice ({", ".join(values)})')
