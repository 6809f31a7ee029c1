"""Show the clean, the rainy and the derained image of a scene, each with the prediction of a detector or segmentor."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from mmengine.structures import BaseDataElement

from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io.image import to_bgr_uint8, to_rgb_tensor
from mmderain.models import Derainer
from mmderain.rain import draw_rain
from mmderain.rain.synthesis import Rain

from .task import TaskInferencer

#: Maps each protocol of :func:`~mmderain.evaluation.measure` that is shown to the format of its score.
PROTOCOLS = {'PSNR-Y': 'PSNR-Y {:.2f} dB', 'SSIM-Y(valid)': 'SSIM-Y {:.3f}'}


@dataclass
class View:
    """One image of a scene (clean, rainy or derained), with the prediction of a task model and the scores.

    Attributes:
        title: ``'clean'``, ``'rainy'`` or ``'derained'``.
        image: input of the task model, (H, W, 3) BGR uint8.
        drawn: the image with the predicted boxes or labels drawn on it, (H, W, 3) BGR uint8. Without a task model,
            ``drawn`` is the same array as ``image``.
        caption: description of the prediction, see :meth:`TaskInferencer.caption`. Empty without a task model.
        agreement: comparison of the prediction with the prediction for the clean image, see
            :meth:`TaskInferencer.agreement`. Empty for the clean view, if the clean image is not known, and without a
            task model.
        scores: maps each protocol to the score of ``image`` against the clean image. Empty for the clean view, and if
            the clean image is not known.
        prediction: prediction of the task model. None without a task model.
    """

    title: str
    image: np.ndarray
    drawn: np.ndarray
    caption: str = ''
    agreement: str = ''
    scores: dict[str, float] = field(default_factory=dict)
    prediction: BaseDataElement | None = None

    @property
    def notes(self) -> list[str]:
        """Return the lines of text to show under the image."""
        shown = [(PROTOCOLS[name], self.scores[name]) for name in PROTOCOLS if name in self.scores]
        scores = ', '.join(template.format(score) for template, score in shown)
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
        img: (H, W, 3) BGR uint8. The rainy image if ``rain`` is None. In all other cases, the clean image on which the
            rain is drawn.
        derainer: the derainer. None omits the derained view.
        task: detector or segmentor to run on each view. None runs no task model.
        rain: rain to draw, see :func:`mmderain.rain.parse_rain`. None means that ``img`` is already rainy.
        seed: seed of the drawn rain.
        clean: the clean version of a rainy ``img``, (H, W, 3) BGR uint8. None if it is not known.

    Returns:
        The clean view if the clean image is known, the rainy view, and the derained view if there is a derainer.

    Raises:
        InputError: both ``rain`` and ``clean`` are given, or ``clean`` and ``img`` differ in size.
    """
    if rain is not None and clean is not None:
        raise InputError(
            'found a kind of rain to draw and a second, clean image; expected only one of them. Remove the clean '
            'image, or draw no rain.'
        )
    if clean is not None and clean.shape != img.shape:
        sizes = ['{1}x{0}'.format(*array.shape) for array in (clean, img)]
        raise InputError(
            'the clean image has {} pixels, the rainy image {}; both images must have the same size'.format(*sizes)
        )
    images = draw_scene(img, rain, seed) if clean is None else {'clean': clean, 'rainy': img}
    if derainer is not None:
        device = next(derainer.parameters(), torch.empty(0)).device
        with torch.inference_mode():
            images['derained'] = to_bgr_uint8(derainer.restore(to_rgb_tensor(images['rainy'])[None].to(device))[0])
    return make_views(images, task)


def draw_scene(img: np.ndarray, rain: Rain | None, seed: int | Sequence[int]) -> dict[str, np.ndarray]:
    """Return the rainy image of a scene, and the clean image if it is known.

    Args:
        img: as in :func:`view_scene`.
        rain: as in :func:`view_scene`.
        seed: as in :func:`view_scene`.
    """
    return {'rainy': img} if rain is None else {'clean': img, 'rainy': draw_rain(img, rain, seed).rainy}


def make_views(images: dict[str, np.ndarray], task: TaskInferencer | None) -> list[View]:
    """Run a task model on the images of a scene, and compare them with the clean image.

    Args:
        images: maps each title (``'clean'``, ``'rainy'``, ``'derained'``) to its image, (H, W, 3) BGR uint8. A clean
            image is the first one.
        task: as in :func:`view_scene`.
    """
    clean = images.get('clean')
    views, clean_prediction = [], None
    for title, image in images.items():
        view = View(title, image, image)
        if task is not None:
            prediction = task(image)
            view.drawn, view.caption = task.draw(image, prediction), task.caption(prediction)
            view.prediction = prediction
            if title == 'clean':
                clean_prediction = prediction
            elif clean is not None:
                view.agreement = task.agreement(prediction, clean_prediction)
        if clean is not None and title != 'clean':
            view.scores = {protocol: measure(image, clean, protocol) for protocol in PROTOCOLS}
        views.append(view)
    return views


def figure(views: list[View], width: int = 2000) -> np.ndarray:
    """Draw views side by side. The title of a view is above its image, and the notes are below it.

    Args:
        views: the views, see :func:`view_scene`. All of their images have the same size.
        width: width of the figure in pixels.

    Returns:
        (H, width, 3) BGR uint8. H depends on the number of views, on the shape of their images, and on the number of
        lines in the notes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    image_height, image_width = views[0].drawn.shape[:2]
    num_lines = max(len(view.notes) for view in views)
    # Sizes are in inches: 0.4 for the title, 0.3 for each line of the notes, and a margin of 0.05.
    figure_width = width / 100
    figure_height = (figure_width / len(views)) * image_height / image_width + 0.45 + 0.3 * num_lines
    # pyplot is not used, because its back end is a setting of the whole process.
    fig = Figure(figsize=(figure_width, figure_height), dpi=100)
    canvas = FigureCanvasAgg(fig)
    axes = fig.subplots(1, len(views), squeeze=False)
    for view, axis in zip(views, axes[0], strict=True):
        axis.imshow(view.drawn[..., ::-1], interpolation='antialiased')
        axis.set_title(view.title, fontsize=17)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
        axis.set_xlabel('\n'.join(view.notes), fontsize=15, linespacing=1.35)
    top, bottom = 1 - 0.4 / figure_height, (0.3 * num_lines + 0.05) / figure_height
    fig.subplots_adjust(left=0.004, right=0.996, wspace=0.012, top=top, bottom=bottom)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])
