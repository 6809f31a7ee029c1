"""Choose the paths of result files, and check them without a record of all earlier results."""

import contextlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from mmderain.errors import InputError
from mmderain.io.encoding import JPEG_SUFFIXES
from mmderain.io.files import resolve
from mmderain.io.image_formats import IMAGE_SUFFIXES
from mmderain.io.naming import Naming, is_input_name
from mmderain.io.remote import RemotePath
from mmderain.io.video import VIDEO_SUFFIXES

from .sources import Source

#: Ends of the names to which :meth:`Source.fit_target` moves results.
MOVED_SUFFIXES = tuple(f'{suffix}.png' for suffix in JPEG_SUFFIXES)


class Targets:
    """The result files of a call, in one folder.

    Args:
        out_dir: folder for the result files.
        existing: ``'refuse'``, ``'skip'`` or ``'replace'``, see :class:`~mmderain.apis.DerainInferencer`.
        naming: rules for the names of the result files.

    Attributes:
        resolved: ``out_dir`` as an absolute path with all links resolved.
        owners: maps the name of a result to the position and the name of the first input with this result. Inputs in
            folders are not included.
        folders: all input folders, with all links resolved.

    Raises:
        InputError: ``out_dir`` is a file, is in a file, or has the name of a file.
    """

    def __init__(self, out_dir: str | Path, existing: str, naming: Naming) -> None:
        self.out_dir, self.existing, self.naming = Path(out_dir), existing, naming
        self.owners: dict[str, tuple[int, str]] = {}
        require_folder(self.out_dir)
        if not self.out_dir.exists() and self.out_dir.suffix.lower() in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES):
            raise InputError(
                f'{out_dir}: is the name of a file; expected a folder, because each result file gets the name of its '
                'input'
            )
        self.resolved = resolve(self.out_dir)
        self._resolve_folder = lru_cache(maxsize=1024)(resolve)
        self.folders: list[Path] = []
        self._files: set[Path] = set()  # input files in or under out_dir, resolved

    def protect(self, path: Path, is_folder: bool) -> None:
        """Remember an input file or input folder, so that no result overwrites it."""
        if is_folder:
            self.folders.append(resolve(path))
            return
        resolved = self._resolve_folder(path.parent) / path.name
        if self.resolved in resolved.parents:
            self._files.add(resolved)

    def is_done(self, source: Source) -> bool:
        """Look at the target of a source, and return whether the source is skipped. Worker threads call this method.

        Raises:
            InputError: the target belongs to another input, is an input, or exists and must not be replaced.
        """
        target = source.target
        assert isinstance(target, Path)
        if (owner := self._owner(source, target)) is not None:
            raise collision(source, str(owner))
        if not target.exists():
            return False
        path = self._resolve_folder(target.parent) / target.name
        if self._is_input(path):
            raise InputError(f'{source.name}: its result would overwrite the input {path}; name another output folder')
        return is_kept(target, self.existing)

    def _owner(self, source: Source, target: Path) -> Path | RemotePath | str | None:
        """Return another input whose result has the same path and has priority; None if there is none.

        The priorities are, from the highest to the lowest:

        1. inputs of earlier folders;
        2. inputs that keep their names;
        3. other inputs, in the order of their names;
        4. results that became PNG files because of transparent pixels.
        """
        if source.moved_from is not None:
            return moved_owner(source, self.folders, self.owners)
        content, result = source.content, target.relative_to(self.out_dir)
        for folder in source.earlier_folders:
            if (owner := next(self.naming.inputs(folder, result), None)) is not None:
                return owner
        if not isinstance(source.folder, Path) or not isinstance(content, Path) or content.name == result.name:
            return None
        for other in self.naming.inputs(source.folder, result):
            if not other.samefile(content) and (other.name == result.name or other < content):
                return other
        return None

    def _is_input(self, path: Path) -> bool:
        """Return whether a file is an input. The folder of ``path`` must be resolved."""
        if path in self._files:
            return True
        # If an input folder contains out_dir, the files in out_dir are results.
        folders = [f for f in self.folders if f in path.parents and f not in self.resolved.parents]
        return bool(folders) and is_input_name(path.name)


def moved_owner(
    source: Source, folders: Iterable[Path] = (), owners: Mapping[str, tuple[int, str]] = MappingProxyType({})
) -> Path | RemotePath | str | None:
    """Return an input whose result has the new path of a moved result; None if there is none.

    Only the names of inputs decide. Therefore several processes that derain parts of the inputs find the same owner.

    Args:
        source: a source whose target :meth:`Source.fit_target` has changed.
        folders: the local input folders. The folder of the source can be among them.
        owners: as in :class:`Targets`.
    """
    content, folder = source.content, source.folder
    assert isinstance(content, Path | RemotePath)
    if isinstance(content, RemotePath):
        other = content.with_name(f'{content.name}.png')
        if folder is not None and other.exists():
            return other
        result = Path(other.name)
    else:
        relative = content.relative_to(folder) if isinstance(folder, Path) else Path(content.name)
        result = relative.with_name(f'{relative.name}.png')
        own = [folder] if isinstance(folder, Path) else []
        for each in (*own, *folders):
            if (found := next(source.naming.inputs(each, result), None)) is not None:
                return found
    return owners[str(result)][1] if str(result) in owners else None


def moved_owners(owners: Mapping[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Return the items of :attr:`Targets.owners` that :func:`moved_owner` can find."""
    return {result: owner for result, owner in owners.items() if result.lower().endswith(MOVED_SUFFIXES)}


def collision(source: Source, owner: str) -> InputError:
    """Return the error for a source whose result file belongs to another input."""
    with contextlib.suppress(OSError):  # a file is missing
        if isinstance(source.content, Path) and source.content.samefile(owner):
            return InputError(f'{source.name}: is named twice in this call; name each input once')
    remedy = 'derain them in two calls with different output folders'
    return source.naming.collision(source.name, owner, source.target, remedy)


def check_existing(existing: str) -> None:
    """Raise an InputError if ``existing`` is not one of its three values."""
    if existing not in ('refuse', 'skip', 'replace'):
        raise InputError(f"existing must be 'refuse', 'skip' or 'replace', found {existing!r}")


def is_kept(target: Path | RemotePath, existing: str) -> bool:
    """Return whether a result file that exists is kept, so that its input is skipped.

    Args:
        target: the result file.
        existing: ``'refuse'``, ``'skip'`` or ``'replace'``.

    Raises:
        InputError: ``existing`` is ``'refuse'``.
    """
    if existing == 'refuse':
        raise InputError(
            f"{target}: already exists; use existing='replace' or 'skip' (--existing), or name another output folder"
        )
    return existing == 'skip'


def require_folder(out_dir: Path | RemotePath) -> None:
    """Raise an InputError if results cannot be written to a place: it is a web server or a file, or lies in a file."""
    if isinstance(out_dir, RemotePath):
        out_dir.require_writable()
        return
    first = next((path for path in (out_dir, *out_dir.parents) if path.exists()), out_dir)
    if first.exists() and not first.is_dir():
        text = 'is a file' if first == out_dir else f'{first} is a file'
        raise InputError(f'{out_dir}: {text}; expected a folder for the results')
