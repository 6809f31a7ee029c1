import mmcv
import numpy as np
from conftest import load_tool
from mmengine.config import Config

from mmderain.io.video import write_frames


def test_moving_persons_in_the_video_of_a_fixed_camera_are_labeled(tmp_path, capsys):
    """A dark figure moves over a gray background, and a wide bright object appears in one frame."""
    tool = load_tool('prepare_dataset')
    frames = []
    for t in range(20):
        frame = np.full((120, 200, 3), 150, np.uint8)
        frame[40:90, 8 * t : 8 * t + 18] = 30
        if t == 15:
            frame[100:110, 20:80] = 250
        frames.append(frame)
    video = tmp_path / 'a.mp4'
    write_frames(frames, video, 10)
    assert tool.main(['street', str(video), str(tmp_path / 'out'), '--step', '1', '--test-from', '12']) == 0
    message = capsys.readouterr().out
    assert (
        'train: 12 images, 12 persons, 0 uncertain' in message and 'test: 8 images, 8 persons, 1 uncertain' in message
    )
    content = mmcv.imread(str(tmp_path / 'out/annotations/test/00015.png'), 'unchanged')
    assert content[65, 8 * 15 + 9] == 1 and content[105, 50] == 255 and content[5, 5] == 0
    found = Config.fromfile(tmp_path / 'out/test.json')
    first = found.annotations[0]
    assert first.iscrowd == 0 and np.abs(np.array(first.bbox) - (96, 40, 18, 50)).max() <= 3
    assert tool.main(['street', str(video), str(tmp_path / 'out')]) == 1
    assert 'already exists' in capsys.readouterr().err
    assert tool.main(['street', str(video), str(tmp_path / 'b'), '--test-from', '900']) == 1
    assert 'leaves 4 of 4 frames' in capsys.readouterr().err and not (tmp_path / 'b').exists()
