"""Files and folders are written completely or not at all."""

import pytest

from mmderain.io import atomic_folder, atomic_write


def test_a_file_is_replaced_when_the_block_ends(tmp_path):
    path = tmp_path / 'new folder' / 'a.txt'
    with atomic_write(path) as part:
        part.write_text('first')
        assert not path.exists()
    with atomic_write(path) as part:
        part.write_text('second')
        assert path.read_text() == 'first'
    assert path.read_text() == 'second' and list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('first')
    with pytest.raises(RuntimeError), atomic_write(path) as part:
        part.write_text('half')
        raise RuntimeError
    assert path.read_text() == 'first' and list(tmp_path.iterdir()) == [path]


def test_the_remains_of_a_killed_process_are_replaced(tmp_path):
    path = tmp_path / 'a.txt'
    (tmp_path / '.a.part.txt').write_text('what a killed process has left, longer than the new content')
    with atomic_write(path) as part:
        part.write_text('new')
    assert path.read_text() == 'new' and list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / 'a.txt'):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / 'parent' / 'data'
    for number in range(2):
        with atomic_folder(path) as part:
            (part / f'{number}.txt').touch()
            assert path.exists() == bool(number)
        assert [file.name for file in path.iterdir()] == [f'{number}.txt']
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_folder_as_it_was(tmp_path):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/a.txt').touch()
    (tmp_path / '.data.part').mkdir()
    (tmp_path / '.data.part/left by a killed process').touch()
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / 'data') as part:
        assert not list(part.iterdir())
        (part / 'b.txt').touch()
        raise RuntimeError
    assert [path.name for path in (tmp_path / 'data').iterdir()] == ['a.txt']
    assert list(tmp_path.iterdir()) == [tmp_path / 'data']
