"""List inputs on servers one by one, and choose the places of their result files there or in a local folder."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from copy import copy
from pathlib import Path, PurePosixPath

from torch import Tensor

from mmderain.errors import InputError
from mmderain.io.image import IMAGE_SUFFIXES
from mmderain.io.naming import INPUT_SUFFIXES, Naming, is_input_name
from mmderain.io.remote import RemotePath, is_remote, is_safe_name, parse_place

from .plan import Plan, as_folder
from .shards import Shard
from .sources import Input, Source
from .targets import check_existing, collision, is_kept, moved_owner, require_folder


class RemotePlan:
    """The sources of a call whose inputs or results are on a server.

    The URL of an image ends with the suffix of an image format. Any other URL is a folder. Videos cannot be read from a
    server or written to it.

    Args:
        inputs: URLs of images, or the URL of one folder. If ``out_dir`` is a URL, also local images, arrays and
            tensors, or one local folder.
        out_dir: URL or local folder for the result files. None writes no files.
        existing: as in :class:`~mmderain.apis.plan.Plan`.
        shard: as in :class:`~mmderain.apis.plan.Plan`.
        finished: as in :class:`~mmderain.apis.plan.Plan`.
        naming: as in :class:`~mmderain.apis.plan.Plan`.

    Attributes:
        num_finished: number of sources that were left out so far because of ``finished``.
        skipped: as in :class:`~mmderain.apis.plan.Plan`.
        owners: as in :class:`~mmderain.apis.targets.Targets`.

    Raises:
        InputError: there are several folders, a folder contains no image, ``out_dir`` is read only, is a file or
            overlaps with an input folder, or a URL cannot be used.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        out_dir: str | Path | None = None,
        existing: str = 'refuse',
        shard: Shard | None = None,
        finished: Collection[str] = (),
        naming: Naming | None = None,
    ) -> None:
        check_existing(existing)
        self.existing, self.shard, self.naming = existing, shard, naming or Naming()
        self.owners: dict[str, tuple[int, str]] = {}
        self.finished = finished if existing == 'skip' else ()
        self.num_finished = 0
        self.out = None if out_dir is None else parse_place(out_dir)
        if self.out is not None:
            require_folder(self.out)
        self.urls = [RemotePath.parse(item) for item in inputs if is_remote(item)]
        self.local = None if self.urls else Plan(inputs, naming=self.naming)
        self.skipped: Counter[str] = Counter()
        folders = [item for item in self.urls or inputs if is_folder(item)]
        self.is_folder = bool(folders)
        if folders and len(inputs) > 1:
            raise InputError(
                f'{folders[0]}: if a folder is read from a server or written to it, it must be the only input; derain '
                'the inputs in several calls'
            )
        if self.is_folder and self.urls:
            self._check_folder(self.urls[0])
        if self.out is not None and not self.is_folder:
            for number, (source, _, result) in enumerate(self._sources(Counter())):
                self.owners.setdefault(result, (number, source.name))

    def __iter__(self) -> Iterator[Source]:
        self.num_finished = 0
        self.skipped.clear()
        for number, (source, relative, result) in enumerate(self._sources(self.skipped)):
            first, name = self.owners.get(result, (number, ''))
            owner = None if first == number else name
            if self.shard is not None and not self.shard.contains(relative):
                continue
            if owner is None and self._is_finished(result):
                self.num_finished += 1
                continue
            if self.out is not None and not isinstance(source.content, Tensor):
                source.target, source.check_target = self.out / result, self._is_done
            source.problem = source.problem or self._problem(source, relative, owner)
            yield source

    def count(self) -> int:
        """Return the number of sources, without those that a log names as complete."""
        return sum(
            (self.shard is None or self.shard.contains(relative)) and not self._is_finished(result)
            for _, relative, result in self._sources(Counter())
        )

    def _is_finished(self, result: str) -> bool:
        """Return whether a log names a result as complete."""
        return self.out is not None and bool(self.finished) and str(self.out / result) in self.finished

    def _check_folder(self, folder: RemotePath) -> None:
        """Check that a folder contains an image, and that the results are not written into it."""
        if next(folder.walk(is_input_name), None) is None:
            raise InputError(f'{folder}: this folder contains no image')
        if self.out is not None and overlap(str(folder), str(self.out)):
            raise InputError(f'{self.out}: overlaps with the input folder {folder}; name another output folder')

    def _sources(self, skipped: Counter[str]) -> Iterator[tuple[Source, str, str]]:
        """Yield the sources without targets, with their names relative to their folder, and the names of their results.

        The other files in the folders are counted in ``skipped``.
        """

        def is_image(name: str) -> bool:
            if not is_input_name(name) and not name.startswith('.'):
                skipped[PurePosixPath(name).suffix.lower()] += 1
            return is_input_name(name)

        if self.local is not None:
            yield from self._local_sources(self.local, skipped)
        for url in self.urls:
            if not self.is_folder:
                yield Source(str(url), url, naming=self.naming), url.name, url.name
                continue
            try:
                for relative in url.walk(is_image):
                    yield Source(f'{url}/{relative}', url / relative, url, naming=self.naming), relative, relative
            except InputError as error:
                yield Source(str(url), url, problem=error), '', ''

    def _local_sources(self, plan: Plan, skipped: Counter[str]) -> Iterator[tuple[Source, str, str]]:
        plan = copy(plan)  # another thread can iterate over the plan at the same time, to count the sources
        plan.skipped = skipped
        for source in plan:
            relative, path = source.name, source.content
            if isinstance(path, Path):
                folder = source.folder if isinstance(source.folder, Path) else path.parent
                relative = path.relative_to(folder).as_posix()
            # A folder that cannot be opened is a source with a problem, and has no result.
            result = '' if source.problem is not None else self.naming.result(relative, isinstance(path, Path))
            yield source, relative, result

    def _problem(self, source: Source, relative: str, owner: str | None) -> InputError | None:
        """Return why a source cannot be derained, or None."""
        if isinstance(source.content, Path | RemotePath) and not relative.lower().endswith(IMAGE_SUFFIXES):
            return InputError(
                f'{source.name}: only images ({", ".join(IMAGE_SUFFIXES)}) are read from servers and written to them; '
                'copy other files to this machine'
            )
        if isinstance(source.content, RemotePath) and not is_safe_name(relative):
            return InputError(f'{source.name}: its name has an empty part, "..", "\\" or a zero byte; rename the file')
        if source.target is not None and str(source.target) == str(source.content):
            return InputError(f'{source.name}: its result would overwrite the input; name another output folder')
        return None if owner is None else collision(source, owner)

    def _is_done(self, source: Source) -> bool:
        """Look at the target of a source, and return whether the source is skipped. Worker threads call this method."""
        assert source.target is not None
        if source.moved_from is not None:
            owner = moved_owner(source, owners=self.owners)
            if owner is not None:
                raise collision(source, str(owner))
        return self.existing != 'replace' and source.target.exists() and is_kept(source.target, self.existing)


def is_folder(item: Input | RemotePath) -> bool:
    """Return whether an input is a folder: its name does not end with a known suffix. No server is asked."""
    if isinstance(item, RemotePath):
        return not item.is_read_only and not item.name.lower().endswith(INPUT_SUFFIXES)
    return as_folder(item) is not None


def overlap(first: str, second: str) -> bool:
    """Return whether two folders are equal, or one of them lies in the other."""
    first, second = first + '/', second + '/'
    return first.startswith(second) or second.startswith(first)
