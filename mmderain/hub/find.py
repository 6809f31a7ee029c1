"""Find the config and the weights of a model by its name or path."""

from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config

from mmderain.errors import InputError, did_you_mean
from mmderain.io.config import CONFIG_SUFFIXES, read_config
from mmderain.io.download import local_file

from .index import FOLDER_CONFIG, FOLDER_WEIGHTS, config_names, find_config, named_models, packaged_config
from .metafiles import task_models
from .published import converted_weights

#: Maps the default scope of a config to the kind of its model.
KIND_OF_SCOPE = {'mmdet': 'detector', 'mmseg': 'segmentor'}
#: Function that returns the path of the weights file that belongs to a model, and downloads this file if necessary. It
#: returns None if the model has no weights file.
FindWeights = Callable[[], Path | None]


def find_derainer(model: str | Path | dict, weights: str | Path | None = None) -> tuple[Config, Path | None]:
    """Find the config and the weights of a derainer.

    Args:
        model: one of the following:

            * a name of :func:`named_models` or :func:`config_names`;
            * the path of a config file, or of a folder that ``Derainer.save_pretrained`` has written. A text with a
              ``/`` or a suffix is a path. Any other text is a path only if no model has this name;
            * a config of a package, such as ``'mmderain::derain/sian_rain100h.py'``;
            * a config as a dict with the key ``model``.

        weights: path or URL of a checkpoint. None uses the weights of the named model. Published weights are downloaded
            if they are not in the cache.

    Returns:
        The config, and the path of the checkpoint or None.

    Raises:
        FileNotFoundError, InputError: no model has this name, the model is not a derainer, or its weights are missing,
            are damaged, or cannot be downloaded.
    """
    config, own_weights = _find_derainer(model)
    return config, own_weights() if weights is None else local_file(weights)


def find_task_model(
    model: str | Path, weights: str | Path | None = None, kind: str | None = None
) -> tuple[Config, Path]:
    """Find the config and the weights of a detector or segmentor.

    Args:
        model: a name of :func:`named_models` or :func:`task_models`; path of a config file; or a config of a package,
            such as ``'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py'``. A text with a ``/`` or the suffix of a config file
            is a path.
        weights: path or URL of a checkpoint. None uses the weights of the named model. They are downloaded if they are
            neither bundled nor in the cache.
        kind: required kind of the model, ``'detector'`` or ``'segmentor'``. None accepts both kinds.

    Returns:
        The config, and the path of the checkpoint.

    Raises:
        FileNotFoundError: the config file does not exist.
        InputError: no model has this name, the model has another kind, no weights are known, or they cannot be
            downloaded.
    """
    config, own_weights = _find_task_model(model, kind)
    found = KIND_OF_SCOPE.get(config.get('default_scope'))
    if kind and found and found != kind:  # before the weights are downloaded
        raise InputError(f'{model}: is a {found}; expected a {kind}. `mmderain models TEXT --task {kind}` lists them.')
    path = own_weights() if weights is None else local_file(weights)
    if path is None:
        raise InputError(
            f'{model}: a config has no weights; name a checkpoint with the option --task-weights or the argument '
            '`weights`, or use the name of a model that `mmderain models` lists'
        )
    return config, path


def _find_derainer(model: str | Path | dict) -> tuple[Config, FindWeights]:
    """Return the config of a derainer, and the function that finds its weights file."""
    if isinstance(model, dict):
        return Config(dict(model)), _no_weights
    name = str(model)
    _refuse_address(name, '--weights')
    if '::' in name:
        return packaged_config(name), _no_weights
    if Path(model).suffix or len(Path(model).parts) > 1:
        return _read_path(Path(model))
    models = named_models()
    if name in models and models[name].kind != 'derainer':
        raise InputError(
            f'{name}: is a {models[name].kind}; expected a derainer. `mmderain models` lists the derainers.'
        )
    derainers = {key: entry for key, entry in models.items() if entry.kind == 'derainer'}
    # A bundled model can also be named by its config.
    derainers = {entry.config_name: entry for entry in derainers.values() if entry.config_name} | derainers
    if name in derainers:
        return derainers[name].load_config(), derainers[name].weights
    if name in config_names():
        stored = converted_weights(name)
        return find_config(name), lambda: stored if stored.is_file() else None
    if Path(model).exists():
        return _read_path(Path(model))
    tasks = task_models()
    if name in tasks:
        raise InputError(
            f'{name}: is a {tasks[name].kind}; expected a derainer. `mmderain models` lists the derainers.'
        )
    known = [*derainers, *config_names()]
    family = [config for config in config_names() if config.split('_')[0] == name.lower()]
    hint = (
        f'; configs of this network are {", ".join(family)}.' if family else did_you_mean(name, known, count=3) or '.'
    )
    raise InputError(
        f'no model is called {name!r}{hint} `mmderain models` lists the models; the path of a config file is also '
        'accepted'
    )


def _find_task_model(model: str | Path, kind: str | None) -> tuple[Config, FindWeights]:
    """Return the config of a detector or segmentor, and the function that finds its weights file.

    If no model has this name, the error message suggests names of the required kind.
    """
    name = str(model)
    _refuse_address(name, '--task-weights')
    models = named_models()
    if name in models and models[name].kind != 'derainer':
        return models[name].load_config(), models[name].weights
    if '::' in name:
        return packaged_config(name), _no_weights
    if Path(model).suffix in CONFIG_SUFFIXES or len(Path(model).parts) > 1:
        if not Path(model).is_file():
            raise FileNotFoundError(f'{model}: no such config file (looked for in {Path.cwd()})')
        return read_config(model), _no_weights
    if name in models or name in config_names():
        raise InputError(
            f'{name}: is a derainer; expected a detector or segmentor. `mmderain models TEXT` lists those that match.'
        )
    published = task_models()
    if name in published:
        return read_config(published[name].config), lambda: local_file(published[name].url)
    kinds = KIND_OF_SCOPE.values() if kind is None else [kind]
    known = [key for entries in (models, published) for key, entry in entries.items() if entry.kind in kinds]
    hint = did_you_mean(name, known, count=3) or '.'
    raise InputError(
        f'no {" or ".join(kinds)} is called {name!r}{hint} `mmderain models TEXT` searches the names; the path of a '
        'config file is also accepted'
    )


def _refuse_address(model: str, option: str) -> None:
    """Raise an InputError if the name of a model is an address.

    Args:
        model: name or path of a model.
        option: option of the commands that takes the address of a checkpoint.
    """
    if '://' in model:
        raise InputError(
            f'{model}: is an address; expected the name of a model, or the path of a config. Use the option {option} '
            'or the argument `weights` for the address of a checkpoint'
        )


def _no_weights() -> None:
    """Return None, because the model has no weights of its own."""


def _read_path(path: Path) -> tuple[Config, FindWeights]:
    """Return the same as :func:`_find_derainer` for the path of a config file or of a folder with a config.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: the config cannot be read.
    """
    if path.is_dir():
        if not (path / FOLDER_CONFIG).is_file():
            raise FileNotFoundError(
                f'{path}: found no {FOLDER_CONFIG}; expected a config file, or a folder that save_pretrained has '
                'written'
            )
        return read_config(path / FOLDER_CONFIG), lambda: path / FOLDER_WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such config file (looked for in {Path.cwd()})')
    return read_config(path), _no_weights
