"""The Triton kernels give the results and the gradients of the loop, on a GPU and in Triton's interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip('triton', reason='Triton comes with torch for NVIDIA GPUs only')


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_triton_kernels_equal_the_loop(device):
    if device == 'cuda' and not torch.cuda.is_available():
        pytest.skip('needs an NVIDIA GPU')
    script = Path(__file__).parents[1] / 'data/window_attention_by_triton.py'
    done = subprocess.run([sys.executable, script, device], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[1] for row in rows] == ['result', 'q', 'around', 'position', 'w'] * 2
    assert all(float(row[2]) < 1e-5 for row in rows), done.stdout
