"""Choose the paths of result files, and check them without a record of all earlier results."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from mmderain.errors import InputError
from mmderain.io.image_formats import IMAGE_SUFFIXES, readable_suffixes
from mmderain.io.remote import RemotePath
from mmderain.io.video import VIDEO_SUFFIXES

from .sources import Source

#: Suffixes of the files in a folder that are inputs, and those of them whose results are written as PNG files.
INPUT_SUFFIXES = (*readable_suffixes(), *VIDEO_SUFFIXES)
PNG_RESULTS = tuple(suffix for suffix in INPUT_SUFFIXES if suffix not in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))


class Targets:
    """The result files of a call, in one folder.

    Args:
        out_dir: folder for the result files.
        existing: ``'refuse'``, ``'skip'`` or ``'replace'``, see :class:`~mmderain.apis.DerainInferencer`.
        container: suffix of result videos, without the dot.

    Attributes:
        resolved: ``out_dir`` as an absolute path with all links resolved.

    Raises:
        InputError: ``out_dir`` is a file or has the name of a file.
    """

    def __init__(self, out_dir: str | Path, existing: str, container: str = 'mp4') -> None:
        self.out_dir, self.existing, self.container = Path(out_dir), existing, container
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

    def _owner(self, source: Source, target: Path) -> Path | None:
        """Return another input whose result has the same path and has priority; None if there is none.

        Inputs of earlier folders have priority. In one folder, two inputs can have the same result only if the suffix
        of one of them changes. An input that keeps its name has priority, and then the first one in the order of names.
        """
        content, result = source.content, target.relative_to(self.out_dir)
        for folder in source.earlier_folders:
            if (owner := next(inputs_with_result(folder, result, self.container), None)) is not None:
                return owner
        if source.folder is None or not isinstance(content, Path) or content.name == result.name:
            return None
        for other in inputs_with_result(source.folder, result, self.container):
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


def collision(source: Source, owner: str) -> InputError:
    """Return the error for a source whose result file belongs to another input."""
    return InputError(
        f'{source.name} and {owner}: both would be written to {source.target}; derain them in two calls with different '
        'output folders'
    )


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


def is_input_name(name: str) -> bool:
    """Return whether a file in a folder is an input: an image or video that is not hidden."""
    return name.lower().endswith(INPUT_SUFFIXES) and not name.startswith('.')


def result_name(name: str, is_file: bool = True, container: str = 'mp4') -> str:
    """Return the name of a result file. The suffix of its input changes if this format cannot be written.

    Args:
        name: name of the input, relative to the input folder.
        is_file: whether the input is a file. The result of an array is a PNG file.
        container: suffix of result videos, without the dot.
    """
    if not is_file:
        return f'{name.replace(" ", "_")}.png'
    lower = name.lower()
    if lower.endswith(IMAGE_SUFFIXES):
        return name
    return str(Path(name).with_suffix(f'.{container}' if lower.endswith(VIDEO_SUFFIXES) else '.png'))


def inputs_with_result(folder: Path, result: Path, container: str) -> Iterator[Path]:
    """Yield the existing inputs in a folder whose result has a given name.

    Args:
        folder: the input folder.
        result: name of a result file, relative to the folder for the results.
        container: suffix of result videos, without the dot.
    """
    kinds = {'.png': PNG_RESULTS, f'.{container}': VIDEO_SUFFIXES}.get(result.suffix, ())
    names = [result, *(result.with_suffix(case) for suffix in kinds for case in (suffix, suffix.upper()))]
    for name in dict.fromkeys(names):
        if (folder / name).is_file():
            yield folder / name


def resolve(path: Path) -> Path:
    """Return the absolute path with all links resolved. If links form a loop, they are not resolved."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()
