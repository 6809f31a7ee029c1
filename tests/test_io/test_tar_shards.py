import io
import sys
import tarfile
import tempfile

import pytest

from mmderain.errors import InputError
from mmderain.io import tar_shards
from mmderain.io.remote import RemotePath
from mmderain.io.tar_shards import Member, expand_shards, is_shard, open_shard, read_members, write_shard


def shard_bytes(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return a tar archive with these names and contents."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w') as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.mtime = len(content), kind, 1_700_000_000
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def names_and_problems(content: bytes) -> list[tuple[str, str]]:
    return [(m.name, str(m.problem or '')) for m in read_members(io.BytesIO(content), 'a.tar')]


TWO = shard_bytes(('0/000001.jpg', b'x' * 700), ('0/000001.json', b'{}'))


def test_members_are_read_in_their_order_with_content_and_time():
    members = list(read_members(io.BytesIO(TWO), 'a.tar'))
    assert members == [
        Member('0/000001.jpg', b'x' * 700, 1_700_000_000),
        Member('0/000001.json', b'{}', 1_700_000_000),
    ]


@pytest.mark.parametrize(
    'name, suffix, is_image',
    [
        ('a/b.c/000001.JPG', '.jpg', True),
        ('000001.png', '.png', True),
        ('000001.seg.png', '.seg.png', False),  # a label
        ('000001.json', '.json', False),
        ('000001', '', False),
        ('folder.jpg/000001', '', False),
    ],
)
def test_images_are_members_whose_whole_type_is_an_image_format(name, suffix, is_image):
    assert (Member(name).suffix, Member(name).is_image) == (suffix, is_image)


@pytest.mark.parametrize(
    'length, kept, place',
    [
        (0, 0, 'at its beginning (empty file)'),
        (100, 0, 'at its beginning (truncated header)'),
        (900, 0, 'at its beginning (unexpected end of data)'),  # in the content of the first member
        (1536, 1, "after the member '0/000001.jpg' (the end of the archive is missing, or the header"),  # after it
        (1700, 1, "after the member '0/000001.jpg' (the end of the archive is missing, or the header"),
        (2560, 2, "after the member '0/000001.json' (the end of the archive is missing, or the header"),
    ],
)
def test_a_shard_that_is_cut_off_keeps_its_complete_members(length, kept, place):
    *members, last = names_and_problems(TWO[:length])
    assert members == [('0/000001.jpg', ''), ('0/000001.json', '')][:kept]
    assert last[0] == ''
    assert last[1].startswith(f'a.tar: is cut off or damaged {place}')
    assert last[1].endswith('Replace this shard')


def test_a_damaged_header_in_the_middle_is_reported():
    damaged = bytearray(TWO)
    damaged[1536:1546] = b'?' * 10  # the name of the second member, which the checksum covers
    assert [name for name, _ in names_and_problems(bytes(damaged))] == ['0/000001.jpg', '']


def test_a_file_that_is_no_archive_is_reported():
    [(name, problem)] = names_and_problems(b'not a tar file' * 100)
    assert (name, problem) == (
        '',
        'a.tar: is cut off or damaged at its beginning (invalid header). Replace this shard',
    )


@pytest.mark.parametrize('kind', [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_folders_links_and_devices_are_left_out(kind):
    content = shard_bytes(('/etc/passwd', b''), kind=kind)
    assert names_and_problems(content) == []


def test_a_sparse_member_is_left_out():
    header = bytearray(shard_bytes(('zeros.png', b'')))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[257:265] = b'ustar  \0'  # the GNU format
    header[483:495] = b'77777777777\0'  # the size after expansion: 8 GiB
    header[148:156] = b'%06o\0 ' % (sum(header[:148]) + 8 * 32 + sum(header[156:512]))
    assert names_and_problems(bytes(header)) == []


def test_a_member_that_is_too_large_is_refused_and_the_next_is_read(monkeypatch):
    monkeypatch.setattr(tar_shards, 'MAX_MEMBER_BYTES', 699)
    assert names_and_problems(TWO) == [
        ('0/000001.jpg', 'a.tar/0/000001.jpg: has 700 bytes; expected at most 699. Remove this member'),
        ('0/000001.json', ''),
    ]


def test_a_written_shard_is_read_back_and_has_no_owner(tmp_path):
    members = [Member('ü/../000001.png', b'image', 1_700_000_000), Member('b' * 200, b'', 5)]
    with write_shard(tmp_path / 'new' / 'a.tar') as writer:
        for member in members:
            writer.add(member)
    with open_shard(tmp_path / 'new' / 'a.tar') as file:
        assert list(read_members(file, 'a.tar')) == members
    with tarfile.open(tmp_path / 'new' / 'a.tar') as archive:
        assert [(m.uid, m.uname, m.mode) for m in archive] == [(0, '', 0o644)] * 2


def test_webdataset_reads_a_written_shard(tmp_path):
    webdataset = pytest.importorskip('webdataset', reason='needs the extra [scale-test]')
    with write_shard(tmp_path / '000.tar') as writer:
        for member in (Member('a.png', b'1'), Member('a.json', b'{}'), Member('b.png', b'2')):
            writer.add(member)
    samples = list(webdataset.WebDataset(str(tmp_path / '000.tar'), shardshuffle=False))
    assert [(s['__key__'], s.get('png'), s.get('json')) for s in samples] == [('a', b'1', b'{}'), ('b', b'2', None)]


def test_an_error_leaves_neither_a_shard_nor_a_temporary_file(tmp_path):
    with pytest.raises(ZeroDivisionError), write_shard(tmp_path / 'a.tar') as writer:
        writer.add(Member('a.png', b'1'))
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


def test_a_missing_shard_is_named():
    with pytest.raises(InputError, match=r'^missing\.tar: cannot be read \(No such file or directory\)$'):
        with open_shard('missing.tar'):
            pass


def test_patterns_are_expanded(tmp_path):
    pytest.importorskip('braceexpand', reason='needs the extra [remote]')
    assert expand_shards('s3://b/{008..010}.tar') == ['s3://b/008.tar', 's3://b/009.tar', 's3://b/010.tar']
    assert expand_shards('{a,b}/{0..1}.tar') == ['a/0.tar', 'a/1.tar', 'b/0.tar', 'b/1.tar']
    existing = tmp_path / '{0..1}.tar'
    existing.write_bytes(b'')
    assert expand_shards(str(existing)) == [str(existing)]
    with pytest.raises(InputError, match=r'^a/\{0\.\.\.tar: a brace is not closed; expected a pattern such as '):
        expand_shards('a/{0...tar')
    with pytest.raises(InputError, match=r'names more than 1000000 shards; use several patterns'):
        expand_shards('{0..99999999999}.tar')


def test_only_tar_files_are_shards():
    names = ['a.tar', 's3://b/{0..9}.TAR', 'a.tar.gz', 'tar', 'a.png']
    assert [is_shard(name) for name in names] == [True, True, False, False, False]


def test_a_pattern_without_the_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'braceexpand', None)
    assert expand_shards('a.tar') == ['a.tar']
    with pytest.raises(InputError) as caught:
        expand_shards('{0..1}.tar')
    assert str(caught.value) == (
        '{0..1}.tar: a pattern with braces needs the library braceexpand; run `pip install "mmderain[remote]"`'
    )


class BrokenDisk(io.BytesIO):
    """File whose end cannot be read."""

    def read(self, size=-1):
        if self.tell() > 1000:
            raise OSError(5, 'Input/output error')
        return super().read(size)


def test_a_read_error_is_not_reported_as_an_error_of_the_written_shard(tmp_path):
    with pytest.raises(InputError, match=r'^in/a\.tar: cannot be read further \(Input/output error\)$'):
        with write_shard(tmp_path / 'a.tar') as writer:
            for member in read_members(BrokenDisk(TWO), 'in/a.tar'):
                writer.add(member)
    assert list(tmp_path.iterdir()) == []


def test_a_write_error_names_the_shard_and_not_its_temporary_file(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    with pytest.raises(InputError) as caught, write_shard(tmp_path / 'file' / 'a.tar'):
        pass
    assert str(caught.value) in (
        f'{tmp_path}/file/a.tar: cannot be written (Not a directory)',
        f'{tmp_path}/file/a.tar: cannot be written (File exists)',
    )
    pytest.importorskip('fsspec', reason='needs the extra [remote]')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'missing'))
    with pytest.raises(InputError) as caught, write_shard(RemotePath.parse('memory://tar/a.tar')):
        pass
    assert str(caught.value) == (
        'memory://tar/a.tar: its temporary copy on this machine cannot be written (No such file or directory); make '
        'room on the disk, or set TMPDIR to another folder'
    )
