"""The same scene clean, rainy and derained, and what a detector or segmentor finds in each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from mmderain.apis.pipeline import Input, expand_inputs, result_paths
from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io.image import decode_image, to_bgr_uint8, to_rgb_tensor, write_image
from mmderain.models import Derainer
from mmderain.rain import draw_rain
from mmderain.rain.synthesis import Rain

from .task import TaskInferencer

PROTOCOLS = {'PSNR-Y': 'PSNR-Y {:.2f} dB', 'SSIM-Y(valid)': 'SSIM-Y {:.3f}'}


@dataclass
class View:
    """A scene under one condition.

    Attributes:
        title: ``'clean'``, ``'rainy'`` or ``'derained'``.
        picture: (H, W, 3) BGR uint8, what the task model saw.
        drawn: the same with boxes or labels, or ``picture`` without a task model.
        caption: what the task model found: counts and scores, or shares.
        agreement: how much of what is found in the clean view is found in this one.
        figures: protocol -> value of ``picture`` against the clean one, where that is known.
    """

    title: str
    picture: np.ndarray
    drawn: np.ndarray
    caption: str = ''
    agreement: str = ''
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """Lines to stand below it."""
        quality = ', '.join(form.format(self.figures[name]) for name, form in PROTOCOLS.items() if name in self.figures)
        return [line for line in (self.caption, self.agreement, quality) if line]


def view_scene(
    img: np.ndarray,
    derainer: Derainer | None,
    task: TaskInferencer | None = None,
    rain: Rain | None = 'heavy',
    seed: int | Sequence[int] = 0,
    clean: np.ndarray | None = None,
) -> list[View]:
    """Look at a scene under each condition.

    Args:
        img: (H, W, 3) BGR uint8: the clean picture if ``rain`` is drawn over it, else the rainy one.
        derainer: None leaves the derained view out.
        task: what looks at each view.
        rain: as :func:`mmderain.rain.parse_rain`; None for a picture that is rainy (or dry) as it is.
        seed: of the rain.
        clean: the clean picture of a rainy ``img``, if there is one.

    Returns:
        Clean (if it is known), rainy, derained (if there is a derainer).

    Raises:
        InputError: both ``rain`` and ``clean`` are given, or ``clean`` has another size.
    """
    if rain is not None and clean is not None:
        raise InputError('rain is drawn over a clean picture: take the second picture away, or draw no rain')
    if clean is not None and clean.shape != img.shape:
        sizes = ['{1}x{0}'.format(*array.shape) for array in (clean, img)]
        raise InputError('the clean picture has {} pixels, the rainy one {}; they must be of one size'.format(*sizes))
    rainy, clean = (img, clean) if rain is None else (draw_rain(img, rain, seed).rainy, img)
    pictures = {'rainy': rainy} if clean is None else {'clean': clean, 'rainy': rainy}
    if derainer is not None:
        device = next(derainer.parameters(), torch.empty(0)).device
        with torch.inference_mode():
            pictures['derained'] = to_bgr_uint8(derainer.restore(to_rgb_tensor(rainy)[None].to(device))[0])
    views, reference = [], None
    for title, picture in pictures.items():
        view = View(title, picture, picture)
        if task is not None:
            found = task(picture)
            view.drawn, view.caption = task.draw(picture, found), task.caption(found)
            if title == 'clean':
                reference = found
            elif clean is not None:
                view.agreement = task.agreement(found, reference)
        if clean is not None and title != 'clean':
            view.figures = {protocol: measure(picture, clean, protocol) for protocol in PROTOCOLS}
        views.append(view)
    return views


def figure(views: list[View], width: int = 2000) -> np.ndarray:
    """The views side by side, titles above and notes below: (about a third, width, 3) BGR uint8."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    height, breadth = views[0].drawn.shape[:2]
    inches = width / 100
    lines = max(len(view.notes) for view in views)
    tall = (inches / len(views)) * height / breadth + 0.45 + 0.3 * lines
    sheet, axes = plt.subplots(1, len(views), figsize=(inches, tall), dpi=100, squeeze=False)
    for view, axis in zip(views, axes[0], strict=True):
        axis.imshow(view.drawn[..., ::-1], interpolation='antialiased')
        axis.set_title(view.title, fontsize=17)
        axis.set_xticks([]), axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_visible(False)
        axis.set_xlabel('\n'.join(view.notes), fontsize=15, linespacing=1.35)
    sheet.subplots_adjust(left=0.004, right=0.996, wspace=0.012, top=1 - 0.4 / tall, bottom=(0.3 * lines + 0.05) / tall)
    sheet.canvas.draw()
    image = np.asarray(sheet.canvas.buffer_rgba())[..., :3]
    plt.close(sheet)
    return np.ascontiguousarray(image[..., ::-1])


def show_scenes(
    inputs: Sequence[Input],
    out_dir: str | Path,
    derainer: Derainer | None,
    task: TaskInferencer,
    rain: Rain | None = 'heavy',
    seed: int = 0,
    existing: str = 'refuse',
) -> dict[str, list[View] | str]:
    """:func:`figure` of :func:`view_scene`, for pictures and folders of them.

    Args:
        inputs: picture files and folders. The rain of each follows from ``seed`` and its place in the list.
        out_dir: gets a figure of each, under its name.
        existing: as :class:`~mmderain.apis.DerainInferencer`.

    Returns:
        By input, its views, or why there are none.

    Raises:
        FileNotFoundError, InputError: before anything is done, if inputs and ``out_dir`` cannot go together.
    """
    sources = list(expand_inputs(inputs, out_dir))
    results = {}
    for number, (source, target) in enumerate(zip(sources, result_paths(sources, out_dir, existing), strict=True)):
        try:
            if source.is_video:
                raise InputError(f'{source.name}: is a video; expected a picture')
            if existing == 'skip' and target.exists():
                continue
            image = decode_image(source.content).to_uint8()
            views = view_scene(image, derainer, task, rain, [seed, number])
            write_image(figure(views), target)
            results[source.name] = views
        except (OSError, InputError) as error:
            results[source.name] = str(error)
    return results
