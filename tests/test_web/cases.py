"""A derainer, a task model, and a client for tests of the web page."""

import json
import time
from urllib.request import Request, urlopen

import numpy as np
import torch

from mmderain.models import NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class Dim(torch.nn.Module):
    """Network without weights that subtracts 12 levels."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x - 12 / 255]


class Spotter:
    """Stand-in for a detector, which finds the brightest pixel."""

    kind = 'detector'

    def __call__(self, img):
        return np.unravel_index(img.sum(2).argmax(), img.shape[:2])

    def draw(self, img, prediction):
        drawn = img.copy()
        drawn[prediction] = 0, 0, 255
        return drawn

    def caption(self, prediction):
        return f'1 lamp at {prediction[0]}, {prediction[1]}'

    def agreement(self, prediction, reference):
        return 'the same' if prediction == reference else 'another'


def send(address: str, image: dict, derainer: str = 'dim', leave_after: float = 60, session: str = 'a') -> dict:
    """Send a request to the page, and return the message that ends the request.

    Raises:
        TimeoutError: the request took more than ``leave_after`` seconds, and its connection was closed.
    """
    end = time.monotonic() + leave_after
    with urlopen(f'{address}config') as answer:
        config = json.load(answer)
    number = next(entry['id'] for entry in config['dependencies'] if len(entry['inputs']) == 7)
    body = dict(data=[image, None, derainer, '', [], 3, 0], fn_index=number, session_hash=session, event_data=None)
    queue = f'{address.rstrip("/")}{config.get("api_prefix", "/gradio_api")}/queue'
    join = Request(f'{queue}/join', json.dumps(body).encode(), {'Content-Type': 'application/json'})
    with urlopen(join, timeout=60) as answer:
        assert 'event_id' in json.load(answer)
    with urlopen(f'{queue}/data?session_hash={session}', timeout=60) as events:
        for line in events:
            message = json.loads(line.removeprefix(b'data: ')) if line.startswith(b'data: ') else {}
            if message.get('msg') == 'process_completed':
                return message
            if time.monotonic() > end:
                raise TimeoutError
    raise AssertionError('the request has not ended')
