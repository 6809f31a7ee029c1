"""Ray on this machine writes the same files as a single process, also if a process of Ray is killed."""

import json
import os
import secrets
import signal
import tempfile
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, smooth_image
from mmengine import Config

from mmderain.apis import DerainInferencer, init_model
from mmderain.cli import main
from mmderain.integrations.ray_actors import DerainBatch
from mmderain.io.tar_shards import Member, open_shard, read_members, write_shard

#: A network of which a process derains a few images each second, so that it can be killed in the middle.
MODEL = dict(
    model=dict(type='Derainer', network=dict(type='NAFNet', width=8, encoder_blocks=(1, 1), decoder_blocks=(1, 1))),
    default_scope='mmderain',
)


@pytest.fixture(scope='session')
def ray():
    """Return the module ray, connected to a cluster of this test session with two CPUs."""
    ray = pytest.importorskip('ray', reason='needs the extra [ray]')
    pytest.importorskip('ray.data', reason='needs the extra [ray]')
    # The paths of Ray's sockets must be short.
    with tempfile.TemporaryDirectory(prefix='ray_', dir='/tmp') as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv('RAY_TMPDIR', folder)
        patch.setenv('RAY_AUTH_TOKEN', secrets.token_hex(32))  # otherwise Ray writes a token to the home directory
        patch.setenv('RAY_USAGE_STATS_ENABLED', '0')
        patch.delenv('RAY_ADDRESS', raising=False)
        patch.setenv('PYTHONPATH', os.pathsep.join([str(ROOT), str(ROOT / 'tests')]))
        before = signal.getsignal(signal.SIGTERM)
        ray.init('local', num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def one_thread():
    """Compute as ``--deterministic`` does, and restore the settings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='session')
def weights(tmp_path_factory):
    """Return a checkpoint of a network with random weights, which changes all images."""
    model = init_model(Config(MODEL))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    path = tmp_path_factory.mktemp('ray') / 'weights.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


def actor_pids() -> list[int]:
    """Return the actors of Ray Data on the cluster of this process, which are the children of the process `raylet`."""
    pids = []
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            if b'MapWorker' in (folder / 'cmdline').read_bytes() and os.getpid() in ancestors(int(folder.name)):
                pids.append(int(folder.name))
        except OSError:  # the process has ended
            continue
    return pids


def ancestors(pid: int) -> list[int]:
    pids = []
    while pid > 1:
        pid = int(Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])
        pids.append(pid)
    return pids


@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='finds the process to kill in /proc')
def test_two_actors_give_the_files_of_one_process_also_if_one_is_killed(ray, weights, one_thread, tmp_path):
    from mmderain.integrations.ray import Summary, derain_images

    for number in range(40):
        mmcv.imwrite(smooth_image(64, 96, number), str(tmp_path / 'in' / f'{number % 3}' / f'{number:02}.png'))
    (tmp_path / 'in' / 'bad.png').write_bytes(b'no image')
    DerainInferencer(MODEL, weights, 'cpu', 'fp32', 0)(tmp_path / 'in', out_dir=tmp_path / 'one')
    seen, killed = [], []

    def kill_once(result):
        seen.append(result)
        if not killed:
            killed.append(actor_pids()[0])
            os.kill(killed[0], signal.SIGKILL)

    options = dict(model=MODEL, weights=weights, deterministic=True, log=tmp_path / 'log.jsonl')
    summary = derain_images(tmp_path / 'in', tmp_path / 'ray', **options, concurrency=2, on_result=kill_once)
    assert summary == Summary(done=40, skipped=0, failed=1)
    assert killed[0] not in actor_pids()
    files = {path.relative_to(tmp_path / 'one'): path.read_bytes() for path in (tmp_path / 'one').rglob('*.png')}
    assert len(files) == 40
    assert {
        path.relative_to(tmp_path / 'ray'): path.read_bytes()
        for path in (tmp_path / 'ray').rglob('*')
        if path.is_file()
    } == files
    lines = [json.loads(line) for line in (tmp_path / 'log.jsonl').read_text().splitlines()]
    assert sorted(line['output'] for line in lines if line['status'] == 'ok') == sorted(
        str(tmp_path / 'ray' / name) for name in files
    )
    (bad,) = [line for line in lines if line['status'] == 'failed']
    assert (bad['input'], bad['output']) == (str(tmp_path / 'in' / 'bad.png'), None)
    assert (
        bad['error']
        == f'{tmp_path}/in/bad.png: cannot be read as an image (it is damaged or of an unknown format). Replace or '
        'remove the file.'
    )
    # Nothing is left to do for a second call, which therefore starts no actor.
    (tmp_path / 'in' / 'bad.png').unlink()
    assert derain_images(tmp_path / 'in', tmp_path / 'ray', **options, existing='skip') == Summary(0, 40, 0)
    existing = derain_images(tmp_path / 'in', tmp_path / 'ray', **options | dict(log=None), existing='refuse')
    assert existing == Summary(0, 0, 40)


@pytest.mark.soak
def test_the_command_derains_shards_on_ray(ray, tmp_path, capsys):
    for number in range(2):
        with write_shard(tmp_path / 'in' / f'{number}.tar') as writer:
            for image in range(3):
                mmcv.imwrite(smooth_image(32, 32, image), str(tmp_path / 'image.png'))
                writer.add(Member(f'{image}.png', (tmp_path / 'image.png').read_bytes(), 5))
                writer.add(Member(f'{image}.json', b'{}', 5))
    shards = [str(tmp_path / 'in' / f'{number}.tar') for number in range(2)]
    options = ['--model', 'nafnet', '--deterministic']
    assert (
        main(['derain', *shards, '--out', str(tmp_path / 'ray'), *options, '--engine', 'ray', '--actors', '1:2']) == 0
    )
    assert capsys.readouterr().out == f'6 of 6 inputs derained; the results are in {tmp_path}/ray\n'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, 'set_num_threads', lambda _: None)
        assert main(['derain', *shards, '--out', str(tmp_path / 'one'), *options]) == 0
    for number in range(2):
        with open_shard(tmp_path / 'ray' / f'{number}.tar') as file:
            assert [member.name for member in read_members(file, '')] == [
                f'{i}.{s}' for i in range(3) for s in ('png', 'json')
            ]
        assert (tmp_path / 'ray' / f'{number}.tar').read_bytes() == (tmp_path / 'one' / f'{number}.tar').read_bytes()


@pytest.mark.soak
def test_an_input_that_kills_each_process_fails_and_the_others_are_derained(ray, tmp_path):
    from mmderain.integrations.ray import derain_images

    for number in range(6):
        image = smooth_image(16, 16, number) * (number != 4)
        mmcv.imwrite(image, str(tmp_path / 'in' / f'{number}.png'))
    config = "custom_imports = dict(imports=['deadly_network'])\ndefault_scope = 'mmderain'\n"
    config += "model = dict(type='Derainer', network=dict(type='DeadlyNetwork'))\n"
    (tmp_path / 'config.py').write_text(config)
    results = {}
    summary = derain_images(
        tmp_path / 'in',
        tmp_path / 'out',
        model=tmp_path / 'config.py',
        concurrency=1,
        on_result=lambda result: results.update({Path(result.name).name: result.reason}),
    )
    assert (summary.done, summary.failed) == (4, 2)
    reason = ': the block with this input failed 4 times, for example because its actor died; see the messages of Ray'
    assert {name: text for name, text in results.items() if text} == {
        name: f'{tmp_path}/in/{name}{reason}' for name in ('4.png', '5.png')
    }


@pytest.mark.soak
def test_an_actor_derains_the_data_sets_of_ray(ray, weights, tmp_path):
    images = {f'{number}.png': smooth_image(32, 48, number) for number in range(6)}
    for name, image in images.items():
        mmcv.imwrite(image, str(tmp_path / name))
    data = ray.data.read_images(str(tmp_path), mode='RGB', include_paths=True).map_batches(
        DerainBatch,
        fn_constructor_kwargs=dict(model=MODEL, weights=weights, device='cpu'),
        batch_size=4,
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    inferencer = DerainInferencer(MODEL, weights, 'cpu')
    rows = data.take_all()
    assert len(rows) == 6
    for row in rows:
        expected = inferencer(images[Path(row['path']).name]).predictions[0][..., ::-1]
        assert np.abs(row['image'].astype(int) - expected).max() <= 1  # another number of threads


def test_the_actor_derains_rgb_images_of_different_sizes(weights):
    actor = DerainBatch(model=MODEL, weights=weights, device='cpu', batch_size=2)
    images = np.empty(2, object)
    images[:] = [smooth_image(16, 24)[..., ::-1], smooth_image(20, 16)[..., ::-1]]
    derained = actor(dict(image=images, path=['a', 'b']))
    inferencer = DerainInferencer(MODEL, weights, 'cpu')
    expected = [inferencer(np.ascontiguousarray(image[..., ::-1])).predictions[0][..., ::-1] for image in images]
    assert derained['path'] == ['a', 'b']
    assert all(np.array_equal(a, b) for a, b in zip(derained['image'], expected, strict=True))
