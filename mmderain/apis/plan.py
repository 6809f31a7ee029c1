"""List the inputs of the inferencer one by one, and choose the paths of their result files.

A folder can contain millions of images. Therefore no list of all inputs is made.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from mmderain.errors import InputError
from mmderain.io.folders import iter_names
from mmderain.io.naming import INPUT_SUFFIXES, Naming
from mmderain.io.remote import is_remote
from mmderain.io.video import VIDEO_SUFFIXES

from .shards import Shard
from .sources import InMemory, Input, Source
from .targets import Targets, check_existing, collision


class Plan:
    """The sources of a call. Iterate over the plan to get the sources, in the order of the inputs.

    If a source has a problem, its attribute ``problem`` contains the error, or :meth:`Source.is_done` raises the error.

    Args:
        inputs: paths of files and folders, arrays, and tensors. The images and videos in a folder and its sub-folders
            become one source each. With an iterator and ``existing='replace'``, a result can replace a later input.
        out_dir: folder for the result files. None writes no files. If ``out_dir`` lies inside an input folder, the
            files in ``out_dir`` are not used as inputs.
        existing: ``'refuse'``, ``'skip'`` or ``'replace'``, see :class:`~mmderain.apis.DerainInferencer`.
        shard: the part of the sources to use. None uses all sources.
        finished: paths of result files that a log names as complete. With ``existing='skip'``, their sources are left
            out, and the files are not checked.
        naming: rules for the names of the result files. None uses the default rules.
        share_videos: whether the shards divide the segments of a video. The video then belongs to all shards.

    Attributes:
        num_finished: number of sources that were left out so far because of ``finished``.
        skipped: maps each suffix to the number of files in the input folders that were skipped so far, because they are
            neither images nor videos.

    Raises:
        FileNotFoundError: the only input is a path that does not exist.
        InputError: ``existing`` has another value; a folder contains no image or video; an input is not a path, an
            array or a tensor; or ``out_dir`` is a file.
    """

    def __init__(
        self,
        inputs: Iterable[Input],
        out_dir: str | Path | None = None,
        existing: str = 'refuse',
        shard: Shard | None = None,
        finished: Collection[str] = (),
        naming: Naming | None = None,
        share_videos: bool = False,
    ) -> None:
        check_existing(existing)
        self.inputs, self.shard, self.naming, self.share_videos = inputs, shard, naming or Naming(), share_videos
        self.finished = finished if existing == 'skip' else ()
        self.num_finished = 0
        self.skipped: Counter[str] = Counter()
        self.targets = None if out_dir is None else Targets(out_dir, existing, self.naming)
        self._prefix = '' if out_dir is None else str(Path(out_dir) / '-')[:-1]  # out_dir with the separator after it
        if not isinstance(inputs, Sequence):
            return
        for number, item in enumerate(inputs):
            self._check_input(number, item)
        if len(inputs) == 1 and isinstance(inputs[0], str | Path) and not path_problem(Path(inputs[0])):
            if not Path(inputs[0]).exists():
                raise FileNotFoundError(f'{inputs[0]}: no such image, video or folder')

    def __iter__(self) -> Iterator[Source]:
        self.num_finished = 0
        self.skipped.clear()
        earlier_folders: tuple[Path, ...] = ()
        for number, item in enumerate(self.inputs):
            if not isinstance(self.inputs, Sequence):
                try:
                    self._check_input(number, item)
                except InputError as error:
                    yield Source(f'input {number}', Path(), problem=error)
                    continue
            folder = as_folder(item)
            for relative, problem in self._names(number, item, folder, self.skipped):
                if problem is not None:
                    if self._is_mine(relative):
                        yield self._source(item, folder, relative, problem)
                    continue
                result = self.naming.result(relative, isinstance(item, str | Path))
                owner = self._earlier_owner(result, number)
                if not self._is_mine(relative):
                    continue
                if owner is None and self._is_finished(result):
                    self.num_finished += 1
                    continue
                source = self._source(item, folder, relative)
                source.earlier_folders = earlier_folders
                if self.targets is None:
                    if source.is_video:
                        text = f'{source.name}: the result of a video must be written to a file; set out_dir'
                        source.problem = InputError(text)
                elif not isinstance(item, Tensor):
                    source.target, source.check_target = self.targets.out_dir / result, self.targets.is_done
                    source.problem = None if owner is None else collision(source, owner)
                yield source
            if folder is not None:
                earlier_folders = (*earlier_folders, folder)

    def count(self) -> int | None:
        """Return the number of sources, or None if the inputs are an iterator, which can be read only once."""
        if not isinstance(self.inputs, Sequence):
            return None
        number = 0
        for position, item in enumerate(self.inputs):
            is_file = isinstance(item, str | Path)
            for name, problem in self._names(position, item, as_folder(item)):
                if self._is_mine(name):
                    # A source with a problem can have the name '', which has no result.
                    number += problem is not None or not self._is_finished(self.naming.result(name, is_file))
        return number

    def _is_mine(self, name: str) -> bool:
        """Return whether an input belongs to the shard."""
        is_shared = self.share_videos and name.lower().endswith(VIDEO_SUFFIXES)
        return self.shard is None or is_shared or self.shard.contains(name)

    def _is_finished(self, result: str) -> bool:
        """Return whether a log names a result as complete."""
        return bool(self.finished) and self._prefix + result in self.finished

    def _check_input(self, number: int, item: Input) -> None:
        """Check an input, record its result, and protect the input from being overwritten."""
        if isinstance(item, InMemory):
            if isinstance(self.inputs, Sequence):  # an iterator of arrays may never end
                self._record(number, item)
            return
        if not isinstance(item, str | Path):
            raise InputError(
                f'input {number}: found {type(item).__name__}; expected a path, an array, a Pillow image or a tensor'
            )
        if item == '':
            raise InputError(f'input {number}: the path is empty; use . for the current folder')
        if is_remote(item):
            raise InputError(f'{item}: URLs are accepted only by `mmderain derain` and, in a list, by DerainInferencer')
        folder = as_folder(item)
        if folder is not None and next(self._walk(folder), None) is None:
            raise InputError(
                f'{folder}: this folder contains no image or video. Shards are named by a pattern, such as '
                f'{folder}/{{000..099}}.tar'
            )
        if self.targets is not None and not path_problem(Path(item)):
            self.targets.protect(Path(item), is_folder=folder is not None)
            if folder is None:
                self._record(number, item)

    def _names(
        self, number: int, item: Input, folder: Path | None, skipped: Counter[str] | None = None
    ) -> Iterator[tuple[str, InputError | None]]:
        """Yield the name of each source, relative to its folder, and the problem of the source."""
        if folder is not None:
            yield from self._walk(folder, skipped)
        elif isinstance(item, str | Path):
            yield Path(item).name, path_problem(Path(item))
        else:
            yield f'input {number}', None

    def _walk(self, folder: Path, skipped: Counter[str] | None = None) -> Iterator[tuple[str, InputError | None]]:
        """Yield the images and videos in a folder and its sub-folders, without hidden files and results."""
        leave_out = None if self.targets is None else self.targets.resolved
        try:
            for name in iter_names(folder, INPUT_SUFFIXES, skipped, leave_out):
                is_closed = name.endswith('/')
                yield name, InputError(f'{folder / name}: the folder cannot be opened') if is_closed else None
        except OSError as error:
            yield '', InputError(f'{folder}: the folder cannot be opened ({error.strerror})')

    def _record(self, number: int, item: Input) -> None:
        """Record the result name of an input that is not in a folder, to find collisions."""
        if self.targets is None or isinstance(item, Tensor):
            return
        is_file = isinstance(item, str | Path)
        name = Path(item).name if isinstance(item, str | Path) else f'input {number}'
        self.targets.owners.setdefault(self.naming.result(name, is_file), (number, str(item) if is_file else name))

    def _earlier_owner(self, result: str, number: int) -> str | None:
        """Return the name of an earlier input with the same result, or None. Inputs in folders are not searched.

        Args:
            result: name of the result of an input.
            number: position of this input.
        """
        owner = None if self.targets is None else self.targets.owners.get(result)
        return None if owner is None or owner[0] >= number else owner[1]

    def _source(self, item: Input, folder: Path | None, relative: str, problem: InputError | None = None) -> Source:
        """Return a source without a target."""
        if isinstance(item, InMemory):
            return Source(relative, item, naming=self.naming)
        path = Path(item) if folder is None else folder / relative
        name = short(path) if problem is not None and folder is None else str(path)
        return Source(name, path, folder, problem=problem, naming=self.naming)


def as_folder(item: Input) -> Path | None:
    """Return the path of an input that is a folder; None for all other inputs."""
    if not isinstance(item, str | Path) or path_problem(Path(item)):
        return None
    return Path(item) if Path(item).is_dir() else None


def path_problem(path: Path) -> InputError | None:
    """Return why the system does not accept a path, for example because it is too long; None if it does."""
    try:
        path.is_dir()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
        return InputError(f'{short(path)!r}: cannot be used as a path ({reason})')
    return None


def short(path: Path) -> str:
    """Return the first 80 characters of a path."""
    return f'{str(path)[:80]}...' if len(str(path)) > 80 else str(path)
