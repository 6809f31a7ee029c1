"""The web page of ``mmderain web``: it derains an uploaded image, and shows the predictions of a task model."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mmderain import DEFAULT_DERAINER
from mmderain.apis import trained_derainer
from mmderain.errors import InputError
from mmderain.hub import bundled_models
from mmderain.models import Derainer
from mmderain.perception.scene import view_scene
from mmderain.perception.task import TaskInferencer, load_task_model
from mmderain.rain import PRESETS

from .formatting import difference, prediction_text, score_cards, to_rgb
from .requests import RequestRunner, interruptible
from .uploads import read_upload

#: Default for the longest time of a request, in seconds.
TIME_LIMIT = 300.0
#: Maps the name of a derainer to a function that loads it.
DerainerLoaders = dict[str, Callable[[], Derainer]]
#: Maps the name of a task model to a function that loads it.
TaskLoaders = dict[str, Callable[[], TaskInferencer]]

CSS = """
.gradio-container { max-width: 1240px !important; width: 100%; margin: 0 auto !important; }
#title h1 { font-size: 1.75rem; margin: .5rem 0 0; }
#title p, #hint { color: var(--block-label-text-color); }
#hint { height: 500px; display: flex; align-items: center; justify-content: center;
  border: 1px solid var(--border-color-primary); border-radius: var(--block-radius); }
#scores { min-width: min(240px, 100%) !important; }
#scores div:has(> .cards), #scores div:has(> div > .cards) { height: 100%; padding: 0; }
#scores .cards { display: flex; flex-direction: column; gap: var(--layout-gap); height: 100%; }
#scores .card { flex: 1; display: flex; flex-direction: column; justify-content: center; padding: 1rem 1.25rem;
  border: 1px solid var(--border-color-primary); border-radius: var(--block-radius); }
#scores .card span { color: var(--block-label-text-color); font-size: var(--text-sm); }
#scores .card div { font-size: 1.5rem; font-variant-numeric: tabular-nums; }
"""


def bundled_loaders(device: str) -> tuple[DerainerLoaders, TaskLoaders]:
    """Return functions that load the bundled models.

    Args:
        device: device of the models, such as ``'cpu'`` or ``'cuda:0'``.

    Returns:
        The loaders of the derainers, with the default derainer first, and the loaders of the task models.
    """
    derainers: DerainerLoaders = {}
    tasks: TaskLoaders = {}
    for name, entry in sorted(bundled_models().items(), key=lambda item: item[0] != DEFAULT_DERAINER):
        if entry.kind == 'derainer':
            derainers[name] = partial(trained_derainer, name, device=device)
        else:
            tasks[name] = partial(load_task_model, name, device=device)
    return derainers, tasks


def require_gradio() -> ModuleType:
    """Import gradio, which is an optional dependency. The import takes seconds.

    Returns:
        The module ``gradio``.

    Raises:
        InputError: gradio is not installed.
    """
    try:
        import gradio
    except ImportError:
        raise InputError('mmderain web needs gradio: pip install "mmderain[demo]"') from None
    return gradio


def build_page(
    derainers: DerainerLoaders, tasks: TaskLoaders, upload_dir: str | Path, time_limit: float = TIME_LIMIT
) -> Any:
    """Build the page.

    A model is loaded when it is used for the first time, and then stays in memory. Requests are processed one after
    another. A request is stopped if its browser has disconnected or if it exceeds the time limit. A running derainer
    stops before its next layer. Other steps, such as the task model or the loading of a model, are completed first.

    Args:
        derainers: maps the name of each derainer to a function that loads it. The first one is selected at the start.
        tasks: maps the name of each task model to a function that loads it. It may be empty.
        upload_dir: folder of the uploaded files. The page refuses files in other folders.
        time_limit: longest time of a request in seconds.

    Returns:
        The page, a ``gradio.Blocks``.

    Raises:
        InputError: gradio is not installed, or there is no derainer.
    """
    gr = require_gradio()
    if not derainers:
        raise InputError(
            'no derainer is bundled with this installation; name a trained derainer with --model CONFIG --weights FILE'
        )
    load_derainer = cache(lambda name: derainers[name]())
    load_task = cache(lambda name: tasks[name]())
    requests = RequestRunner(time_limit)

    def run(*inputs: Any) -> Iterator[list]:
        """Derain the image, and yield the new values of the output components."""
        try:
            for values in requests.run(lambda is_over: derain(is_over, *inputs)):
                yield [gr.skip() for _ in outputs] if values is None else values
        except TimeoutError:
            reason = f'The request took more than {time_limit:g} seconds. Upload a smaller image.'
            raise gr.Error(reason, duration=None, print_exception=False) from None
        except (OSError, InputError) as error:
            raise gr.Error(str(error), duration=None, print_exception=False) from None

    def derain(
        is_over: Callable[[], bool],
        image: dict | None,
        clean: dict | None,
        derainer_name: str,
        task_name: str,
        rain_kinds: list[str],
        severity: float,
        seed: float | None,
    ) -> list:
        """Derain the image, and return the new values of the output components."""
        if image is None:
            raise InputError('Upload an image first.')
        if derainer_name not in derainers or (task_name and task_name not in tasks):
            raise InputError(
                f'found derainer {derainer_name!r} and task model {task_name!r}; choose models that the page offers'
            )
        uploaded = read_upload(image['path'], upload_dir)
        clean_image = read_upload(clean['path'], upload_dir) if clean else None
        derainer = load_derainer(derainer_name)
        with interruptible(derainer, is_over):
            *_, rainy, derained = view_scene(
                uploaded,
                derainer,
                load_task(task_name) if task_name else None,
                '+'.join(f'{kind}:{severity:g}' for kind in rain_kinds) or None,
                int(seed or 0),
                clean_image,
            )
        predictions: list[np.ndarray | str | None] = [None, '', None, '']
        if task_name:
            predictions = [
                to_rgb(rainy.drawn),
                prediction_text(rainy),
                to_rgb(derained.drawn),
                prediction_text(derained),
            ]
        return [
            gr.HTML(visible=False),
            gr.ImageSlider((to_rgb(rainy.image), to_rgb(derained.image)), visible=True),
            gr.Image(to_rgb(difference(rainy.image, derained.image)), visible=True),
            gr.HTML(score_cards(rainy.scores, derained.scores), visible=bool(rainy.scores)),
            gr.Row(visible=bool(task_name)),
            *predictions,
        ]

    # Uploads and results are deleted when they are an hour old.
    with gr.Blocks(title='mmderain', analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as page:
        gr.Markdown(
            '# mmderain\nRemove rain from an image, and compare the predictions of a task model before and after.',
            elem_id='title',
        )
        upload = dict(sources=['upload'], type='filepath', buttons=['fullscreen'])
        output = dict(format='png', buttons=['download', 'fullscreen'])
        with gr.Row():
            with gr.Column(scale=4, min_width=320):
                image = gr.Image(label='Image', height=240, elem_id='image', **upload)
                with gr.Group():
                    derainer_name = gr.Dropdown(list(derainers), label='Derainer', elem_id='derainer')
                    task_name = gr.Dropdown(
                        [('none', ''), *((name, name) for name in tasks)], label='Task model', elem_id='task'
                    )
                    rain_kinds = gr.CheckboxGroup(
                        list(PRESETS), label='Rain to draw, if the image has none', elem_id='rain'
                    )
                    with gr.Row():
                        severity = gr.Slider(1, 5, 3, step=1, label='Severity', buttons=[])
                        seed = gr.Number(0, label='Seed', precision=0, minimum=0, min_width=80)
                with gr.Accordion('Clean image, if you have it', open=False):
                    clean = gr.Image(show_label=False, height=160, elem_id='clean', **upload)
                button = gr.Button('Derain', variant='primary', elem_id='run')
            with gr.Column(scale=8, min_width=480):
                hint = gr.HTML('The rainy and the derained image appear here.', elem_id='hint')
                slider = gr.ImageSlider(label='Rainy | derained', visible=False, elem_id='comparison', **output)
                with gr.Row(equal_height=True):
                    removed = gr.Image(
                        label='Removed rain (gray: none)', visible=False, elem_id='difference', min_width=240, **output
                    )
                    scores = gr.HTML(visible=False, padding=False, elem_id='scores')
                with gr.Row(visible=False) as predictions_row:
                    predictions = []
                    for label in ('Rainy', 'Derained'):
                        with gr.Column(min_width=160, elem_id=label.lower()):
                            predictions += [gr.Image(label=label, **output), gr.Markdown()]
        outputs = [hint, slider, removed, scores, predictions_row, *predictions]
        button.click(
            run,
            [image, clean, derainer_name, task_name, rain_kinds, severity, seed],
            outputs,
            show_progress_on=[hint, slider],
            # With preprocess=False, `run` gets the path of the file. With True, gradio would open the file. Its error
            # message for a file that is not an image is not helpful.
            preprocess=False,
            concurrency_limit=1,
            api_visibility='private',
        )
    return page
