"""The tools are called as programs, with valid and with wrong arguments."""

import csv
import json
import subprocess
import sys
from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, load_tool, shared, write_pairs
from file_server import running_server
from golden import authors_keys, fill

from mmderain import cli
from mmderain.apis import init_model
from mmderain.evaluation import measure
from mmderain.io import read_checkpoint, save_weights
from mmderain.models import load_weights

TINY = """
_base_ = ['{root}/configs/derain/sian_rain100l.py']
model = dict(network=dict(channels=4, num_stages=2, init_cfg=None))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root='{data}'))
val_dataloader = test_dataloader
log_level = 'ERROR'
"""


def start(name, *arguments, cwd):
    """Run a tool as a separate program."""
    command = [sys.executable, ROOT / f'tools/{name}.py', *arguments]
    return subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)


@pytest.fixture
def tool(monkeypatch, capsys):
    """Return a function that runs a tool in this process, which saves seconds."""

    def run(name, *arguments, cwd):
        monkeypatch.chdir(cwd)
        capsys.readouterr()
        code = load_tool(name).main([str(argument) for argument in arguments]) or 0
        message = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=message.out, stderr=message.err)

    return run


@pytest.fixture
def authors_file(tmp_path):
    torch.save(fill(authors_keys('sian'), 1), tmp_path / 'authors.pth')
    return tmp_path / 'authors.pth'


def convert(src, dst, capsys):
    return cli.main(['convert', 'sian', str(src), str(dst)]), capsys.readouterr()


def test_converter_writes_weights_that_load(authors_file, tmp_path, capsys):
    code, message = convert(authors_file, tmp_path / 'new/result.pth', capsys)
    assert code == 0 and '491,939 values; 18,496 values that the network never uses were left out' in message.out
    model = init_model(ROOT / 'configs/derain/sian_rain100l.py', tmp_path / 'new/result.pth')
    reference = read_checkpoint(authors_file)
    assert torch.equal(model.network.embed.weight, reference['body.tran_conv.weight'])
    assert torch.equal(model.network.lstm[0].gates.weight[64:96, 32:], reference['body.lstm.2.conv_ho.weight'])


def test_converter_lists_every_key_that_does_not_fit_and_writes_nothing(authors_file, tmp_path, capsys):
    weights = read_checkpoint(authors_file)
    weights['extra.weight'] = weights.pop('body.lstm.1.conv_hi.weight')
    del weights['body_end.2.bias']
    torch.save(weights, tmp_path / 'broken.pth')
    code, message = convert(tmp_path / 'broken.pth', tmp_path / 'out.pth', capsys)
    assert code == 1
    for line in (
        'unknown key: extra.weight',
        'missing key: body.lstm.1.conv_hi.weight',
        'missing key: body_end.2.bias',
    ):
        assert line in message.err
    assert not (tmp_path / 'out.pth').exists()


def test_converter_names_wrong_shapes(authors_file, tmp_path, capsys):
    weights = read_checkpoint(authors_file)
    weights['body.tran_conv.weight'] = torch.zeros(16, 6, 3, 3)
    torch.save(weights, tmp_path / 'narrow.pth')
    assert (
        'embed.weight: found shape (16, 6, 3, 3), expected (32, 6, 3, 3)'
        in convert(tmp_path / 'narrow.pth', tmp_path / 'out.pth', capsys)[1].err
    )
    assert not (tmp_path / 'out.pth').exists()


def test_files_that_are_not_checkpoints_are_refused(tmp_path):
    torch.save(dict(model=subprocess.Popen), tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match=r'evil.pth: .* weights \(it refers to the Python object \w+.Popen\)'):
        read_checkpoint(tmp_path / 'evil.pth')
    for text in ('', 'results of run', 'sian weights'):
        (tmp_path / 'text.pth').write_text(text)
        with pytest.raises(ValueError, match='text.pth: cannot be read as weights'):
            read_checkpoint(tmp_path / 'text.pth')
    with pytest.raises(FileNotFoundError, match='none.pth: no such checkpoint file'):
        read_checkpoint(tmp_path / 'none.pth')


def test_weights_of_another_model_give_an_error(authors_file, tmp_path):
    model = init_model(ROOT / 'configs/derain/sian_sample.py')
    with pytest.raises(ValueError, match='no `state_dict`.*`mmderain convert`'):
        load_weights(model, authors_file)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    other = init_model(ROOT / 'configs/derain/sian_rain100h_lstm.py')
    save_weights(tmp_path / 'lstm.pth', other.state_dict(), {})
    with pytest.raises(ValueError) as error:
        load_weights(model, tmp_path / 'lstm.pth')
    assert 'missing key: network.attention.0.conv_m.weight' in str(error.value)
    assert 'the model of the config (SIAN, ' in str(error.value) and len(str(error.value).splitlines()) <= 11
    assert 'network.embed.weight: found shape (32, 6, 3, 3), expected (16, 6, 3, 3)' in str(error.value)
    # No weight was loaded, not even one that fits.
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_the_test_tool_writes_scores_and_images(tmp_path, tool):
    write_pairs(tmp_path / 'data', [1, 2])
    (tmp_path / 'tiny.py').write_text(TINY.format(root=ROOT, data=tmp_path / 'data'))
    model = init_model(tmp_path / 'tiny.py')
    save_weights(tmp_path / 'tiny.pth', model.state_dict(), {})
    done = start('test', 'tiny.py', 'tiny.pth', '--out', 'figures', '--show-dir', 'shown', cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = {row['image']: row for row in csv.DictReader((tmp_path / 'figures/per_image.csv').open())}
    assert list(rows) == ['rain-1.png', 'rain-2.png']
    content = json.loads((tmp_path / 'figures/metrics.json').read_text())
    for name, row in rows.items():
        # The tool has measured the same images that it has written.
        pred = mmcv.imread(str(tmp_path / 'shown/derained' / name))
        gt = mmcv.imread(str(tmp_path / 'data/norain' / f'no{name}'))
        assert measure(pred, gt, 'PSNR-Y') == pytest.approx(float(row['PSNR-Y']), abs=1e-7)
        assert content['per_image'][name]['SSIM-Y(valid)'] == pytest.approx(measure(pred, gt, 'SSIM-Y(valid)'))
        drawn = mmcv.imread(str(tmp_path / 'shown/panels' / name))
        assert drawn.shape[1] == 4 * (50 + 12) and (drawn[-46:-6, 68:118] == pred).all()
    # evaluate_folder.py measures the written images again.
    rule = ['--pairing', 'prefix', 'rain-', 'norain-']
    done = tool('evaluate_folder', 'shown/derained', 'data/norain', *rule, cwd=tmp_path)
    assert f'PSNR-Y {content["mean"]["PSNR-Y"]:.4f}' in done.stdout.splitlines()[-1]


def test_the_test_tool_ignores_load_from_of_the_config(tmp_path, tool):
    write_pairs(tmp_path / 'data', [1])
    (tmp_path / 'tiny.py').write_text(TINY.format(root=ROOT, data=tmp_path / 'data'))
    figures = []
    for seed, name in enumerate(('a.pth', 'b.pth')):
        torch.manual_seed(seed)
        save_weights(tmp_path / name, init_model(tmp_path / 'tiny.py').state_dict(), {})
    for options in ([], ['--cfg-options', 'load_from=b.pth', 'resume=True']):
        assert tool('test', 'tiny.py', 'a.pth', '--out', 'out', *options, cwd=tmp_path).returncode == 0
        figures.append(json.loads((tmp_path / 'out/metrics.json').read_text()))
    assert figures[0] == figures[1]
    assert tool('test', 'tiny.py', 'b.pth', '--out', 'out', cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / 'out/metrics.json').read_text()) != figures[0]


@pytest.mark.parametrize(
    'name, arguments, text',
    [
        ('train', ['none.py'], 'none.py: no such config file'),
        ('train', [ROOT / 'configs/derain/sian_rain100l.py'], 'Published at: https://www.icst.pku.edu.cn'),
        (
            'train',
            [ROOT / 'configs/derain/sian_sample.py', '--resume', 'none.pth'],
            'none.pth: no such checkpoint file',
        ),
        ('test', [ROOT / 'configs/derain/sian_sample.py', 'none.pth'], 'error: none.pth: no such checkpoint file'),
        ('train', [ROOT / 'README.md'], 'expected a config with the suffix .py, .yml, .yaml or .json'),
        (
            'train',
            [ROOT / 'configs/derain/sian_sample.py', '--cfg-options', 'trian_cfg.max_iters=1'],
            "unknown entry 'trian_cfg'; did you mean 'train_cfg'?",
        ),
    ],
)
def test_wrong_calls_end_in_one_error(name, arguments, text, tmp_path, tool):
    done = tool(name, *arguments, cwd=tmp_path)
    assert done.returncode == 1 and text in done.stderr and 'Traceback' not in done.stderr
    assert not list(tmp_path.iterdir())  # no log or folder was written


@pytest.mark.parametrize(
    'option, text',
    [
        ('train_cfg.max_iter=1', "IterBasedTrainLoop takes no argument 'max_iter'; did you mean 'max_iters'?"),
        ('model.network.chanels=4', "SIAN takes no argument 'chanels'; did you mean 'channels'?"),
        ('model.netwrok.channels=4', "Derainer takes no argument 'netwrok'; did you mean 'network'?"),
        ('model.network.type=SAIN', "no model is called 'SAIN'; did you mean 'SIAN'?"),
        ('model.network.num_stages=0', 'SIAN: SIAN needs num_stages >= 1, found 0'),
        ('optim_wrapper.optimizer.type=Adma', 'build_optim_wrapper: TypeError: None is not a callable object'),
        ('model.type.x=1', 'sian_sample.py or --cfg-options: merge_from_dict: TypeError: '),
    ],
)
def test_wrong_entries_of_a_config_are_named(option, text, tmp_path, tool):
    config = ROOT / 'configs/derain/sian_sample.py'
    done = tool('train', config, '--work-dir', tmp_path, '--cfg-options', option, cwd=ROOT)
    assert done.returncode == 1 and text in done.stderr and 'Traceback' not in done.stderr


def test_a_damaged_image_gives_one_line_from_a_worker_process(tmp_path):
    write_pairs(tmp_path / 'data', [1, 2])
    (tmp_path / 'data/rain/rain-2.png').write_text('not an image')
    (tmp_path / 'tiny.py').write_text(TINY.format(root=ROOT, data=tmp_path / 'data'))
    save_weights(tmp_path / 'tiny.pth', init_model(tmp_path / 'tiny.py').state_dict(), {})
    done = start('test', 'tiny.py', 'tiny.pth', '--cfg-options', 'test_dataloader.num_workers=1', cwd=tmp_path)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert done.stderr.endswith(
        f'error: {tmp_path / "data/rain/rain-2.png"}: cannot be read as an image (it is damaged or '
        'of an unknown format). Replace or remove the file.\n'
    )


def test_pretrained_needs_a_config_with_published_weights(tmp_path, tool):
    (tmp_path / 'sian_rain100l.py').write_text(f"_base_ = '{ROOT}/configs/derain/sian_sample.py'\n")
    (tmp_path / 'mine.v2.py').write_text(f"_base_ = '{ROOT}/configs/derain/sian_sample.py'\n")
    sample = ROOT / 'configs/derain/sian_sample.py'
    for arguments, error in (
        ([sample], 'expected exactly one of CHECKPOINT and --pretrained'),
        ([sample, 'a.pth', '--pretrained'], 'expected exactly one of CHECKPOINT and --pretrained'),
        ([sample, '--pretrained'], 'no weights of sian_sample are published'),
        (['sian_rain100l.py', '--pretrained'], 'sian_rain100l.py does not have the network of a config of mmderain'),
        (['mine.v2.py', '--pretrained'], 'mine.v2.py does not have the network of a config of mmderain'),
    ):
        done = tool('test', *arguments, cwd=tmp_path)
        assert done.returncode == 1 and error in done.stderr


# --- scores of the authors -------------------------------------------------------------------------


@pytest.mark.parametrize('name', ['rain100l', 'rain100h', 'rain1400'])
def test_authors_checkpoints_are_converted(name, tmp_path, capsys):
    code, message = convert(shared(f'weights/sian_official/{name}.pth'), tmp_path / 'out.pth', capsys)
    assert code == 0, message.err
    init_model(ROOT / 'configs/derain/sian_rain100l.py', tmp_path / 'out.pth')


def two_or_all(*two: int) -> pytest.MarkDecorator:
    """Test two pairs of a sample, one of each orientation. With ``-m soak``, test all pairs, which take 4 s each."""
    return pytest.mark.parametrize('pairs', [list(two), pytest.param(None, marks=pytest.mark.soak)], ids=['two', 'all'])


@pytest.fixture
def scores(tmp_path, tool, monkeypatch):
    """Return a function that tests the published weights of a config on pairs of a sample, and returns the scores.

    A mirror has the file that the authors publish.
    """

    def test(name, pairs) -> dict[str, dict[str, str]]:
        content = shared(f'weights/sian_official/{name}.pth').read_bytes()
        monkeypatch.setenv('MMDERAIN_HOME', str(tmp_path / 'cache'))
        monkeypatch.delenv('MMDERAIN_OFFLINE')
        dataset = dict(data_root=shared(f'data/{name}_sample'), indices=pairs)
        options = [f'test_dataloader.dataset.{key}={value}'.replace(' ', '') for key, value in dataset.items()]
        options += ['test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False']
        config = ROOT / f'configs/derain/sian_{name}.py'
        with running_server() as server:
            server.files[f'{name}.pth'] = content
            monkeypatch.setenv('MMDERAIN_MIRROR', server.url('ok'))
            done = tool('test', config, '--pretrained', '--out', 'out', '--cfg-options', *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
        return {row['image']: row for row in csv.DictReader((tmp_path / 'out/per_image.csv').open())}

    return test


@two_or_all(0, 2)
def test_authors_log_is_reproduced_for_each_image(pairs, scores):
    log = list(csv.DictReader(shared('data/rain100l_sample/sian_authors_log.csv').open()))
    log = [log[index] for index in pairs or range(21)]
    result = scores('rain100l', pairs)
    assert [row['image'] for row in log] == list(result)
    for row in log:
        assert float(result[row['image']]['PSNR-Y']) == pytest.approx(float(row['psnr_y']), abs=1e-4)
        assert float(result[row['image']]['SSIM-Y(valid)']) == pytest.approx(float(row['ssim_y']), abs=1e-5)


@two_or_all(0, 1)
def test_known_scores_of_the_rain100h_sample_are_reproduced(pairs, scores):
    result = scores('rain100h', pairs)
    known = {'rain-005.png': (31.36824, 0.910575), 'rain-010.png': (32.72884, 0.958519)}
    for image, (psnr, ssim) in known.items():
        assert float(result[image]['PSNR-Y']) == pytest.approx(psnr, abs=1e-4)
        assert float(result[image]['SSIM-Y(valid)']) == pytest.approx(ssim, abs=1e-5)
    assert len(result) == (2 if pairs else 20)
    if not pairs:
        assert np.mean([float(row['PSNR-Y']) for row in result.values()]) == pytest.approx(31.017, abs=1e-3)
        assert np.mean([float(row['SSIM-Y(valid)']) for row in result.values()]) == pytest.approx(0.9185, abs=1e-4)
