"""Which clean picture belongs to which rainy one: by name, never by position in a sorted list."""

import re
from pathlib import Path

from mmderain.errors import InputError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
_FIELD = re.compile(r'{(\w+)(:d)?}')


def list_images(folder: Path, also: tuple[str, ...] = ()) -> list[Path]:
    """Paths of all pictures, and of files that end in ``also``, below a folder: relative to it, sorted; hidden files
    are passed over.
    """
    return sorted(
        path.relative_to(folder)
        for path in folder.rglob('*')
        if path.suffix.lower() in (*IMAGE_SUFFIXES, *also) and not path.name.startswith('.')
    )


class NameTemplate:
    """A file name without its suffix, with fields in braces.

    ``{id}`` matches any text without a slash, ``{id:d}`` a whole number, compared as one (007 equals 7).
    ``norain-{id}x2`` matches ``norain-12x2`` with id = ``'12'``.
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
        """The fields of a name, None if the name is of another kind.

        Raises:
            InputError: the name can be read in more than one way.
        """
        found = self._longest.fullmatch(stem)
        if found is None:
            return None
        if found.groups() != self._shortest.fullmatch(stem).groups():
            raise InputError(
                f'the name {stem!r} fits the pairing template {self.text!r} in more than one way; '
                'make the template more definite, with {name:d} for whole numbers'
            )
        return {key: int(value) if self.fields[key] else value for key, value in found.groupdict().items()}


PAIRING_HELP = (
    "how names correspond: same_name (default); prefix P G, such as 'prefix rain- norain-'; "
    "template P G, such as 'template {id}_{version} {id}' (names without suffix)"
)


def parse_pairing(words: list[str]) -> str | dict:
    """The rule that the words of a command line mean, see ``PAIRING_HELP``."""
    kind, *names = words
    if kind == 'same_name' and not names:
        return kind
    if kind in ('prefix', 'template') and len(names) == 2:
        return dict(type=kind, img=names[0], gt=names[1])
    raise InputError(f'--pairing {" ".join(words)}: expected same_name, prefix P G or template P G')


def templates_of(pairing: str | dict) -> tuple[NameTemplate, NameTemplate]:
    """The rainy and the clean template of a pairing rule.

    Args:
        pairing: ``'same_name'``; ``dict(type='prefix', img='rain-', gt='norain-')``;
            ``dict(type='template', img='{id}_{version}', gt='{id}')``, whose clean fields must all be in the
            rainy template.

    Raises:
        InputError: the rule is unknown, or the clean template uses a field that the rainy one lacks.
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
        raise InputError(f'pairing: {gt!r} uses the fields {sorted(undefined)}, which {img!r} does not define')
    return img_template, gt_template


def pair_by_name(
    img_files: list[Path], gt_files: list[Path], pairing: str | dict
) -> tuple[list[tuple[Path, Path]], list[Path], list[Path]]:
    """Find the partner of each rainy picture; sub-folders must agree, suffixes need not.

    Args:
        img_files, gt_files: relative paths.
        pairing: see :func:`templates_of`.

    Returns:
        The pairs in the order of ``img_files``; rainy names that the rule does not fit (rain masks, say);
        rainy names that fit but have no partner.

    Raises:
        InputError: two clean pictures answer to one name.
    """
    img_template, gt_template = templates_of(pairing)

    def key(path: Path, fields: dict) -> tuple:
        return path.parent, *(fields[name] for name in gt_template.fields)

    clean: dict[tuple, Path] = {}
    for path in gt_files:
        fields = gt_template.match(path.stem)
        if fields is None:
            continue
        other = clean.setdefault(key(path, fields), path)
        if other != path:
            raise InputError(f'pairing is ambiguous: {other} and {path} answer to the same rainy name')
    pairs, foreign, alone = [], [], []
    for path in img_files:
        fields = img_template.match(path.stem)
        if fields is None:
            foreign.append(path)
        elif (partner := clean.get(key(path, fields))) is None:
            alone.append(path)
        else:
            pairs.append((path, partner))
    return pairs, foreign, alone
