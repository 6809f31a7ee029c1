"""Draw rain over every image of a folder, and record the parameters of the rain."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmderain import __version__
from mmderain.errors import InputError
from mmderain.io.files import atomic_write, link_or_copy, require_path, resolve
from mmderain.io.folders import with_skipped
from mmderain.io.image import list_images, read_image, write_image
from mmderain.io.naming import Naming

from .synthesis import REFERENCE_HEIGHT, draw_rain, parse_rain, rain_seed

MANIFEST = 'manifest.jsonl'


@dataclass
class RainedFolder:
    """Result of :func:`rain_over_folder`.

    Attributes:
        images: number of images in the source folder.
        drawn: number of images over which this call has drawn rain.
        existing: number of images that an earlier call with the same settings has finished.
        errors: one exception for each image that cannot be read, or whose result would have the path of another result.
        skipped: number of the files in the source folder that are not images, for each suffix.
    """

    images: int
    drawn: int = 0
    existing: int = 0
    errors: list[Exception] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def rain_over_folder(
    src: str | Path,
    dst: str | Path,
    rain: str = 'heavy',
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[Iterable, int], Iterable] = lambda results, total: results,
    keep_suffix: bool = False,
) -> RainedFolder:
    """Draw rain over every image of a folder. The same arguments give the same rain in every run.

    The function writes these files and folders into ``dst``:

    * ``rain/``: the rainy images as PNG files.
    * ``layer/``: the rain layers as PNG files. A rain layer is the absolute difference between the rainy image before
      clipping and the clean image. Values above 255 are stored as 255.
    * ``norain/``: symbolic links to the clean images, or copies if the file system does not support links.
    * ``manifest.jsonl``: the settings in the first line. Each further line describes one image: its seed, its scale and
      all sampled parameters.

    The images in ``rain/``, ``layer/`` and ``norain/`` have the same relative paths as the source images. In ``rain/``
    and ``layer/``, the suffix of an image that is not a PNG file is replaced by ``.png``. ``PairedImageDataset`` can
    read ``dst``. If a call is interrupted, another call with the same arguments continues the work.

    Args:
        src: folder of clean images. Images in its sub-folders are included.
        dst: folder to write to. It must be new, empty, or written by an earlier call with the same settings. The
            settings are ``src``, ``rain``, ``seed``, and the version of mmderain.
        rain: text as in :func:`mmderain.rain.parse_rain`, for example ``'heavy:4+mist'``.
        seed: seed for the whole folder. The rain of an image depends on this seed and on the path of the image in
            ``src``.
        workers: number of threads; None uses one for each CPU core.
        progress: function that shows the progress. Its arguments are an iterable of results and the number of results.
            It returns an iterable of the same results.
        keep_suffix: True appends ``.png`` to the name of an image that is not a PNG file, so that ``a.gif`` becomes
            ``a.gif.png``. Otherwise it becomes ``a.png``, and is an error if ``src`` also contains ``a.png``. An image
            that an earlier call has finished keeps its name.

    Raises:
        InputError: ``src`` or ``dst`` is an empty text; ``src`` is not a folder with images; the rain is unknown;
            ``dst`` is inside ``src``, contains other files, or was written with other settings. Nothing is written in
            these cases.
    """
    src, dst = require_path('src', src), require_path('dst', dst)
    if not src.is_dir():
        found = 'is a file' if src.exists() else 'no such folder'
        raise InputError(f'{src}: {found}; expected a folder of images')
    if resolve(dst).is_relative_to(resolve(src)):
        raise InputError(f'{dst} is inside {src}; name a folder that is not inside {src}')
    settings = _settings(src, rain, seed)
    lines = _finished_lines(dst, settings)
    done = {line['name']: Path(line['rainy']).relative_to('rain') for line in lines}
    skipped: Counter[str] = Counter()
    names, errors = _target_names(src, done, Naming(keep_suffix=keep_suffix), skipped)
    to_do = [(path, target) for path, target in names.items() if path.as_posix() not in done]
    result = RainedFolder(images=len(names) + len(errors), existing=len(done), errors=errors, skipped=skipped)
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


def _target_names(
    src: Path, done: dict[str, Path], naming: Naming, skipped: Counter[str]
) -> tuple[dict[Path, Path], list[Exception]]:
    """Choose the names of the PNG files.

    Args:
        src: folder of the source images.
        done: maps the name of each image that an earlier call has finished to the path of its PNG files.
        naming: rules for the names.
        skipped: the files that are not images are added to it, see :func:`~mmderain.io.folders.iter_names`.

    Returns:
        A dict that maps the path of each source image to the path of its PNG files, and the errors. The keys are
        relative to ``src``. The values are relative to ``rain/`` and ``layer/``. If several images would be written to
        the same path, the dict contains only one of them: one that is finished, else a PNG image, else the first one.
        The list of errors then contains one error for each of the others.

    Raises:
        InputError: there is no image.
    """
    paths: dict[Path, Path] = {}
    errors: list[Exception] = []

    def priority(path: Path) -> tuple[bool, bool]:
        return path.as_posix() not in done, path.suffix.lower() != '.png'

    for path in sorted(list_images(src, skipped=skipped), key=priority):
        target = done.get(path.as_posix(), Path(naming.png_result(path.as_posix())))
        other = paths.setdefault(target, path)
        if other != path:
            errors.append(naming.collision(src / path, src / other, Path('rain') / target, 'rename one of them'))
    if not paths:
        raise InputError(with_skipped(f'{src}: found no images in this folder', skipped))
    return {path: target for target, path in paths.items()}, errors


def _settings(src: Path, rain: str, seed: int) -> dict:
    """Return the settings for the first line of the manifest. These settings determine the rain completely."""
    presets = [{type(preset).__name__: vars(preset)} for preset in parse_rain(rain)]
    settings = dict(
        version=__version__,
        source=str(src.resolve()),
        rain=rain,
        seed=seed,
        reference_height=REFERENCE_HEIGHT,
        presets=presets,
    )
    # Settings that are read from a manifest contain lists in place of tuples. This line makes the same replacement, so
    # that the settings can be compared.
    return json.loads(json.dumps(settings))


def _finished_lines(dst: Path, settings: dict) -> list[dict]:
    """Return the lines of the manifest in ``dst`` for the images that an earlier call has finished.

    Raises:
        InputError: ``dst`` is a file, contains other files, or was written with other settings.
    """
    manifest = dst / MANIFEST
    if not manifest.is_file():
        if dst.exists() and not dst.is_dir():
            raise InputError(f'{dst} is a file; name a folder')
        if dst.exists() and any(dst.iterdir()):
            raise InputError(f'{dst} is not empty and contains no {MANIFEST}; name a new folder')
        return []
    lines = []
    # A power failure can leave any bytes at the end of the file.
    for text in manifest.read_text(encoding='utf-8', errors='replace').splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:  # the call was interrupted in the middle of this line
            break
    if not all(isinstance(line, dict) for line in lines) or any('rainy' not in line for line in lines[1:]):
        raise InputError(f'{manifest}: expected the manifest of an earlier run, found other content; name a new folder')
    if lines and lines[0] != settings:
        differing = [key for key in settings if lines[0].get(key) != settings[key]]
        if 'rain' in differing:  # another rain also has other presets, so it is enough to name the rain
            differing = [key for key in differing if key != 'presets']
        found = '; '.join(
            'other preset parameters'
            if key == 'presets'
            else f'{key}: found {lines[0].get(key)}, expected {settings[key]}'
            for key in differing
        )
        raise InputError(f'{manifest} was written by a run with other settings ({found}); name a new folder')
    return [line for line in lines[1:] if (dst / line['rainy']).is_file()]


def _rain_over_image(src: Path, dst: Path, path: Path, target: Path, rain: str, seed: int) -> dict | Exception:
    """Write the files of one image, and return its line of the manifest.

    If the image cannot be read, return the exception instead.
    """
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
