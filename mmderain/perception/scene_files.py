"""Show the predictions of a detector or segmentor for files: a figure for each image, and a video for each video."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmderain.apis.plan import Plan
from mmderain.apis.results import failure_reason
from mmderain.apis.sources import Input
from mmderain.apis.targets import is_kept
from mmderain.errors import InputError
from mmderain.io.image import read_image, write_image
from mmderain.io.naming import Naming
from mmderain.models import Derainer
from mmderain.rain.synthesis import Rain

from .scene import View, figure, view_scene
from .scene_video import predictions_path, show_scene_video
from .task import TaskInferencer


def show_scenes(
    inputs: Sequence[Input],
    out_dir: str | Path,
    derainer: Derainer | None,
    task: TaskInferencer,
    rain: Rain | None = 'heavy',
    seed: int = 0,
    existing: str = 'refuse',
    keep_suffix: bool = False,
    skipped: Counter[str] | None = None,
) -> dict[str, list[View] | Exception]:
    """Make the views of each image with :func:`~mmderain.perception.scene.view_scene`, and write a figure of the views.

    For a video, :func:`~mmderain.perception.scene_video.show_scene_video` writes a video and a JSON file.

    Args:
        inputs: image files, video files, and folders of such files.
        out_dir: folder for the figures. Each figure has the same file name as its image.
        derainer: see :func:`~mmderain.perception.scene.view_scene`.
        task: see :func:`~mmderain.perception.scene.view_scene`.
        rain: see :func:`~mmderain.perception.scene.view_scene`.
        seed: seed of the drawn rain. The rain on an image also depends on the position of the image among all images
            in ``inputs``.
        existing: see :class:`~mmderain.apis.DerainInferencer`.
        keep_suffix: see :class:`~mmderain.apis.DerainInferencer`.
        skipped: the files in the input folders that are neither images nor videos are added to it, see
            :func:`~mmderain.io.folders.iter_names`. None counts no files.

    Returns:
        A dict that maps the name of each image to its views. If an image cannot be read or derained, or its figure must
        not be written, the dict maps its name to an exception. Skipped images are not in the dict.

    Raises:
        FileNotFoundError: the only input does not exist. In this case, no file has been written.
        InputError: a folder contains no image. In this case, no file has been written.
    """
    results: dict[str, list[View] | Exception] = {}
    plan = Plan(inputs, out_dir, existing, naming=Naming(keep_suffix=keep_suffix))
    for number, source in enumerate(plan):
        target = source.target
        try:
            if source.is_done():
                continue
            if not isinstance(source.content, Path) or not isinstance(target, Path):
                raise InputError(f'{source.name}: expected the path of an image or a video')
            if source.is_video:
                if predictions_path(target).exists():
                    is_kept(predictions_path(target), existing)  # raises an error with existing='refuse'
                results[source.name] = show_scene_video(source.content, target, derainer, task, rain, seed)
                continue
            image = read_image(source.content)
            views = view_scene(image, derainer, task, rain, [seed, number])
            write_image(figure(views), target)
            results[source.name] = views
        except Exception as error:  # decoders and models can raise any exception
            failure = InputError(failure_reason(source.name, error))
            failure.__cause__ = error  # for --traceback
            results[source.name] = failure
    if skipped is not None:
        skipped.update(plan.skipped)
    return results
