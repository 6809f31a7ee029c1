"""Ways to read the image files of a folder: one for each command, tool and function that reads images.

A way is a function of a :class:`Place`. It returns a dict with an entry for each file: the pixels, BGR uint8 (H, W, 3),
or the error message as a text.
"""

import json
import os
from pathlib import Path

import numpy as np
from conftest import ROOT, load_tool
from PIL import Image

from mmderain import cli
from mmderain.apis import DerainInferencer
from mmderain.datasets.transforms import LoadImageFromFile, LoadPairedImages
from mmderain.errors import InputError
from mmderain.io import decode_image, decode_image_bytes, image_from_pillow, image_size, read_image
from mmderain.io.naming import Naming
from mmderain.perception import scene_files
from mmderain.perception.joint_test import ReplaceFromFolder
from mmderain.rain import draw_rain
from mmderain.rain.synthesis import rain_seed
from mmderain.registry import MODELS
from mmderain.web import build_page, page

from .places import Place, StoresInputs, Task


def each(read):
    """Return a way that reads the files one after another with a function."""

    def way(place: Place):
        found = {}
        for name in place.names:
            try:
                found[name] = read(Path('in', name))
            except (InputError, FileNotFoundError) as error:
                found[name] = str(error)
        return found

    return way


def size_only(path: Path) -> np.ndarray:
    """Return the expected pixels if the size is that of the pixels, and an image without pixels if not."""
    pixels = read_image(path)
    return pixels if image_size(path) == pixels.shape[:2] else pixels[:0]


def from_pillow(path: Path) -> np.ndarray:
    return image_from_pillow(Image.open(path), str(path)).to_uint8()


def replace(path: Path) -> np.ndarray:
    results = dict(img_path=f'data/{path.stem}.x', img=np.zeros((*image_size(path), 3), np.uint8))
    return ReplaceFromFolder('in', 'data')(results)['img']


def pair(path: Path) -> np.ndarray:
    return np.rint(LoadPairedImages()(dict(img_path=str(path)))['img']).astype(np.uint8)


def inferencer(place: Place):
    results = DerainInferencer('net.py', 'net.pth')(['in'], batch_size=3).results
    found = {}
    for result in results:
        image = result.prediction
        if image is not None:
            image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8) if image.dtype == np.uint16 else image
            image = np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image[..., :3]
        found[result.name.removeprefix('in/')] = result.reason if image is None else image
    return found


def results_in(place: Place, folder: str) -> dict[str, np.ndarray]:
    paths = {name: place.root / folder / Naming(keep_suffix=True).result(name) for name in place.names}
    return {name: read_image(path) for name, path in paths.items() if path.is_file()}


def derain(place: Place):
    cli.main(['derain', 'in', '--out', 'out', '--keep-suffix', '--model', 'net.py', '--weights', 'net.pth'])
    return place.with_errors(results_in(place, 'out'), place.printed())


def show(kind: str):
    """Return a way that runs ``mmderain detect`` or ``mmderain segment`` with figures that are the derained image."""

    def way(place: Place):
        place.patch.setattr(cli.scene, 'load_task_model', lambda *_: Task(kind))
        place.patch.setattr(scene_files, 'figure', lambda views: views[-1].image)
        model = ['--model', 'net.py', '--weights', 'net.pth', '--device', 'cpu', '--rain', 'none', '--keep-suffix']
        cli.main([{'detector': 'detect', 'segmentor': 'segment'}[kind], 'in', '--out', 'out', *model])
        return place.with_errors(results_in(place, 'out'), place.printed())

    return way


def rain(place: Place):
    """Check that the rainy images are those that are drawn over the expected pixels."""
    cli.main(['rain', 'in', 'rainy', '--rain', 'light', '--keep-suffix'])
    found = {}
    for name, pixels in place.expected.items():
        path = place.root / 'rainy/rain' / Naming(keep_suffix=True).png_result(name)
        if path.is_file():
            is_equal = np.array_equal(draw_rain(pixels, 'light', rain_seed(0, name)).rainy, read_image(path))
            found[name] = pixels if is_equal else pixels[:0]
    return place.with_errors(found, place.printed())


def web(place: Place):
    """Send each file to the function of the page that handles a request."""
    uploaded = []

    def record(image, *_):
        uploaded.append(image)
        raise InputError('recorded')

    place.patch.setattr(page, 'view_scene', record)
    blocks = build_page(
        {'none': lambda: MODELS.build(dict(type='Derainer', network=dict(type='StoresInputs')))}, {}, 'in'
    )
    (run,) = (entry.fn for entry in blocks.fns.values() if len(entry.inputs) == 7)
    found = {}
    for name in place.names:
        try:
            list(run(dict(path=f'in/{name}'), None, 'none', '', [], 3, 0))
        except Exception as error:  # gradio.Error, whose message the page shows
            found[name] = uploaded.pop() if uploaded else f'in/{error.message}'
    return found


def browse(place: Place):
    tool, found = load_tool('browse_dataset'), {}
    steps_of = tool.pipeline_steps

    def record(dataset, index, seed):
        steps = steps_of(dataset, index, seed)
        found[dataset.get_data_info(index)['name']] = steps[0][1][0]
        return steps

    place.patch.setattr(tool, 'pipeline_steps', record)
    data = "dict(type='ImageFolderDataset', data_root='in', pipeline=[dict(type='LoadPairedImages')])"
    Path('data.py').write_text(f"train_dataloader = dict(dataset={data})\ndefault_scope = 'mmderain'\n")
    tool.main(['data.py', '--number', '100', '--out', 'sheet'])
    return place.with_errors(found, place.printed())


def evaluate(place: Place):
    place.write_clean()
    arguments = ['in', 'clean', '--protocols', 'PSNR-RGB', '--out', 'scores']
    status = load_tool('evaluate_folder').main(arguments)
    scores = json.loads(Path('scores/metrics.json').read_text())['per_image']
    assert status == (0 if len(scores) == len(place.names) else 1)
    equal = {name: place.expected[name] for name, score in scores.items() if score['PSNR-RGB'] == 'inf'}
    return place.with_errors(equal, place.printed())


def photographs(place: Place):
    assert load_tool('prepare_dataset').main(['photographs', 'in', 'small', '--keep-suffix']) == 0
    results = {name: Naming(keep_suffix=True).png_result(name) for name in place.names}
    paths = {name: Path('small', Path(result).name).with_suffix('.png') for name, result in results.items()}
    found = {name: read_image(path) for name, path in paths.items() if path.is_file()}
    return place.with_errors(found, place.printed())


PAIRS = """
_base_ = '{root}/configs/derain/sian_sample.py'
model = dict(network=dict(_delete_=True, type='StoresInputs'))
data = dict(type='PairedImageDataset', data_root='.', data_prefix=dict(img='in', gt='clean'), pairing='same_name',
    pipeline=[dict(type='LoadPairedImages'), dict(type='PackDerainInputs')])
loader = dict(batch_size=1, num_workers=0, persistent_workers=False)
test_dataloader = dict(**loader, dataset=dict(_delete_=True, test_mode=True, **data))
train_dataloader = dict(**loader, dataset=dict(_delete_=True, unreadable='skip', **data))
val_cfg = None
val_dataloader = None
val_evaluator = None
train_cfg = dict(max_iters={number})
default_hooks = dict(checkpoint=dict(interval=1000))
"""


def tool_config(place: Place) -> None:
    place.write_clean()
    (place.root / 'pairs.py').write_text(PAIRS.format(root=ROOT, number=len(place.names)))


def tool_test(place: Place):
    tool_config(place)
    load_tool('test').main(['pairs.py', 'net.pth', '--work-dir', 'run', '--show-dir', 'show'])
    found = {}
    for name in place.names:
        for naming in (Naming(), Naming(keep_suffix=True)):  # the whole name is kept if two names differ in the suffix
            path = Path('show/derained', naming.png_result(name))
            if os.path.isfile(path):
                found[name] = read_image(path)
    return place.with_errors(found, place.printed())


def train(place: Place):
    """Train with each image, and return the inputs of the network. The log names the images that are skipped."""
    tool_config(place)
    StoresInputs.seen.clear()
    assert load_tool('train').main(['pairs.py', '--work-dir', 'run']) == 0
    found = {}
    for name, pixels in place.expected.items():
        if any(np.array_equal(pixels, seen) for seen in StoresInputs.seen):
            found[name] = pixels
    (log,) = (place.root / 'run').glob('*/*.log')
    return place.with_errors(found, log.read_text().replace('WARNING', 'warning'))


WAYS = {
    'mmderain derain': derain,
    'mmderain detect': show('detector'),
    'mmderain rain': rain,
    'mmderain segment': show('segmentor'),
    'mmderain web': web,
    'tools/browse_dataset.py': browse,
    'tools/evaluate_folder.py': evaluate,
    'tools/prepare_dataset.py': photographs,
    'tools/test.py': tool_test,
    'tools/train.py': train,
    'apis.DerainInferencer': inferencer,
    'datasets.transforms.LoadImageFromFile': each(lambda path: LoadImageFromFile()(dict(img_path=str(path)))['img']),
    'datasets.transforms.LoadPairedImages': each(pair),
    'io.decode_image': each(lambda path: decode_image(path).to_uint8()),
    'io.decode_image_bytes': each(lambda path: decode_image_bytes(path.read_bytes(), str(path)).to_uint8()),
    'io.image_from_pillow': each(from_pillow),
    'io.image_size': each(size_only),
    'io.read_image': each(read_image),
    'perception.joint_test.ReplaceFromFolder': each(replace),
}
