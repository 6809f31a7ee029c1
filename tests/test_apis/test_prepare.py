"""The option ``--prepare`` and the argument ``prepare`` of the inferencer."""

import mmcv
import pytest
from conftest import smooth_image
from replaced_compiler import replace_compiler

from mmderain.apis import DerainInferencer
from mmderain.cli import main
from mmderain.errors import InputError
from mmderain.models import fast_path


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Return the words of a command that derains three images."""
    replace_compiler(monkeypatch, gain=1.5)
    for seed, size in enumerate([(16, 16), (16, 32), (16, 16)]):
        mmcv.imwrite(smooth_image(*size, seed), str(tmp_path / f'in/{seed}.png'))
    return ['derain', str(tmp_path / 'in'), '--out', str(tmp_path / 'out'), '--precision', 'fp32']


def lines(capsys: pytest.CaptureFixture, result: str = 'prepared') -> list[str]:
    return [line.partition(';')[0] for line in capsys.readouterr().out.splitlines() if line.startswith(result)]


def test_the_command_prints_what_was_gained(command, capsys):
    assert main([*command, '--prepare']) == 0
    assert lines(capsys) == [
        'prepared for 16x16, batch 1, float32: 1.50 times as fast',
        'prepared for 16x32, batch 1, float32: 1.50 times as fast',
    ]


@pytest.mark.parametrize('options', [[], ['--deterministic']])
def test_few_images_are_derained_without_preparation(options, command, capsys, monkeypatch):
    monkeypatch.setattr('mmderain.cli.derain.compute_deterministically', lambda: None)  # it changes the process
    assert main([*command, *options]) == 0 and lines(capsys) == []


@pytest.mark.parametrize('option', ['--compile', '--deterministic'])
def test_options_that_exclude_each_other_are_refused(option, command, capsys, monkeypatch):
    monkeypatch.setattr('mmderain.cli.derain.compute_deterministically', lambda: None)
    assert main([*command, '--prepare', option]) == 1
    assert capsys.readouterr().err.startswith('error: --')


def test_the_inferencer_has_the_rule_of_the_argument():
    rules = [DerainInferencer('nafnet', device='cpu', prepare=value).model.fast_path for value in (False, None, True)]
    assert rules[0] is None and rules[1].rule is fast_path.pays and rules[2].rule is fast_path.at_once
    with pytest.raises(InputError, match='compile=True and prepare=True: both compile the network; use one of them'):
        DerainInferencer('nafnet', device='cpu', compile=True, prepare=True)
