"""Fixtures of the tests of faulty inputs."""

import pytest

from mmderain.io import write_image

from .places import IMAGE, write_model


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return the working directory, which contains the config net.py, the checkpoint net.pth and the image a.png."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path)
    write_image(IMAGE, 'a.png')
    return tmp_path
