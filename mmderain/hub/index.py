"""Index of named models: bundled weights, published weights and configs."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.hub import get_config

from mmderain.errors import InputError, did_you_mean
from mmderain.io.config import read_config
from mmderain.io.download import local_file
from mmderain.io.files import file_sha256

from .published import converted_weights, published_weights

PACKAGE = Path(__file__).resolve().parents[1]
WEIGHTS = PACKAGE / 'weights'
CONFIGS = PACKAGE / '.mim' / 'configs' / 'derain'
#: Files in the folder of a model that ``Derainer.save_pretrained`` has written.
FOLDER_CONFIG, FOLDER_WEIGHTS = 'config.py', 'model.safetensors'


@dataclass(frozen=True)
class NamedModel:
    """A model with a known config and known weights, which are bundled with the package or published at an address.

    Attributes:
        name: name of the model.
        kind: ``'derainer'``, ``'detector'`` or ``'segmentor'``.
        config: path of its config file, relative to ``configs``.
        sha256: SHA-256 of the weights file.
        about: a one-line description.
        file: path of its weights file, relative to ``mmderain/weights``. None if the weights are not bundled.
        url: address of its published weights. None if the weights are bundled.
        network: name of the network whose authors' checkpoint is at ``url``, a key of
            :data:`~mmderain.hub.convert.NETWORKS`.
        source: who published the weights, and where.
        license: the license of the weights.
        scores: a one-line description of measured scores.
    """

    name: str
    kind: str
    config: str
    sha256: str
    about: str
    file: str | None = None
    url: str | None = None
    network: str = ''
    source: str = 'mmderain'
    license: str = 'Apache-2.0'
    scores: str = ''

    def load_config(self) -> Config:
        """Return the config."""
        return get_config(f'mmderain::{self.config}')

    def weights(self) -> Path:
        """Return the path of the weights file. Published weights are downloaded and converted at the first call.

        Raises:
            InputError: the file is missing, has another SHA-256, or cannot be downloaded.
        """
        if self.url is not None:
            terms = dict(source=self.source, license=self.license)
            return published_weights(self.name, self.url, self.sha256, self.network, self.load_config(), terms)
        path = WEIGHTS / str(self.file)
        found = file_sha256(path) if path.is_file() else 'no file'
        if found != self.sha256:
            raise InputError(f'{path}: expected SHA-256 {self.sha256}, found {found}; reinstall mmderain')
        return path


def named_models() -> dict[str, NamedModel]:
    """Return the models with bundled or published weights, keyed by name."""
    entries = json.loads((WEIGHTS / 'index.json').read_text(encoding='utf-8'))
    return {name: NamedModel(name=name, **entry) for name, entry in entries.items()}


def bundled_models() -> dict[str, NamedModel]:
    """Return the models with bundled weights, keyed by name."""
    return {name: entry for name, entry in named_models().items() if entry.file is not None}


def config_names() -> list[str]:
    """Return the names of the bundled derainer configs, sorted."""
    return sorted(path.stem for path in CONFIGS.glob('*.py'))


def find_config(name: str) -> Config:
    """Return the config of a name of :func:`config_names`."""
    return get_config(f'mmderain::derain/{name}.py')


def find_derainer(model: str | Path | dict, weights: str | Path | None = None) -> tuple[Config, Path | None]:
    """Find the config and the weights of a derainer.

    Args:
        model: one of the following:

            * a name of :func:`named_models` or :func:`config_names`;
            * the path of a config file, or of a folder that ``Derainer.save_pretrained`` has written. A text with a
              ``/`` or a suffix is a path. For other texts, a name is preferred to a path;
            * a config of a package, such as ``'mmderain::derain/sian_rain100h.py'``;
            * a config as a dict with the key ``model``.

        weights: path or URL of a checkpoint. None uses the weights of the named model. They are downloaded if they are
            published but neither bundled nor in the cache.

    Returns:
        The config, and the path of the checkpoint or None.

    Raises:
        FileNotFoundError, InputError: no model has this name, the model is not a derainer, or its weights are missing,
            are damaged, or cannot be downloaded.
    """
    config, default = _find(model)
    return config, default() if weights is None else local_file(weights)


def refuse_address(model: str, option: str) -> None:
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


def _find(model: str | Path | dict) -> tuple[Config, Callable[[], Path | None]]:
    """Return the config of a derainer, and a function that returns the path of its own weights or None."""
    if isinstance(model, dict):
        return Config(dict(model)), _no_weights
    name = str(model)
    refuse_address(name, '--weights')
    if '::' in name:
        return get_config(name), _no_weights
    if Path(model).suffix or len(Path(model).parts) > 1:
        return _read_path(Path(model))
    models = named_models()
    if name in models and models[name].kind != 'derainer':
        raise InputError(f'{name}: is a {models[name].kind}; expected a derainer')
    derainers = {key: entry for key, entry in models.items() if entry.kind == 'derainer'}
    # The name of its config also names a bundled model.
    derainers = {Path(entry.config).stem: entry for entry in derainers.values()} | derainers
    if name in derainers:
        return derainers[name].load_config(), derainers[name].weights
    if name in config_names():
        stored = converted_weights(name)
        return find_config(name), lambda: stored if stored.is_file() else None
    if Path(model).exists():
        return _read_path(Path(model))
    known = [*derainers, *config_names()]
    family = [config for config in config_names() if config.split('_')[0] == name.lower()]
    hint = (
        f'; configs of this network are {", ".join(family)}.' if family else did_you_mean(name, known, count=3) or '.'
    )
    raise InputError(
        f'no model is called {name!r}{hint} `mmderain models` lists the models; the path of a config file is also '
        'accepted'
    )


def _no_weights() -> None:
    """Return None, because the model has no weights of its own."""


def _read_path(path: Path) -> tuple[Config, Callable[[], Path | None]]:
    """Return the same as :func:`_find` for the path of a config file or of a folder with :data:`FOLDER_CONFIG`.

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
