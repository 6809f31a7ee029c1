"""The check of a release: the wheel is installed in an environment with mmdet, used and removed."""

import pytest
from conftest import load_tool

from mmderain.errors import InputError

tool = load_tool('dev/check_release')


def test_the_wheel_works_with_mmdet_and_is_removed_completely(tmp_path):
    pytest.importorskip('mmdet', reason='mmdet is not installed')
    (tmp_path / 'archives').mkdir()
    tool.use_and_remove(tool.build_archives(tmp_path / 'archives'), tmp_path)


def test_a_failed_step_shows_the_end_of_its_output():
    with pytest.raises(InputError, match='failed with status 3:\nlast line'):
        tool.run('sh', '-c', 'echo last line; exit 3')
