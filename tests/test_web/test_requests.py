"""A request ends at its time limit, and soon after the browser has closed the connection."""

import tempfile
import threading
import time

import mmcv
import pytest
import torch
from conftest import free_port, smooth_image

from mmderain.models import Derainer, NetworkSpec
from mmderain.registry import MODELS
from mmderain.web import serving
from mmderain.web.requests import RequestEndedError, RequestRunner, interruptible

from .cases import send


@MODELS.register_module()
class Endless(torch.nn.Module):
    """Network that applies a layer again and again, and records the times."""

    spec = NetworkSpec()
    calls: list[float] = []

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Identity()

    def forward(self, x):
        while True:
            self.calls.append(time.monotonic())
            time.sleep(0.02)
            self.layer(x)


def test_a_network_is_interrupted_before_its_next_layer():
    network, calls = Endless(), []
    with pytest.raises(RequestEndedError), interruptible(network, lambda: len(calls) == 3 or calls.append(0)):
        network(torch.zeros(1))
    assert len(calls) == 3
    assert not network._forward_pre_hooks and not network.layer._forward_pre_hooks


def test_a_result_or_an_error_is_returned():
    runner = RequestRunner(60)
    assert list(runner.run(lambda is_over: 7))[-1] == 7
    with pytest.raises(KeyError, match='x'):
        list(runner.run(lambda is_over: {}['x']))


def test_requests_end_when_they_are_closed_or_take_too_long(monkeypatch):
    monkeypatch.setattr('mmderain.web.requests.POLL_INTERVAL', 0.05)
    ended = []

    def work(is_over):
        while not is_over():
            time.sleep(0.01)
        ended.append(threading.current_thread().name)

    iterator = RequestRunner(60).run(work)
    assert next(iterator) is None
    iterator.close()
    with pytest.raises(TimeoutError):
        list(RequestRunner(0.2).run(work))
    end = time.monotonic() + 20
    while len(ended) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(ended) == 2


@pytest.mark.parametrize('reason', ['time limit', 'browser left'])
def test_an_endless_request_ends(reason, tmp_path, monkeypatch):
    """After an endless request has ended, the page processes the next request."""
    pytest.importorskip('gradio')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    Endless.calls.clear()
    port = free_port()
    derainers = {'endless': lambda: Derainer(dict(type='Endless'))}
    limit = 2 if reason == 'time limit' else 600
    with serving(derainers, {}, port=port, time_limit=limit) as address:
        (folder,) = tmp_path.glob('mmderain_web_*')
        mmcv.imwrite(smooth_image(10, 12), str(folder / 'a.png'))
        image = dict(path=str(folder / 'a.png'), meta=dict(_type='gradio.FileData'))
        if reason == 'time limit':
            answer = send(address, image, 'endless')
            assert not answer['success'] and 'took more than 2 seconds' in answer['output']['error']
        else:
            with pytest.raises(TimeoutError):
                send(address, image, 'endless', leave_after=3)
        assert Endless.calls
        end = time.monotonic() + 20
        while time.monotonic() < end and time.monotonic() - Endless.calls[-1] < 1:
            time.sleep(0.1)
        assert time.monotonic() - Endless.calls[-1] >= 1, 'the network still runs'
        monkeypatch.setattr(Endless, 'forward', lambda self, x: [x])
        assert send(address, image, 'endless', session='b')['success']
