"""The inferencer: all kinds of inputs, names of result files, and failures of single inputs."""

import cv2
import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, smooth_image
from PIL import Image

from mmderain.apis import DerainInferencer, derain_video
from mmderain.apis.results import is_out_of_memory
from mmderain.cli import main
from mmderain.errors import InputError
from mmderain.hub import find_derainer
from mmderain.io.video import VideoOptions
from mmderain.models import Derainer, NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class Darken(torch.nn.Module):
    """Network without weights that subtracts 20 levels."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x - 20 / 255]


CONFIG = dict(model=dict(type='Derainer', network=dict(type='Darken')), default_scope='mmderain')


@pytest.fixture
def inferencer():
    return DerainInferencer(CONFIG)


def darker(img: np.ndarray) -> np.ndarray:
    return cv2.subtract(img, np.full_like(img, 20))


def write(path, seed=0, size=(24, 30)):
    img = smooth_image(*size, seed)
    mmcv.imwrite(img, str(path))
    return img


def test_paths_arrays_and_tensors_are_derained(inferencer, tmp_path):
    img = write(tmp_path / 'a.png')
    for given in (tmp_path / 'a.png', str(tmp_path / 'a.png'), img):
        (out,) = inferencer(given).predictions
        assert np.array_equal(out, darker(img))
    tensor = torch.rand(2, 3, 9, 7)
    (out,) = inferencer(tensor).predictions
    assert torch.allclose(out, (tensor - 20 / 255).clamp(0), atol=1e-6)
    (out,) = inferencer(tensor[0]).predictions
    assert out.shape == (3, 9, 7)


def test_lists_keep_their_order_and_all_images_of_a_batch_have_equal_size(inferencer, tmp_path, monkeypatch):
    sizes = []
    restore = Derainer.restore
    monkeypatch.setattr(Derainer, 'restore', lambda self, b, t: sizes.append(tuple(b.shape)) or restore(self, b, t))
    imgs = [
        smooth_image(10, 12, 0),
        smooth_image(10, 12, 1),
        smooth_image(10, 12, 2),
        smooth_image(8, 8, 3),
        smooth_image(10, 12, 4),
    ]
    out = inferencer(imgs, batch_size=2).predictions
    assert sizes == [(2, 3, 10, 12), (2, 3, 10, 12), (1, 3, 8, 8)]  # the image between them does not end a batch
    assert all(np.array_equal(a, darker(b)) for a, b in zip(out, imgs, strict=True))


def test_results_of_a_folder_keep_its_sub_folders(inferencer, tmp_path):
    img = write(tmp_path / 'in/day/a.png'), write(tmp_path / 'in/night/a.jpg', 1)
    result = inferencer(tmp_path / 'in', out_dir=tmp_path / 'out')
    assert result.predictions == [tmp_path / 'out/day/a.png', tmp_path / 'out/night/a.jpg']
    assert np.array_equal(mmcv.imread(str(tmp_path / 'out/day/a.png')), darker(img[0]))
    assert np.array_equal(mmcv.imread(str(tmp_path / 'in/day/a.png')), img[0])


def test_other_inputs_are_derained_after_a_bad_file(inferencer, tmp_path):
    write(tmp_path / 'in/a.png'), write(tmp_path / 'in/c.png')
    (tmp_path / 'in/b.png').write_text('not an image')
    result = inferencer(tmp_path / 'in', out_dir=tmp_path / 'out', batch_size=4)
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == ['a.png', 'c.png']
    assert list(result.failures) == [str(tmp_path / 'in/b.png')] and result.predictions[1] is None
    result = inferencer([tmp_path / 'in/a.png', tmp_path / 'gone.png'])
    assert 'no such image' in result.failures[str(tmp_path / 'gone.png')]
    with pytest.raises(InputError, match='b.png: cannot be read'):
        inferencer(tmp_path / 'in/b.png')


def test_gifs_in_a_folder_are_derained_or_reported(inferencer, tmp_path):
    (tmp_path / 'in').mkdir()
    frames = [Image.fromarray(smooth_image(8, 8, seed)) for seed in range(2)]
    frames[0].save(tmp_path / 'in/still.gif')
    frames[0].save(tmp_path / 'in/moving.gif', save_all=True, append_images=frames[1:])
    result = inferencer(tmp_path / 'in', out_dir=tmp_path / 'out')
    assert result.predictions == [None, tmp_path / 'out/still.png']
    assert 'has 2 frames' in result.failures[str(tmp_path / 'in/moving.gif')]


def test_results_never_overwrite_inputs_or_each_other(inferencer, tmp_path):
    write(tmp_path / 'in/a.png'), write(tmp_path / 'other/a.png')
    before = (tmp_path / 'in/a.png').read_bytes()
    with pytest.raises(InputError, match='a.png: its result would overwrite'):
        inferencer(tmp_path / 'in', out_dir=tmp_path / 'in')
    for inputs in ([tmp_path / 'in/a.png'], [tmp_path / 'other/a.png', tmp_path / 'in/a.png']):
        result = inferencer(inputs, out_dir=tmp_path / 'in', existing='replace').results[0]
        assert result.reason == (
            f'{inputs[0]}: its result would overwrite the input {tmp_path / "in/a.png"}; name another output folder'
        )
    assert (tmp_path / 'in/a.png').read_bytes() == before
    result = inferencer([tmp_path / 'in/a.png', tmp_path / 'other/a.png'], out_dir=tmp_path / 'out')
    assert result.predictions == [tmp_path / 'out/a.png', None]
    assert 'in/a.png: both would be written to' in result.failures[str(tmp_path / 'other/a.png')]


def test_results_in_the_input_folder_are_not_inputs(inferencer, tmp_path):
    write(tmp_path / 'a.png')
    assert inferencer(tmp_path, out_dir=tmp_path / 'out').predictions == [tmp_path / 'out/a.png']
    write(tmp_path / 'b.png')
    again = inferencer(tmp_path, out_dir=tmp_path / 'out', existing='skip')
    assert again.predictions == [tmp_path / 'out/a.png', tmp_path / 'out/b.png']


def test_existing_results_are_refused_skipped_or_replaced(inferencer, tmp_path):
    write(tmp_path / 'in/a.png'), write(tmp_path / 'in/b.png')
    out = tmp_path / 'out'
    marked = write(out / 'a.png', 7)
    result = inferencer(tmp_path / 'in', out_dir=out)
    assert [entry.status for entry in result.results] == ['failed', 'ok']
    assert result.results[0].reason == (
        f"{out / 'a.png'}: already exists; use existing='replace' or 'skip' (--existing), or name another output folder"
    )
    assert np.array_equal(mmcv.imread(str(out / 'a.png')), marked)
    with pytest.raises(InputError, match='a.png: already exists'):
        inferencer(tmp_path / 'in/a.png', out_dir=out)
    (out / 'b.png').unlink()
    result = inferencer(tmp_path / 'in', out_dir=out, existing='skip')
    assert result.predictions == [out / 'a.png', out / 'b.png']
    assert np.array_equal(mmcv.imread(str(out / 'a.png')), marked) and (out / 'b.png').exists()
    inferencer(tmp_path / 'in', out_dir=out, existing='replace')
    assert not np.array_equal(mmcv.imread(str(out / 'a.png')), marked)


@pytest.mark.parametrize(
    'inputs, settings, message',
    [
        ('nowhere.png', {}, 'nowhere.png: no such image'),
        (3, {}, 'inputs: found int; expected a path'),
        ([3], {}, 'input 0: found int; expected a path'),
        (np.zeros((4, 4)), {}, 'float64 of shape'),
        (torch.zeros(1, 4, 4), {}, 'expected a floating-point RGB tensor'),
        (torch.full((3, 4, 4), 255.0), {}, r'input 0: found values from 255 to 255; expected RGB in \[0, 1\]'),
        (torch.full((3, 4, 4), torch.nan), {}, 'values from nan to nan'),
        (np.zeros((4, 4, 3), np.uint8), dict(existing='maybe'), "found 'maybe'"),
        (np.zeros((4, 4, 3), np.uint8), dict(batch_size=0), 'batch_size must be an integer of at least 1, found 0'),
        (np.zeros((4, 4, 3), np.uint8), dict(batch_size=1.5), 'found 1.5'),
        (np.zeros((4, 4, 3), np.uint8), dict(batch_size='2'), "found '2'"),
        (np.zeros((4, 4, 3), np.uint8), dict(batch_size=True), 'found True'),
        (np.asmatrix(np.zeros((4, 4), np.uint8)), {}, 'matrix; expected a plain array'),
        (torch.zeros(3, 4, 4).to_sparse(), {}, 'input 0: found layout torch.sparse_coo; expected a dense tensor'),
        (torch.zeros(3, 4, 4, device='meta'), {}, 'input 0: found a meta tensor'),
        (
            torch.zeros(3, 4, 4).to(torch.float8_e4m3fn),
            {},
            'input 0: found torch.float8_e4m3fn; expected one of float32',
        ),
        (torch.zeros(3, 4, 4, dtype=torch.complex64), {}, 'found torch.complex64'),
        ('x' * 5000, {}, r"'x{80}...': cannot be used as a path \(File name too long\)"),
        ('a\0b', {}, 'no such image'),
    ],
)
def test_wrong_calls_give_clear_errors(inferencer, inputs, settings, message):
    with pytest.raises((InputError, FileNotFoundError), match=message):
        inferencer(inputs, **settings)


def test_models_are_found_by_name_and_wrong_names_are_refused():
    with pytest.raises(InputError, match="no model is called 'sain'; did you mean 'sian'"):
        DerainInferencer('sain')
    with pytest.raises(InputError, match="'jdnet'; configs of this network are jdnet_bsds, .*`mmderain models`"):
        DerainInferencer('jdnet')
    with pytest.raises(InputError, match='jdnet_rain12: no weights are known'):
        DerainInferencer('jdnet_rain12')
    with pytest.raises(FileNotFoundError, match='my/config.py: no such config file'):
        DerainInferencer('my/config.py')
    with pytest.raises(InputError, match="device: found 'gpu'; this machine has: cpu"):
        DerainInferencer(CONFIG, device='gpu')
    weights = find_derainer('sian')[1]
    assert weights is not None and find_derainer('sian_compact')[1] == weights  # the config of sian


@pytest.fixture
def video(tmp_path):
    """Write a video of 12 frames, which show a moving square with new noise in each frame."""
    rng = np.random.default_rng(0)
    frames = []
    for t in range(12):
        frame = np.full((48, 64, 3), 120, np.uint8)
        frame[10:20, 3 * t : 3 * t + 10] = 200
        frames.append(np.clip(frame + rng.integers(-9, 10, frame.shape), 0, 255).astype(np.uint8))
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def test_video_is_derained_frame_by_frame(inferencer, video, tmp_path):
    (target,) = inferencer(video, out_dir=tmp_path / 'out', batch_size=5).predictions
    assert target == tmp_path / 'out/clip.mp4'
    capture, source = cv2.VideoCapture(str(target)), cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    for _ in range(12):
        (done, frame), (_, before) = capture.read(), source.read()
        assert done and abs(np.mean(darker(before).astype(float) - frame)) < 3
    assert not capture.read()[0]
    with pytest.raises(InputError, match='clip.avi: the result of a video must be written to a file'):
        inferencer(video)


def test_flicker_is_the_mean_change_between_frames(inferencer, video, tmp_path):
    capture = cv2.VideoCapture(str(video))
    frames = [capture.read()[1].astype(float) for _ in range(5)]
    report = derain_video(
        inferencer.model, video, tmp_path / 'o.mp4', limit=5, options=VideoOptions(measure_flicker=True, temporal=0)
    )
    assert report.frames == 5
    assert report.flicker[0] == pytest.approx(np.mean([np.abs(a - b).mean() for a, b in zip(frames, frames[1:])]), 1e-3)
    assert report.flicker[1] == pytest.approx(report.flicker[0], rel=0.05)  # Darken subtracts a constant
    (tmp_path / 'no.mp4').write_text('no video')
    with pytest.raises(InputError, match='no.mp4: cannot be read as a video'):
        derain_video(inferencer.model, tmp_path / 'no.mp4', tmp_path / 'p.mp4')
    assert sorted(p.name for p in tmp_path.iterdir()) == ['clip.avi', 'no.mp4', 'o.mp4']


@pytest.mark.parametrize(
    'error',
    [
        torch.OutOfMemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
    ids=['gpu', 'cpu', 'python'],
)
def test_inputs_that_need_too_much_memory_do_not_stop_the_others(error, inferencer, video, tmp_path, monkeypatch):
    large, small = tmp_path / 'large.png', tmp_path / 'small.png'
    mmcv.imwrite(smooth_image(60, 50), str(large))
    mmcv.imwrite(smooth_image(20, 30), str(small))
    restore = inferencer.model.restore

    def narrow(batch, *args):
        if batch.shape[-2] > 40:
            raise error
        return restore(batch, *args)

    monkeypatch.setattr(inferencer.model, 'restore', narrow)
    result = inferencer([video, large, small], out_dir=tmp_path / 'out')
    assert result.predictions == [None, None, tmp_path / 'out/small.png']
    message = 'the memory of the device is too small; set a smaller batch_size, or tile=512'
    assert result.failures == {str(path): f'{path}: {message}' for path in (video, large)}
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['small.png']


def test_the_error_of_torch_for_too_little_cpu_memory_is_recognized():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(10**15)
    assert is_out_of_memory(raised.value) and not is_out_of_memory(RuntimeError('shapes differ'))


def test_derain_and_rain_commands_write_images_and_report_errors(tmp_path, capsys, monkeypatch):
    (tmp_path / 'net.py').write_text(
        "default_scope = 'mmderain'\nmodel = dict(type='Derainer', network=dict(type='Darken'))\n"
    )
    img = write(tmp_path / 'in/a.png')
    (tmp_path / 'in/b.png').touch()
    arguments = ['derain', str(tmp_path / 'in'), '--model', str(tmp_path / 'net.py'), '--out', str(tmp_path / 'out')]
    assert main(arguments) == 1
    message = capsys.readouterr()
    assert '1 of 2 inputs derained' in message.out and 'b.png: cannot be read' in message.err
    assert np.array_equal(mmcv.imread(str(tmp_path / 'out/a.png')), darker(img))
    assert 'Traceback' not in message.err
    assert main([*arguments, '--existing', 'replace', '--traceback']) == 1
    message = capsys.readouterr()
    assert 'Traceback' in message.err and 'decode_image' in message.err and message.err.endswith('remove the file.\n')
    assert main(arguments) == 1 and 'already exists' in capsys.readouterr().err
    (tmp_path / 'in/b.png').unlink()
    assert main([*arguments, '--existing', 'replace', '--tile', '64']) == 0
    assert capsys.readouterr().out == f'1 of 1 inputs derained; the results are in {tmp_path / "out"}\n'
    with pytest.raises(SystemExit) as exit:
        main(['derain'])
    assert exit.value.code == 2
    assert main(['rain', str(tmp_path / 'in'), str(tmp_path / 'rainy')]) == 0
    assert (tmp_path / 'rainy/rain/a.png').is_file()
    assert main(['rain', str(tmp_path / 'gone'), str(tmp_path / 'rainy')]) == 1


def test_models_command_lists_every_config(capsys):
    assert main(['models']) == 0
    message = capsys.readouterr().out
    assert (
        '\n  sian ' in message
        and 'some without rain (the default)\n  rain-all ' in message
        and 'nasnet_rain100h_1stage' in message
    )
    names = {path.stem for path in (ROOT / 'configs/derain').glob('*.py')}
    assert {name for name in names if name not in message} == {
        'sian_compact',
        'nafnet_wide',
        'nafnet_all_weather',
        'nasnet_photographs_unshuffled',
    }  # listed as `sian`, `nafnet`, `rain-all` and `nasnet`


def test_derain_command_counts_skipped_inputs(tmp_path, capsys):
    (tmp_path / 'net.py').write_text(
        "default_scope = 'mmderain'\nmodel = dict(type='Derainer', network=dict(type='Darken'))\n"
    )
    for name in ('a', 'b', 'c'):
        write(tmp_path / f'in/{name}.png')
    out = tmp_path / 'out'
    write(out / 'b.png')
    kept = (out / 'b.png').read_bytes()
    arguments = ['derain', str(tmp_path / 'in'), '--model', str(tmp_path / 'net.py'), '--out', str(out)]
    arguments += ['--existing', 'skip']
    skipped = 'skipped because the result file already exists'
    assert main(arguments) == 0
    assert capsys.readouterr().out == f'2 of 3 inputs derained, 1 {skipped}; the results are in {out}\n'
    assert main(arguments) == 0
    assert capsys.readouterr().out == f'0 of 3 inputs derained, 3 {skipped}; the results are in {out}\n'
    assert (out / 'b.png').read_bytes() == kept
