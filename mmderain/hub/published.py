"""Weights that are not part of the package: download them, convert them, and keep them in the cache."""

import sys
from pathlib import Path

from filelock import FileLock
from mmengine.config import Config
from torch import Tensor

from mmderain.errors import InputError
from mmderain.io import read_checkpoint
from mmderain.io.cache import CachedFile, cache_folder, write_errors
from mmderain.io.checkpoint import safetensors_metadata, write_safetensors
from mmderain.io.download import cached_file
from mmderain.io.files import file_sha256

from .convert import ConversionError, convert

#: Format of the converted weights. Increase it if a converter changes, so that weights are converted again.
FORMAT = '1'


def converted_weights(name: str) -> Path:
    """Return the path in the cache of the converted weights of a model. The file may not exist."""
    return cache_folder() / 'converted' / f'{name}.safetensors'


def convert_file(network: str, source: Path, config: Config | None = None) -> dict[str, Tensor]:
    """Convert a checkpoint of a network's authors to weights of a :class:`~mmderain.models.Derainer`.

    Args:
        network: name of the network, a key of :data:`~mmderain.hub.convert.NETWORKS`.
        source: file of the authors.
        config: config with the settings of the network. None uses the default settings.

    Raises:
        InputError: the file is not a checkpoint of this network with these settings.
    """
    given = {} if config is None else config.model.network
    settings = {key: value for key, value in given.items() if key not in ('type', 'init_cfg')}
    try:
        weights = convert(network, read_checkpoint(source), **settings)
    except ConversionError as error:
        raise InputError(f"{source} is not a checkpoint of {network} from the authors' code:\n{error}") from error
    return {f'network.{key}': value for key, value in weights.items()}


def store_converted(name: str, weights: dict[str, Tensor], source: Path) -> Path:
    """Keep converted weights in the cache under the name of a model.

    Args:
        name: name of the model.
        weights: result of :func:`convert_file`.
        source: file of the authors.

    Returns:
        The path of the weights, a safetensors file.
    """
    path = converted_weights(name)
    with write_errors(path):
        write_safetensors(path, weights, dict(source=source.name, sha256=file_sha256(source), format=FORMAT))
    return path


def published_weights(name: str, url: str, sha256: str, network: str, config: Config, terms: str) -> Path:
    """Return the converted weights of a published checkpoint. Download and convert them first if the cache lacks them.

    Args:
        name: name of the model.
        url: address of the checkpoint.
        sha256: SHA-256 of the checkpoint.
        network: name of the network, a key of :data:`~mmderain.hub.convert.NETWORKS`.
        config: config of the model.
        terms: sentence about the source and the license of the weights. It is printed after the download.

    Raises:
        InputError: the checkpoint cannot be downloaded, has another hash, or does not fit the config.
    """
    path = converted_weights(name)
    if _is_current(path, sha256):
        return path
    source = cached_file(url, sha256)
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.parent / f'.{name}.lock')
        lock.acquire()
    with lock:
        if not _is_current(path, sha256):
            store_converted(name, convert_file(network, source, config), source)
            print(terms, file=sys.stderr)
    return path


def published_checkpoint(url: str, sha256: str | None, terms: str) -> Path:
    """Return the published checkpoint of a network of another project. Download it first if the cache lacks it.

    Args:
        url: address of the checkpoint.
        sha256: SHA-256 of the checkpoint. If it is None, the user must accept the download of a file without a known
            hash, see :func:`~mmderain.io.download.cached_file`.
        terms: sentence about the source and the license of the weights. It is printed after the download.

    Raises:
        InputError: the checkpoint cannot be downloaded, or has another hash.
    """
    is_new = not CachedFile.of(url).path.is_file()
    path = cached_file(url, sha256)
    if is_new:
        print(terms, file=sys.stderr)
    return path


def _is_current(path: Path, sha256: str) -> bool:
    """Return whether this converter has made the file of converted weights from a file with this SHA-256."""
    metadata = safetensors_metadata(path) if path.is_file() else {}
    return (metadata.get('sha256'), metadata.get('format')) == (sha256, FORMAT)
