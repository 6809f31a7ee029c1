"""A folder with image files, a network that changes nothing, and a stand-in for a detector or segmentor."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import smooth_image
from mmengine.model import BaseModule

from mmderain.io import encode_image
from mmderain.io.decoded_image import to_8_bits
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class StoresInputs(BaseModule):
    """Network that returns its input, and stores the inputs of a training."""

    spec = NetworkSpec(halo=0)
    seen: list[np.ndarray] = []

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        if self.training:
            self.seen.append(np.rint(x[0].numpy() * 255).astype(np.uint8).transpose(1, 2, 0)[..., ::-1])
        return [x * self.weight]


def for_each_scene_command(kind: int) -> pytest.MarkDecorator:
    """Return a decorator that runs a test of a kind of faulty inputs for `mmderain detect` and `mmderain segment`."""
    commands = {'detect': 'detector', 'segment': 'segmentor'}
    return pytest.mark.parametrize(
        'command, task',
        [
            pytest.param(command, task, marks=pytest.mark.fault(kind, f'mmderain {command}'))
            for command, task in commands.items()
        ],
    )


#: A config of the network, its weights, and an image, BGR uint8.
CONFIG = dict(model=dict(type='mmderain.Derainer', network=dict(type='StoresInputs')), default_scope='mmderain')
WEIGHTS = dict(state_dict={'network.weight': torch.ones(1)})
IMAGE = smooth_image(24, 40)


def write_model(folder: Path) -> None:
    """Write the config ``net.py`` and the checkpoint ``net.pth`` of the network."""
    (folder / 'net.py').write_text(f'model = {CONFIG["model"]!r}\n')
    torch.save(WEIGHTS, folder / 'net.pth')


class Place:
    """A folder with the image files ``in/<name>``, in which a way works.

    Attributes:
        root: the folder, which is also the working directory.
        names: names of the files.
        exact: maps the name of each good file to its pixels, BGR uint8 or uint16 (H, W, 3).
        expected: the same, rounded to uint8.
        patch: the fixture ``monkeypatch``.
        printed: function that returns the output of a program since its last call.
    """

    def __init__(self, root: Path, files: dict[str, bytes], exact: dict, monkeypatch, capsys) -> None:
        self.root, self.names, self.exact, self.patch = root, list(files), exact, monkeypatch
        self.expected = {name: np.ascontiguousarray(to_8_bits(pixels)) for name, pixels in exact.items()}
        self.printed = lambda: ''.join(capsys.readouterr())
        monkeypatch.chdir(root)
        for name, content in files.items():
            (root / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
            (root / 'in' / name).write_bytes(content)
        write_model(root)

    def write_clean(self) -> None:
        """Write the pixels of each good file as ``clean/<stem>.png``, and a black image for each of the others.

        If several files have the same stem, the clean images have the names of the files.
        """
        for name in self.names:
            target = Path(name).with_suffix('.png')
            shared = sum(Path(other).with_suffix('.png') == target for other in self.names) > 1
            path = self.root / 'clean' / (name if shared else target)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_image(self.exact.get(name, np.zeros((40, 48, 3), np.uint8)), '.png'))

    def with_errors(self, found: dict[str, np.ndarray | str], text: str) -> dict[str, np.ndarray | str]:
        """Add the lines of an output that name a file without pixels."""
        lines = [line for line in text.splitlines() if any(word in line for word in ('error: ', 'left out', 'warning'))]
        missing = [name for name in self.names if name not in found]
        return found | {name: line for name in missing for line in lines if f'/{name}: ' in line}


class Task:
    """Stand-in for a detector or segmentor that finds nothing."""

    classes = ('person',)
    score_threshold = 0.3

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, image):
        empty = SimpleNamespace(labels=torch.zeros(0), scores=torch.zeros(0), bboxes=torch.zeros(0, 4))
        return SimpleNamespace(
            pred_instances=empty, pred_sem_seg=SimpleNamespace(data=torch.zeros(image.shape[:2], dtype=int))
        )

    def draw(self, image, prediction):
        return image

    def caption(self, prediction):
        return ''
