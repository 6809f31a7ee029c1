"""Measure the derainers on all test sets, and write the scores to docs/results/derainers.json.

    python tools/dev/measure_derainers.py DATA
    python tools/dev/measure_derainers.py DATA --models nafnet --sets rain100h rain100l

DATA is a folder with some of these folders. A test set whose folder is missing keeps its stored scores:

    rain100h_sample/rain, rain100h_sample/norain    pairs of Rain100H: rain-005.png and norain-005.png
    rain100l_sample/rain, rain100l_sample/norain    pairs of Rain100L, with the same names
    bsds/val                                        photographs of BSDS500, over which rain is drawn
    camvid/images/test                              test images of CamVid, which show no rain
    photographs_held_out                            the held-out photographs of the training queue
    real_rain                                       rainy photographs without a clean version

The scores are PSNR-Y in dB and SSIM-Y(valid), averaged over the images. The PSNR of an unchanged image counts as 100
dB. The columns are the rainy images, a median blur of 5x5 pixels, and all bundled derainers. --authors adds the weights
of SIAN's authors. tools/dev/results.py makes the pages from the scores.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from results import RESULTS, ROOT

from mmderain.apis import DerainInferencer
from mmderain.cli.command import CommandParser, command
from mmderain.engine.machine import processor_with_features
from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.hub import named_models
from mmderain.io import atomic_write, list_images, read_image, write_image
from mmderain.rain import draw_rain
from mmderain.rain.synthesis import rain_seed

Pairs = Iterator[tuple[np.ndarray, np.ndarray]]
Derain = Callable[[np.ndarray], np.ndarray]

#: Mask of the street lamp in real_rain/rainy_.jpg. A derainer must not remove the lamp.
LAMP = ROOT / 'docs/results/lamp_mask.png'


def paired(folder: str) -> Callable[[Path], Pairs]:
    """Return a function that yields the pairs (rainy image, clean image) of a folder in DATA."""

    def pairs(data: Path) -> Pairs:
        for path in list_images(data / folder / 'rain'):
            clean = data / folder / 'norain' / path.name.replace('rain-', 'norain-')
            yield read_image(data / folder / 'rain' / path), read_image(clean)

    return pairs


def drawn(folder: str, rain: str | None, step: int = 1) -> Callable[[Path], Pairs]:
    """Return a function that yields pairs with drawn rain over every ``step``-th image of a folder in DATA.

    With rain=None, both images of a pair are the clean image.
    """

    def pairs(data: Path) -> Pairs:
        for path in list_images(data / folder)[::step]:
            clean = read_image(data / folder / path)
            yield (clean if rain is None else draw_rain(clean, rain, rain_seed(0, path.as_posix())).rainy), clean

    return pairs


#: Maps the name of each test set to its folder in DATA and to the function that yields its pairs.
SETS: dict[str, tuple[str, Callable[[Path], Pairs]]] = {
    'rain100h': ('rain100h_sample', paired('rain100h_sample')),
    'rain100l': ('rain100l_sample', paired('rain100l_sample')),
    'bsds_heavy': ('bsds/val', drawn('bsds/val', 'heavy')),
    'bsds_light': ('bsds/val', drawn('bsds/val', 'light')),
    'held_out_heavy': ('photographs_held_out', drawn('photographs_held_out', 'heavy')),
    'held_out_light': ('photographs_held_out', drawn('photographs_held_out', 'light')),
    'held_out_drops': ('photographs_held_out', drawn('photographs_held_out', 'drops')),
    'held_out_mist': ('photographs_held_out', drawn('photographs_held_out', 'mist+varied-light')),
    'held_out_dry': ('photographs_held_out', drawn('photographs_held_out', None)),
    'camvid_dry': ('camvid/images/test', drawn('camvid/images/test', None, step=6)),
}
#: Maps test sets to the name of the weights of SIAN's authors that are measured on them.
AUTHORS = {'rain100h': 'sian_rain100h', 'rain100l': 'sian_rain100l'}


def score(pairs: Pairs, derain: Derain) -> list[float]:
    """Return the mean PSNR-Y in dB and the mean SSIM-Y(valid) of derained images."""
    scores = []
    for rainy, clean in pairs:
        result = derain(rainy)
        scores.append([min(measure(result, clean, 'PSNR-Y'), 100), measure(result, clean, 'SSIM-Y(valid)')])
    if not scores:
        raise InputError('a test set contains no images')
    return [round(float(value), 4) for value in np.mean(scores, axis=0)]


def derainers(names: Sequence[str]) -> dict[str, Derain]:
    """Return a function for each named bundled derainer, and for the two baselines."""
    known = [entry.name for entry in named_models().values() if entry.kind == 'derainer' and entry.file is not None]
    unknown = set(names) - set(known)
    if unknown:
        raise InputError(f'--models: found {", ".join(sorted(unknown))}; expected names among {", ".join(known)}')
    functions: dict[str, Derain] = {'rainy': lambda image: image, 'median': lambda image: cv2.medianBlur(image, 5)}
    return functions | {name: network(name) for name in names or known}


def network(name: str) -> Derain:
    """Return a function that derains an image with the named model, in fp32 on the CPU."""
    inferencer = DerainInferencer(name, device='cpu', precision='fp32')
    return lambda image: inferencer(image).predictions[0]


def show_real_rain(folder: Path, functions: dict[str, Derain]) -> dict[str, float]:
    """Write the panel of the real rainy photographs.

    Returns:
        The mean absolute change of the lamp for each derainer, 0 to 255.
    """
    columns = [name for name in functions if name != 'median']
    rows, changes = [], {}
    for path in list_images(folder):
        image = read_image(folder / path)
        results = {name: functions[name](image) for name in columns}
        if path.name == 'rainy_.jpg':
            mask = read_image(LAMP)[..., 0] > 0
            for name in columns[1:]:
                changes[name] = round(float(np.abs(results[name].astype(int) - image)[mask].mean()), 2)
        height = round(360 * image.shape[0] / image.shape[1])
        rows.append(
            np.hstack([cv2.resize(results[name], (360, height), interpolation=cv2.INTER_AREA) for name in columns])
        )
    title = np.full((28, rows[0].shape[1], 3), 255, np.uint8)
    for index, name in enumerate(columns):
        cv2.putText(title, name, (360 * index + 8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    write_image(np.vstack([title, *rows]), ROOT / 'docs/en/images/real_rain.jpg')
    return changes


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('data', type=Path, metavar='DATA', help='folder with the test sets, see below')
    parser.add_argument(
        '--models', nargs='+', default=[], metavar='NAME', help='derainers to measure (default: all bundled derainers)'
    )
    parser.add_argument(
        '--sets', nargs='+', default=list(SETS), choices=list(SETS), metavar='SET', help='test sets (default: all)'
    )
    parser.add_argument(
        '--authors',
        action='store_true',
        help="also measure the weights of SIAN's authors, which are downloaded (default: keep their stored scores)",
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Measure, and store each test set when it is complete."""
    if not args.data.is_dir():
        raise InputError(f'{args.data}: no such folder; DATA must contain the test sets')
    functions = derainers(args.models)
    path = RESULTS / 'derainers.json'
    stored = json.loads(path.read_text(encoding='utf-8')) if path.is_file() else dict(sets={})

    def store() -> None:
        stored.update(date=str(datetime.date.today()), processor=processor_with_features())
        with atomic_write(path) as part:
            part.write_text(json.dumps(stored, indent=1) + '\n', encoding='utf-8')

    for name in args.sets:
        folder, pairs = SETS[name]
        if not (args.data / folder).is_dir():
            print(f'{name}: {args.data / folder} does not exist; its stored scores stay')
            continue
        entry = stored['sets'].setdefault(name, dict(scores={}))
        entry['images'] = sum(1 for _ in pairs(args.data))
        for column, derain in functions.items():
            entry['scores'][column] = score(pairs(args.data), derain)
            print(f'{name:15} {column:15} {entry["scores"][column][0]:8.4f} dB {entry["scores"][column][1]:.4f}')
        if args.authors and name in AUTHORS:
            entry['scores']['authors'] = score(pairs(args.data), network(AUTHORS[name]))
        store()
    if (args.data / 'real_rain').is_dir():
        stored.setdefault('lamp', {}).update(show_real_rain(args.data / 'real_rain', functions))
        store()


if __name__ == '__main__':
    sys.exit(main())
