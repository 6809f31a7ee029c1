"""The page of ``mmderain web``: what a derainer makes of a picture, and what a task model finds before and after."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np

from mmderain import DEFAULT_DERAINER
from mmderain.apis import trained_derainer
from mmderain.errors import InputError
from mmderain.hub import bundled_models
from mmderain.io.image import image_size, read_image
from mmderain.perception.scene import View, view_scene
from mmderain.perception.task import load_task_model
from mmderain.rain import PRESETS

#: Of an upload. More would keep the page waiting for minutes; ``mmderain derain`` takes any size.
MAX_PIXELS = 16_000_000
#: How a figure is written, and its unit.
FORMS = {'PSNR-Y': ('.2f', ' dB'), 'SSIM-Y(valid)': ('.4f', '')}
#: A name to what loads the model of that name.
Loaders = dict[str, Callable[[], Callable]]

CSS = """
.gradio-container { max-width: 1240px !important; width: 100%; margin: 0 auto !important; }
#title h1 { font-size: 1.75rem; margin: .5rem 0 0; }
#title p, #hint { color: var(--block-label-text-color); }
#hint { height: 500px; display: flex; align-items: center; justify-content: center;
  border: 1px solid var(--border-color-primary); border-radius: var(--block-radius); }
#figures { min-width: min(240px, 100%) !important; }
#figures div:has(> .cards), #figures div:has(> div > .cards) { height: 100%; padding: 0; }
#figures .cards { display: flex; flex-direction: column; gap: var(--layout-gap); height: 100%; }
#figures .card { flex: 1; display: flex; flex-direction: column; justify-content: center; padding: 1rem 1.25rem;
  border: 1px solid var(--border-color-primary); border-radius: var(--block-radius); }
#figures .card span { color: var(--block-label-text-color); font-size: var(--text-sm); }
#figures .card div { font-size: 1.5rem; font-variant-numeric: tabular-nums; }
"""


def bundled_loaders(device: str) -> tuple[Loaders, Loaders]:
    """Return what loads each bundled derainer, the default one first, and each bundled task model.

    Args:
        device: ``'cpu'``, ``'cuda:0'`` and so on.
    """
    derainers, tasks = {}, {}
    for name, entry in sorted(bundled_models().items(), key=lambda item: item[0] != DEFAULT_DERAINER):
        if entry.kind == 'derainer':
            derainers[name] = partial(trained_derainer, name, device=device)
        else:
            tasks[name] = partial(load_task_model, name, device=device)
    return derainers, tasks


def require_gradio():
    """The module; it takes seconds to import, and is an extra.

    Raises:
        InputError: it is not installed.
    """
    try:
        import gradio
    except ImportError:
        raise InputError('mmderain web needs gradio: pip install "mmderain[demo]"') from None
    return gradio


def build_page(derainers: Loaders, tasks: Loaders):
    """The page, a ``gradio.Blocks``. A model is loaded when it is first asked for, and kept; requests are worked on one
    after the other.

    Args:
        derainers: name -> what loads the ``Derainer``; the first one is picked to begin with.
        tasks: name -> what loads the ``TaskInferencer``; may be empty.

    Raises:
        InputError: gradio is not installed, or there is no derainer.
    """
    gr = require_gradio()
    if not derainers:
        raise InputError('no derainer comes along with its weights; name one: --model CONFIG --weights CHECKPOINT')
    derainer, task = cache(lambda name: derainers[name]()), cache(lambda name: tasks[name]())

    def run(path, clean_path, derainer_name, task_name, kinds, severity, seed):
        try:
            if path is None:
                raise InputError('Drop an image first.')
            *_, rainy, derained = view_scene(
                read_upload(path),
                derainer(derainer_name),
                task(task_name) if task_name else None,
                '+'.join(f'{kind}:{severity:g}' for kind in kinds) or None,
                int(seed or 0),
                read_upload(clean_path) if clean_path else None,
            )
        except (OSError, InputError) as error:
            raise gr.Error(str(error), duration=None, print_exception=False) from None
        found = []
        if task_name:
            found = [part for view in (rainy, derained) for part in (rgb(view.drawn), said(view))]
        return [
            gr.HTML(visible=False),
            gr.ImageSlider((rgb(rainy.image), rgb(derained.image)), visible=True),
            gr.Image(rgb(difference(rainy.image, derained.image)), visible=True),
            gr.HTML(cards(rainy.scores, derained.scores), visible=bool(rainy.scores)),
            gr.Row(visible=bool(found)),
            *(found or [None, ''] * 2),
        ]

    # Uploads and results are deleted when they are an hour old.
    with gr.Blocks(title='mmderain', analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as page:
        gr.Markdown(
            '# mmderain\nTake the rain out of a picture, and see what a detector makes of it before and after.',
            elem_id='title',
        )
        upload = dict(sources=['upload'], type='filepath', buttons=['fullscreen'])
        output = dict(format='png', buttons=['download', 'fullscreen'])
        with gr.Row():
            with gr.Column(scale=4, min_width=320):
                given = gr.Image(label='Picture', height=240, elem_id='given', **upload)
                with gr.Group():
                    derainer_name = gr.Dropdown(list(derainers), label='Derainer', elem_id='derainer')
                    task_name = gr.Dropdown(
                        [('none', ''), *((name, name) for name in tasks)], label='Task model', elem_id='task'
                    )
                    kinds = gr.CheckboxGroup(list(PRESETS), label='Draw rain over it, if it has none', elem_id='kinds')
                    with gr.Row():
                        severity = gr.Slider(1, 5, 3, step=1, label='Severity', buttons=[])
                        seed = gr.Number(0, label='Seed', precision=0, minimum=0, min_width=80)
                with gr.Accordion('Its clean picture, if you have it', open=False):
                    clean = gr.Image(show_label=False, height=160, elem_id='clean', **upload)
                button = gr.Button('Derain', variant='primary', elem_id='run')
            with gr.Column(scale=8, min_width=480):
                hint = gr.HTML('Before and after are shown here.', elem_id='hint')
                both = gr.ImageSlider(label='Rainy | derained', visible=False, elem_id='both', **output)
                with gr.Row(equal_height=True):
                    layer = gr.Image(
                        label='Removed (grey: nothing)', visible=False, elem_id='layer', min_width=240, **output
                    )
                    figures = gr.HTML(visible=False, padding=False, elem_id='figures')
                with gr.Row(visible=False) as found:
                    seen = []
                    for label in ('Rainy', 'Derained'):
                        with gr.Column(min_width=160, elem_id=label.lower()):
                            seen += [gr.Image(label=label, **output), gr.Markdown()]
        for component in (given, clean):
            # gradio's own opens the file, and what it says of one that is no picture helps nobody.
            component.preprocess = lambda payload: payload and payload.path
        button.click(
            run,
            [given, clean, derainer_name, task_name, kinds, severity, seed],
            [hint, both, layer, figures, found, *seen],
            show_progress_on=[hint, both],
            concurrency_limit=1,
            api_visibility='private',
        )
    return page


def rgb(img: np.ndarray) -> np.ndarray:
    """BGR -> RGB, as gradio has it."""
    return cv2.cvtColor(img, cv2.COLOR_BGR2RGB)


def said(view: View) -> str:
    """What a task model found in it, in a line."""
    return f'{view.caption}; {view.agreement}' if view.agreement else view.caption


def difference(rainy: np.ndarray, derained: np.ndarray) -> np.ndarray:
    """``rainy - derained`` around mid-grey: 128 is nothing, brighter was removed, darker was added."""
    return cv2.addWeighted(rainy, 1, derained, -1, 128)


def cards(before: dict[str, float], after: dict[str, float]) -> str:
    """HTML of the figures of both."""
    cards = [
        f'<div class="card"><span>{name}</span>'
        f'<div>{before[name]:{form}} → <b>{after[name]:{form}}</b>{unit}</div></div>'
        for name, (form, unit) in FORMS.items()
        if name in before
    ]
    return f'<div class="cards">{"".join(cards)}</div>'


def read_upload(path: str | Path) -> np.ndarray:
    """Read an uploaded image as BGR uint8 (H, W, 3).

    Raises:
        InputError: as :func:`~mmderain.io.image.read_image`, or the image is too large. The message names the file
            without its folder.
    """
    try:
        height, width = image_size(path)
        if height * width > MAX_PIXELS:
            raise InputError(
                f'{path}: has {width}x{height} pixels, this page takes up to {MAX_PIXELS / 1e6:g} million. Make it '
                'smaller, or use `mmderain derain`.'
            )
        image_size(path, decode=True)  # OpenCV fills what is missing with grey
        return read_image(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), Path(path).name)) from None


@contextmanager
def serving(
    derainers: Loaders, tasks: Loaders, host: str = '127.0.0.1', port: int = 7860, max_upload: int = 20
) -> Iterator[str]:
    """Serve the page while the context lasts; nothing is asked of any other server, and no file outlives it.

    Args:
        derainers, tasks: as :func:`build_page`.
        host: the address to listen at; the default is reached from this machine alone.
        max_upload: MB.

    Yields:
        The page's address.

    Raises:
        InputError: as :func:`build_page`, or there is nothing to listen at.
    """
    if max_upload < 1:
        raise InputError(f'--max-upload must be at least 1 MB, found {max_upload}')
    if not 1 <= port <= 65535:
        raise InputError(f'--port must be from 1 to 65535, found {port}')
    # No tunnel, no history kept in the browser, no fonts from elsewhere, no links.
    private = dict(share=False, ssr_mode=False, mcp_server=False, enable_monitoring=False, run_history=False)
    fonts = dict(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    # gradio keeps files where the first says, and asks its own server whether it is up, which no proxy can tell.
    with (
        tempfile.TemporaryDirectory(prefix='mmderain_web_') as folder,
        environment(GRADIO_TEMP_DIR=folder, no_proxy='*'),
    ):
        page = build_page(derainers, tasks)
        try:
            page.launch(
                server_name=host,
                server_port=port,
                max_file_size=max_upload * 2**20,
                prevent_thread_lock=True,
                quiet=True,
                inline=False,
                footer_links=[],
                theme=require_gradio().themes.Default(primary_hue='blue', **fonts),
                css=CSS,
                **private,
            )
        except OSError:
            raise InputError(
                f'{host}:{port}: no page can be served there; the port is taken, or the address is not one of this '
                'machine. Name others with --port and --host.'
            ) from None
        try:
            yield page.local_url
        finally:
            page.close(verbose=False)


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Environment variables, for a while."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
