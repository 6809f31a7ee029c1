"""Show the same scene clean, rainy and derained, and what a detector or segmentor finds in each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from mmderain.apis.pipeline import Input, expand_inputs, result_paths
from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io.image import read_image, to_bgr_uint8, to_rgb_tensor, write_image
from mmderain.models import Derainer
from mmderain.rain import draw_rain
from mmderain.rain.synthesis import Rain

from .task import TaskInferencer

#: Protocol of :func:`~mmderain.evaluation.measure` -> how its score is shown.
PROTOCOLS = {'PSNR-Y': 'PSNR-Y {:.2f} dB', 'SSIM-Y(valid)': 'SSIM-Y {:.3f}'}


@dataclass
class View:
    """A scene under one condition.

    Attributes:
        title: ``'clean'``, ``'rainy'`` or ``'derained'``.
        image: (H, W, 3) BGR uint8, the image that the task model saw.
        drawn: the image with the found boxes or labels, (H, W, 3) BGR uint8; ``image`` itself without a task model.
        caption: what the task model found, see :meth:`TaskInferencer.caption`; empty without a task model.
        agreement: how much of what is found in the clean view is found in this one, see
            :meth:`TaskInferencer.agreement`; empty without a clean view.
        scores: protocol -> score of ``image`` against the clean image; empty without a clean image.
    """

    title: str
    image: np.ndarray
    drawn: np.ndarray
    caption: str = ''
    agreement: str = ''
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """Lines of text to show under the image."""
        scores = ', '.join(form.format(self.scores[name]) for name, form in PROTOCOLS.items() if name in self.scores)
        return [line for line in (self.caption, self.agreement, scores) if line]


def view_scene(
    img: np.ndarray,
    derainer: Derainer | None,
    task: TaskInferencer | None = None,
    rain: Rain | None = 'heavy',
    seed: int | Sequence[int] = 0,
    clean: np.ndarray | None = None,
) -> list[View]:
    """Make the views of a scene: clean, rainy and derained.

    Args:
        img: (H, W, 3) BGR uint8: the clean image if ``rain`` is drawn over it, else the rainy one.
        derainer: None leaves the derained view out.
        task: detector or segmentor that is run on each view; None runs none.
        rain: as for :func:`mmderain.rain.parse_rain`; None takes ``img`` as the rainy image.
        seed: seed of the drawn rain.
        clean: (H, W, 3) BGR uint8, the clean image of a rainy ``img``, if it is known.

    Returns:
        The clean view if the clean image is known, the rainy view, and the derained view if there is a derainer.

    Raises:
        InputError: both ``rain`` and ``clean`` are given, or ``clean`` has another size than ``img``.
    """
    if rain is not None and clean is not None:
        raise InputError(
            'found both a rain to draw and a clean image beside the rainy one; rain is drawn over a clean image: '
            'take the second image away, or draw no rain'
        )
    if clean is not None and clean.shape != img.shape:
        sizes = ['{1}x{0}'.format(*array.shape) for array in (clean, img)]
        raise InputError('the clean image has {} pixels, the rainy one {}; they must be of one size'.format(*sizes))
    rainy, clean = (img, clean) if rain is None else (draw_rain(img, rain, seed).rainy, img)
    images = {'rainy': rainy} if clean is None else {'clean': clean, 'rainy': rainy}
    if derainer is not None:
        device = next(derainer.parameters(), torch.empty(0)).device
        with torch.inference_mode():
            images['derained'] = to_bgr_uint8(derainer.restore(to_rgb_tensor(rainy)[None].to(device))[0])
    views, reference = [], None
    for title, image in images.items():
        view = View(title, image, image)
        if task is not None:
            found = task(image)
            view.drawn, view.caption = task.draw(image, found), task.caption(found)
            if title == 'clean':
                reference = found
            elif clean is not None:
                view.agreement = task.agreement(found, reference)
        if clean is not None and title != 'clean':
            view.scores = {protocol: measure(image, clean, protocol) for protocol in PROTOCOLS}
        views.append(view)
    return views


def figure(views: list[View], width: int = 2000) -> np.ndarray:
    """Draw the views side by side, titles over and notes under them.

    Args:
        views: as :func:`view_scene` returns them.
        width: width of the figure in pixels.

    Returns:
        (H, width, 3) BGR uint8; H follows from the shape of the images and the number of notes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, breadth = views[0].drawn.shape[:2]
    inches = width / 100
    lines = max(len(view.notes) for view in views)
    tall = (inches / len(views)) * height / breadth + 0.45 + 0.3 * lines
    sheet = Figure(figsize=(inches, tall), dpi=100)  # without pyplot, whose back end belongs to the whole process
    canvas = FigureCanvasAgg(sheet)
    axes = sheet.subplots(1, len(views), squeeze=False)
    for view, axis in zip(views, axes[0], strict=True):
        axis.imshow(view.drawn[..., ::-1], interpolation='antialiased')
        axis.set_title(view.title, fontsize=17)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
        axis.set_xlabel('\n'.join(view.notes), fontsize=15, linespacing=1.35)
    sheet.subplots_adjust(left=0.004, right=0.996, wspace=0.012, top=1 - 0.4 / tall, bottom=(0.3 * lines + 0.05) / tall)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])


def show_scenes(
    inputs: Sequence[Input],
    out_dir: str | Path,
    derainer: Derainer | None,
    task: TaskInferencer,
    rain: Rain | None = 'heavy',
    seed: int = 0,
    existing: str = 'refuse',
) -> dict[str, list[View] | Exception]:
    """Write the :func:`figure` of :func:`view_scene` for image files and folders of them.

    Args:
        inputs: image files and folders.
        out_dir: folder for the figures; each has the name of its image.
        derainer: as for :func:`view_scene`.
        task: as for :func:`view_scene`.
        rain: as for :func:`view_scene`.
        seed: seed of the drawn rain, which also depends on the image's place in the list.
        existing: as for :class:`~mmderain.apis.DerainInferencer`.

    Returns:
        For each input, its views, or the exception if there are none.

    Raises:
        FileNotFoundError, InputError: before anything is written, if an input is missing, or the inputs and ``out_dir``
            cannot go together.
    """
    sources = list(expand_inputs(inputs, out_dir))
    results: dict[str, list[View] | Exception] = {}
    for number, (source, target) in enumerate(zip(sources, result_paths(sources, out_dir, existing), strict=True)):
        try:
            if source.is_video or not isinstance(source.content, Path) or target is None:
                raise InputError(f'{source.name}: is a video; expected an image')
            if existing == 'skip' and target.exists():
                continue
            image = read_image(source.content)
            views = view_scene(image, derainer, task, rain, [seed, number])
            write_image(figure(views), target)
            results[source.name] = views
        except (OSError, InputError) as error:
            results[source.name] = error
    return results
