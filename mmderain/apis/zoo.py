"""The models that can be named: those that come along with weights, and the configs that come along without."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.hub import get_config

from mmderain.errors import InputError
from mmderain.models import Derainer

from .model import init_model
from .run import did_you_mean

PACKAGE = Path(__file__).resolve().parents[1]
WEIGHTS = PACKAGE / 'weights'
CONFIGS = PACKAGE / '.mim' / 'configs' / 'derain'


@dataclass(frozen=True)
class ShippedModel:
    """A model whose weights come along.

    Attributes:
        name: what it is called by. kind: ``'derainer'``, ``'detector'`` or ``'segmentor'``. config: its config, below
            ``configs``. file: its weights, below ``mmderain/weights``. sha256: of that file. about: a line for people.
    """

    name: str
    kind: str
    config: str
    file: str
    sha256: str
    about: str

    def weights(self) -> Path:
        """The weights' file, its checksum verified.

        Raises:
            InputError: it is missing or not the one that was shipped.
        """
        path = WEIGHTS / self.file
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else 'no file'
        if found != self.sha256:
            raise InputError(f'{path}: expected SHA-256 {self.sha256}, found {found}; install mmderain anew')
        return path


def shipped_models() -> dict[str, ShippedModel]:
    """By name."""
    entries = json.loads((WEIGHTS / 'index.json').read_text(encoding='utf-8'))
    return {name: ShippedModel(name=name, **entry) for name, entry in entries.items()}


def config_names() -> list[str]:
    """Of the configs of derainers that come along."""
    return sorted(path.stem for path in CONFIGS.glob('*.py'))


def find_derainer(model: str | Path | dict, weights: str | Path | None = None) -> tuple[Config, Path | None]:
    """What a name stands for.

    Args:
        model: a name of :func:`shipped_models` or :func:`config_names`, a config file, ``'mmderain::derain/....py'``,
            or a dict with ``model``.
        weights: a checkpoint; None takes the shipped one, if there is one.

    Returns:
        The config, and the checkpoint or None.

    Raises:
        FileNotFoundError, InputError: there is nothing of that name.
    """
    weights = None if weights is None else Path(weights)
    if isinstance(model, dict):
        return Config(dict(model)), weights
    name = str(model)
    shipped = shipped_models()
    if name in shipped and shipped[name].kind != 'derainer':
        raise InputError(f'{name}: is a {shipped[name].kind}; expected a derainer')
    shipped = {key: entry for key, entry in shipped.items() if entry.kind == 'derainer'}
    shipped |= {Path(entry.config).stem: entry for entry in shipped.values()}  # its config's name means it too
    if name in shipped:
        entry = shipped[name]
        return get_config(f'mmderain::{entry.config}'), weights or entry.weights()
    if '::' in name:
        return get_config(name), weights
    if Path(model).is_file():
        return Config.fromfile(model), weights
    if name in config_names():
        return get_config(f'mmderain::derain/{name}.py'), weights
    if Path(model).suffix or len(Path(model).parts) > 1:
        raise FileNotFoundError(f'{model}: no such config file (sought from {Path.cwd()})')
    known = [*shipped, *config_names()]
    family = [config for config in config_names() if config.split('_')[0] == name.lower()]
    hint = f'; its configs are {", ".join(family)}.' if family else did_you_mean(name, known) or '.'
    raise InputError(
        f'no model is called {name!r}{hint} `mmderain models` lists them, and a path to a config file will do too'
    )


def trained_derainer(
    model: str | Path | dict,
    weights: str | Path | None = None,
    device: str = 'cpu',
    cfg_options: dict | None = None,
) -> Derainer:
    """A derainer that is ready to work.

    Args:
        model, weights: as :func:`find_derainer`.
        device: ``'cpu'``, ``'cuda:0'`` and so on.
        cfg_options: entries of the config to override, dotted keys; None as a value leaves the config's.

    Raises:
        FileNotFoundError, InputError: as :func:`find_derainer`, or there are no weights for a network that has some.
    """
    config, weights = find_derainer(model, weights)
    options = {key: value for key, value in (cfg_options or {}).items() if value is not None}
    derainer = init_model(config, weights, device, options)
    if weights is None and next(derainer.network.parameters(), None) is not None:
        name = type(derainer.network).__name__ if isinstance(model, dict) else model
        raise InputError(
            f'{name}: no checkpoint is named and none comes along, and an untrained derainer only harms: name one '
            '(weights, --weights). `mmderain models` lists what comes along.'
        )
    return derainer
