"""Find the clean image of each rainy image by its file name. The position in a sorted list is never used."""

import re
from pathlib import Path
from typing import NamedTuple

from mmderain.errors import InputError
from mmderain.io.image_formats import readable_suffixes

_FIELD = re.compile(r'{(\w+)(:d)?}')


class NameTemplate:
    """Template for file names without suffix. Its fields are written in braces.

    For example, the template ``norain-{id}x2`` matches the name ``norain-12x2``; the field ``id`` is then ``'12'``.

    Args:
        text: the template. ``{id}`` matches any text without a slash. ``{id:d}`` matches an integer. Its values are
            compared as numbers, so 007 equals 7.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.fields = {name: bool(number) for name, number in _FIELD.findall(text)}
        pattern, end = '', 0
        for field in _FIELD.finditer(text):
            body = r'\d+' if field[2] else r'[^/]+'
            pattern += re.escape(text[end : field.start()]) + f'(?P<{field[1]}>{body})'
            end = field.end()
        pattern += re.escape(text[end:])
        self._longest, self._shortest = re.compile(pattern), re.compile(pattern.replace('+)', '+?)'))

    def match(self, stem: str) -> dict[str, str | int] | None:
        """Return the fields of a file name without suffix, or None if the name does not match the template.

        Raises:
            InputError: the name matches the template in more than one way.
        """
        found, shortest = self._longest.fullmatch(stem), self._shortest.fullmatch(stem)
        if found is None or shortest is None:  # both patterns match the same names
            return None
        if found.groups() != shortest.groups():
            raise InputError(
                f'the name {stem!r} matches the pairing template {self.text!r} in more than one way; '
                'make the template more specific, for example with {id:d} for an integer'
            )
        return {key: int(value) if self.fields[key] else value for key, value in found.groupdict().items()}


#: Help text of the command line option that :func:`parse_pairing` reads.
PAIRING_HELP = (
    'rule that relates the name of an image to the name of its clean image. same_name (default): both names are equal '
    'except for the suffix; prefix P G: the name of the image starts with P, and the name of the clean image starts '
    "with G, as in 'prefix rain- norain-'; template P G: P is a template for the name of the image and G for the name "
    "of the clean image, both without suffix, as in 'template {id}_{version} {id}'"
)


def parse_pairing(words: list[str]) -> str | dict:
    """Convert the words of a command line option into a pairing rule.

    Args:
        words: the words that follow the option, see :data:`PAIRING_HELP`.

    Returns:
        The rule, in the format that :func:`templates_of` accepts.

    Raises:
        InputError: the words are not a valid rule.
    """
    kind, *names = words
    if kind == 'same_name' and not names:
        return kind
    if kind in ('prefix', 'template') and len(names) == 2:
        return dict(type=kind, img=names[0], gt=names[1])
    raise InputError(f'--pairing {" ".join(words)}: expected same_name, prefix P G or template P G')


def templates_of(pairing: str | dict) -> tuple[NameTemplate, NameTemplate]:
    """Convert a pairing rule into the template of the rainy names and the template of the clean names.

    Args:
        pairing: ``'same_name'``; ``dict(type='prefix', img='rain-', gt='norain-')``; or
            ``dict(type='template', img='{id}_{version}', gt='{id}')``. Every field of the clean template ``gt`` must
            also be in the rainy template ``img``.

    Raises:
        InputError: the rule is unknown, or the clean template has a field that the rainy template does not have.
    """
    rule = dict(type=pairing) if isinstance(pairing, str) else dict(pairing)
    kind = rule.pop('type', None)
    if kind == 'same_name' and not rule:
        img, gt = '{id}', '{id}'
    elif kind == 'prefix' and set(rule) == {'img', 'gt'}:
        img, gt = rule['img'] + '{id}', rule['gt'] + '{id}'
    elif kind == 'template' and set(rule) == {'img', 'gt'}:
        img, gt = rule['img'], rule['gt']
    else:
        raise InputError(
            f"pairing: found {pairing!r}; expected 'same_name', dict(type='prefix', img=..., gt=...), "
            "dict(type='template', img=..., gt=...) or dict(type='side_by_side', clean='left' or 'right')"
        )
    img_template, gt_template = NameTemplate(img), NameTemplate(gt)
    undefined = set(gt_template.fields) - set(img_template.fields)
    if undefined:
        raise InputError(
            f'pairing: the clean template {gt!r} uses the fields {sorted(undefined)}, which the rainy template {img!r} '
            'does not define; use only fields of the rainy template'
        )
    return img_template, gt_template


class Pairing(NamedTuple):
    """Result of :func:`pair_by_name`.

    Attributes:
        pairs: (rainy, clean) paths, in the order of the rainy files.
        foreign: files in the rainy folder whose names do not match the rule, for example rain masks.
        alone: rainy files whose names match the rule, but which have no clean image.
    """

    pairs: list[tuple[Path, Path]]
    foreign: list[Path]
    alone: list[Path]


def pair_by_name(img_files: list[Path], gt_files: list[Path], pairing: str | dict) -> Pairing:
    """Find the clean image of each rainy image.

    The two images of a pair must have the same sub-folder in their root folders. Their suffixes may differ. If several
    clean images differ only in their suffix, the one with the suffix of the rainy image belongs to it. The names that
    ``keep_suffix`` gives to derained images are accepted too: the clean image of ``7.gif.png`` is ``7.gif``.

    Args:
        img_files: paths of rainy images, relative to the root folder of the rainy images.
        gt_files: paths of clean images, relative to the root folder of the clean images.
        pairing: the pairing rule, see :func:`templates_of`.

    Raises:
        InputError: the rule is not valid, two clean images belong to the same rainy image, or a name matches a template
            in more than one way.
    """
    img_template, gt_template = templates_of(pairing)

    def key(path: Path, fields: dict) -> tuple:
        return path.parent, *(fields[name] for name in gt_template.fields)

    clean: dict[tuple, list[Path]] = {}
    for path in gt_files:
        if (fields := gt_template.match(path.stem)) is not None:
            clean.setdefault(key(path, fields), []).append(path)
    found, readable = Pairing([], [], []), readable_suffixes()
    for path in img_files:
        inner = path.with_suffix('')
        names = [path, inner] if inner.suffix.lower() in readable else [path]
        matches = [(name, fields) for name in names if (fields := img_template.match(name.stem)) is not None]
        if not matches:
            found.foreign.append(path)
            continue
        partners = [_choose(path, name, clean.get(key(name, fields), [])) for name, fields in matches]
        partner = next((one for one in partners if one is not None), None)
        if partner is None:
            found.alone.append(path)
        else:
            found.pairs.append((path, partner))
    return found


def _choose(path: Path, name: Path, candidates: list[Path]) -> Path | None:
    """Return the clean image of a rainy image; None if there is none.

    Args:
        path: the rainy image.
        name: the same path, or the path without the suffix that ``keep_suffix`` has appended.
        candidates: the clean images whose names without suffix fit ``name``.

    Raises:
        InputError: there are several clean images, and none of them has the suffix of ``name``.
    """
    equal = [one for one in candidates if one.suffix == name.suffix]
    if equal or name != path:
        return equal[0] if equal else None
    if len(candidates) > 1:
        raise InputError(
            f'pairing is ambiguous: the clean images {candidates[0]} and {candidates[1]} belong to the same rainy '
            f'image {path}; remove one of them, or change the pairing rule'
        )
    return candidates[0] if candidates else None
