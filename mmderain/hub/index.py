"""Index of named models: bundled weights, published weights and configs."""

import json
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.hub import get_config

from mmderain.errors import InputError
from mmderain.io.config import read_config
from mmderain.io.files import file_sha256

from .published import converted_weights, published_checkpoint, published_weights

PACKAGE = Path(__file__).resolve().parents[1]
WEIGHTS = PACKAGE / 'weights'
CONFIGS = PACKAGE / '.mim' / 'configs'
#: Files in the folder of a model that ``Derainer.save_pretrained`` has written.
FOLDER_CONFIG, FOLDER_WEIGHTS = 'config.py', 'model.safetensors'


@dataclass(frozen=True)
class NamedModel:
    """A model with known weights, which are bundled with the package or published by the authors of the model.

    Attributes:
        name: name of the model.
        kind: ``'derainer'``, ``'detector'`` or ``'segmentor'``.
        about: a one-line description.
        config: path of its config file, relative to ``configs``. None for a model of the format ``'spandrel'``.
        sha256: SHA-256 of the weights file. None if it is not known.
        file: path of its weights file, relative to ``mmderain/weights``. None if the weights are not bundled.
        url: address of its published weights. None if the weights are bundled, or have no fixed address.
        format: format of the weights file: ``'mmderain'``; the name of a network of
            :data:`~mmderain.hub.convert.NETWORKS` for a checkpoint of its authors; or ``'spandrel'`` for a checkpoint
            that :class:`~mmderain.models.networks.spandrel_network.SpandrelNetwork` reads.
        source: who published the weights, and where.
        license: the license of the weights.
        scores: a one-line description of measured scores.
    """

    name: str
    kind: str
    about: str
    config: str | None = None
    sha256: str | None = None
    file: str | None = None
    url: str | None = None
    format: str = 'mmderain'
    source: str = 'mmderain'
    license: str = 'Apache-2.0'
    scores: str = ''

    @property
    def config_name(self) -> str:
        """Return the name of the config file without its suffix; '' if the model has no config file."""
        return Path(self.config).stem if self.config else ''

    @property
    def terms(self) -> str:
        """Return a sentence that says whose weights these are, and which license they have."""
        return f'{self.name}: weights from {self.source}; license: {self.license}'

    def load_config(self) -> Config:
        """Return the config.

        For the format ``'spandrel'``, the config contains the path of the checkpoint. The checkpoint is downloaded at
        the first call.

        Raises:
            InputError: the checkpoint cannot be downloaded, or has another SHA-256.
        """
        if self.config is not None:
            return read_config(CONFIGS / self.config)
        checkpoint = published_checkpoint(str(self.url), self.sha256, self.terms)
        network = dict(type='SpandrelNetwork', checkpoint=str(checkpoint))
        return Config(dict(model=dict(type='Derainer', network=network)))

    def weights(self) -> Path | None:
        """Return the path of the weights file. Published weights are downloaded and converted at the first call.

        Returns:
            The path. None for the format ``'spandrel'``, because the network itself reads its checkpoint.

        Raises:
            InputError: the file is missing, has another SHA-256, or cannot be downloaded.
        """
        if self.format == 'spandrel':
            return None
        if self.url is not None:
            return published_weights(self.name, self.url, str(self.sha256), self.format, self.load_config(), self.terms)
        if self.file is None:
            path = converted_weights(self.name)
            if path.is_file():
                return path
            raise InputError(
                f'{self.name}: its weights have no fixed address. Get the file from {self.source}, and run '
                f'`mmderain convert {self.format} FILE --name {self.name}`, or name your own checkpoint (--weights)'
            )
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
    return sorted(path.stem for path in (CONFIGS / 'derain').glob('*.py'))


def find_config(name: str) -> Config:
    """Return the bundled config with this name, see :func:`config_names`."""
    return read_config(CONFIGS / 'derain' / f'{name}.py')


def packaged_config(name: str) -> Config:
    """Return a config of a package by its name, such as ``'mmderain::derain/sian_rain100h.py'``.

    The original mmengine does not find the configs of a package that is installed with ``pip install -e``. Therefore
    the configs of mmderain are read by their path.
    """
    package, _, path = name.partition('::')
    return read_config(CONFIGS / path) if package == 'mmderain' else get_config(name)
