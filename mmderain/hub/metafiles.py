"""Detectors and segmentors that the metafiles of mmdet and mmseg list, with their configs and published weights.

``MMDERAIN_METAFILES`` can name more metafiles, separated by ``:`` (on Windows by ``;``). These metafiles have the
format of OpenMMLab: a list ``Models`` whose entries have ``Name``, ``Config``, ``Weights`` and ``Results``. ``Config``
is then relative to the folder of the metafile.
"""

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import yaml

from mmderain.errors import InputError
from mmderain.io import read_text

#: Packages with metafiles.
PACKAGES = ('mmdet', 'mmseg')
#: Maps the tasks in a metafile to the kind of the model. Models with other tasks, such as tracking, are left out.
KINDS = {
    'Object Detection': 'detector',
    'Instance Segmentation': 'detector',
    'Panoptic Segmentation': 'detector',
    'Semantic Segmentation': 'segmentor',
}


@dataclass(frozen=True)
class PublishedTaskModel:
    """A detector or segmentor of a metafile.

    Attributes:
        name: name of the model.
        kind: ``'detector'`` or ``'segmentor'``.
        config: path of its config file.
        url: address of its weights.
        scores: its scores, as in ``'COCO: box AP 44.5'``. '' if the metafile lists none.
    """

    name: str
    kind: str
    config: Path
    url: str
    scores: str


def task_models() -> dict[str, PublishedTaskModel]:
    """Return the models of all metafiles, keyed by name and by alias.

    A model is left out if it has no config file or no weights, or if its task is not in :data:`KINDS` (for example
    tracking).

    Raises:
        FileNotFoundError, InputError: a metafile that ``MMDERAIN_METAFILES`` names does not exist or is damaged.
    """
    models = {}
    for path, root in _metafiles():
        for entry in _entries(path):
            model = _model(entry, root)
            if model is not None:
                alias = entry.get('Alias') or []
                models.update(dict.fromkeys([model.name, *([alias] if isinstance(alias, str) else alias)], model))
    return models


def _metafiles() -> Iterator[tuple[Path, Path]]:
    """Yield the path of each metafile, and the folder in which the relative paths of this metafile start."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            continue
        root = Path(spec.origin).parent / '.mim'
        if (root / 'model-index.yml').is_file():
            index = _load(root / 'model-index.yml')
            for path in index['Import'] if isinstance(index, dict) else []:
                yield root / path, root
    for path in filter(None, os.environ.get('MMDERAIN_METAFILES', '').split(os.pathsep)):
        yield Path(path), Path(path).parent


def _load(path: Path) -> dict | list:
    """Read a YAML file."""
    return yaml.load(read_text(path), getattr(yaml, 'CSafeLoader', yaml.SafeLoader)) or {}


def _entries(path: Path) -> list[dict]:
    """Return the entries of a metafile.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file is not a metafile.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such metafile; check the variable MMDERAIN_METAFILES')
    try:
        content = _load(path)
    except yaml.YAMLError as error:
        raise InputError(f'{path}: cannot be read as YAML ({error}); correct or replace the metafile') from None
    entries = content.get('Models') or [] if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and 'Name' in entry for entry in entries):
        raise InputError(f'{path}: found no list of models; expected a metafile of OpenMMLab')
    return entries


def _results(entry: dict) -> list[dict]:
    """Return the results of an entry. mmdet lists them; mmseg has one result without a list."""
    results = entry.get('Results') or []
    return [result for result in (results if isinstance(results, list) else [results]) if isinstance(result, dict)]


def _model(entry: dict, root: Path) -> PublishedTaskModel | None:
    """Return the model of an entry.

    The result is None if the config file does not exist, if the entry does not name exactly one weights file, or if its
    task is not in :data:`KINDS`.
    """
    results = _results(entry)
    kinds = [KINDS[result['Task']] for result in results if result.get('Task') in KINDS]
    config, url = root / unquote(str(entry.get('Config'))), entry.get('Weights')
    if not kinds or not config.is_file() or not isinstance(url, str):
        return None
    scores = []
    for result in results:
        metrics = result.get('Metrics')
        values = ', '.join(f'{key} {value}' for key, value in metrics.items()) if isinstance(metrics, dict) else ''
        scores.append(f'{result.get("Dataset")}: {values}')
    return PublishedTaskModel(str(entry['Name']), kinds[0], config, url, '; '.join(scores))
