"""Choose the names of result files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmderain.errors import InputError

from .image_formats import IMAGE_SUFFIXES, readable_suffixes
from .video import VIDEO_SUFFIXES

#: Suffixes of the files in a folder that are inputs, and those of them whose results are written as PNG files.
INPUT_SUFFIXES = (*readable_suffixes(), *VIDEO_SUFFIXES)
PNG_RESULTS = tuple(suffix for suffix in INPUT_SUFFIXES if suffix not in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))


@dataclass(frozen=True)
class Naming:
    """Rules for the names of the result files of a call.

    A result file has the name of its input. If the format changes, its suffix changes, too.

    Attributes:
        container: suffix of result videos, without the dot.
        keep_suffix: True appends the new suffix to the name if the format changes, so that ``a.gif`` becomes
            ``a.gif.png``. False replaces the old suffix, so that ``a.gif`` becomes ``a.png``.
    """

    container: str = 'mp4'
    keep_suffix: bool = False

    def result(self, name: str, is_file: bool = True) -> str:
        """Return the name of a result file.

        Args:
            name: name of the input, relative to the input folder.
            is_file: whether the input is a file. The result of an array is a PNG file.
        """
        if not is_file:
            return f'{name.replace(" ", "_")}.png'
        # Path(name).suffix takes over four times as long, and a run that continues calls this method for each input.
        found = os.path.splitext(name)[1].lower()
        if found in IMAGE_SUFFIXES:
            return name
        suffix = f'.{self.container}' if found in VIDEO_SUFFIXES else '.png'
        return str(Path(name).with_suffix(suffix)) if found == suffix else self.change(name, suffix)

    def png_result(self, name: str) -> str:
        """Return the name of the result for an image if all results are PNG files."""
        return name if Path(name).suffix.lower() == '.png' else self.change(name, '.png')

    def change(self, name: str, suffix: str) -> str:
        """Return a name with a new suffix, for a file whose format changes."""
        return name + suffix if self.keep_suffix else str(Path(name).with_suffix(suffix))

    def collision(self, name: str | Path, owner: str | Path, result: object, remedy: str) -> InputError:
        """Return the error for an input whose result file belongs to another input.

        Args:
            name: the input.
            owner: the other input.
            result: path of the result file.
            remedy: what the user can do, besides ``keep_suffix``.
        """
        if not self.keep_suffix and Path(name).name != Path(owner).name:
            remedy = f'use keep_suffix=True (--keep-suffix), or {remedy}'
        return InputError(f'{name} and {owner}: both would be written to {result}; {remedy}')

    def inputs(self, folder: Path, result: Path) -> Iterator[Path]:
        """Yield the existing inputs in a folder whose result has a given name.

        An image with transparent pixels that is named .jpg is found only if the result keeps its name.

        Args:
            folder: the input folder.
            result: name of a result file, relative to the folder for the results.
        """
        kinds = {'.png': PNG_RESULTS, f'.{self.container}': VIDEO_SUFFIXES}.get(result.suffix, ())
        names = [result, result.with_suffix('')]
        names += [result.with_suffix(case) for one in kinds for case in (one, one.upper(), one.title())]
        for name in dict.fromkeys(names):
            # Unlike is_file(), os.path.isfile() accepts names that are too long.
            if self.result(str(name)) == str(result) and os.path.isfile(folder / name):
                yield folder / name


def is_input_name(name: str) -> bool:
    """Return whether a file in a folder is an input: an image or video that is not hidden."""
    return name.lower().endswith(INPUT_SUFFIXES) and not name.startswith('.')
