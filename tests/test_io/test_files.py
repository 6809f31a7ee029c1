"""Files and folders are written completely or not at all."""

import os
from pathlib import Path

import pytest

from mmderain.errors import InputError
from mmderain.io.files import (
    atomic_folder,
    atomic_write,
    file_sha256,
    link_or_copy,
    safe_name,
    short_name,
)
from mmderain.io.text import read_lines, read_text, write_csv


def test_a_file_is_replaced_when_the_block_ends(tmp_path):
    path = tmp_path / 'new folder' / 'a.txt'
    with atomic_write(path) as part:
        part.write_text('first')
        assert not path.exists()
    with atomic_write(path) as part:
        part.write_text('second')
        assert path.read_text() == 'first'
    assert path.read_text() == 'second' and list(path.parent.iterdir()) == [path]


def test_an_error_does_not_change_the_file(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('first')
    with pytest.raises(RuntimeError), atomic_write(path) as part:
        part.write_text('half')
        raise RuntimeError
    assert path.read_text() == 'first' and list(tmp_path.iterdir()) == [path]


def test_files_of_a_killed_process_are_replaced(tmp_path):
    path = tmp_path / 'a.txt'
    (tmp_path / '.a.part.txt').write_text('left by a killed process, and longer than the new content')
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


def test_an_error_does_not_change_the_folder(tmp_path):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/a.txt').touch()
    (tmp_path / '.data.mmderain-part').mkdir()
    (tmp_path / '.data.mmderain-part/left by a killed process').touch()
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / 'data') as part:
        assert not list(part.iterdir())
        (part / 'b.txt').touch()
        raise RuntimeError
    assert [path.name for path in (tmp_path / 'data').iterdir()] == ['a.txt']
    assert list(tmp_path.iterdir()) == [tmp_path / 'data']


def test_folders_of_the_user_with_similar_names_are_not_changed(tmp_path):
    for name in ('data', '.data.old', '.data.part'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'a.txt').touch()
    with atomic_folder(tmp_path / 'data') as part:
        (part / 'b.txt').touch()
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob('*.txt')) == [
        '.data.old/a.txt', '.data.part/a.txt', 'data/b.txt'
    ]  # fmt: skip


def test_old_folder_is_restored_if_the_new_one_cannot_be_renamed(tmp_path, monkeypatch):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/a.txt').touch()
    rename = Path.rename

    def fail(self, target):
        if self.name.endswith('-part'):
            raise OSError('no')
        return rename(self, target)

    monkeypatch.setattr(Path, 'rename', fail)
    with pytest.raises(OSError, match='no'), atomic_folder(tmp_path / 'data') as part:
        (part / 'b.txt').touch()
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob('*')] == ['data', 'data/a.txt']


def test_a_file_is_linked_or_copied(tmp_path, monkeypatch):
    (tmp_path / 'a.txt').write_text('text')
    link_or_copy(tmp_path / 'a.txt', tmp_path / 'new/link.txt')
    assert (tmp_path / 'new/link.txt').is_symlink() and (tmp_path / 'new/link.txt').read_text() == 'text'
    link_or_copy(tmp_path / 'a.txt', tmp_path / 'new/copy.txt', copy=True)
    monkeypatch.setattr(Path, 'symlink_to', lambda *_: (_ for _ in ()).throw(OSError('no links')))
    link_or_copy(tmp_path / 'a.txt', tmp_path / 'new/other.txt')
    for name in ('copy.txt', 'other.txt'):
        assert not (tmp_path / 'new' / name).is_symlink() and (tmp_path / 'new' / name).read_text() == 'text'


def test_file_sha256_and_safe_name_return_the_expected_text(tmp_path):
    (tmp_path / 'a').write_bytes(b'abc')
    assert file_sha256(tmp_path / 'a') == 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    assert safe_name('a b/c:d-1.0(2)') == 'a_b_c_d-1.0(2)' and safe_name('x:y', '-') == 'x-y'


def test_text_that_is_not_utf_8_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / 'a.txt').write_text('ä', encoding='utf-8')
    assert read_text(tmp_path / 'a.txt') == 'ä'
    (tmp_path / 'a.txt').write_bytes(b'ab\xff')
    with pytest.raises(InputError, match=r'a.txt: is not text in UTF-8 \(invalid start byte at byte 2\)'):
        read_text(tmp_path / 'a.txt')


@pytest.mark.parametrize('length', [100, 143, 200, 240, 255])
@pytest.mark.parametrize('letter', ['a', 'ä', '雨'])
@pytest.mark.parametrize('suffix', ['.png', '', '.' + 180 * 's'])
def test_names_of_any_length_are_written(tmp_path, letter, length, suffix):
    room = length - len(suffix)
    name = letter * (room // len(letter.encode())) + suffix
    if room < 1 or not name.removesuffix(suffix):
        return
    with atomic_write(tmp_path / name) as part:
        # The temporary name must fit into the names of encrypted folders if it is not much longer than the suffix.
        assert len(part.name.encode()) <= 143 and part.name.startswith('.')
        part.write_text('content')
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, 'content')]


def test_folders_with_long_names_are_written(tmp_path):
    with atomic_folder(tmp_path / ('雨' * 85)) as part:
        (part / 'a.txt').touch()
    assert [path.name for path in tmp_path.iterdir()] == ['雨' * 85]


def test_the_temporary_names_of_two_files_differ(tmp_path):
    with atomic_write(tmp_path / f'{"a" * 200}.png') as first, atomic_write(tmp_path / f'{"a" * 200}b.png') as second:
        assert first != second
        first.touch(), second.touch()


def test_an_error_of_the_clean_up_does_not_hide_the_first_error(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise PermissionError('in use')

    monkeypatch.setattr(Path, 'unlink', fail)  # as on Windows while another process reads the file
    with pytest.raises(ValueError, match='the first error'), atomic_write(tmp_path / 'a.txt'):
        raise ValueError('the first error')


@pytest.mark.parametrize(
    'content',
    [
        'a.png\nsub/ä.png\n',
        '\n  a.png \r\n\r\nsub/ä.png\r\n\n',
        '\ufeffa.png\nsub/ä.png',
    ],
    ids=['plain', 'empty lines', 'byte order mark'],
)
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16'])
def test_lists_are_read(tmp_path, content, encoding):
    if encoding == 'utf-16':
        content = content.removeprefix('\ufeff')  # Python writes the mark
    (tmp_path / 'list.txt').write_bytes(content.encode(encoding))
    assert read_lines(tmp_path / 'list.txt') == ['a.png', 'sub/ä.png']


def test_a_list_of_another_encoding_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / 'list.txt').write_bytes('ä.png\n'.encode('cp1252'))
    with pytest.raises(InputError, match='list.txt: is not text in UTF-8'):
        read_lines(tmp_path / 'list.txt')


def test_tables_have_names_of_any_bytes(tmp_path):
    write_csv(tmp_path / 'a.csv', ['image', 'score'], [[os.fsdecode(b'\xff.png'), 1], ['雨,.png', 2]])
    assert (tmp_path / 'a.csv').read_bytes() == 'image,score\r\n\\udcff.png,1\r\n"雨,.png",2\r\n'.encode()


@pytest.mark.parametrize('letter', ['n', 'ä', '雨', '\udcff'])
def test_short_names_differ(letter):
    texts = [letter * 300, letter * 301, letter * 299 + 'x']
    found = [short_name(text, 100) for text in texts]
    assert len(set(found)) == 3 and all(name.startswith(letter * 20) for name in found)
    assert all(85 < len(os.fsencode(name)) <= 100 for name in found)
    assert short_name('x' * 100, 100) == 'x' * 100
