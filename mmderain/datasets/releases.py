"""The names of files and folders in the published releases of data sets, and the numbers of pairs."""

from dataclasses import dataclass

IMG_FOLDER = '(?:data|rain|rainy|input|rainy_image)'
GT_FOLDER = '(?:gt|norain|clean|groundtruth|ground_truth|target)'


@dataclass(frozen=True)
class Split:
    """One split of a release.

    Attributes:
        pairs: number of published pairs. None if no such number is known.
        rules: alternative rules for the file names. A rule consists of a regular expression for rainy images and one
            for clean images. An expression must match the end of a path without its suffix. Two images are a pair if
            all named groups of the clean expression have equal values in both paths. Integers are compared as numbers.
            The clean expression is None if each file contains both images.
        folder: regular expression for the names of folders that belong to this split. '' if the names of folders do not
            show the split.
        img: format string for the path of a rainy image in the prepared data set, without suffix. Its fields are the
            named groups of the rainy expression.
        gt: format string for the path of a clean image in the prepared data set, with the same fields as ``img``. None
            if each file contains both images.
        members: values of the named group ``id`` that belong to this split. None accepts all values.
    """

    pairs: int | None
    rules: tuple[tuple[str, str | None], ...]
    folder: str
    img: str
    gt: str | None = None
    members: range | None = None


@dataclass(frozen=True)
class Release:
    """A data set as it is published.

    Attributes:
        splits: the splits, keyed by name.
        other: regular expression for the names of folders that belong to a related data set in the same archive. Images
            in these folders are left out.
        compare_backgrounds: True if the training set is known to contain backgrounds of the test set. The preparation
            then always compares the clean images of both sets.
        test_backgrounds_in_train: number of training pairs whose background is in the test set. None if the number is
            unknown.
    """

    splits: dict[str, Split]
    other: str = r'(?!)'
    compare_backgrounds: bool = False
    test_backgrounds_in_train: int | None = None


def _rain100(letter: str, sister: str, train: int, leaks: int | None = None) -> Release:
    rules = ((r'rain-(?P<id>\d+)', r'norain-(?P<id>\d+)'),)
    img, gt = 'rain/rain-{id}', 'norain/norain-{id}'
    return Release(
        dict(
            train=Split(train, rules, 'train', img, gt),
            test=Split(100, rules, f'test|rain100{letter}', img, gt),
        ),
        other=sister,
        compare_backgrounds=leaks is not None,
        test_backgrounds_in_train=leaks,
    )


def _rain200(sister: str) -> Release:
    rules = ((r'norain-(?P<id>\d+)x2', r'norain-(?P<id>\d+)'),)
    img, gt = 'rain/norain-{id}x2', 'norain/norain-{id}'
    return Release(
        dict(train=Split(1800, rules, 'train', img, gt), test=Split(200, rules, 'test', img, gt)), other=sister
    )


def _mpid(kind: str, train: int, test: int, rule: tuple[str, str], img: str, gt: str) -> Release:
    sisters = '|'.join({'drop', 'streak', 'mist'} - {kind})
    return Release(
        dict(train=Split(train, (rule,), 'train', img, gt), test=Split(test, (rule,), 'test', img, gt)),
        other=rf'(?:{sisters})',
    )


def _raindrop_clarity(sister: str, train: int, test: int) -> Release:
    rules = ((r'Drop/(?P<scene>\d+)/(?P<image>[^/]+)', r'Clear/(?P<scene>\d+)/(?P<image>[^/]+)'),)
    img, gt = 'rain/{scene}/{image}', 'norain/{scene}/{image}'
    # The expression 'train' alone would also match the folder NightRainDrop_Test, which contains 'tRain'.
    return Release(
        dict(
            train=Split(train, rules, '(?:drop_|^)train', img, gt),
            test=Split(test, rules, '(?:drop_|^)test', img, gt),
        ),
        other=sister,
    )


def _same_names(train: int | None, val: int | None, test: int | None, sister: str = r'(?!)') -> Release:
    rules = ((rf'{IMG_FOLDER}/(?P<id>[^/]+)', rf'{GT_FOLDER}/(?P<id>[^/]+)'),)
    pairs = dict(train=train, val=val, test=test)
    return Release(
        {split: Split(number, rules, split, 'rain/{id}', 'norain/{id}') for split, number in pairs.items()},
        other=sister,
    )


_RAIN13K_TESTS = r'Rain100[HL]|Test100|Test1200|Test2800'
_HALVES = ((r'(?P<id>[^/]+)', None),)

#: Maps the name of a data set config to the release of this data set. The names and numbers come from the publications
#: and from copies of the data sets.
RELEASES = {
    'rain12': Release(
        dict(
            test=Split(
                12,
                (
                    (r'(?P<id>\d+)_in', r'(?P<id>\d+)_gt'),
                    (r'rain-(?P<id>\d+)', r'norain-(?P<id>\d+)'),
                    (rf'{IMG_FOLDER}/(?P<id>\d+)', rf'{GT_FOLDER}/(?P<id>\d+)'),
                ),
                '',
                'rain/rain-{id}',
                'norain/norain-{id}',
            )
        )
    ),
    'rain100l': _rain100('l', r'(?:100|train)h$|heavy', 200),
    'rain100h': _rain100('h', r'(?:100|train)l$|light', 1800, leaks=546),
    'rain200l': _rain200(r'200h|heavy'),
    'rain200h': _rain200(r'200l|light'),
    'rain1400': Release(
        {
            name: Split(
                14 * len(scenes),
                ((r'(?P<id>\d+)_(?P<version>\d+)', r'(?P<id>\d+)'),),
                '',
                'rain/{id}_{version}',
                'norain/{id}',
                members=scenes,
            )
            for name, scenes in (('train', range(1, 901)), ('test', range(901, 1001)))
        }
    ),
    'did': Release(
        dict(
            train=Split(
                12000,
                ((r'rain_(?P<density>heavy|medium|light)/(?:[^/]+/)?(?P<id>\d+)', None),),
                'train',
                'rain/{density}/{id}',
            ),
            test=Split(1200, ((r'(?P<id>\d+)', None),), 'test', 'rain/{id}'),
        )
    ),
    'spa': Release(
        dict(
            train=Split(
                638492,
                (
                    (
                        r'(?P<scene>\d+)-(?P<frame>\d+)_(?P<x>\d+)_(?P<y>\d+)',
                        r'(?P<scene>\d+)_(?P<x>\d+)_(?P<y>\d+)',
                    ),
                ),
                'train|real_world',
                'rain/{scene}/{scene}-{frame}_{x}_{y}',
                'norain/{scene}/{scene}_{x}_{y}',
            ),
            test=Split(1000, ((r'(?P<id>\d+)', r'(?P<id>\d+)gt'),), 'test', 'rain/{id}', 'norain/{id}gt'),
        )
    ),
    'raincityscapes': Release(
        {
            name: Split(
                pairs,
                (
                    (
                        r'(?P<city>[^/_]+)_(?P<image>\d+_\d+)_leftImg8bit_rain_(?P<parameters>[^/]+)',
                        r'(?P<city>[^/_]+)_(?P<image>\d+_\d+)_leftImg8bit',
                    ),
                ),
                folder,
                'rain/{city}/{city}_{image}_leftImg8bit_rain_{parameters}',
                'norain/{city}/{city}_{image}_leftImg8bit',
            )
            for name, pairs, folder in (('train', 9432, 'train'), ('test', 1188, 'val|test'))
        }
    ),
    'mpid_drop': _mpid(
        'drop', 861, 239, (r'(?P<id>\d+)_rain', r'(?P<id>\d+)_clean'), 'rain/{id}_rain', 'norain/{id}_clean'
    ),
    'mpid_streak': _mpid(
        'streak',
        2400,
        200,
        (rf'{IMG_FOLDER}/(?P<id>\d+)_(?P<kind>[^/_]+)', rf'{GT_FOLDER}/(?P<id>\d+)'),
        'rain/{id}_{kind}',
        'norain/{id}',
    ),
    'mpid_mist': _mpid(
        'mist',
        700,
        70,
        (rf'{IMG_FOLDER}/(?P<id>[^/]+)', rf'{GT_FOLDER}/(?P<id>[^/]+)'),
        'rain/{id}',
        'norain/{id}',
    ),
    'jdnet_pairs': Release(
        dict(train=Split(1800, _HALVES, 'train', 'rain/{id}'), test=Split(200, _HALVES, 'test', 'rain/{id}'))
    ),
    'rain13k': Release(
        dict(
            train=Split(
                13711, ((r'input/(?P<id>[^/]+)', r'target/(?P<id>[^/]+)'),), 'train', 'rain/{id}', 'norain/{id}'
            ),
            test=Split(
                4300,
                (
                    (
                        rf'(?P<set>{_RAIN13K_TESTS})/input/(?P<id>[^/]+)',
                        rf'(?P<set>{_RAIN13K_TESTS})/target/(?P<id>[^/]+)',
                    ),
                ),
                f'test|{_RAIN13K_TESTS}',
                'rain/{set}/{id}',
                'norain/{set}/{id}',
            ),
        ),
        compare_backgrounds=True,
    ),
    'raindrop': Release(
        dict(
            train=Split(
                861,
                ((r'(?P<id>\d+)_rain', r'(?P<id>\d+)_clean'),),
                'train',
                'rain/{id}_rain',
                'norain/{id}_clean',
            ),
            test=Split(
                None,
                ((rf'(?P<set>test_[ab])/{IMG_FOLDER}/(?P<id>\d+)_rain', r'(?P<set>test_[ab])/gt/(?P<id>\d+)_clean'),),
                'test_[ab]',
                'rain/{set}/{id}_rain',
                'norain/{set}/{id}_clean',
            ),
        )
    ),
    'raindrop_clarity_day': _raindrop_clarity('NightRainDrop', 4713, 729),
    'raindrop_clarity_night': _raindrop_clarity('DayRainDrop', 8655, 1089),
    'lhp_rain': _same_names(None, None, None),
    'realrain1k_h': _same_names(784, 112, 224, r'1k[-_]?l$|synrain'),
    'realrain1k_l': _same_names(784, 112, 224, r'1k[-_]?h$|synrain'),
}
