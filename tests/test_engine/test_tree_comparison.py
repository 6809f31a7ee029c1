"""``compare_trees`` measures the working tree and a commit alternately. The tests do not check the speed."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, load_tool

from mmderain.engine import tree_comparison
from mmderain.engine.benchmark import Benchmark
from mmderain.engine.tree_comparison import compare_trees, disturbances, time_in_tree
from mmderain.errors import InputError

#: A minimal package, which has only what the script time_in_tree.py needs.
PACKAGE = {
    'mmderain/__init__.py': '',
    'mmderain/apis.py': 'import pathlib\n'
    'class Model:\n'
    '    def restore(self, images):\n'
    '        pathlib.Path("seen").write_text(str(tuple(images.shape)))\n'
    'def init_model(config, checkpoint, device, cfg_options):\n'
    '    assert pathlib.Path(config).is_file()\n'
    '    return Model()\n',
}
JOB = dict(checkpoint=None, cfg_options={}, device='cpu', threads=1, height=8, width=12, batch=2, repeats=1)
JOB |= dict(precision='fp32', cpu_memory='kept', train=False)


def git(folder, *arguments):
    identity = ['-c', 'user.name=Test', '-c', 'user.email=test@example.com', '-c', 'commit.gpgsign=false']
    done = subprocess.run(['git', '-C', folder, *identity, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def checkout(tmp_path):
    """Make a checkout with the branches main and old; only main has the config new.py."""
    root = tmp_path / 'checkout'
    (root / 'configs').mkdir(parents=True)
    git(root, 'init', '-q', '-b', 'main')
    (root / 'configs/net.py').write_text('old = True\n')
    git(root, 'add', '.')
    git(root, 'commit', '-q', '-m', 'One')
    git(root, 'branch', 'old')
    (root / 'configs/net.py').write_text('old = False\n')
    (root / 'configs/new.py').write_text('')
    git(root, 'add', '.')
    git(root, 'commit', '-q', '-m', 'Two')
    return root


@pytest.fixture
def timed(monkeypatch):
    """Replace the measurement by 3 s in both trees, and record its calls."""
    calls, seconds = [], iter([3.0] * 100)

    def time_in(script, tree, name, job):
        calls.append((name, (tree / job['config']).read_text(), job, tree))
        return 3.0 if name == 'the working tree' else next(seconds)

    monkeypatch.setattr(tree_comparison, 'time_in_tree', time_in)
    monkeypatch.setattr(tree_comparison, 'disturbances', lambda root: [])
    return calls


def test_processes_of_both_trees_alternate(checkout, timed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(checkout)
    benchmark = Benchmark(sizes=[(8, 12), (16, 12)], batches=[2, 3], paths=['eager', 'compiled'])
    assert compare_trees(checkout, 'old', ['configs/net.py'], benchmark, 6, tmp_path / 'out') == 0
    names = [name for name, *_ in timed]
    assert names[:4] == ['the working tree', 'old', 'old', 'the working tree'] and len(names) == 6 * 6 * 2
    assert {(name, text) for name, text, *_ in timed} == {
        ('the working tree', 'old = False\n'),
        ('old', 'old = True\n'),
    }
    jobs = [job for _, _, job, _ in timed[::12]]
    assert [(job['height'], job['width'], job['batch'], job['path']) for job in jobs] == [
        (8, 12, 2, 'eager'), (8, 12, 2, 'compiled'), (8, 12, 3, 'eager'), (8, 12, 3, 'compiled'),
        (16, 12, 2, 'eager'), (16, 12, 2, 'compiled'),
    ]  # fmt: skip
    assert [job['cfg_options'] for job in jobs[:2]] == [{}, {'model.compile': True}]
    (other,) = {tree for name, *_, tree in timed if name == 'old'}
    assert not other.parent.exists() and git(checkout, 'worktree', 'list').count('\n') == 1
    assert '1.000 times the time of old, 95% interval 1.000 to 1.000, not above 1.03' in capsys.readouterr().out
    content = json.loads((tmp_path / 'out/against.json').read_text())
    assert len(content['results']) == 6 and content['results'][0]['seconds'] == [[3.0, 3.0]] * 6


def test_a_slower_tree_is_reported(checkout, timed, tmp_path, monkeypatch, capsys):
    """The median of the ratios is 1.02. The interval of 20 values reaches from the 6th to the 15th value."""
    ratios = [1.0] * 5 + [1.01] * 4 + [1.02] * 5 + [1.04] * 6
    seconds = iter([3.0 / ratio for ratio in ratios] * 2)
    monkeypatch.setattr(
        tree_comparison, 'time_in_tree', lambda script, tree, name, job: 3.0 if tree == checkout else next(seconds)
    )
    assert compare_trees(checkout, 'old', [str(checkout / 'configs/net.py')], Benchmark(), 20, tmp_path / 'out') == 1
    output = capsys.readouterr().out
    assert (
        '1.020 times the time of old, 95% interval 1.010 to 1.040, ABOVE 1.03: it may be more than 3% slower' in output
    )


def test_a_config_outside_the_checkout_is_used_for_both_trees(checkout, timed, tmp_path):
    (tmp_path / 'mine.py').write_text('mine\n')
    compare_trees(checkout, 'old', [str(tmp_path / 'mine.py')], Benchmark(), 6, tmp_path / 'out')
    assert {text for _, text, *_ in timed} == {'mine\n'}


@pytest.mark.parametrize(
    'ref, config, pairs, message',
    [
        ('older', 'net.py', 6, '--against older: .* has no such commit'),
        ('old', 'new.py', 6, r'new\.py: no such config file in old'),
        ('old', 'none.py', 6, r'none\.py: no such config file in the working tree'),
        ('old', 'net.py', 5, '--pairs 5: .* at least 6'),
    ],
)
def test_bad_input_gives_one_error(checkout, timed, tmp_path, ref, config, pairs, message):
    with pytest.raises(InputError, match=message):
        compare_trees(checkout, ref, [str(checkout / 'configs' / config)], Benchmark(), pairs, tmp_path / 'out')
    assert not timed and git(checkout, 'worktree', 'list').count('\n') == 1


def test_error_without_a_git_checkout(checkout, timed, tmp_path):
    (checkout / 'inside').mkdir()
    (tmp_path / 'bare').mkdir()
    for folder, message in (('checkout/inside', 'a folder inside a checkout'), ('bare', 'expected a git checkout')):
        with pytest.raises(InputError, match=message):
            compare_trees(tmp_path / folder, 'old', ['net.py'], Benchmark(), 6, tmp_path / 'out')


def test_the_script_imports_the_package_of_the_tree(tmp_path, monkeypatch):
    tree, elsewhere = tmp_path / 'tree', tmp_path / 'elsewhere'
    for path, text in PACKAGE.items():
        (elsewhere / path).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / path).write_text(text)
    tree.mkdir()
    (tree / 'net.py').write_text('')
    monkeypatch.setenv('PYTHONPATH', str(elsewhere))
    script = ROOT / tree_comparison.SCRIPT
    with pytest.raises(InputError, match='old: expected the package mmderain in .*tree, found it in .*elsewhere'):
        time_in_tree(script, tree, 'old', dict(JOB, config='net.py'))
    (elsewhere / 'mmderain').rename(tree / 'mmderain')
    assert time_in_tree(script, tree, 'old', dict(JOB, config='net.py')) > 0
    assert (tree / 'seen').read_text() == '(2, 3, 8, 12)'
    with pytest.raises(InputError, match='none.py: cannot be measured in old .AssertionError'):
        time_in_tree(script, tree, 'old', dict(JOB, config='none.py'))


def test_the_script_prints_its_help_and_refuses_other_arguments(capsys):
    main = load_tool('dev/time_in_tree').main
    with pytest.raises(SystemExit) as end:
        main(['--help'])
    assert end.value.code == 0 and 'example:\n    PYTHONPATH=TREE python' in capsys.readouterr().out
    for text in ('sian', '[1]'):
        with pytest.raises(SystemExit) as end:
            main([text])
        assert end.value.code == 2
        assert f'argument JOB: found {text!r}, expected a JSON object' in capsys.readouterr().err


@pytest.mark.parametrize('changes', [{}, dict(train=True), dict(precision='bf16', cpu_memory='freed')])
def test_the_script_runs_the_networks_of_this_tree(changes):
    job = dict(JOB, config=str(ROOT / 'configs/derain/sian_sample.py'), **{k: v for k, v in changes.items()})
    job['cfg_options'] = {'model.network.channels': 4, 'model.network.num_stages': 2}
    tool = load_tool('dev/time_in_tree')
    assert tool.measure(job) > 0
    assert type(tool.kept_memory()).__name__ == '_GeneratorContextManager'  # this tree has keep_cpu_memory


def test_other_uses_of_the_processor_are_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, 'getloadavg', lambda: (1.75, 0, 0))
    assert list(disturbances(tmp_path)) == [
        'the load average is 1.8: other programs use the processor, so the interval will be wide'
    ]
    # A fake queue prints the status of a running queue.
    queue = load_tool('dev/training_queue')
    monkeypatch.setattr(queue.Queue, 'pid', lambda self: os.getpid())
    queue.main(['status', '--work-dir', str(tmp_path / 'queue')])
    Path(tmp_path / 'tools/dev').mkdir(parents=True)
    (tmp_path / 'tools/dev/training_queue.py').write_text(f'print({capsys.readouterr().out!r})\n')
    monkeypatch.setattr(os, 'getloadavg', lambda: (0.25, 0, 0))
    (warning,) = disturbances(tmp_path)
    assert warning.startswith('a training queue is running')
