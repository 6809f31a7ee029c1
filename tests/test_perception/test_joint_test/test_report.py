"""The joint test tool writes its report, and gives errors for wrong calls."""

import json

import mmcv
import pytest
import torch
from conftest import load_tool

pytest.importorskip('mmdet', reason='mmdet is not installed')
pytest.importorskip('mmseg', reason='mmseg is not installed')


def test_joint_test_tool_writes_the_report(camvid, tmp_path, capsys):
    done = tmp_path / 'done/images/test'
    for number in range(6):  # clean images, as a perfect derainer would return them
        mmcv.imwrite(mmcv.imread(f'data/camvid/images/test/{number}.jpg'), str(done / f'{number}.png'))
    tool = load_tool('joint_test')
    arguments = ['seg.py', 'seg.pth', '--rain', 'heavy', '--folder', 'oracle', str(tmp_path / 'done'), '--out', 'out']
    arguments += ['--baseline', 'same', 'seg.py', 'seg.pth']
    assert tool.main(arguments) == 0
    message = capsys.readouterr().out
    content = json.loads((tmp_path / 'out/results.json').read_text())
    by = {(r['rain'], r['treatment'], r['model']['name']): r for r in content['rows']}
    assert by[None, 'clean', 'seg']['metrics'] == by['heavy', 'oracle', 'seg']['metrics']
    assert by['heavy', 'rainy', 'seg']['metrics'] == by['heavy', 'rainy', 'same']['metrics']
    table, _, images = (tmp_path / 'out/table.md').read_text().rpartition('\n6 images.')
    assert images == '\n'
    lost = by[None, 'clean', 'seg']['metrics']['mIoU'] - by['heavy', 'rainy', 'seg']['metrics']['mIoU']
    (oracle,) = [line for line in table.splitlines() if '| oracle |' in line]
    assert ('| 100% |' in oracle) == (lost > 0)
    assert table in message and mmcv.imread(str(tmp_path / 'out/chart.png')).std() > 10
    # The gallery has one sheet for each image without rain, and one with rain. A sheet shows the ground truth first,
    # and then the rows of the table for this rain.
    names = sorted(path.name for path in (tmp_path / 'out/gallery').iterdir())
    assert names == [f'{n:05d}_{n}_{rain}.png' for n in (0, 2, 3, 5) for rain in ('clean', 'heavy')]
    for rain, captions in (
        ('clean', ['truth', 'clean', 'clean, same']),
        ('heavy', ['truth', 'clean', 'rainy', 'rainy, same', 'median blur 5x5', 'oracle']),
    ):
        sheet = mmcv.imread(str(tmp_path / f'out/gallery/00002_2_{rain}.png'))
        bar = sheet.shape[0] // (len(captions) // 3) - 72  # each image has a caption above it and a gap below it
        tiles = {}
        for i, caption in enumerate(captions):
            top, left = i // 3 * (bar + 72) + bar - 6, i % 3 * 108 + 6
            tiles[caption] = sheet[top : top + 72, left : left + 96]
        assert (tiles['clean'] != tiles['truth']).any()
        if rain == 'heavy':
            assert (tiles['oracle'] == tiles['clean']).all() and (tiles['rainy, same'] == tiles['rainy']).all()
            assert (tiles['rainy'] != tiles['clean']).any()
            # The labels are drawn by the visualizer of mmseg.
            key = by['heavy', 'rainy', 'seg']['drawings'][1]
            assert key.endswith('/00002_2')
            assert (tiles['rainy'] == mmcv.imread(str(tmp_path / f'out/cache/{key}.png'))).all()


def test_wrong_calls_give_one_error(camvid, capsys):
    tool = load_tool('joint_test')
    torch.save(dict(state_dict={'backbone.other': torch.zeros(3)}), 'other.pth')
    for arguments, error in (
        (['none.py', 'seg.pth'], 'none.py: no such config file'),
        (['seg.py', 'none.pth'], 'none.pth: no such file'),
        (['seg.py', 'other.pth', '--limit', '1'], 'other.pth does not fit seg.py: backbone.'),
        (
            ['seg.py', 'seg.pth', *['--derainer', 'X', 'seg.py', 'seg.pth'] * 2],
            '--derainer must differ, found X more than once',
        ),
        (['seg.py', 'seg.pth', '--rain', 'drizzle'], "found 'drizzle'"),
        (['seg.py', 'seg.pth', '--cfg-options', 'modle.x=1'], "unknown entry 'modle'; did you mean 'model'?"),
        (['seg.py', 'seg.pth', '--derainer', 'X', 'none.py', 'seg.pth'], 'none.py: no such config file'),
        (
            ['seg.py', 'seg.pth', '--cfg-options', 'test_dataloader.dataset.data_root=none'],
            'none does not exist',
        ),
        (
            ['seg.py', 'seg.pth', '--folder', 'X', 'empty', '--limit', '1'],
            'found no image 0.* for the image images/test/0.jpg',
        ),
    ):
        assert tool.main(arguments) == 1 and error in capsys.readouterr().err
