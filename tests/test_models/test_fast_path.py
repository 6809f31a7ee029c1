"""``Derainer.prepare``: when a network is compiled, which results it gives, and what is reported."""

import copy
import pickle
import shutil
from functools import partial

import pytest
import torch
from conftest import SMALL_NETWORKS
from replaced_compiler import replace_compiler

from mmderain.errors import InputError
from mmderain.models import Derainer, fast_path
from mmderain.models.fast_path import FastPath, Preparation, at_once, pays, prepare_derainer


@pytest.fixture
def compiler(monkeypatch):
    """Replace the compiler. Only the tests at the end of the file compile a network."""
    return replace_compiler(monkeypatch, gain=2.0)


def build(network: dict = SMALL_NETWORKS[0], **options) -> Derainer:
    torch.manual_seed(0)
    return Derainer(network, **options)


@pytest.mark.parametrize(
    'seconds, count, gain, cost, expected',
    [
        (1.0, 100, 2.0, 49.0, True),  # saves 100 * 1 * (1 - 1 / 2) = 50 s
        (1.0, 100, 2.0, 50.0, False),
        (0.1, 100, 2.0, 4.9, True),
        (1.0, 99, 2.0, 49.9, False),
        (1.0, 10_000, 1.0, 0.0, False),  # a network that is not faster saves nothing
        (1.0, 10_000, 0.8, 0.0, False),
    ],
)
def test_a_network_is_compiled_if_this_saves_more_time_than_it_costs(seconds, count, gain, cost, expected):
    assert pays(seconds, count, gain, cost) is expected


@pytest.mark.parametrize('seconds, count, expected', [(1.0, 600, False), (1.0, 601, True), (30.0, 21, True)])
def test_the_default_rule_compiles_after_ten_minutes(seconds, count, expected):
    assert pays(seconds, count) is expected


@pytest.mark.parametrize('network', SMALL_NETWORKS, ids=lambda network: network['type'])
@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
def test_a_prepared_derainer_gives_equal_results(network, precision, compiler):
    derainer = build(network)
    before = {key: value.clone() for key, value in derainer.state_dict().items()}
    prepared = derainer.prepare((24, 32), precision)
    assert len(compiler) == 1 and not prepared.training
    (preparation,) = prepared.fast_path.preparations.values()
    number_format = 'float32' if precision == 'fp32' else 'bfloat16'
    assert str(preparation).startswith(f'prepared for 24x32, batch 1, {number_format}: 2.00 times as fast; ')
    assert derainer.training and derainer.fast_path is None and derainer.precision is None
    assert next(derainer.parameters()).requires_grad
    for state in (derainer.state_dict(), prepared.state_dict()):
        assert state.keys() == before.keys() and all(torch.equal(state[key], before[key]) for key in before)
    batch = torch.rand(1, 3, 24, 32)
    derainer.eval()
    with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16, enabled=precision == 'bf16'):
        assert torch.equal(prepared.restore(batch), derainer.restore(batch))
    assert len(compiler) == 1


def passes(derainer: Derainer, *shapes: tuple[int, ...], **options) -> None:
    with torch.inference_mode():
        for shape in shapes:
            derainer.restore(torch.rand(*shape), **options)


def test_each_shape_is_compiled_once_after_its_first_pass(compiler):
    prepared = prepare_derainer(build(), rule=at_once)
    passes(prepared, (1, 3, 16, 16), (1, 3, 16, 16), (2, 3, 16, 16), (1, 3, 16, 16), (2, 3, 16, 16))
    assert [case[0] for case in prepared.fast_path.preparations] == [(1, 3, 16, 16), (2, 3, 16, 16)]
    assert len(compiler) == 2


def test_the_rule_gets_the_mean_time_and_the_number_of_passes(compiler):
    prepared, seen = build().prepare(), []

    def rule(seconds: float, count: int) -> bool:
        seen.append((seconds > 0, count))
        return count == 3

    prepared.fast_path.rule = rule
    passes(prepared, *[(1, 3, 16, 16)] * 2, (1, 3, 8, 16), *[(1, 3, 16, 16)] * 2)
    assert seen == [(True, 1), (True, 2), (True, 1), (True, 3)] and len(compiler) == 1


def test_without_a_size_nothing_is_compiled_at_once(compiler):
    prepared = build().prepare()
    passes(prepared, (1, 3, 16, 16), (1, 3, 16, 16))
    assert not compiler and not prepared.fast_path.preparations and prepared.fast_path.rule is pays


def test_the_number_of_compiled_shapes_is_limited(compiler, monkeypatch):
    monkeypatch.setattr(fast_path, 'MAX_CASES', 2)
    prepared = prepare_derainer(build(), rule=at_once)
    passes(prepared, (1, 3, 8, 8), (1, 3, 8, 12), (1, 3, 8, 16))
    assert len(compiler) == 2


def test_tiles_gradients_and_training_are_not_compiled(compiler):
    prepared = prepare_derainer(build(), rule=at_once)
    passes(prepared, (1, 3, 16, 96), tile=48)
    prepared.restore(torch.rand(1, 3, 16, 16))  # gradients are enabled
    prepared.train()
    passes(prepared, (1, 3, 16, 16))
    assert not compiler


@pytest.mark.parametrize('name, value', [('seconds_of', 1.0), ('TOLERANCES', (0.0, 0.0))])
def test_a_compiled_network_that_is_not_better_is_not_used(name, value, compiler, monkeypatch):
    monkeypatch.setattr(fast_path, name, value if isinstance(value, tuple) else lambda call, x: value)
    if name == 'TOLERANCES':
        compile_network = fast_path.compile_network

        def wrong(network):
            compiled = compile_network(network)
            return lambda x: [result + 0.25 for result in compiled(x)]

        monkeypatch.setattr(fast_path, 'compile_network', wrong)
    derainer = build().eval()
    prepared = derainer.prepare((16, 16))
    (preparation,) = prepared.fast_path.preparations.values()
    expected = {
        'seconds_of': 'the compiled network is only 1.00 times as fast',
        'TOLERANCES': 'the results of the compiled network differ by 2.5e-01, more than 0e+00',
    }[name]
    assert str(preparation) == f'not prepared for 16x16, batch 1, float32: {expected}' and preparation.gain == 1
    batch = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(prepared.restore(batch), derainer.restore(batch))
    assert len(compiler) == 1


def test_without_a_compiler_the_network_runs_uncompiled(monkeypatch):
    def fail(network):
        raise RuntimeError('No working C++ compiler found\nand a long story')

    monkeypatch.setattr(fast_path, 'compile_network', fail)
    derainer = build().eval()
    prepared = derainer.prepare((16, 16))
    assert list(map(str, prepared.fast_path.preparations.values())) == [
        'not prepared for 16x16, batch 1, float32: torch cannot compile it (No working C++ compiler found)'
    ]
    batch = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(prepared.restore(batch), derainer.restore(batch))


def test_weights_that_are_loaded_later_are_used(compiler):
    prepared, other = build().prepare((16, 16)), build()
    for parameter in other.parameters():
        parameter.data.mul_(0.5)
    prepared.load_state_dict(other.state_dict())
    batch = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(prepared.restore(batch), other.eval().restore(batch))


def test_copies_contain_no_compiled_network(compiler):
    prepared = build().prepare((16, 16))
    for other in (copy.deepcopy(prepared), pickle.loads(pickle.dumps(prepared))):
        assert isinstance(other.fast_path, FastPath) and other.fast_path.rule is pays
        assert other.fast_path.preparations == {}


@pytest.mark.parametrize('size', [(16,), (16, 16, 3), '16x16', 16, {16, 32}])
def test_a_size_that_is_no_pair_is_refused(size):
    with pytest.raises(ValueError, match=r'^prepare: size must be a pair \(height, width\) of integers, found '):
        build().prepare(size)


@pytest.mark.parametrize('size, name', [((0, 16), 'height'), ((16, -1), 'width'), ((16, 16.0), 'width')])
def test_a_side_that_is_no_positive_whole_number_is_refused(size, name):
    with pytest.raises(InputError, match=f'^prepare: {name} in size must be an integer of at least 1, found '):
        build().prepare(size)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match=r"^prepare: precision must be None, 'auto' or one of fp32, .*, found 'int8'$"):
        build().prepare((16, 16), 'int8')


def test_the_gain_is_the_ratio_of_the_times():
    assert Preparation((1, 3, 8, 8), 'float32', 3.0, 2.0, 10.0).gain == 1.5


def require_equal_results(network: dict, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepare a derainer with the compiler of torch, and compare its results with those of the derainer."""
    torch.compiler.reset()
    monkeypatch.setattr(fast_path, 'MIN_GAIN', 0.0)  # also use a compiled network that is not faster
    derainer = build(network, precision=precision).eval()
    prepared = derainer.prepare((24, 32))
    (preparation,) = prepared.fast_path.preparations.values()
    assert preparation.problem == ''
    batch = torch.rand(1, 3, 24, 32)
    with torch.inference_mode():
        tolerance = 1e-5 if precision == 'fp32' else 2**-5
        assert torch.allclose(prepared.restore(batch), derainer.restore(batch), atol=tolerance, rtol=0)


def test_a_network_that_torch_traces_gives_equal_results(monkeypatch):
    """The backend aot_eager needs no C++ compiler."""
    trace = partial(torch.compile, backend='aot_eager', dynamic=False)
    monkeypatch.setattr(fast_path, 'compile_network', trace)
    require_equal_results(SMALL_NETWORKS[-1], 'bf16', monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
@pytest.mark.parametrize('network', SMALL_NETWORKS, ids=lambda network: network['type'])
def test_the_default_compiler_of_torch_gives_equal_results(network, precision, monkeypatch):
    if shutil.which('g++') is None:
        pytest.skip('needs a C++ compiler')
    require_equal_results(network, precision, monkeypatch)
