"""Index of named models: bundled weights and configs."""

import json
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.hub import get_config

from mmderain.errors import InputError, did_you_mean
from mmderain.io.config import read_config
from mmderain.io.files import file_sha256

PACKAGE = Path(__file__).resolve().parents[1]
WEIGHTS = PACKAGE / 'weights'
CONFIGS = PACKAGE / '.mim' / 'configs' / 'derain'


@dataclass(frozen=True)
class BundledModel:
    """A model whose weights are bundled with the package.

    Attributes:
        name: name of the model.
        kind: ``'derainer'``, ``'detector'`` or ``'segmentor'``.
        config: path of the config file, relative to the folder ``configs``.
        file: path of the weights file, relative to the folder ``mmderain/weights``.
        sha256: SHA-256 of the weights file.
        about: a one-line description of the model.
    """

    name: str
    kind: str
    config: str
    file: str
    sha256: str
    about: str

    def weights(self) -> Path:
        """Return the path of the weights file after checking its SHA-256.

        Raises:
            InputError: the file is missing, or its SHA-256 differs from ``sha256``.
        """
        path = WEIGHTS / self.file
        found = file_sha256(path) if path.is_file() else 'no file'
        if found != self.sha256:
            raise InputError(f'{path}: expected SHA-256 {self.sha256}, found {found}; reinstall mmderain')
        return path


def bundled_models() -> dict[str, BundledModel]:
    """Return the bundled models, keyed by name."""
    entries = json.loads((WEIGHTS / 'index.json').read_text(encoding='utf-8'))
    return {name: BundledModel(name=name, **entry) for name, entry in entries.items()}


def config_names() -> list[str]:
    """Return the names of the bundled derainer configs, sorted."""
    return sorted(path.stem for path in CONFIGS.glob('*.py'))


def find_derainer(model: str | Path | dict, weights: str | Path | None = None) -> tuple[Config, Path | None]:
    """Find the config and the weights of a derainer.

    Args:
        model: a name from :func:`bundled_models` or :func:`config_names`, the path of a config file, a config of a
            package such as ``'mmderain::derain/sian_rain100h.py'``, or a config as a dict with the key ``model``.
        weights: path of a checkpoint. None uses the bundled checkpoint, if ``model`` is the name of a model that has
            one.

    Returns:
        The config, and the path of the checkpoint or None.

    Raises:
        FileNotFoundError: the config file does not exist.
        InputError: no model has this name, the model is not a derainer, the config cannot be read, or the bundled
            checkpoint is missing or damaged.
    """
    weights = None if weights is None else Path(weights)
    if isinstance(model, dict):
        return Config(dict(model)), weights
    name = str(model)
    bundled = bundled_models()
    if name in bundled and bundled[name].kind != 'derainer':
        raise InputError(f'{name}: is a {bundled[name].kind}; expected a derainer')
    bundled = {key: entry for key, entry in bundled.items() if entry.kind == 'derainer'}
    # A bundled model is also found by the name of its config.
    bundled |= {Path(entry.config).stem: entry for entry in bundled.values()}
    if name in bundled:
        entry = bundled[name]
        return get_config(f'mmderain::{entry.config}'), weights or entry.weights()
    if '::' in name:
        return get_config(name), weights
    if Path(model).is_file():
        return read_config(model), weights
    if name in config_names():
        return get_config(f'mmderain::derain/{name}.py'), weights
    if Path(model).suffix or len(Path(model).parts) > 1:
        raise FileNotFoundError(f'{model}: no such config file (looked for in {Path.cwd()})')
    known = [*bundled, *config_names()]
    family = [config for config in config_names() if config.split('_')[0] == name.lower()]
    hint = f'; configs of this network are {", ".join(family)}.' if family else did_you_mean(name, known) or '.'
    raise InputError(
        f'no model is called {name!r}{hint} `mmderain models` lists the models; the path of a config file is also '
        'accepted'
    )
