import pytest

from mmderain.errors import InputError
from mmderain.perception.joint_test import Result, TaskModel, conditions, make_table, recovery


def test_recovery_is_the_share_of_the_lost_accuracy():
    model, baseline = TaskModel('a', '', ''), TaskModel('b', '', '')
    rows = list(conditions(model, ['heavy'], {'X': 'sian'}, [baseline], {}, ''))
    values = [80, 78, 79, 40, 60, 45, 70]
    results = [Result({'mIoU': v}, None, None, None, None, (1, 1), 1) for v in values]
    assert recovery(rows, results, 'mIoU') == [None, None, None, None, 0.5, 0.125, 0.75]
    assert make_table(rows, results)[-1][:6] == ['heavy', 'X', 'a', '', '', '70.0']
    # If the intervals of clean and rainy overlap, it is uncertain that rain lowers the score. The recovery is None.
    for (low, high), certain in (((30, 78), False), ((30, 50), True)):
        results[3].interval, results[0].interval = (low, high), (75, 85)
        assert (recovery(rows, results, 'mIoU')[4] is not None) == certain


def test_error_for_a_result_without_a_metric():
    rows = list(conditions(TaskModel('a', '', ''), [], {}, [], {}, ''))
    with pytest.raises(InputError, match='the task model found nothing in the whole test set'):
        make_table(rows, [Result({}, None, None, None, None, (1, 1), 1)])
