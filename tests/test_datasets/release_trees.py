"""Small examples of the published layouts of the data sets, with the difficult file names of each data set."""

from pathlib import Path

import cv2
from conftest import load_tool, smooth_image

#: Maps each folder of RainDrop to the end of its file names.
DROPS = {'data': 'rain', 'gt': 'clean'}
#: Maps the name of a release to its files, and to the expected pairs in data/<name>. The pairs are a dictionary that
#: maps each rainy file to its clean file, or to None.
TREES = {
    'rain12': (
        ['input/001_in.png', 'input/010_in.png', 'input/002_in.png', 'ground truth/001_GT.png']
        + ['ground truth/002_GT.png', 'ground truth/010_GT.png'],
        {f'rain/rain-{n}.png': f'norain/norain-{n}.png' for n in ('001', '002', '010')},
    ),
    'rain100l': (
        [f'Rain100L/{f}-{n:03}.png' for n in (2, 10) for f in ('rainy/rain', 'norain/norain')]
        + [f'RainTrainL/{stem}-{n}.png' for n in (2, 10) for stem in ('rain', 'norain', 'rainmask')]
        + ['Rain100H/rainy/rain-001.png', 'Rain100H/norain-001.png'],
        {
            **{f'test/rain/rain-{n}.png': f'test/norain/norain-{n}.png' for n in ('002', '010')},
            **{f'train/rain/rain-{n}.png': f'train/norain/norain-{n}.png' for n in (2, 10)},
        },
    ),
    'rain100h': (
        [f'rain_data_train_Heavy/{f}/{f}-{n}.png' for n in (2, 10, 11) for f in ('rain', 'norain')]
        + ['rain_data_train_Heavy/rainstreak/rainstreak-2.png']
        + [f'rain_data_test_Heavy/{stem}-{n:03}.png' for n in (2, 10) for stem in ('rain', 'norain')],
        {
            **{f'test/rain/rain-{n}.png': f'test/norain/norain-{n}.png' for n in ('002', '010')},
            **{f'train/rain/rain-{n}.png': f'train/norain/norain-{n}.png' for n in (2, 10, 11)},
        },
    ),
    **{
        name: (
            [f'{split}/rain/X2/norain-{n}x2.png' for split in ('train', 'test') for n in (7, 70)]
            + [f'{split}/norain/norain-{n}.png' for split in ('train', 'test') for n in (70, 7)],
            {f'{s}/rain/norain-{n}x2.png': f'{s}/norain/norain-{n}.png' for s in ('train', 'test') for n in (7, 70)},
        )
        for name in ('rain200l', 'rain200h')
    },
    'rain1400': (
        [f'rainy_image/{n}_{v}.jpg' for n in (9, 90, 901) for v in (1, 14)]
        + [f'ground_truth/{n}.jpg' for n in (9, 90, 901)],
        {
            f'{split}/rain/{n}_{v}.jpg': f'{split}/norain/{n}.jpg'
            for n, split in ((9, 'train'), (90, 'train'), (901, 'test'))
            for v in (1, 14)
        },
    ),
    'did': (
        [f'DID-MDN-training/Rain_{d}/train2018new/{n}.jpg' for d in ('Heavy', 'Medium', 'Light') for n in (1, 2)]
        + ['DID-MDN-test/1.jpg'],
        {f'train/rain/{d}/{n}.jpg': None for d in ('heavy', 'medium', 'light') for n in (1, 2)}
        | {'test/rain/1.jpg': None},
    ),
    'spa': (
        [f'Training/real_world/012/012-{f}/012-{f}_{x}_0.png' for f in (1, 10) for x in (0, 256)]
        + [f'Training/real_world_gt/012/012_{x}_0.png' for x in (0, 256)]
        + ['real_test_1000/rain/7.png', 'real_test_1000/gt/7gt.png', 'real_test_1000/rain/70.png']
        + ['real_test_1000/gt/70gt.png'],
        {f'train/rain/012/012-{f}_{x}_0.png': f'train/norain/012/012_{x}_0.png' for f in (1, 10) for x in (0, 256)}
        | {f'test/rain/{n}.png': f'test/norain/{n}gt.png' for n in (7, 70)},
    ),
    'raincityscapes': (
        [
            f'leftImg8bit_rain/{s}/{c}/{c}_000001_000019_leftImg8bit_rain_alpha_0.01_beta_{b}_dropsize_0.01_pattern_1.png'
            for s, c in (('train', 'aachen'), ('val', 'lindau'))
            for b in ('0.005', '0.01')
        ]
        + [f'leftImg8bit/train/aachen/aachen_00000{n}_000019_leftImg8bit.png' for n in (1, 2)]
        + ['leftImg8bit/val/lindau/lindau_000001_000019_leftImg8bit.png'],
        {
            f'{s}/rain/{c}/{c}_000001_000019_leftImg8bit_rain_alpha_0.01_beta_{b}_dropsize_0.01_pattern_1.png':
            f'{s}/norain/{c}/{c}_000001_000019_leftImg8bit.png'
            for s, c in (('train', 'aachen'), ('test', 'lindau'))
            for b in ('0.005', '0.01')
        },
    ),
    'mpid_drop': (
        [f'rain_drop/{s}/data/{n}_rain.png' for s in ('train', 'test') for n in (1, 10)]
        + [f'rain_drop/{s}/gt/{n}_clean.png' for s in ('train', 'test') for n in (1, 10)]
        + ['rain_mist/train/data/1.jpg', 'rain_mist/train/gt/1.jpg'],
        {f'{s}/rain/{n}_rain.png': f'{s}/norain/{n}_clean.png' for s in ('train', 'test') for n in (1, 10)},
    ),
    'mpid_streak': (
        [f'rain_streak/{s}/data/{n}_rain.png' for s in ('train', 'test') for n in (1, 10)]
        + [f'rain_streak/{s}/gt/{n}.png' for s in ('train', 'test') for n in (1, 10)],
        {f'{s}/rain/{n}_rain.png': f'{s}/norain/{n}.png' for s in ('train', 'test') for n in (1, 10)},
    ),
    'mpid_mist': (
        [f'rain_mist/{s}/data/{n}.jpg' for s in ('train', 'test') for n in ('a', 'b-1')]
        + [f'rain_mist/{s}/gt/{n}.png' for s in ('train', 'test') for n in ('a', 'b-1')],
        {f'{s}/rain/{n}.jpg': f'{s}/norain/{n}.png' for s in ('train', 'test') for n in ('a', 'b-1')},
    ),
    'jdnet_pairs': (
        [f'{s}/{n}.png' for s in ('train', 'test') for n in (1, 10)],
        {f'{s}/rain/{n}.png': None for s in ('train', 'test') for n in (1, 10)},
    ),
    'rain13k': (
        [f'train/Rain13K/{f}/{n}.jpg' for f in ('input', 'target') for n in (1, 10)]
        + [f'test/{t}/{f}/{n}.png' for t in ('Rain100H', 'Test2800') for f in ('input', 'target') for n in (1, 10)],
        {f'train/rain/{n}.jpg': f'train/norain/{n}.jpg' for n in (1, 10)}
        | {f'test/rain/{t}/{n}.png': f'test/norain/{t}/{n}.png' for t in ('Rain100H', 'Test2800') for n in (1, 10)},
    ),
    'raindrop': (
        [f'{s}/{f}/{n}_{stem}.png' for s in ('train', 'test_a') for n in (0, 10) for f, stem in DROPS.items()]
        + [f'test_b/{f}/{n}_{stem}.jpg' for n in (0, 10) for f, stem in DROPS.items()],
        {f'train/rain/{n}_rain.png': f'train/norain/{n}_clean.png' for n in (0, 10)}
        | {f'test/rain/test_a/{n}_rain.png': f'test/norain/test_a/{n}_clean.png' for n in (0, 10)}
        | {f'test/rain/test_b/{n}_rain.jpg': f'test/norain/test_b/{n}_clean.jpg' for n in (0, 10)},
    ),
    **{
        f'raindrop_clarity_{kind.lower()}': (
            [
                f'{kind}RainDrop_{split}/{f}/{scene}/{n:05}.png'
                for split, scene in (('Train', '00001'), ('Test', '00007'))
                for f in ('Drop', 'Blur', 'Clear')
                for n in (1, 10)
            ]
            + [f'{other}RainDrop_Train/{f}/00001/00001.png' for f in ('Drop', 'Clear')],
            {
                f'{split}/rain/{scene}/{n:05}.png': f'{split}/norain/{scene}/{n:05}.png'
                for split, scene in (('train', '00001'), ('test', '00007'))
                for n in (1, 10)
            },
        )
        for kind, other in (('Day', 'Night'), ('Night', 'Day'))
    },
    'lhp_rain': (
        [f'LHP-Rain/{s}/{f}/{n}.png' for s in ('train', 'val', 'test') for f in ('input', 'gt') for n in (2, 10)],
        {f'{s}/rain/{n}.png': f'{s}/norain/{n}.png' for s in ('train', 'val', 'test') for n in (2, 10)},
    ),
    **{
        f'realrain1k_{own.lower()}': (
            [
                f'RealRain-1k/RealRain-1k-{letter}/{folder}/{f}/{n}.png'
                for letter in (own, other)
                for folder in ('train', 'validation', 'test')
                for f in ('input', 'target')
                for n in (2, 10)
            ]
            + ['SynRain-13k/test/input/1.png', 'SynRain-13k/test/target/1.png'],
            {f'{s}/rain/{n}.png': f'{s}/norain/{n}.png' for s in ('train', 'val', 'test') for n in (2, 10)},
        )
        for own, other in (('H', 'L'), ('L', 'H'))
    },
}  # fmt: skip


def make(root: Path, files) -> Path:
    """Write a different image for each file name, and return the root folder."""
    for number, name in enumerate(files):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), smooth_image(12, 16, seed=number))
    return root


def prepare(*arguments) -> int:
    """Run tools/prepare_dataset.py, and return its exit status."""
    return load_tool('prepare_dataset').main([str(a) for a in arguments])
