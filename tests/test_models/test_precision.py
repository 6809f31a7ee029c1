"""The setting ``precision='auto'``: flags of processors, choice of the precision, and measurement."""

import contextlib
import copy
import warnings
from types import SimpleNamespace

import pytest
import torch
from conftest import SMALL_NETWORKS
from torch import nn

from mmderain import cli
from mmderain.models import Derainer, NetworkSpec, precision
from mmderain.models import derainer as derainer_module
from mmderain.models.precision import choose_precision, cpu_flags, has_bf16, inference_speedup, training_speedup
from mmderain.registry import MODELS

CPU = torch.device('cpu')
EPYC = """processor\t: 0
model name\t: AMD EPYC 7763 64-Core Processor
flags\t\t: fpu vme sse2 fma avx avx2 vaes vpclmulqdq
bugs\t\t: sysret_ss_attrs bf16
processor\t: 1
flags\t\t: fpu vme sse2 fma avx avx2 vaes vpclmulqdq
"""
SAPPHIRE_RAPIDS = 'model name\t: Intel(R) Xeon(R)\nflags\t\t: fpu avx2 avx512f amx_bf16 avx512_fp16 amx_tile\n'
GENOA = 'flags\t\t: fpu avx2 avx512f avx512_bf16\n'
SKYLAKE = 'flags\t\t: fpu avx2 avx512f avx512bw\n'
GRAVITON_3 = 'processor\t: 0\nFeatures\t: fp asimd evtstrm bf16 i8mm\nCPU implementer\t: 0x41\n'
GRAVITON_2 = 'processor\t: 0\nFeatures\t: fp asimd evtstrm asimddp\n'


def must_not_measure(*_) -> float:
    raise AssertionError('a measurement that is not needed')


@pytest.fixture
def measured(monkeypatch) -> list:
    """Replace the check of the hardware and the measurement of the speed. The test chooses their results."""
    calls: list[torch.device] = []
    fake = SimpleNamespace(hardware=True, speedup=2.0, calls=calls)

    def measure(network: nn.Module, device: torch.device) -> float:
        calls.append(device)
        return fake.speedup

    monkeypatch.setattr(precision, 'has_bf16', lambda device: fake.hardware)
    monkeypatch.setattr(derainer_module, 'inference_speedup', measure)
    return fake


def build(network: dict = SMALL_NETWORKS[0], **options) -> tuple[Derainer, list]:
    """Build a derainer and a list that gets the dtype of each call of its network."""
    torch.manual_seed(0)
    model, seen = Derainer(network, **options).eval(), []

    def note(*_) -> None:
        seen.append(torch.get_autocast_dtype('cpu') if torch.is_autocast_enabled('cpu') else torch.float32)

    model.network.register_forward_hook(note)
    return model, seen


# --- the hardware --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'cpuinfo, expected',
    [(EPYC, False), (SAPPHIRE_RAPIDS, True), (GENOA, True), (SKYLAKE, False), (GRAVITON_3, True), (GRAVITON_2, False)]
    + [('', False), ('model name\t: bf16\n', False)],
)
def test_processor_flags_decide_about_bf16(cpuinfo, expected):
    assert has_bf16('cpu', cpuinfo) is expected


def test_flags_of_the_first_processor_are_used():
    assert {'avx2', 'vaes'} <= cpu_flags(EPYC) and 'bf16' not in cpu_flags(EPYC)


def test_flags_come_from_torch_without_cpuinfo(monkeypatch, tmp_path):
    monkeypatch.setattr(precision, 'Path', lambda path: tmp_path / 'none')
    known = dict(architecture='aarch64', neon=True, bf16=True, sme=False)
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: known, raising=False)
    assert cpu_flags() == {'neon', 'bf16'} and has_bf16('cpu')
    monkeypatch.delattr(torch.cpu, 'get_capabilities')  # torch 2.7
    assert cpu_flags() == set() and not has_bf16('cpu')


def test_other_devices_need_bf16_without_emulation(monkeypatch):
    assert not has_bf16('meta', SAPPHIRE_RAPIDS)
    monkeypatch.setattr(torch.cuda, 'device', contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda including_emulation=True: including_emulation)
    assert not has_bf16('cuda:0', SAPPHIRE_RAPIDS)  # emulated only


# --- the choice ----------------------------------------------------------------------------------


def test_auto_does_not_measure_without_bf16_hardware(monkeypatch):
    monkeypatch.setattr(precision, 'has_bf16', lambda device: False)
    assert choose_precision(CPU, must_not_measure) == ('fp32', None)


@pytest.mark.parametrize('speedup, expected', [(0.08, 'fp32'), (1.0, 'fp32'), (1.05, 'fp32'), (1.06, 'bf16')])
def test_auto_follows_the_measurement_with_bf16_hardware(monkeypatch, speedup, expected):
    monkeypatch.setattr(precision, 'has_bf16', lambda device: True)
    assert choose_precision(CPU, lambda: speedup) == (expected, speedup)


@pytest.mark.parametrize(
    'hardware, speedup, expected',
    [(True, 2.0, torch.bfloat16), (True, 0.9, torch.float32), (False, 2.0, torch.float32)],
)
@torch.inference_mode()
def test_auto_measures_once_and_keeps_its_choice(measured, hardware, speedup, expected):
    measured.hardware, measured.speedup = hardware, speedup
    model, seen = build(precision='auto')
    keys = set(model.state_dict())
    assert not measured.calls  # nothing is measured before the first image
    for size in (16, 24):
        model.restore(torch.rand(1, 3, size, size))
    measured.hardware = measured.speedup = None
    model.restore(torch.rand(1, 3, 40, 24), tile=16)
    copy.deepcopy(model).restore(torch.rand(1, 3, 16, 16))
    assert set(seen) == {expected} and len(measured.calls) == hardware
    assert set(model.state_dict()) == keys


@torch.inference_mode()
def test_auto_works_with_tiles(measured):
    model, seen = build(precision='auto')
    model.restore(torch.rand(1, 3, 40, 24), tile=16)
    assert len(seen) > 1 and set(seen) == {torch.bfloat16} and measured.calls == [CPU]


@torch.inference_mode()
def test_a_choice_of_float32_overrides_autocast(measured):
    measured.speedup = 1.0
    model, seen = build(precision='auto')
    with torch.autocast('cpu', torch.bfloat16):
        model.restore(torch.rand(1, 3, 16, 16))
    assert seen == [torch.float32]


@torch.inference_mode()
def test_explicit_bf16_without_bf16_hardware_warns_once(measured):
    measured.hardware, measured.speedup = False, 1 / 12.7
    model, seen = build(precision='bf16')
    with pytest.warns(UserWarning) as caught:
        for _ in range(2):
            model.restore(torch.rand(1, 3, 16, 16))
    assert [str(warning.message) for warning in caught] == [
        "precision='bf16': this processor has neither AMX nor AVX-512-BF16; bfloat16 took 12.7 times as long as "
        "float32 in a measurement with small images; use precision='auto' or 'fp32'"
    ]
    assert seen == 2 * [torch.bfloat16] and measured.calls == [CPU]  # the warning does not change the precision


@pytest.mark.parametrize(
    'setting, hardware, speedup',
    [('bf16', True, 0.5), ('bf16', False, 1.5), ('auto', False, 0.5), ('fp32', False, 0.5)],
)
@torch.inference_mode()
def test_no_warning_for_other_settings(measured, setting, hardware, speedup):
    measured.hardware, measured.speedup = hardware, speedup
    model, _ = build(precision=setting)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model.restore(torch.rand(1, 3, 16, 16))
    assert bool(measured.calls) == (setting == 'bf16' and not hardware)


def test_wrong_precisions_are_refused():
    for wrong in ('Auto', 'int8', True):
        with pytest.raises(ValueError, match="must be None, 'auto' or one of fp32, bf16, fp16, found"):
            Derainer(SMALL_NETWORKS[0], precision=wrong)


def test_default_precision_is_auto_in_commands_and_none_in_python():
    parse = cli.build_parser().parse_args
    for command in ('derain', 'detect', 'segment'):
        assert parse([command, 'a.jpg', '--out', 'b']).precision == 'auto'
        assert parse([command, 'a.jpg', '--out', 'b', '--precision', 'fp32']).precision == 'fp32'
    assert Derainer(SMALL_NETWORKS[0]).precision is None


# --- the measurement -----------------------------------------------------------------------------


@pytest.mark.parametrize('network', SMALL_NETWORKS, ids=lambda network: network['type'])
@pytest.mark.parametrize('training', [False, True])
def test_a_measurement_does_not_change_the_model(monkeypatch, network, training):
    monkeypatch.setattr(precision, 'ROUNDS', 1)
    model, seen = build(network, loss=[dict(type='SSIMLoss'), dict(type='L1Loss')])
    model.train(training)
    model.network.eval()  # a frozen part
    list(model.network.children())[0].train()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    random, grad = torch.get_rng_state(), torch.is_grad_enabled()
    assert inference_speedup(model.network, CPU) > 0
    with torch.inference_mode():
        assert inference_speedup(model.network, CPU) > 0
    assert not seen  # no hook was called
    assert training_speedup(model, CPU) > 0
    assert torch.equal(torch.get_rng_state(), random) and torch.is_grad_enabled() is grad
    assert not torch.is_autocast_enabled('cpu')
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(value.grad is None and not value.is_inference() for value in model.parameters())


def test_gradients_flow_after_a_measurement_under_autocast(monkeypatch):
    monkeypatch.setattr(precision, 'ROUNDS', 1)
    monkeypatch.setattr(precision, 'has_bf16', lambda device: True)
    model, _ = build(precision='auto')
    with torch.autocast('cpu', torch.bfloat16):
        model.restore(torch.rand(1, 3, 32, 32)).mean().backward()
    assert model.network.embed.weight.grad.abs().max() > 0


@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16])
@torch.inference_mode()
def test_networks_in_other_dtypes_are_measured(monkeypatch, dtype):
    monkeypatch.setattr(precision, 'ROUNDS', 1)
    monkeypatch.setattr(precision, 'has_bf16', lambda device: True)
    model, _ = build(precision='auto')
    assert model.to(dtype).restore(torch.rand(1, 3, 32, 32)).isfinite().all()


def test_a_compiled_network_is_measured_uncompiled(monkeypatch):
    monkeypatch.setattr(precision, 'ROUNDS', 1)
    monkeypatch.setattr(precision, 'has_bf16', lambda device: True)
    torch.compiler.reset()
    graphs = []
    model = Derainer(
        SMALL_NETWORKS[0],
        precision='auto',
        compile=dict(backend=lambda graph, inputs: graphs.append(1) or graph.forward),
    ).eval()
    with torch.inference_mode():
        model.restore(torch.rand(1, 3, 32, 32))
    assert len(graphs) == 1  # the graph for the image


@MODELS.register_module()
class SlowInBf16(nn.Module):
    """Network with a fake clock: a call takes 4 s in bfloat16, 1 s in float32. The first two calls take 10 s more."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = NetworkSpec(min_size=162, size_multiple=8)
        self.clock, self.shapes = SimpleNamespace(now=0.0), []

    def __deepcopy__(self, memo) -> 'SlowInBf16':
        return self

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        self.clock.now += 4 if torch.is_autocast_enabled('cpu') else 1
        self.clock.now += 10 if len(self.shapes) < 2 else 0
        self.shapes.append(tuple(x.shape))
        return [x]


@pytest.mark.parametrize('limit, rounds, expected', [(100, 4, 1 / 4), (10, 1, 11 / 14), (30, 2, 1 / 4)])
def test_speedup_compares_the_shortest_times(monkeypatch, limit, rounds, expected):
    network = SlowInBf16()
    monkeypatch.setattr(precision, 'time', SimpleNamespace(perf_counter=lambda: network.clock.now))
    monkeypatch.setattr(precision, 'INFERENCE_LIMIT', limit)
    assert inference_speedup(network, CPU) == pytest.approx(expected)
    assert network.shapes == 2 * rounds * [(1, 3, 168, 168)]
