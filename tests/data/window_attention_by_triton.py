"""Compare the Triton kernels of the window attention with the loop, for test_window_attention_triton.py.

The argument is the device: cpu uses Triton's interpreter, and cuda uses a GPU. Each line of the output gives the number
of the case, the name of a tensor, and the largest difference relative to its largest value.

This is a separate program, because Triton reads TRITON_INTERPRET when a kernel is defined.
"""

import os
import sys

import torch

if sys.argv[1] == 'cpu':
    os.environ['TRITON_INTERPRET'] = '1'
from mmderain.models.layers import window_attention_triton as kernels
from mmderain.models.layers.window_attention import WindowAttention
from mmderain.models.layers.window_geometry import coordinates

kernels.BLOCK = 8  # a row of these small images then needs several blocks
for number, (n, r, c, h, w, window) in enumerate([(2, 2, 3, 4, 11, 3), (1, 1, 4, 3, 9, 5)]):
    torch.manual_seed(number)
    cases = [len(coordinates(length, window // 2, torch.zeros(1), length)[0]) for length in (h, w)]
    shapes = [(n, r, h, w), (n, 1 + r + c, h + window - 1, w + window - 1), (window, window, *cases), (r,)]
    inputs = [torch.randn(*shape, device=sys.argv[1]) for shape in shapes]
    g = torch.randn(n, c, h, w, device=sys.argv[1])
    results = []
    for function in (kernels.TritonWindowAttention, WindowAttention):
        own = [t.clone().requires_grad_() for t in inputs]
        out = function.apply(*own, window)
        results.append([out, *torch.autograd.grad(out, own, g)])
    for name, ours, expected in zip(('result', 'q', 'around', 'position', 'w'), *results):
        print(number, name, float((ours - expected).abs().max() / expected.abs().max()))
