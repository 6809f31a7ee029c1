"""A stand-in for the compiler of networks, because compiling takes long."""

from collections.abc import Callable

import pytest

from mmderain.models import fast_path


def replace_compiler(monkeypatch: pytest.MonkeyPatch, gain: float) -> list[Callable]:
    """Replace the compiler by a function that keeps the network, and each measured time of a pass by a constant.

    Args:
        monkeypatch: the fixture of pytest.
        gain: time of a pass of the uncompiled network; a pass of the compiled network takes 1 s.

    Returns:
        A list, to which each "compiled" network is added.
    """
    compiled: list[Callable] = []

    def compile_network(network):
        compiled.append(lambda x: network(x))
        return compiled[-1]

    monkeypatch.setattr(fast_path, 'compile_network', compile_network)
    monkeypatch.setattr(fast_path, 'seconds_of', lambda call, x: 1.0 if call in compiled else gain)
    return compiled
