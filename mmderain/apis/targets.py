"""Choose the paths of result files, and check them without a record of all earlier results."""

import contextlib
from functools import lru_cache
from pathlib import Path

from mmderain.errors import InputError
from mmderain.io.files import resolve
from mmderain.io.image_formats import IMAGE_SUFFIXES
from mmderain.io.naming import Naming, is_input_name
from mmderain.io.remote import RemotePath
from mmderain.io.video import VIDEO_SUFFIXES

from .sources import Source


class Targets:
    """The result files of a call, in one folder.

    Args:
        out_dir: folder for the result files.
        existing: ``'refuse'``, ``'skip'`` or ``'replace'``, see :class:`~mmderain.apis.DerainInferencer`.
        naming: rules for the names of the result files.

    Attributes:
        resolved: ``out_dir`` as an absolute path with all links resolved.
        owners: maps the name of a result to the position and the name of its input, for inputs that are not in a
            folder. The first input with this result is the owner. It also contains the results that are written as PNG
            files because of transparent pixels, with the position -1.

    Raises:
        InputError: ``out_dir`` is a file or has the name of a file.
    """

    def __init__(self, out_dir: str | Path, existing: str, naming: Naming) -> None:
        self.out_dir, self.existing, self.naming = Path(out_dir), existing, naming
        self.owners: dict[str, tuple[int, str]] = {}
        if self.out_dir.exists() and not self.out_dir.is_dir():
            raise InputError(f'{out_dir}: is a file; expected a folder for the results')
        if not self.out_dir.exists() and self.out_dir.suffix.lower() in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES):
            raise InputError(
                f'{out_dir}: is the name of a file; expected a folder, because each result file gets the name of its '
                'input'
            )
        self.resolved = resolve(self.out_dir)
        self._resolve_folder = lru_cache(maxsize=1024)(resolve)
        self._folders: list[Path] = []  # all input folders, resolved
        self._files: set[Path] = set()  # input files in or under out_dir, resolved

    def protect(self, path: Path, is_folder: bool) -> None:
        """Remember an input file or input folder, so that no result overwrites it."""
        if is_folder:
            self._folders.append(resolve(path))
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

    def _owner(self, source: Source, target: Path) -> Path | str | None:
        """Return another input whose result has the same path and has priority; None if there is none.

        Inputs of earlier folders have priority. In one folder, two inputs can have the same result only if the suffix
        of one of them changes. An input that keeps its name has priority, and then the first one in the order of names.
        A result that is written as a PNG file because of transparent pixels never has priority.
        """
        content, result = source.content, target.relative_to(self.out_dir)
        if source.moved_from is not None:
            own = () if source.folder is None else (Path(str(source.folder)),)
            for folder in (*own, *self._folders):
                if (owner := next(self.naming.inputs(folder, result), None)) is not None:
                    return owner
            # Other threads call this method at the same time. Only one of them is the first to set a key of a dict.
            name = self.owners.setdefault(str(result), (-1, source.name))[1]
            return None if name == source.name else name
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
        folders = [f for f in self._folders if f in path.parents and f not in self.resolved.parents]
        return bool(folders) and is_input_name(path.name)


def sibling(source: Source) -> Path | RemotePath | None:
    """Return another file in the input folder of a source whose result has the same path; None if there is none.

    Args:
        source: a source whose target :meth:`Source.fit_target` has changed.
    """
    content, target = source.content, source.target
    if source.folder is None or target is None:
        return None
    if isinstance(content, RemotePath):
        other = content.with_name(target.name)
        return other if other.exists() else None
    return next(source.naming.inputs(content.parent, Path(target.name)), None) if isinstance(content, Path) else None


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
