"""Processes of ``mmderain derain`` that divide the segments of videos (``--share-segments``)."""

import json

import cv2
import pytest
from conftest import smooth_image
from video_files import Recipe, make_video

from mmderain.apis import DerainInferencer, init_model
from mmderain.apis.shards import Shard
from mmderain.cli import main
from mmderain.io import save_weights
from mmderain.io.video import VideoOptions
from mmderain.io.video.simple import count_packets

SHARE = ['--share-segments', '--existing', 'skip']


@pytest.fixture
def network(tmp_path):
    """Write a config and weights of a network that returns its input. Return the arguments that select the network."""
    config = tmp_path / 'net.py'
    config.write_text("model = dict(type='Derainer', network=dict(type='SameFrames'))")
    save_weights(tmp_path / 'net.pth', init_model(config).state_dict(), {})
    return ['--model', str(config), '--weights', str(tmp_path / 'net.pth'), '--precision', 'fp32']


@pytest.fixture
def inputs(tmp_path):
    """Write a video with the three segments 0-10 s, 10-20 s and 20-22 s, a video with one segment, and images."""
    folder = tmp_path / 'in'
    keys = {'g': '4', 'keyint_min': '4'}
    make_video(folder / 'long.mp4', Recipe(frames=44, rate=2, options=keys, audio='aac', size=(32, 32)))
    make_video(folder / 'short.mkv', Recipe(frames=4, rate=2, size=(32, 32)))
    for number in range(8):
        cv2.imwrite(str(folder / f'{number}.png'), smooth_image(16, 16, number))
    return folder


def statuses(log):
    """Return the status of each input in a log."""
    return {entry['input'].rpartition('/')[2]: entry['status'] for entry in map(json.loads, open(log))}


def test_two_parts_of_the_segments_give_the_file_of_one_process(inputs, network, tmp_path, capsys):
    whole, out, log = tmp_path / 'whole', tmp_path / 'out', str(tmp_path / 'run.jsonl')
    assert main(['derain', str(inputs), '--out', str(whole), *network]) == 0
    capsys.readouterr()
    words = ['derain', str(inputs), '--out', str(out), '--log', log, *network, *SHARE]
    assert main([*words, '--shard', '2/2']) == 0
    printed = capsys.readouterr().out
    long, short = inputs / 'long.mp4', inputs / 'short.mkv'
    assert f'{long}: 1 of 3 segments are finished; {out}/long.mp4 is not written yet\n' in printed
    assert str(short) not in printed  # its only segment belongs to the other process
    assert ' inputs derained, 2 left to the processes that finish the other segments; the results are in' in printed
    assert not list(out.glob('*.mp4')) and [path.name for path in out.glob('.*')] == ['.long.mp4.segments']
    second = statuses(tmp_path / 'run.2-of-2.jsonl')
    assert second['long.mp4'] == second['short.mkv'] == 'partial' and 0 < len(second) - 2 < 8
    assert main(['merge-logs', str(tmp_path / 'run.2-of-2.jsonl'), '--inputs', str(inputs)]) == 1
    assert f'missing: {long}\n' in capsys.readouterr().out

    assert main([*words, '--shard', '1/2']) == 0
    first = statuses(tmp_path / 'run.1-of-2.jsonl')
    assert first['long.mp4'] == first['short.mkv'] == 'ok' and len(first) + len(second) == 12
    assert 'left to' not in capsys.readouterr().out
    names = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in out.iterdir()) == names and len(names) == 10
    for name in names:
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert count_packets(out / 'long.mp4') == 44
    logs = [str(tmp_path / f'run.{part}-of-2.jsonl') for part in (1, 2)]
    assert main(['merge-logs', *logs, '--inputs', str(inputs)]) == 0
    assert main([*words, '--shard', '2/2']) == 0
    assert f'part 2/2: 0 of {len(second)} inputs derained' in capsys.readouterr().out


def test_a_video_that_another_process_has_written_in_the_meantime_is_skipped(inputs, network, tmp_path, monkeypatch):
    """The inputs are listed and checked some time before they are derained."""
    inferencer = DerainInferencer(network[1], network[3])
    call = dict(out_dir=tmp_path / 'out', existing='skip', workers=1)
    target = tmp_path / 'out/long.mp4'
    image = next(path for path in inputs.glob('*.png') if Shard(1, 2).contains(path.name))
    results = inferencer.stream(
        [image, inputs / 'long.mp4'], shard=Shard(1, 2), video=VideoOptions(shard=(1, 2)), **call
    )
    derain = type(inferencer.model).restore

    def restore(self, batch, *arguments, **options):
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(b'the result of the other process')
        return derain(self, batch, *arguments, **options)

    monkeypatch.setattr(type(inferencer.model), 'restore', restore)
    found = {result.name.rpartition('/')[2]: result for result in results}
    assert found['long.mp4'].skipped and found['long.mp4'].prediction == target
    assert [path.name for path in (tmp_path / 'out').glob('.*')] == []


def test_finished_videos_must_be_skipped(inputs, network, tmp_path, capsys):
    words = ['derain', str(inputs), '--out', str(tmp_path / 'out'), *network, '--share-segments', '--shard', '1/2']
    assert main(words) == 1
    assert capsys.readouterr().err == (
        'error: --share-segments: needs --existing skip, so that a process can skip finished videos\n'
    )
    assert not (tmp_path / 'out').exists()


def test_a_single_process_derains_all_segments(inputs, network, tmp_path):
    assert main(['derain', str(inputs / 'long.mp4'), '--out', str(tmp_path / 'out'), *network, *SHARE]) == 0
    assert count_packets(tmp_path / 'out/long.mp4') == 44
