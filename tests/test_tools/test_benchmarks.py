"""The benchmark tools report their measurements. The tests do not check the speed."""

import json

import mmcv
import pytest
import torch
from conftest import ROOT, load_tool

from mmderain.apis import init_model
from mmderain.engine import benchmark, feeding, profiling
from mmderain.engine.benchmark import Benchmark, Variant
from mmderain.engine.profiling import multiply_adds
from mmderain.models import Derainer

TINY = """
_base_ = ['{root}/configs/derain/sian_sample.py']
model = dict(network=dict(channels=4, num_stages=2))
train_dataloader = dict(batch_size=2, dataset=dict(data_root='{root}/demo/sample/train'))
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / 'tiny.py').write_text(TINY.format(root=ROOT))
    return tmp_path / 'tiny.py'


def test_benchmark_tool_reports_times_memory_and_scores(config, tmp_path, capsys, monkeypatch):
    tool = load_tool('benchmark')
    # A fake clock gives 4 s for the plain formulation, 2 s for the network in fp32, and 1 s for the network in bf16.
    monkeypatch.setattr(
        profiling,
        'time_calls',
        lambda calls, *_: [[float(call() is None) + t] for call, t in zip(calls, (4e3, 2e3, 1e3))],
    )
    monkeypatch.setattr(Benchmark, 'resident', lambda self, config, size, batch, variant: 3 * 2**20 * batch)
    monkeypatch.setattr(tool, 'convolution_peak', lambda precision, device: dict(fp32=1e9, bf16=4e9)[precision])
    arguments = [str(config), '--sizes', '32x48', '--batches', '1', '3', '--precision', 'fp32', 'bf16']
    assert tool.main([*arguments, '--out', str(tmp_path / 'out')]) == 0
    content = json.loads((tmp_path / 'out/benchmark.json').read_text())
    assert content['settings']['reference'] == 'plain' and len(content['rows']) == 4
    adds = multiply_adds(init_model(config).network, (32, 48))
    for row, (batch, precision, ms) in zip(
        content['rows'], [(1, 'fp32', 2e3), (1, 'bf16', 1e3), (3, 'fp32', 2e3), (3, 'bf16', 1e3)], strict=True
    ):
        assert row['config'] == 'tiny'
        assert (row['network'], row['size'], row['batch'], row['precision']) == ('SIAN', '32x48', batch, precision)
        assert row['least_ms'] == row['median_ms'] == ms and row['ratio'] == 4e3 / ms
        peak = 1e9 if precision == 'fp32' else 4e9
        assert row['peak_share'] == pytest.approx(100 * batch * adds / (ms / 1000) / peak)
        assert row['parameters'] == sum(p.numel() for p in init_model(config).network.parameters())
        assert row['memory_kb_a_pixel'] == pytest.approx(3 * 1024 / (32 * 48))
        # A feature map of four channels takes 16 bytes for each pixel, and several maps are in memory.
        assert row['tensors_kb_a_pixel'] > 4 * 16 / 1024 / (2 if precision == 'bf16' else 1)
        assert (row['psnr'] is None) == (precision == 'fp32') and (row['psnr'] is None or row['psnr'] > 40)
    assert '| tiny | 32x48 | 3 | bf16 | eager | 1000.0 | 1000.0 | 4.00 |' in (tmp_path / 'out/benchmark.md').read_text()
    assert mmcv.imread(str(tmp_path / 'out/benchmark.png')).std() > 10


def test_benchmark_with_train_measures_training_steps(config, tmp_path, monkeypatch):
    tool = load_tool('benchmark')
    losses, model = [], Derainer.loss
    monkeypatch.setattr(Derainer, 'loss', lambda self, *args: losses.append(self.network.with_cp) or model(self, *args))
    arguments = [str(config), '--train', '--sizes', '32x48', '--repeats', '2', '--no-memory']
    arguments += ['--cfg-options', 'model.network.with_cp=True', '--out', str(tmp_path / 'out')]
    assert tool.main(arguments) == 0
    # The reference and the network run alternately: once as a warm-up, and twice for the times. The last run of the
    # network measures the memory of its tensors.
    assert losses == [False, True] * 3 + [True]
    (row,) = json.loads((tmp_path / 'out/benchmark.json').read_text())['rows']
    assert row['of'] == 'training step' and row['psnr'] is None
    adds = multiply_adds(init_model(config).network, (32, 48))
    assert row['multiply_adds_a_pixel'] == pytest.approx(3 * adds / (32 * 48))
    assert row['ratio'] == pytest.approx(row['reference_median_ms'] / row['median_ms'])


def test_benchmark_measures_with_kept_and_with_freed_memory(config, tmp_path, monkeypatch, capsys):
    tool = load_tool('benchmark')
    kept = []
    inner = profiling.cpu_memory
    monkeypatch.setattr(profiling, 'cpu_memory', lambda device, keep: kept.append(keep) or inner(device, keep))
    arguments = [str(config), '--sizes', '16x16', '--repeats', '1', '--cpu-memory', 'kept', 'freed', '--no-memory']
    assert tool.main([*arguments, '--out', str(tmp_path / 'out')]) == 0
    # The plain formulation and the network with kept and with freed memory run once as a warm-up and once for the time.
    assert kept[:6] == [False, True, False] * 2
    rows = json.loads((tmp_path / 'out/benchmark.json').read_text())['rows']
    assert [(row['cpu_memory'], row['psnr'], row['memory_kb_a_pixel']) for row in rows] == [
        ('kept', None, None),
        ('freed', None, None),
    ]
    assert '| freed |' in (tmp_path / 'out/benchmark.md').read_text()


def test_error_for_plain_formulations_without_a_checkout(config, tmp_path, monkeypatch, capsys):
    tool = load_tool('benchmark')
    monkeypatch.setattr(benchmark, 'PLAIN_NETWORKS', tmp_path / 'tests/reference')
    arguments = [str(config), '--sizes', '16x16', '--repeats', '1', '--no-memory', '--out', str(tmp_path / 'out')]
    assert tool.main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line.startswith('error: --reference plain: ')
        and 'only a git checkout contains the plain formulations; choose eager or MODULE:CLASS' in line
    )
    assert tool.main([*arguments, '--reference', 'eager']) == 0


def test_option_against_is_checked_before_the_measurement(config, tmp_path, capsys):
    tool = load_tool('benchmark')
    assert tool.main([str(config), '--against', 'no-such-branch', '--pairs', '3', '--out', str(tmp_path)]) == 1
    assert '--pairs 3: ' in capsys.readouterr().err
    assert tool.main([str(config), '--against', 'no-such-branch', '--out', str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('error: --against no-such-branch: ')


def test_benchmark_measures_eager_and_compiled_networks(config, tmp_path):
    """The test uses a backend of torch that needs no compiler."""
    tool = load_tool('benchmark')
    arguments = [str(config), '--sizes', '32x48', '--repeats', '1', '--out', str(tmp_path / 'out')]
    arguments += ['--cfg-options', 'model.compile.backend=aot_eager', '--paths', 'eager', 'compiled']
    assert tool.main(arguments) == 0
    eager, compiled = json.loads((tmp_path / 'out/benchmark.json').read_text())['rows']
    assert (eager['path'], compiled['path']) == ('eager', 'compiled')
    assert eager['psnr'] is None and (compiled['psnr'] is None or compiled['psnr'] > 100)  # the same weights
    assert compiled['tensors_kb_a_pixel'] < 2 * eager['tensors_kb_a_pixel'] and compiled['memory_kb_a_pixel'] >= 0
    assert tool.parse_args([str(config)]).paths == ['eager']
    assert Benchmark().build(config, 'eager').network._compiled_call_impl is None
    args = tool.parse_args([str(config), '--cfg-options', 'model.compile.backend=aot_eager'])
    built = Benchmark(cfg_options=args.cfg_options).build
    assert args.paths == ['compiled'] and built(config, 'compiled').network._compiled_call_impl is not None
    assert built(config, 'eager').network._compiled_call_impl is None


def test_the_path_graphs_uses_cuda_graphs(config, monkeypatch):
    options = {}
    monkeypatch.setattr(torch.nn.Module, 'compile', lambda self, **settings: options.update(settings))
    Benchmark(cfg_options={'model.compile.backend': 'aot_eager'}).build(config, 'graphs')
    assert options == dict(mode='reduce-overhead', dynamic=False)


def test_reference_eager_works_without_a_plain_formulation(tmp_path):
    """The network has no plain formulation. Sizes are padded as for deraining, here to a multiple of two."""
    tool = load_tool('benchmark')
    network = dict(_delete_=True, type='PixelUnshuffled', network=dict(type='SIAN', channels=4, num_stages=2))
    config = tmp_path / 'unshuffled.py'
    config.write_text(f"_base_ = ['{ROOT}/configs/derain/sian_sample.py']\nmodel = dict(network={network})\n")
    arguments = [str(config), '--sizes', '35x48', '--repeats', '1', '--no-memory']
    arguments += ['--reference', 'eager', '--out', str(tmp_path / 'out')]
    for extra in ([], ['--train']):
        assert tool.main([*arguments, *extra]) == 0
        content = json.loads((tmp_path / 'out/benchmark.json').read_text())
        (row,) = content['rows']
        assert content['settings']['reference'] == 'eager' and row['psnr'] is None
        assert (row['network'], row['size']) == ('PixelUnshuffled', '35x48') and row['reference_least_ms'] > 0
    assert profiling.padded_size(init_model(config).network, (1081, 1920)) == (1082, 1920)


def test_peak_memory_of_a_known_network_is_measured(tmp_path, monkeypatch):
    """The network has one large tensor, which has 600 channels at full size."""
    text = "default_scope = 'mmderain'\ncustom_imports = dict(imports=['wide'])\n"
    (tmp_path / 'wide.py').write_text(
        'import torch\nfrom mmengine.model import BaseModule\nfrom mmderain.models import NetworkSpec\n'
        'from mmderain.registry import MODELS\n'
        '@MODELS.register_module()\nclass Wide(BaseModule):\n    spec = NetworkSpec()\n'
        '    def forward(self, x):\n        return [x + x.repeat(1, 200, 1, 1)[:, :3]]\n'
    )
    (tmp_path / 'net.py').write_text(text + "model = dict(type='Derainer', network=dict(type='Wide'))\n")
    monkeypatch.syspath_prepend(tmp_path)
    held = Benchmark().resident(str(tmp_path / 'net.py'), (256, 256), 1, Variant('fp32', 'eager', 'kept'))
    assert held == pytest.approx(600 * 4 * 256 * 256, rel=0.15)


def test_reference_can_come_from_another_module(config, tmp_path, capsys, monkeypatch):
    tool = load_tool('benchmark')
    (tmp_path / 'theirs.py').write_text(
        'import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return x\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    arguments = [str(config), '--sizes', '16x16', '--repeats', '1', '--no-memory', '--out', 'out']
    assert tool.main([*arguments, '--reference', 'theirs:Net']) == 0
    assert 'times as fast as theirs:Net' in capsys.readouterr().out
    for reference in ('theirs:Nett', 'nowhere:Net'):
        assert tool.main([*arguments, '--reference', reference]) == 1
        assert f'--reference {reference}' in capsys.readouterr().err
    assert tool.main([*arguments, '--sizes', '3x16']) == 1
    assert '--sizes 3x16: SIAN needs sides of at least 4 pixels' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tool.main([*arguments, '--sizes', '16'])
    assert "expected HEIGHTxWIDTH such as 320x480, found '16'" in capsys.readouterr().err


def test_benchmark_feeding_tool_reports_times_for_numbers_of_workers(config, tmp_path, capsys):
    tool = load_tool('benchmark_feeding')
    arguments = [str(config), '--workers', '0', '1', '--batches', '2', '--steps', '1', '--out', str(tmp_path / 'out')]
    assert tool.main(arguments) == 0
    content = json.loads((tmp_path / 'out/feeding.json').read_text())
    assert content['settings']['batch_size'] == 2
    for workers, row in enumerate(content['rows']):
        assert row['workers'] == workers
        assert row['images a second'] == pytest.approx(2000 / row['ms a batch'])
    assert mmcv.imread(str(tmp_path / 'out/feeding.png')).std() > 10
    # Ten images take 0.5 s, and a training step takes 0.2 s.
    assert list(feeding.row(0, 0.5, 0.2, 10).values()) == [0, 20, 500, 200, 500]
    assert list(feeding.row(2, 0.5, 0.2, 10).values()) == [2, 20, 500, 200, 300]
    assert feeding.row(2, 0.1, 0.2, 10)['a step waits, ms'] == 0
    (tmp_path / 'none.py').write_text("model = dict(type='Derainer', network=dict(type='SIAN'))\n")
    assert tool.main([str(tmp_path / 'none.py')]) == 1
    assert 'has no train_dataloader' in capsys.readouterr().err
    assert torch.is_grad_enabled()
