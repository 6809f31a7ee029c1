"""Detectors and segmentors that the metafiles of mmdet and mmseg list, with their configs and published weights.

``MMDERAIN_METAFILES`` can name more metafiles, separated by ``:`` (on Windows by ``;``). They have the format of
OpenMMLab: a list ``Models`` whose entries have ``Name``, ``Config``, ``Weights`` and ``Results``. ``Config`` is then
relative to the folder of the metafile.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import yaml
from mmengine.config import Config
from mmengine.hub import get_config

from mmderain.errors import InputError, did_you_mean
from mmderain.io import read_text
from mmderain.io.config import CONFIG_SUFFIXES, read_config
from mmderain.io.download import local_file

from .index import named_models, refuse_address

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

    Models without a config file or without weights, and models of other tasks, are left out.

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


def find_task_model(model: str | Path, weights: str | Path | None = None) -> tuple[Config, Path]:
    """Find the config and the weights of a detector or segmentor.

    Args:
        model: a name of :func:`~mmderain.hub.bundled_models` or :func:`task_models`; path of a config file; or a config
            of a package, such as ``'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py'``. A text with a ``/`` or the suffix of
            a config file is a path.
        weights: path or URL of a checkpoint. None uses the weights of the named model. They are downloaded if they are
            neither bundled nor in the cache.

    Returns:
        The config, and the path of the checkpoint.

    Raises:
        FileNotFoundError: the config file does not exist.
        InputError: no model has this name, the model is a derainer, no weights are known, or they cannot be downloaded.
    """
    config, default = _find(model)
    if weights is not None:
        return config, local_file(weights)
    if default is None:
        raise InputError(
            f'{model}: a config has no weights; name a checkpoint with the option --task-weights or the argument '
            '`weights`, or use the name of a model that `mmderain models` lists'
        )
    return config, default()


def _find(model: str | Path) -> tuple[Config, Callable[[], Path] | None]:
    """Return the config of a model, and a function that returns the path of its weights; None if it has none."""
    name = str(model)
    refuse_address(name, '--task-weights')
    models = named_models()
    if name in models and models[name].kind == 'derainer':
        raise InputError(f'{name}: is a derainer; expected a detector or segmentor')
    if name in models:
        return models[name].load_config(), models[name].weights
    if '::' in name:
        return get_config(name), None
    if Path(model).suffix in CONFIG_SUFFIXES or len(Path(model).parts) > 1:
        if not Path(model).is_file():
            raise FileNotFoundError(f'{model}: no such config file (looked for in {Path.cwd()})')
        return read_config(model), None
    published = task_models()
    if name in published:
        return read_config(published[name].config), lambda: local_file(published[name].url)
    known = [*(key for key, entry in models.items() if entry.kind != 'derainer'), *published]
    hint = did_you_mean(name, known, count=3) or '.'
    raise InputError(
        f'no detector or segmentor is called {name!r}{hint} `mmderain models TEXT` searches the names; the path of a '
        'config file is also accepted'
    )


def _metafiles() -> Iterator[tuple[Path, Path]]:
    """Yield the path of each metafile, and the folder that the paths in it are relative to."""
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
        raise FileNotFoundError(f'{path}: no such metafile')
    try:
        content = _load(path)
    except yaml.YAMLError as error:
        raise InputError(f'{path}: cannot be read as YAML ({error})') from None
    entries = content.get('Models') or [] if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and 'Name' in entry for entry in entries):
        raise InputError(f'{path}: found no list of models; expected a metafile of OpenMMLab')
    return entries


def _results(entry: dict) -> list[dict]:
    """Return the results of an entry. mmdet lists them; mmseg has one result without a list."""
    results = entry.get('Results') or []
    return [result for result in (results if isinstance(results, list) else [results]) if isinstance(result, dict)]


def _model(entry: dict, root: Path) -> PublishedTaskModel | None:
    """Return the model of an entry, or None if it has no config file, no single weights file or another task."""
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
