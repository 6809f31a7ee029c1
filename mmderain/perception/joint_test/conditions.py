"""List the conditions of a joint test. Each condition is one row of the table."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mmderain.errors import InputError

#: Name of the control condition, which filters the images with a general filter that was not designed for rain.
CONTROL = 'median blur 5x5'
#: Names that every joint test uses in its table. No derainer, folder or task model may have one of these names.
RESERVED_NAMES = ('clean', 'rainy', CONTROL)


@dataclass(frozen=True)
class TaskModel:
    """A detector or segmentor.

    Attributes:
        name: name in the table.
        config: path of the config of the model. The joint test uses the test set of this config.
        checkpoint: path of the weights file.
    """

    name: str
    config: str
    checkpoint: str


@dataclass(frozen=True)
class Condition:
    """One row of the table: a task model, and the transforms that are applied to its input images.

    Attributes:
        rain: rain to draw, see :func:`mmderain.rain.parse_rain`. ``'none'`` means that the images show real rain. None
            means that the images are clean.
        treatment: name of the condition in the column "image" of the table, for example ``'rainy'`` or the name of a
            derainer.
        model: the task model.
        steps: configs of the transforms, which run directly after the image is loaded.
        timed: index in ``steps`` of the transform whose run time is measured. None measures no run time.
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
        metrics: maps the name of each metric of mmdet or mmseg to its value.
        interval: 95% bootstrap interval of the main metric over images. None if the interval cannot be computed for
            this metric.
        psnr: PSNR-Y in dB of the images after the steps, against the clean images at native resolution. The value is
            the mean over the images that the steps changed. None if the steps changed no image. Also None if the images
            show real rain, because the clean images are not known.
        ssim: SSIM-Y(valid) against the clean images, mean over all images. None if ``psnr`` is None.
        derain_ms: run time of the timed step for one image in milliseconds, as (median, 95th percentile). None if no
            step is timed.
        task_ms: run time of the task model for one image in milliseconds, as (median, 95th percentile). None if there
            are no images.
        images: number of tested images.
        drawings: file names, without suffix, of the images with drawn predictions, in the order of the test set. If the
            result comes from :func:`~mmderain.perception.joint_test.evaluate`, the names are paths relative to the
            cache folder.
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
    """List the conditions in the order of the table: first those with clean images, then those of each rain.

    ``docs/en/joint_test.md`` describes the rows.

    Args:
        model: the task model that is tested under all conditions.
        rains: rains to draw, see :func:`mmderain.rain.parse_rain`. ``['none']`` means that the images show real rain.
        derainers: maps names to derainers, see :func:`~mmderain.perception.derain.parse_derainer`.
        baselines: other task models, for example a model that was fine-tuned on rain. They are tested only on the
            clean and the rainy images.
        folders: maps names to folders of images that another program derained.
        data_root: folder of the test set. The rain that is drawn on an image depends on the path of the image relative
            to this folder.
        seed: seed of the rain.
        device: device of the derainers.

    Yields:
        The conditions.

    Raises:
        InputError: a name or a rain is repeated, a name is one of ``RESERVED_NAMES``, or ``'none'`` is combined with
            another rain.
    """
    require_unique('names', [model.name, *(b.name for b in baselines), *derainers, *folders, *RESERVED_NAMES])
    require_unique('rains', rains)
    if 'none' in rains and rains != ['none']:
        raise InputError(
            f"rain: found {', '.join(rains)}; 'none' is for images that show real rain, and must be the only value"
        )
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
        rain_steps: tuple[dict, ...] = ()
        if rain != 'none':
            rain_steps = (dict(type='mmderain.SynthesizeRain', preset=rain, seed=seed, data_root=data_root),)
        for task_model in (model, *baselines):
            yield Condition(rain, 'rainy', task_model, rain_steps)
        for name, step in treatments.items():
            yield Condition(rain, name, model, (*rain_steps, step), len(rain_steps))


def require_unique(what: str, values: list[str]) -> None:
    """Check that all values differ.

    Args:
        what: description of the values for the error message, for example ``'names'``.
        values: the values.

    Raises:
        InputError: a value is repeated.
    """
    repeated = {value for value in values if values.count(value) > 1}
    if repeated:
        raise InputError(
            f'{what} must differ, found {", ".join(sorted(repeated))} more than once in: {", ".join(values)}'
        )
