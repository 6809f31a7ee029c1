"""Uploads of the web page, requests for other files, and users."""

import json
import os
import tempfile
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
from conftest import free_port, smooth_image
from PIL import Image

from mmderain.errors import InputError
from mmderain.web import is_loopback, read_users, serving, uploads
from mmderain.web.uploads import read_upload, trim_uploads

from .cases import send


def test_gray_16_bit_and_alpha_uploads_become_8_bit_color(tmp_path):
    img = smooth_image(10, 12)
    mmcv.imwrite(img, str(tmp_path / 'a.png'))
    assert np.array_equal(read_upload(tmp_path / 'a.png', tmp_path), img)
    grey = img[..., 0]
    cv2.imwrite(str(tmp_path / 'grey16.png'), grey.astype(np.uint16) * 257)
    assert np.array_equal(read_upload(tmp_path / 'grey16.png', tmp_path), np.repeat(grey[..., None], 3, 2))
    cv2.imwrite(str(tmp_path / 'alpha.png'), np.dstack([img, grey]))
    assert np.array_equal(read_upload(tmp_path / 'alpha.png', tmp_path), img)


def test_uploads_that_are_refused_are_named_without_their_folder(tmp_path, monkeypatch):
    (tmp_path / 'notes.png').write_text('not an image')
    mmcv.imwrite(smooth_image(64, 64), str(tmp_path / 'cut.jpg'))
    content = (tmp_path / 'cut.jpg').read_bytes()
    (tmp_path / 'cut.jpg').write_bytes(content[: len(content) // 2])
    frames = [Image.fromarray(smooth_image(8, 8, seed)) for seed in range(3)]
    frames[0].save(tmp_path / 'moving.gif', save_all=True, append_images=frames[1:])
    mmcv.imwrite(smooth_image(30, 41), str(tmp_path / 'large.png'))
    monkeypatch.setattr(uploads, 'MAX_PIXELS', 1200)
    for name, error_text in {
        'notes.png': 'cannot be read as an image',
        'cut.jpg': 'the end of the file is missing',
        'moving.gif': 'has 3 frames',
        'large.png': 'has 41x30 pixels; this page accepts up to 0.0012 million',
    }.items():
        monkeypatch.setattr(uploads, 'MAX_PIXELS', 1200 if name == 'large.png' else 10_000)
        with pytest.raises(InputError, match=error_text) as error:
            read_upload(tmp_path / name, tmp_path)
        assert str(error.value).startswith(name) and str(tmp_path) not in str(error.value)


@pytest.fixture
def other_files(tmp_path):
    """Return paths that are not uploads: a file outside of the folder, links, a pipe, a folder, and missing files."""
    mmcv.imwrite(smooth_image(10, 12), str(tmp_path / 'secret.png'))
    (tmp_path / 'uploads').mkdir()
    (tmp_path / 'uploads/link.png').symlink_to(tmp_path / 'secret.png')
    (tmp_path / 'uploads/loop.png').symlink_to(tmp_path / 'uploads/loop.png')
    os.mkfifo(tmp_path / 'uploads/pipe.png')
    (tmp_path / 'uploads/folder.png').mkdir()
    names = ['secret.png', 'uploads/link.png', 'uploads/loop.png', 'uploads/pipe.png', 'uploads/folder.png']
    names += ['uploads/../secret.png', 'none.png', 'uploads/none.png', f'uploads/{"a" * 5000}.png', 'uploads/a\0.png']
    return [str(tmp_path / name) for name in names]


def test_only_uploads_are_read(other_files, tmp_path):
    mmcv.imwrite(smooth_image(10, 12), str(tmp_path / 'uploads/a/b.png'))
    assert read_upload(tmp_path / 'uploads/a/b.png', tmp_path / 'uploads').shape == (10, 12, 3)
    for path in other_files:
        with pytest.raises(InputError) as error:
            read_upload(path, tmp_path / 'uploads')
        # The message is the same for existing and for missing files.
        assert str(error.value) == f'{Path(path).name}: was not uploaded to this page; upload the image again'


def test_the_oldest_uploads_are_deleted(tmp_path):
    for number, name in enumerate(['a/old.png', 'b/new.png', 'newest.png']):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (number, number))
    trim_uploads(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.rglob('*.png')) == ['new.png', 'newest.png']
    trim_uploads(tmp_path, 0)
    assert not list(tmp_path.rglob('*.png'))


def test_users_are_read_from_a_private_file(tmp_path):
    file = tmp_path / 'users.txt'
    file.write_text('anna:a:b\nben:c\n')
    file.chmod(0o640)
    with pytest.raises(InputError, match='users.txt: other users of this machine can read this file; run `chmod 600'):
        read_users(file)
    file.chmod(0o600)
    assert read_users(file) == [('anna', 'a:b'), ('ben', 'c')]
    for content, message in (('anna', 'line 1: expected user:password'), ('', 'is empty; expected a line')):
        file.write_text(content)
        with pytest.raises(InputError, match=message):
            read_users(file)
    with pytest.raises(FileNotFoundError, match='none.txt: no such file; expected a file with lines'):
        read_users(tmp_path / 'none.txt')


@pytest.mark.parametrize(
    'host, expected',
    [('127.0.0.1', True), ('localhost', True), ('::1', True), ('0.0.0.0', False), ('192.168.1.5', False), ('a', False)],
)
def test_loopback_addresses_are_recognized(host, expected):
    assert is_loopback(host) == expected


# --- requests without a browser -------------------------------------------------------------------


def test_requests_for_other_files_are_refused(derainer, other_files, tmp_path, monkeypatch):
    pytest.importorskip('gradio')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    with serving({'dim': lambda: derainer}, {}, port=free_port()) as address:
        (folder,) = tmp_path.glob('mmderain_web_*')
        for path in other_files:
            for meta in ({}, {'meta': {'_type': 'gradio.FileData'}}):
                answer = send(address, {'path': path, **meta})
                assert not answer['success'] and 'base64' not in json.dumps(answer)
        mmcv.imwrite(smooth_image(10, 12), str(folder / 'a.png'))
        assert send(address, {'path': str(folder / 'a.png'), 'meta': {'_type': 'gradio.FileData'}})['success']
