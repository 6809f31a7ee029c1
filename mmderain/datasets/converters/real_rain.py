"""Collect real rainy images without clean partners in one folder.

Such images show how a derainer works on real rain. The converter links each image of a folder SRC as
DST/<name of SRC>/<path in SRC>. It leaves out damaged images, and prints their paths. The command
`mmderain derain DST --out OUT` derains the images.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmderain.errors import InputError
from mmderain.io.files import atomic_folder, link_or_copy, require_new_folder
from mmderain.io.folders import with_skipped
from mmderain.io.image import image_size, list_images


def link_real_rain(src: Sequence[Path], dst: Path) -> list[str]:
    """Link all readable images of the source folders.

    Args:
        src: the source folders. Their names must differ.
        dst: folder to write. It must be new or empty. It is written completely or not at all.

    Returns:
        One line with the number of images and the files that were passed over, and one line for each damaged image.

    Raises:
        FileNotFoundError, InputError: an argument is not as expected, or no image can be read. In this case, nothing is
            written.
    """
    require_new_folder(dst)
    names: dict[str, Path] = {}
    for folder in src:
        if not folder.is_dir():
            raise FileNotFoundError(f'{folder}: no such folder; give folders with real rainy images')
        name = folder.resolve().name
        if name in names:
            raise InputError(f'{folder} and {names[name]}: both would be written as {dst / name}; rename one')
        names[name] = folder
    report, number = [], 0
    skipped: Counter[str] = Counter()
    with atomic_folder(dst) as part:
        for name, folder in names.items():
            for path in list_images(folder, skipped=skipped):
                try:
                    image_size(folder / path, decode=True)
                except (OSError, InputError) as error:
                    report.append(f'left out, {error}')
                    continue
                link_or_copy(folder / path, part / name / path)
                number += 1
        if not number:
            text = with_skipped('no readable image', skipped)
            raise InputError(f'{", ".join(map(str, src))}: {text}; give folders with real rainy images')
    return [with_skipped(f'{dst}: number of images: {number}', skipped), *report]
