"""A training continues from the newest readable checkpoint of its work directory."""

import shutil

import pytest
import torch

from mmderain.engine.resume import latest_checkpoint
from mmderain.errors import InputError


@pytest.fixture
def work_dir(tmp_path):
    """Make a work directory with the checkpoints of steps 8, 9 and 10."""
    folder = tmp_path / 'run'
    folder.mkdir()
    for step in (8, 9, 10):
        torch.save(dict(meta=dict(iter=step)), folder / f'iter_{step}.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_10.pth'))
    return folder


def test_the_recorded_checkpoint_is_used(work_dir, capsys):
    assert latest_checkpoint(work_dir) == work_dir / 'iter_10.pth'
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'iter_9.pth'))
    assert latest_checkpoint(work_dir) == work_dir / 'iter_9.pth'
    assert capsys.readouterr().out == ''


def test_a_copied_folder_uses_its_own_checkpoints(work_dir, tmp_path, capsys):
    shutil.copytree(work_dir, tmp_path / 'copy')
    assert latest_checkpoint(tmp_path / 'copy') == tmp_path / 'copy/iter_10.pth'
    (tmp_path / 'copy/iter_10.pth').unlink()  # the recorded path still exists in the original folder
    assert latest_checkpoint(tmp_path / 'copy') == tmp_path / 'copy/iter_9.pth'
    assert 'names no checkpoint of this folder. The training continues from' in capsys.readouterr().out


@pytest.mark.parametrize('content', ['', '\n', b'\xff\xfe', None])
def test_the_newest_checkpoint_is_used_without_a_record(work_dir, content, capsys):
    (work_dir / 'last_checkpoint').unlink()
    if content is not None:
        (work_dir / 'last_checkpoint').write_bytes(content if isinstance(content, bytes) else content.encode())
    assert latest_checkpoint(work_dir) == work_dir / 'iter_10.pth'
    state = 'does not exist' if content is None else 'names no checkpoint of this folder'
    expected = f'{work_dir}/last_checkpoint {state}. The training continues from {work_dir}/iter_10.pth.\n'
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize('size', [0, 100, None])
def test_a_damaged_checkpoint_is_skipped_with_a_message(work_dir, size, capsys):
    newest = work_dir / 'iter_10.pth'
    if size is None:
        newest.unlink()
    else:
        newest.write_bytes(newest.read_bytes()[:size])
    assert latest_checkpoint(work_dir) == work_dir / 'iter_9.pth'
    assert f'The training continues from {work_dir}/iter_9.pth.' in capsys.readouterr().out


def test_an_error_lists_all_checkpoints_if_none_can_be_read(work_dir):
    for path in work_dir.glob('*.pth'):
        path.write_bytes(b'no checkpoint')
    with pytest.raises(InputError, match='no checkpoint can be read: .*iter_10.pth.*iter_9.pth.*iter_8.pth'):
        latest_checkpoint(work_dir)


def test_an_empty_folder_has_no_checkpoint(tmp_path):
    assert latest_checkpoint(tmp_path) is None and latest_checkpoint(tmp_path / 'none') is None
