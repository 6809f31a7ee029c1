"""Draw rain over every picture of a folder, the same in every run.

    mmderain rain photos rainy_photos --rain heavy:4+mist

Writes DST/rain and DST/layer (what the rain adds; of mist and drops the absolute difference) as PNG under the names of
the source, links to the clean pictures in DST/norain, and DST/manifest.jsonl: the settings, then for each picture its
seed, scale and every parameter drawn. PairedImageDataset reads DST as it is. The same call continues an
interrupted run.
"""

import argparse
import dataclasses
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mmderain import __version__
from mmderain.datasets.transforms.rain import rain_seed
from mmderain.errors import InputError
from mmderain.io.image import list_images, read_image
from mmderain.rain import PRESETS, REFERENCE_HEIGHT, draw_rain, parse_rain

MANIFEST = 'manifest.jsonl'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, metavar='SRC', help='folder of clean pictures; sub-folders are searched too')
    parser.add_argument('dst', type=Path, metavar='DST', help='where to write')
    parser.add_argument(
        '--rain',
        default='heavy',
        help=f'{", ".join(PRESETS)}, with a severity from :1 to :5 (default 3), several joined by + (default: heavy)',
    )
    parser.add_argument('--seed', type=int, default=0, help='another number, other rain (default: 0)')
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='threads (default: one a core)')
    return parser.parse_args(argv)


def names_of(src: Path) -> list[tuple[Path, Path]]:
    """Pictures below the source, and the name that each is written under.

    Raises:
        InputError: there are none, or two would be written under one name.
    """
    targets: dict[Path, Path] = {}
    for path in list_images(src):
        other = targets.setdefault(path.with_suffix('.png'), path)
        if other != path:
            raise InputError(f'{src}: {other} and {path} would both be written as {path.stem}.png; rename one')
    if not targets:
        raise InputError(f'{src}: no pictures there')
    return [(path, target) for target, path in targets.items()]


def settings_of(args: argparse.Namespace) -> dict:
    """The first line of the manifest: what decides the rain."""
    presets = [{type(p).__name__: dataclasses.asdict(p)} for p in parse_rain(args.rain)]
    head = dict(
        version=__version__,
        source=str(args.src.resolve()),
        rain=args.rain,
        seed=args.seed,
        reference_height=REFERENCE_HEIGHT,
    )
    # As it will be read: tuples become lists.
    return json.loads(json.dumps(head | dict(presets=presets)))


def finished(dst: Path, settings: dict) -> list[dict]:
    """Lines of an earlier run with the same settings whose pictures are there.

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
    for text in manifest.read_text(encoding='utf-8').splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:  # the run was interrupted in the middle of this line
            break
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


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix('.part.png')
    cv2.imwrite(str(part), picture)
    os.replace(part, path)


def rain_on(src: Path, dst: Path, path: Path, target: Path, args: argparse.Namespace) -> dict:
    """Write one picture's files; its line of the manifest, or what is wrong with it."""
    try:
        clean = read_image(src / path)
    except (InputError, OSError) as error:
        return dict(name=path.as_posix(), error=str(error))
    seed = rain_seed(args.seed, path.as_posix())
    drawn = draw_rain(clean, args.rain, seed)
    link = dst / 'norain' / path
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        try:
            link.symlink_to((src / path).resolve())
        except OSError:  # a file system without links
            shutil.copy2(src / path, link)
    layer = np.clip(np.rint(np.abs(drawn.layer)), 0, 255).astype(np.uint8)
    write_png(dst / 'layer' / target, layer)
    write_png(dst / 'rain' / target, drawn.rainy)
    return dict(
        name=path.as_posix(),
        rainy=f'rain/{target.as_posix()}',
        seed=seed,
        scale=clean.shape[0] / REFERENCE_HEIGHT,
        parameters=drawn.parameters,
    )


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if not args.src.is_dir():
            found = 'is a file' if args.src.exists() else 'no such folder'
            raise InputError(f'{args.src}: {found}; expected a folder of pictures')
        if args.dst.resolve().is_relative_to(args.src.resolve()):
            raise InputError(f'{args.dst} lies in {args.src}; name a folder outside it')
        settings, names = settings_of(args), names_of(args.src)
        lines = finished(args.dst, settings)
        args.dst.mkdir(parents=True, exist_ok=True)
    except (OSError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    done = {line['name'] for line in lines}
    open_names = [(path, target) for path, target in names if path.as_posix() not in done]
    part = args.dst / f'{MANIFEST}.part'
    part.write_text(''.join(f'{json.dumps(line)}\n' for line in [settings, *lines]), encoding='utf-8')
    os.replace(part, args.dst / MANIFEST)
    errors = []
    with (
        ThreadPoolExecutor(args.workers) as pool,
        open(args.dst / MANIFEST, 'a', encoding='utf-8') as manifest,
    ):
        jobs = pool.map(lambda item: rain_on(args.src, args.dst, *item, args), open_names)
        for line in track(jobs, f'{args.rain} rain', total=len(open_names)):
            if 'error' in line:
                errors.append(line)
                continue
            manifest.write(json.dumps(line) + '\n')
            manifest.flush()
    again = f', {len(done)} were there' if done else ''
    print(f'{args.dst}: rain drawn over {len(open_names) - len(errors)} of {len(names)} pictures{again}')
    for line in errors:
        print(f'error: {line["error"]}', file=sys.stderr)
    return 1 if errors else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print('interrupted; the same call continues', file=sys.stderr)
        sys.exit(130)
