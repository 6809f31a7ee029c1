"""The part of the inputs that a process takes, from --shard, torchrun or Slurm."""

import pytest

from mmderain.apis.shards import Shard, parse_shard, placement
from mmderain.cli.launchers import choose_shard
from mmderain.errors import InputError

TORCHRUN = dict(RANK='5', WORLD_SIZE='8', LOCAL_RANK='1')
#: Variables that srun sets for the second of two tasks of a step, in a job of four tasks.
SRUN = dict(SLURM_PROCID='1', SLURM_NTASKS='4', SLURM_STEP_NUM_TASKS='2', SLURM_LOCALID='1', SLURM_STEP_ID='0')
ARRAY = dict(SLURM_ARRAY_TASK_ID='7', SLURM_ARRAY_TASK_COUNT='4', SLURM_ARRAY_TASK_MIN='4')


@pytest.mark.parametrize(
    'environment, part, local_rank',
    [
        ({}, None, None),
        (TORCHRUN, '6/8', 1),
        (dict(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0'), None, None),
        (dict(RANK='1', WORLD_SIZE='2'), '2/2', None),
        (SRUN, '2/2', 1),
        ({key: value for key, value in SRUN.items() if key != 'SLURM_STEP_NUM_TASKS'}, '2/4', 1),
        (SRUN | TORCHRUN, '6/8', 1),
        (ARRAY, '4/4', None),
        (ARRAY | dict(SLURM_ARRAY_TASK_ID='6', SLURM_ARRAY_TASK_STEP='2'), '2/4', None),
        (ARRAY | SRUN, '8/8', 1),
        (ARRAY | TORCHRUN, '30/32', 1),
        # The shell of an allocation, a batch script that does not use srun, and an interactive shell of srun.
        (dict(SLURM_JOB_ID='9', SLURM_NTASKS='4'), None, None),
        (dict(SLURM_NTASKS='4', SLURM_PROCID='0', SLURM_LOCALID='0'), None, None),
        (SRUN | dict(SLURM_PROCID='0', SLURM_PTY_PORT='40000'), None, None),
    ],
)
def test_the_environment_gives_the_part(environment, part, local_rank):
    found = placement(environment)
    assert (found and str(found.shard)) == part and (found and found.local_rank) == local_rank


@pytest.mark.parametrize(
    'environment, message',
    [
        (dict(RANK='1'), 'environment variable WORLD_SIZE is not set; expected an integer. Start all processes'),
        (dict(WORLD_SIZE='2'), 'environment variable RANK is not set'),
        (dict(RANK='one', WORLD_SIZE='2'), "RANK is 'one'; expected an integer"),
        (dict(RANK='2', WORLD_SIZE='2'), 'found RANK=2, WORLD_SIZE=2; the first number must be below the second'),
        (dict(RANK='-1', WORLD_SIZE='2'), "RANK is '-1'"),
        (SRUN | dict(SLURM_STEP_NUM_TASKS='x'), "SLURM_STEP_NUM_TASKS is 'x'"),
        (ARRAY | dict(SLURM_ARRAY_TASK_ID='9'), r'the numbers of the array must follow each other, as in --array=0-15'),
        (dict(SLURM_ARRAY_TASK_ID='3'), 'SLURM_ARRAY_TASK_COUNT is not set'),
    ],
)
def test_wrong_environments_give_one_clear_error(environment, message):
    with pytest.raises(InputError, match=message):
        placement(environment)


@pytest.mark.parametrize('text', ['0/16', '17/16', 'x', '3', '3/', '1/0', '-1/2', '1.5/2', ' 1/2', '²/3', ''])
def test_wrong_parts_are_refused(text):
    with pytest.raises(InputError, match='expected NUMBER/COUNT from 1/COUNT to COUNT/COUNT, such as 3/16'):
        parse_shard(text)


def test_parts_count_from_one_and_name_their_logs():
    assert parse_shard('3/16') == Shard(2, 16) and str(Shard(2, 16)) == '3/16' and parse_shard('1/1') == Shard(0, 1)
    assert str(Shard(2, 16).log_path('logs/run.jsonl')) == 'logs/run.3-of-16.jsonl'
    with pytest.raises(InputError, match='found index 2 of 2 parts'):
        Shard(2, 2)


def test_an_option_that_contradicts_the_environment_is_refused(capsys, monkeypatch):
    place = placement(TORCHRUN)
    assert choose_shard('6/8', place) == choose_shard(None, place) == Shard(5, 8)
    with pytest.raises(InputError, match=r'--shard 3/8: the environment \(RANK=5, WORLD_SIZE=8\) gives part 6/8'):
        choose_shard('3/8', place)
    monkeypatch.setenv('SLURM_NTASKS', '4')
    monkeypatch.delenv('RANK', raising=False)
    assert choose_shard(None, None) is None
    assert capsys.readouterr().err == (
        'note: the job has 4 tasks, but this process was not started by srun; it derains all inputs\n'
    )
