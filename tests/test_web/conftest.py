"""Fixtures of the tests of the web page."""

import pytest

from mmderain.models import Derainer

from . import cases  # noqa: F401  (registers the network Dim)


@pytest.fixture(scope='module')
def derainer():
    return Derainer(dict(type='Dim'))
