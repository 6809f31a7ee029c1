"""Actors of Ray that derain: blocks of file names, or batches of decoded images."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from mmderain.apis import DerainInferencer, InputResult
from mmderain.apis.determinism import compute_deterministically
from mmderain.apis.pipeline import Pipeline
from mmderain.apis.results import BrokenDeviceError
from mmderain.apis.sources import Source
from mmderain.apis.tar_shards import TarShard, shard_results
from mmderain.apis.targets import collision, is_kept, moved_owner
from mmderain.errors import InputError
from mmderain.io.naming import Naming
from mmderain.io.remote import RemotePath, is_remote, parse_place
from mmderain.io.tar_shards import is_shard
from mmderain.io.video import VideoOptions


class DerainFiles:
    """Actor that reads, derains and writes files.

    Args:
        inferencer: arguments of :class:`~mmderain.apis.DerainInferencer`.
        batch_size: number of images of the same size that are derained together.
        workers: number of threads that read and write.
        root: folder that relative paths start from.
        deterministic: whether to compute as :func:`~mmderain.apis.determinism.compute_deterministically` describes.
        video: options of the result videos. None uses the default options.
        existing: what to do if the result of an image with transparent pixels already exists. The driver looks for the
            other results.
        keep_suffix: as in :class:`~mmderain.apis.DerainInferencer`.
        folders: all local input folders of the run.
        owners: result of :func:`~mmderain.apis.targets.moved_owners`.
    """

    def __init__(
        self,
        inferencer: dict[str, Any],
        batch_size: int,
        workers: int,
        root: str,
        deterministic: bool,
        video: VideoOptions | None = None,
        existing: str = 'refuse',
        keep_suffix: bool = False,
        folders: Sequence[str] = (),
        owners: Mapping[str, tuple[int, str]] = MappingProxyType({}),
    ) -> None:
        if deterministic:
            compute_deterministically()
        loaded = DerainInferencer(**inferencer)
        self.pipeline = Pipeline(loaded.model, batch_size, workers, loaded.max_pixels, video)
        self.root, self.existing, self.naming = Path(root), existing, Naming(keep_suffix=keep_suffix)
        self.folders, self.owners = [Path(folder) for folder in folders], owners

    def __call__(self, block: Any) -> Any:
        """Derain a block of inputs.

        Args:
            block: ``pyarrow.Table`` with the columns ``name`` (of an input), ``input`` (its path or URL), ``output``
                (path or URL of the result) and ``folder`` (the input folder or ''). Existing results are replaced.

        Returns:
            A ``pyarrow.Table`` with a row for each result, see :func:`result_schema`.
        """
        import pyarrow

        try:
            rows = [row_of(item, result) for item, result in self._results(block.to_pylist())]
        except BrokenDeviceError as error:
            # Ray starts a new actor, which can use the GPU, and gives it this block.
            print(f'{error.reason}; this actor ends', file=sys.stderr, flush=True)
            os._exit(70)
        return pyarrow.Table.from_pylist(rows, schema=result_schema())

    def _results(self, items: list[dict[str, str]]) -> Iterator[tuple[dict[str, str], InputResult]]:
        """Yield each item with its results. The items are images and videos, or they are shards."""
        if items and is_shard(items[0]['input']):
            for item in items:
                shard = TarShard(self._place(item['input']), self._place(item['output']))
                for result in shard_results(self.pipeline, shard):
                    yield item, result
            return
        yield from zip(items, self.pipeline.run(map(self._source, items)), strict=True)

    def _source(self, item: dict[str, str]) -> Source:
        folder = self._place(item['folder']) if item.get('folder') else None
        content, target = self._place(item['input']), self._place(item['output'])
        return Source(item['name'], content, folder, target, check_target=self._keeps_existing, naming=self.naming)

    def _keeps_existing(self, source: Source) -> bool:
        """Look at the target of an image with transparent pixels, and return whether the image is skipped."""
        if source.moved_from is None or source.target is None:
            return False
        if (owner := moved_owner(source, self.folders, self.owners)) is not None:
            raise collision(source, str(owner))
        return self.existing != 'replace' and source.target.exists() and is_kept(source.target, self.existing)

    def _place(self, path: str) -> Any:
        return parse_place(path) if is_remote(path) else self.root / path


def result_schema() -> Any:
    """Return the columns of a result.

    * ``item``: name of the item of the block;
    * ``path``: name of the input;
    * ``output``: path or URL of the result;
    * ``status``: ``'ok'`` or ``'failed'``;
    * ``error``: the error message, or null;
    * ``height``, ``width``: size in pixels, or null;
    * ``seconds``, ``notes``: see :class:`~mmderain.apis.InputResult`.
    """
    import pyarrow

    texts = [(name, pyarrow.string()) for name in ('item', 'path', 'output', 'status', 'error')]
    numbers = [(name, pyarrow.int64()) for name in ('height', 'width')]
    notes = pyarrow.list_(pyarrow.string())
    return pyarrow.schema([*texts, *numbers, ('seconds', pyarrow.float64()), ('notes', notes)])


def row_of(item: dict[str, str], result: InputResult) -> dict[str, Any]:
    """Return the row of a result."""
    height, width = result.size or (None, None)
    return dict(
        item=item['name'],
        path=_as_utf8(result.name),
        output=_renamed(item['output'], result.prediction),
        status=result.status,
        error=_as_utf8(result.reason) or None,
        height=height,
        width=width,
        seconds=result.seconds,
        notes=list(result.notes),
    )


def _renamed(output: str, prediction: Any) -> str:
    """Return the planned path of a result with the name that the result file got."""
    if not isinstance(prediction, Path | RemotePath):
        return output
    return output.removesuffix(Path(output).name) + prediction.name


def _as_utf8(text: str) -> str:
    """Replace the bytes of a name that are not UTF-8, because Arrow refuses such bytes."""
    return text.encode('utf-8', 'backslashreplace').decode()


def result_of(row: dict[str, Any]) -> InputResult:
    """Return the result of a row."""
    result = InputResult(row['path'], seconds=row['seconds'], notes=tuple(row['notes']))
    if row['height'] is not None:
        result.size = row['height'], row['width']
    if row['status'] == 'ok':
        result.prediction = parse_place(row['output'])
    else:
        result.error, result.reason = InputError(row['error']), row['error']
    return result


def require_utf8(source: Source) -> None:
    """Raise an InputError if Ray cannot send the name of a source or of its result to an actor."""
    for name in (source.name, str(source.target)):
        try:
            name.encode()
        except UnicodeEncodeError:
            text = 'the name is not valid UTF-8; rename the file, or derain it without --engine ray'
            raise InputError(f'{name!r}: {text}') from None


class DerainBatch:
    """Actor that derains the images of a data set of Ray.

    Args:
        column: name of the column with the images, RGB uint8 (H, W, 3). The derained images replace these images.
        batch_size: number of images of the same size that are derained together.
        options: arguments of :class:`~mmderain.apis.DerainInferencer`.

    Example::

        ray.data.read_images('rainy/', mode='RGB').map_batches(
            DerainBatch, fn_constructor_kwargs=dict(model='nafnet'), batch_size=16, num_gpus=0.5, concurrency=(2, 16)
        )
    """

    def __init__(self, column: str = 'image', batch_size: int = 1, **options: Any) -> None:
        self.column, self.batch_size = column, batch_size
        self.inferencer = DerainInferencer(**options)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Derain a batch of images, which can have different sizes.

        Raises:
            InputError: an image is not RGB uint8 (H, W, 3).
        """
        for image in map(np.asarray, batch[self.column]):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise InputError(
                    f'column {self.column!r}: found {image.dtype} of shape {image.shape}; expected RGB uint8 '
                    '(H, W, 3); use read_images(..., mode="RGB")'
                )
        images = [np.ascontiguousarray(image[..., ::-1]) for image in batch[self.column]]
        derained = []
        for result in self.inferencer.stream(images, self.batch_size):
            if result.error is not None:
                raise result.error
            assert isinstance(result.prediction, np.ndarray)
            derained.append(np.ascontiguousarray(result.prediction[..., ::-1]))
        return {**batch, self.column: derained}
