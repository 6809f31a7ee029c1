import pytest

from mmderain.perception.joint_test import TaskModel, conditions

MODEL, BASELINE = TaskModel('a', '', ''), TaskModel('b', '', '')


def test_conditions_are_in_the_order_of_the_table():
    rows = list(conditions(MODEL, ['heavy'], {'X': 'sian'}, [BASELINE], {'Y': 'folder'}, 'data', device='cuda:0'))
    names = [f'{row.treatment}/{row.model.name}' for row in rows]
    assert names[:3] == ['clean/a', 'clean/b', 'clean, then X/a']
    assert names[3:] == ['rainy/a', 'rainy/b', 'median blur 5x5/a', 'X/a', 'Y/a']
    assert [row.rain for row in rows] == [None] * 3 + ['heavy'] * 5
    derain = dict(type='mmderain.Derain', derainer='sian', device='cuda:0')
    assert rows[2].steps == (derain,) and rows[6].steps[1:] == (derain,)
    # `timed` is the index of the derainer in the steps. The drawing of rain is not timed.
    assert [row.timed for row in rows] == [None, None, 0, None, None, 1, 1, 1]


def test_repeated_names_and_rains_are_refused():
    for rains, derainers, folders, message in (
        (['heavy', 'heavy'], {}, {}, 'rains must differ, found heavy more than once'),
        (['light'], {'clean': 'sian'}, {}, 'names must differ, found clean more than once'),
        (['heavy'], {'X': 'sian'}, {'X': 'folder'}, 'names must differ, found X more than once'),
        (['none', 'heavy'], {}, {}, "'none' is for images that show real rain"),
    ):
        with pytest.raises(ValueError, match=message):
            list(conditions(MODEL, rains, derainers, [], folders, ''))
