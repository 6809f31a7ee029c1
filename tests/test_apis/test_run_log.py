"""The log of a run: its lines, resuming from it, damaged lines, and `mmderain merge-logs`."""

import json
from pathlib import Path

import cv2
import pytest
import torch
from conftest import smooth_image

from mmderain.apis import DerainInferencer, InputResult
from mmderain.apis.run_log import RunLog, finished_outputs, read_log
from mmderain.cli import main
from mmderain.errors import InputError
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class Same(torch.nn.Module):
    """Network without weights that returns its input."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


CONFIG = dict(model=dict(type='Derainer', network=dict(type='Same')), default_scope='mmderain')


@pytest.fixture
def folder(tmp_path):
    """Write three images and an empty file."""
    (tmp_path / 'in').mkdir()
    for name in ('a', 'b', 'é "q"'):
        cv2.imwrite(str(tmp_path / f'in/{name}.png'), smooth_image(8, 9))
    (tmp_path / 'in/c.png').touch()
    return tmp_path


def derain(folder: Path, **options) -> list[InputResult]:
    stream = DerainInferencer(CONFIG).stream(
        [folder / 'in'], out_dir=folder / 'out', log=folder / 'run.jsonl', **options
    )
    return list(stream)


def test_each_input_has_a_line(folder):
    derain(folder)
    lines = [json.loads(line) for line in (folder / 'run.jsonl').read_text().splitlines()]
    assert [list(line) for line in lines] == [['status', 'output', 'input', 'size', 'seconds', 'error']] * 4
    assert {Path(line['input']).name: (line['status'], line['size']) for line in lines} == {
        'a.png': ('ok', [8, 9]),
        'b.png': ('ok', [8, 9]),
        'c.png': ('failed', None),
        'é "q".png': ('ok', [8, 9]),
    }
    assert lines[0]['output'] == str(folder / 'out/a.png') and lines[0]['seconds'] > 0 and lines[0]['error'] is None
    assert lines[2]['output'] is None and lines[2]['error'].startswith(f'{folder / "in/c.png"}: cannot be read')


def test_a_line_is_in_the_file_before_the_result_is_returned(folder):
    stream = DerainInferencer(CONFIG).stream([folder / 'in'], out_dir=folder / 'out', log=folder / 'run.jsonl')
    for number, result in enumerate(stream, 1):
        lines = list(read_log(folder / 'run.jsonl'))
        assert len(lines) == number and lines[-1]['input'] == result.name


def test_a_second_call_derains_only_what_the_log_does_not_name(folder):
    derain(folder)
    (folder / 'out/b.png').unlink()  # the log is trusted
    assert [Path(entry.name).name for entry in derain(folder, existing='skip')] == ['c.png']
    cv2.imwrite(str(folder / 'in/c.png'), smooth_image(8, 9))
    assert [entry.status for entry in derain(folder, existing='skip')] == ['ok']
    assert derain(folder, existing='skip') == []
    assert len(derain(folder, existing='replace')) == 4 and (folder / 'out/b.png').exists()
    (folder / 'run.jsonl').unlink()
    assert [entry.skipped for entry in derain(folder, existing='skip')] == [True] * 4
    assert {line['status'] for line in read_log(folder / 'run.jsonl')} == {'skipped'}
    assert derain(folder, existing='skip') == []


def test_an_incomplete_last_line_is_ignored_and_kept_apart(folder):
    derain(folder)
    log = folder / 'run.jsonl'
    whole = log.read_bytes()
    for size in (len(whole) - 2, len(whole) - 10, len(whole.splitlines(keepends=True)[0]) + 40):
        log.write_bytes(whole[:size])
        complete = whole[:size].count(b'\n')
        expected = {line['output'] for line in map(json.loads, whole.splitlines()[:complete]) if line['status'] == 'ok'}
        assert finished_outputs(log) == expected
        with RunLog(log) as writer:
            writer.write(InputResult('new', folder / 'out/new.png'))
        assert finished_outputs(log) == expected | {str(folder / 'out/new.png')}
    log.write_bytes(b'\0\xff[]\n{"status": "ok"}\n"x"\n' + whole)
    assert len(list(read_log(log))) == 4 and len(finished_outputs(log)) == 3
    assert finished_outputs(folder / 'none.jsonl') == set()


def test_a_log_of_another_output_folder_skips_nothing(folder):
    derain(folder)
    again = DerainInferencer(CONFIG).stream(
        [folder / 'in'], out_dir=folder / 'other', existing='skip', log=folder / 'run.jsonl'
    )
    assert [entry.skipped for entry in again] == [False] * 4


def test_merge_logs_lists_failed_and_missing_inputs(folder, capsys):
    derain(folder)
    lines = (folder / 'run.jsonl').read_text().splitlines(keepends=True)
    one, two = folder / 'one.jsonl', folder / 'two.jsonl'
    one.write_text(''.join(lines[:1] + lines[2:3])), two.write_text(lines[1] + lines[3][:20])
    words = ['merge-logs', str(one), str(two), '--inputs', str(folder / 'in'), '--out', str(folder / 'all.jsonl')]
    assert main(words) == 1
    assert capsys.readouterr().out.splitlines() == [
        f'failed: {json.loads(lines[2])["error"]}',
        f'missing: {folder / "in"}/é "q".png',
        '2 of 4 inputs are complete, 1 failed, 1 are missing',
    ]
    merged = (folder / 'all.jsonl').read_text().splitlines(keepends=True)
    assert merged[:3] == [lines[0], lines[2], lines[1]]
    assert json.loads(merged[3]) == dict(status='missing', input=f'{folder / "in"}/é "q".png')
    # A later complete line counts, and a later failure of a complete input does not.
    fixed = lines[2].replace('"failed"', '"ok"')
    two.write_text(''.join([lines[1], lines[3], fixed, lines[0].replace('"ok"', '"failed"')]))
    assert main(words) == 0
    assert capsys.readouterr().out == '4 of 4 inputs are complete, 0 failed, 0 are missing\n'
    assert (folder / 'all.jsonl').read_text() == ''.join([lines[0], lines[1], lines[3], fixed])


def test_merge_logs_reports_wrong_arguments(folder, capsys, monkeypatch):
    derain(folder)
    monkeypatch.chdir(folder)
    assert main(['merge-logs', 'run.jsonl', '--inputs', 'in']) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        '0 of 4 inputs are complete, 0 failed, 4 are missing',
        f'the logs name other inputs, such as {folder / "in/a.png"}; give --inputs in the same spelling',
    ]
    assert main(['merge-logs', 'none.jsonl', '--inputs', 'in']) == 1
    assert 'none.jsonl' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(['merge-logs', 'run.jsonl'])


def test_damaged_lines_are_left_out(folder):
    derain(folder)
    log = folder / 'run.jsonl'
    first, second, *_ = log.read_text().splitlines(keepends=True)
    log.write_text(first.replace('out', 'o\0t') + first.replace('out', '\\q') + second)
    assert finished_outputs(log) == {str(folder / 'out/b.png')}
    assert [Path(line['input']).name for line in read_log(log)] == ['b.png']


@pytest.mark.parametrize('content', [b'\x89PNG', b'{"images": []}\n', b'{"status": 1}\n', b'\0' * 200])
def test_a_file_that_is_no_log_is_not_changed(folder, content):
    log = folder / 'run.jsonl'
    log.write_bytes(content)
    for existing in ('refuse', 'skip'):
        with pytest.raises(InputError, match='run.jsonl: is not a log of `mmderain derain`; found no line with an inp'):
            derain(folder, existing=existing)
    assert log.read_bytes() == content and not (folder / 'out').exists()


@pytest.mark.parametrize(
    'beginning', [b'', b'{"st', b'{"status": "ok", "outp', b'\0\0\n{"status": "ok", "input": "a"}\n']
)
def test_a_log_that_begins_with_a_damaged_line_is_continued(folder, beginning):
    (folder / 'run.jsonl').write_bytes(beginning)
    derain(folder)
    content = (folder / 'run.jsonl').read_bytes()
    assert content.startswith(beginning) and content.count(b'"status": "ok", "output": "') == 3


def test_merge_logs_leaves_out_results_in_an_input_folder_and_accepts_its_own_output(folder, capsys, monkeypatch):
    (folder / 'in/c.png').unlink()
    out, log = folder / 'in/derained', folder / 'run.1.jsonl'
    list(DerainInferencer(CONFIG).stream([folder / 'in'], out_dir=out, log=log))
    words = ['merge-logs', str(folder / 'run.*.jsonl'), '--inputs', str(folder / 'in')]
    assert main(words) == 1
    assert capsys.readouterr().out.endswith('3 of 6 inputs are complete, 0 failed, 3 are missing\n')
    assert main([*words, '--results', str(out)]) == 0
    assert capsys.readouterr().out == '3 of 3 inputs are complete, 0 failed, 0 are missing\n'
    # The file of --out names a missing input. Joined again, this input is missing and not failed.
    log.write_text(''.join(log.read_text().splitlines(keepends=True)[:2]))
    for target in ('all.jsonl', 'again.jsonl'):
        words = ['merge-logs', str(log), '--inputs', str(folder / 'in'), '--results', str(out)]
        assert main([*words, '--out', str(folder / target)]) == 1
        assert capsys.readouterr().out.splitlines() == [
            f'missing: {folder}/in/é "q".png',
            '2 of 3 inputs are complete, 0 failed, 1 are missing',
        ]
        log = folder / 'all.jsonl'
    assert (folder / 'again.jsonl').read_text() == (folder / 'all.jsonl').read_text()
