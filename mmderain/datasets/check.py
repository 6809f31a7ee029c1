"""Decode all images of a data set before the training starts, and report the images that cannot be read."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope
from rich.progress import track

from mmderain.errors import InputError
from mmderain.io.image import image_size
from mmderain.registry import DATASETS

#: Keys of a data set item whose values are paths of images.
IMAGE_KEYS = ('img_path', 'gt_path', 'seg_map_path')


def check_data(cfg: Config, *loaders: str) -> None:
    """Decode every image of the data loaders, and print a message for each image that cannot be read.

    Args:
        cfg: config of a run.
        loaders: keys of data loaders in the config, such as ``'train_dataloader'``. Keys that are missing in the config
            are ignored.

    Raises:
        InputError: an image cannot be read, and its data set does not skip such images.
    """
    numbers = []
    for loader in loaders:
        if not cfg.get(loader):
            continue
        dataset = cfg[loader]['dataset']
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmderain'):
            problems = unreadable_images(image_paths(dataset), loader)
        skipped = dataset.get('unreadable') == 'skip' and not dataset.get('test_mode')
        for text in problems.values():
            print(f'{"warning" if skipped else "error"}: {text}', file=sys.stderr)
        if problems and not skipped:
            numbers.append(f'{len(problems)} in {loader}')
    if numbers:
        raise InputError(
            f'images that cannot be read: {", ".join(numbers)}. Replace or remove these images, which the lines above '
            'name. The training data sets of mmderain can also skip them: --cfg-options '
            'train_dataloader.dataset.unreadable=skip'
        )


def image_paths(dataset: dict) -> list[Path]:
    """Return the image paths of a data set without duplicates, in the order of the data set.

    Args:
        dataset: config of the data set.
    """
    # The paths are known before the transforms run. Therefore the data set is built without transforms.
    built = DATASETS.build({**dataset, 'pipeline': []} if 'pipeline' in dataset else dataset)
    built.full_init()
    items = (built.get_data_info(number) for number in range(len(built)))
    return list(dict.fromkeys(Path(item[key]) for item in items for key in IMAGE_KEYS if item.get(key)))


def unreadable_images(paths: list[Path], name: str) -> dict[Path, str]:
    """Decode images, and return an error message for each image that cannot be read.

    Args:
        paths: image files.
        name: text in front of the progress bar, such as the name of the data loader.

    Returns:
        A dict that maps the path of each unreadable image to an error message.
    """

    def problem(path: Path) -> str:
        try:
            image_size(path, decode=True)
        except (OSError, ValueError) as error:
            return str(error)
        return ''

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = list(
            track(pool.map(problem, paths), name, len(paths), disable=not sys.stderr.isatty(), transient=True)
        )
    return {path: text for path, text in zip(paths, problems, strict=True) if text}
