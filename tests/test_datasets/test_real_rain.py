"""Real rainy images without clean partners are collected in one folder."""

from conftest import load_tool
from release_trees import make

tool = load_tool('prepare_dataset')


def test_readable_images_are_linked(tmp_path, capsys):
    one, two = make(tmp_path / 'practical', ['1.png', 'street/2.jpg']), make(tmp_path / 'internet', ['1.png', '3.png'])
    (two / '3.png').write_bytes((two / '3.png').read_bytes()[:50])
    dst = tmp_path / 'data/real_rain'
    assert tool.main(['real_rain', str(one), str(two), str(dst)]) == 0
    message = capsys.readouterr().out
    assert f'{dst}: number of images: 3' in message and f'left out, {two / "3.png"}: cannot be read' in message
    files = sorted(path.relative_to(dst).as_posix() for path in dst.rglob('*.*'))
    assert files == ['internet/1.png', 'practical/1.png', 'practical/street/2.jpg']
    assert (dst / 'practical/1.png').is_symlink()


def test_wrong_calls_give_errors_and_write_nothing(tmp_path, capsys):
    one, other = make(tmp_path / 'a/rain', ['1.png']), make(tmp_path / 'b/rain', ['1.png'])
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty/a.cr2').touch()
    dst = tmp_path / 'dst'
    for folders, message in (
        ([tmp_path / 'none'], 'none: no such folder; give folders with real rainy images'),
        ([one, other], f'both would be written as {dst / "rain"}; rename one'),
        (
            [tmp_path / 'empty'],
            'empty: no readable image; skipped 1 file: .cr2 (convert raw files to TIFF or JPEG first)',
        ),
    ):
        assert tool.main(['real_rain', *map(str, folders), str(dst)]) == 1
        assert message in capsys.readouterr().err and not dst.exists()
