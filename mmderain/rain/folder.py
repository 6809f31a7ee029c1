"""Draw rain over every image of a folder, and record what was drawn."""

import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmderain import __version__
from mmderain.errors import InputError
from mmderain.io.files import atomic_write, link_or_copy, read_text
from mmderain.io.image import list_images, read_image, write_image

from .synthesis import REFERENCE_HEIGHT, draw_rain, parse_rain, rain_seed

MANIFEST = 'manifest.jsonl'


@dataclass
class RainedFolder:
    """Result of :func:`rain_over_folder`.

    Attributes:
        images: number of images in the source.
        drawn: number of images that this call has drawn rain over.
        existing: number of images that an earlier call with the same settings has finished.
        errors: one exception for each image that cannot be read.
    """

    images: int
    drawn: int = 0
    existing: int = 0
    errors: list[Exception] = field(default_factory=list)


def rain_over_folder(
    src: str | Path,
    dst: str | Path,
    rain: str = 'heavy',
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[Iterable, int], Iterable] = lambda results, total: results,
) -> RainedFolder:
    """Draw rain over every image of a folder, the same rain in every run.

    Writes ``rain/`` and ``layer/`` (what the rain adds; for mist and drops the absolute difference) as PNG under the
    names of the source, links to the clean images in ``norain/``, and ``manifest.jsonl``: first the settings, then for
    each image its seed, scale and all drawn parameters. ``PairedImageDataset`` reads such a folder as it is. The same
    call continues after an interruption.

    Args:
        src: folder of clean images, searched with its sub-folders.
        dst: folder to write; new, empty, or of an earlier call with the same settings.
        rain: as :func:`mmderain.rain.parse_rain`, for example ``'heavy:4+mist'``.
        seed: number from which, with the name of an image, its rain follows.
        workers: number of threads; None takes one for each core.
        progress: wraps the iterable of finished images, of which there are ``total``, to show the progress.

    Raises:
        InputError: the source has no images or names that collide, the rain is unknown, or the destination lies in the
            source or holds something else. Nothing is written then.
    """
    src, dst = Path(src), Path(dst)
    if not src.is_dir():
        found = 'is a file' if src.exists() else 'no such folder'
        raise InputError(f'{src}: {found}; expected a folder of images')
    if dst.resolve().is_relative_to(src.resolve()):
        raise InputError(f'{dst} lies in {src}; name a folder outside it')
    settings, names = _settings(src, rain, seed), _target_names(src)
    lines = _finished_lines(dst, settings)
    done = {line['name'] for line in lines}
    to_do = [(path, target) for path, target in names.items() if path.as_posix() not in done]
    result = RainedFolder(images=len(names), existing=len(done))
    with atomic_write(dst / MANIFEST) as part:
        part.write_text(''.join(f'{json.dumps(line)}\n' for line in [settings, *lines]), encoding='utf-8')
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool, open(dst / MANIFEST, 'a', encoding='utf-8') as manifest:
        results = pool.map(lambda item: _rain_over_image(src, dst, item[0], item[1], rain, seed), to_do)
        for line in progress(results, len(to_do)):
            if isinstance(line, Exception):
                result.errors.append(line)
                continue
            manifest.write(json.dumps(line) + '\n')
            manifest.flush()
            result.drawn += 1
    return result


def _target_names(src: Path) -> dict[Path, Path]:
    """Return the images of the source, and the name that each is written under.

    Raises:
        InputError: there is no image, or two would be written under one name.
    """
    paths: dict[Path, Path] = {}
    for path in list_images(src):
        other = paths.setdefault(path.with_suffix('.png'), path)
        if other != path:
            raise InputError(f'{src}: {other} and {path} would both be written as {path.stem}.png; rename one')
    if not paths:
        raise InputError(f'{src}: found no images in this folder')
    return {path: target for target, path in paths.items()}


def _settings(src: Path, rain: str, seed: int) -> dict:
    """Return the first line of the manifest: everything that decides the rain."""
    presets = [{type(preset).__name__: vars(preset)} for preset in parse_rain(rain)]
    settings = dict(
        version=__version__,
        source=str(src.resolve()),
        rain=rain,
        seed=seed,
        reference_height=REFERENCE_HEIGHT,
        presets=presets,
    )
    return json.loads(json.dumps(settings))  # in the form in which it is read again: tuples become lists


def _finished_lines(dst: Path, settings: dict) -> list[dict]:
    """Return the lines of an earlier call with the same settings whose images exist.

    Raises:
        InputError: the destination holds something else.
    """
    manifest = dst / MANIFEST
    if not manifest.is_file():
        if dst.exists() and not dst.is_dir():
            raise InputError(f'{dst} is a file; name a folder')
        if dst.exists() and any(dst.iterdir()):
            raise InputError(f'{dst} is not empty and holds no {MANIFEST}; name a new folder')
        return []
    lines = []
    for text in read_text(manifest).splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:  # the call was interrupted in the middle of this line
            break
    if not all(isinstance(line, dict) for line in lines) or any('rainy' not in line for line in lines[1:]):
        raise InputError(f'{manifest}: is not the manifest of rain that was drawn before; name a new folder')
    if lines and lines[0] != settings:
        differing = [key for key in settings if lines[0].get(key) != settings[key]]
        if 'rain' in differing:  # the parameters follow from it
            differing = [key for key in differing if key != 'presets']
        found = '; '.join(
            'its parameters' if key == 'presets' else f'{key}: found {lines[0].get(key)}, expected {settings[key]}'
            for key in differing
        )
        raise InputError(f'{manifest} is of a run with other settings ({found}); name a new folder')
    return [line for line in lines[1:] if (dst / line['rainy']).is_file()]


def _rain_over_image(src: Path, dst: Path, path: Path, target: Path, rain: str, seed: int) -> dict | Exception:
    """Write the files of one image; return its line of the manifest, or why the image cannot be read."""
    try:
        clean = read_image(src / path)
    except (InputError, OSError) as error:
        return error
    image_seed = rain_seed(seed, path.as_posix())
    drawn = draw_rain(clean, rain, image_seed)
    link = dst / 'norain' / path
    if not link.exists():
        link_or_copy(src / path, link)
    write_image(np.clip(np.rint(np.abs(drawn.layer)), 0, 255).astype(np.uint8), dst / 'layer' / target)
    write_image(drawn.rainy, dst / 'rain' / target)
    return dict(
        name=path.as_posix(),
        rainy=f'rain/{target.as_posix()}',
        seed=image_seed,
        scale=clean.shape[0] / REFERENCE_HEIGHT,
        parameters=drawn.parameters,
    )
