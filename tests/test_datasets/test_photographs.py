"""Photographs are made smaller and divided into quarters, for training with synthetic rain."""

import mmcv
import numpy as np
import pytest
from conftest import load_tool, smooth_image


@pytest.fixture
def photographs(tmp_path):
    for name, size in {'large': (160, 210), 'small': (50, 40), 'kept': (90, 90)}.items():
        mmcv.imwrite(smooth_image(*size), str(tmp_path / f'src/{name}.png'))
    return tmp_path / 'src'


def run(*arguments) -> int:
    return load_tool('prepare_dataset').main(['photographs', *map(str, arguments)])


def test_large_photographs_are_also_written_in_quarters(photographs, tmp_path, capsys):
    assert run(photographs, tmp_path / 'dst', '--side', 80, '--without', 'kept') == 0
    assert f'{tmp_path / "dst"}: 6 images of 2 photographs' in capsys.readouterr().out
    written = {path.name: mmcv.imread(str(path)) for path in (tmp_path / 'dst').iterdir()}
    quarters = [f'large_{row}{column}.png' for row in range(2) for column in range(2)]
    assert sorted(written) == sorted(['large.png', 'small.png', *quarters])
    assert np.array_equal(written['small.png'], smooth_image(50, 40))
    large = smooth_image(160, 210)
    for row in range(2):
        for column in range(2):
            quarter = large[80 * row : 80 * (row + 1), 105 * column : 105 * (column + 1)]
            assert np.array_equal(written[f'large_{row}{column}.png'], quarter)
    means = large.reshape(80, 2, 105, 2, 3).mean((1, 3))
    assert abs(written['large.png'] - means).max() <= 0.5


def test_options_only_and_without_select_photographs(photographs, tmp_path, capsys):
    arguments = (photographs, tmp_path / 'dst', '--side', 80, '--no-quarters', '--only', 'large', 'kept')
    assert run(*arguments) == 0
    assert sorted(path.name for path in (tmp_path / 'dst').iterdir()) == ['kept.png', 'large.png']
    assert run(photographs, tmp_path / 'other', '--only', 'lagre') == 1
    assert '--only lagre: no photograph has this name' in capsys.readouterr().err


def test_wrong_calls_give_errors_and_write_nothing(photographs, tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty/a.txt').touch()
    mmcv.imwrite(smooth_image(20, 20), str(tmp_path / 'other/large_00.png'))
    mmcv.imwrite(smooth_image(20, 20), str(tmp_path / 'cut/half.png'))
    content = (tmp_path / 'cut/half.png').read_bytes()
    (tmp_path / 'cut/half.png').write_bytes(content[:40])  # the header is complete
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full/a.txt').write_text('mine')
    dst = tmp_path / 'dst'
    for arguments, message in [
        ([photographs, dst, '--without', 'kpet'], '--without kpet: no photograph has this name'),
        ([photographs, photographs / 'small.png', dst], 'both would be written to small.png; rename one of them'),
        (
            [photographs, tmp_path / 'other', dst, '--side', '80'],
            'both would be written to large_00.png; use keep_suffix=True',
        ),
        ([tmp_path / 'cut', dst], 'no photograph can be read; left out, '),
        ([tmp_path / 'empty', dst], 'empty: no image in this folder; skipped 1 file: .txt'),
        ([tmp_path / 'none.png', dst], 'none.png: no such image'),
        ([photographs / 'small.png', dst, '--without', 'small'], '--without small: leaves no image'),
        ([photographs, dst, '--side', '0'], '--side must be at least 1 px, found 0'),
    ]:
        assert run(*arguments) == 1
        assert message in capsys.readouterr().err and not list(tmp_path.glob('*dst*'))
    assert run(photographs, tmp_path / 'full') == 1
    assert 'full: already exists; name another folder, or remove it' in capsys.readouterr().err
    assert [path.name for path in (tmp_path / 'full').iterdir()] == ['a.txt']


def test_files_of_a_killed_run_are_not_in_the_result(photographs, tmp_path):
    mmcv.imwrite(smooth_image(20, 20), str(tmp_path / '.dst.part/stale.png'))
    assert run(photographs, tmp_path / 'dst', '--no-quarters') == 0
    assert sorted(path.name for path in (tmp_path / 'dst').iterdir()) == ['kept.png', 'large.png', 'small.png']
