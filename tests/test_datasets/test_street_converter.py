"""Frames and labels of persons are made from the video of a fixed camera."""

import json

import numpy as np
import pytest
from conftest import smooth_image

from mmderain.datasets.converters import street_video


@pytest.fixture
def video(tmp_path, monkeypatch):
    """Let the converter read ten frames, in which a tall bright region moves to the right."""
    frames = [smooth_image(96, 128) // 2 for _ in range(10)]
    for number, frame in enumerate(frames):
        frame[30:70, 10 * number : 10 * number + 20] = 255
    monkeypatch.setattr(street_video, 'read_frames', lambda path: (iter(frames), 25))
    return tmp_path / 'street.avi'


def written(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file())


def test_frames_labels_and_boxes_are_written_without_files_of_a_killed_run(video, tmp_path):
    dst, stale = tmp_path / 'dst', tmp_path / '.dst.part'
    stale.mkdir()
    (stale / 'stale.txt').write_text('of a run that was killed')
    report = street_video.label_street_video(video, dst, step=1, test_from=6)
    assert report[0].startswith('train: 6 images') and report[1].startswith('test: 4 images')
    names = {'train': range(6), 'test': range(6, 10)}
    images = [f'images/{split}/{number:05}.jpg' for split in names for number in names[split]]
    labels = [f'annotations/{split}/{number:05}.png' for split in names for number in names[split]]
    assert written(dst) == sorted([*images, *labels, 'labels.jpg', 'train.json', 'test.json'])
    content = json.loads((dst / 'test.json').read_text())
    persons = [thing for thing in content['annotations'] if not thing['iscrowd']]
    assert {thing['image_id'] for thing in persons} == {6, 7, 8, 9}
    assert np.allclose([thing['bbox'] for thing in persons if thing['image_id'] == 8], [[80, 30, 20, 40]], atol=6)


def test_a_failed_run_leaves_no_files(video, tmp_path, monkeypatch):
    def fail(drawn, columns):
        raise OSError('the disk is full')

    monkeypatch.setattr(street_video, 'grid', fail)  # the last step of the conversion
    with pytest.raises(OSError, match='the disk is full'):
        street_video.label_street_video(video, tmp_path / 'dst', step=1, test_from=6)
    assert list(tmp_path.iterdir()) == []
