"""The window attention of :mod:`.window_attention` as Triton kernels, for NVIDIA GPUs.

A Triton kernel runs many programs in parallel. Each program works on a piece of a row. It computes the softmax in one
pass over the window, so the attention weights are never stored. For each pixel, the forward pass stores the logarithm
of the sum of exp(logit). The backward pass uses this logarithm to compute the weights again. To compute the gradient at
a pixel, a program reads all windows that contain the pixel. Two programs never write to the same address. Therefore the
results have the same bits in each run.

These kernels have not been run on a GPU yet. tests/test_models/test_window_attention_triton.py compares them with the
torch implementation in Triton's interpreter, and also on a GPU if the machine has one. The kernels are off by default
(``attention_backend='torch'``).
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from .window_geometry import border_cases

#: Number of pixels of a row that one program computes.
BLOCK = 64


@triton.jit
def border_case(place, length, margin: tl.constexpr):
    """Return the case of a place on a line, as :func:`.window_geometry.border_cases` does."""
    cases = tl.minimum(length, 2 * margin + 1)
    return tl.maximum(tl.minimum(place, margin), place - (length - cases))


@triton.jit
def forward_kernel(
    q_ptr, around_ptr, position_ptr, w_ptr, out_ptr, lse_ptr,
    height, width, row_cases, column_cases,
    R: tl.constexpr, C: tl.constexpr, C2: tl.constexpr, WINDOW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Compute the result for a piece of a row, and the logarithm of the sum of exp(logit) for each of its pixels."""
    margin: tl.constexpr = WINDOW // 2
    n, y = tl.program_id(0) // height, tl.program_id(0) % height
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = x < width
    plane = (height + WINDOW - 1) * (width + WINDOW - 1)
    channels = tl.arange(0, C2)
    row_case, column_case = border_case(y, height, margin), border_case(x, width, margin)
    largest = tl.full((BLOCK,), float('-inf'), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    result = tl.zeros((C2, BLOCK), tl.float32)
    for shift in range(WINDOW * WINDOW):
        dy, dx = shift // WINDOW, shift % WINDOW
        there = n * (1 + R + C) * plane + (y + dy) * (width + WINDOW - 1) + x + dx
        logit = tl.load(around_ptr + there, inside, 0.0)
        logit += tl.load(position_ptr + (shift * row_cases + row_case) * column_cases + column_case, inside, 0.0)
        for c in tl.static_range(R):
            q = tl.load(q_ptr + ((n * R + c) * height + y) * width + x, inside, 0.0)
            k = tl.load(around_ptr + there + (1 + c) * plane, inside, 0.0)
            logit += tl.load(w_ptr + c) * tl.abs(q - k)
        larger = tl.maximum(largest, logit)
        shrink, weight = tl.exp(largest - larger), tl.exp(logit - larger)
        v = tl.load(
            around_ptr + there[None, :] + (1 + R + channels)[:, None] * plane,
            inside[None, :] & (channels < C)[:, None],
            0.0,
        )
        result = result * shrink[None, :] + v * weight[None, :]
        total = total * shrink + weight
        largest = larger
    here = ((n * C + channels[:, None]) * height + y) * width + x[None, :]
    tl.store(out_ptr + here, result / total[None, :], inside[None, :] & (channels < C)[:, None])
    tl.store(lse_ptr + (n * height + y) * width + x, largest + tl.log(total), inside)


@triton.jit
def backward_query_kernel(
    q_ptr, around_ptr, position_ptr, w_ptr, lse_ptr, g_out_ptr, dot_ptr,
    g_q_ptr, g_w_ptr, g_position_ptr,
    height, width, row_cases, column_cases, blocks,
    R: tl.constexpr, C: tl.constexpr, C2: tl.constexpr, WINDOW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Compute the gradient of q for a piece of a row.

    Also compute the contribution of this piece to the gradients of w and of the position term.
    """
    margin: tl.constexpr = WINDOW // 2
    n, y = tl.program_id(0) // height, tl.program_id(0) % height
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    piece = tl.program_id(0) * blocks + tl.program_id(1)
    inside = x < width
    plane = (height + WINDOW - 1) * (width + WINDOW - 1)
    channels = tl.arange(0, C2)
    row_case, column_case = border_case(y, height, margin), border_case(x, width, margin)
    lse = tl.load(lse_ptr + (n * height + y) * width + x, inside, float('inf'))
    dot = tl.load(dot_ptr + (n * height + y) * width + x, inside, 0.0)
    here = ((n * C + channels[:, None]) * height + y) * width + x[None, :]
    g_out = tl.load(g_out_ptr + here, inside[None, :] & (channels < C)[:, None], 0.0)
    for shift in range(WINDOW * WINDOW):
        dy, dx = shift // WINDOW, shift % WINDOW
        there = n * (1 + R + C) * plane + (y + dy) * (width + WINDOW - 1) + x + dx
        logit = tl.load(around_ptr + there, inside, 0.0)
        logit += tl.load(position_ptr + (shift * row_cases + row_case) * column_cases + column_case, inside, 0.0)
        for c in tl.static_range(R):
            q = tl.load(q_ptr + ((n * R + c) * height + y) * width + x, inside, 0.0)
            k = tl.load(around_ptr + there + (1 + c) * plane, inside, 0.0)
            logit += tl.load(w_ptr + c) * tl.abs(q - k)
        v = tl.load(
            around_ptr + there[None, :] + (1 + R + channels)[:, None] * plane,
            inside[None, :] & (channels < C)[:, None],
            0.0,
        )
        g_logit = tl.exp(logit - lse) * (tl.sum(g_out * v, 0) - dot)
        for c in tl.static_range(R):
            q = tl.load(q_ptr + ((n * R + c) * height + y) * width + x, inside, 0.0)
            k = tl.load(around_ptr + there + (1 + c) * plane, inside, 0.0)
            sign = (q > k).to(tl.float32) - (q < k).to(tl.float32)
            own = g_q_ptr + ((n * R + c) * height + y) * width + x
            tl.store(own, tl.load(own, inside, 0.0) + g_logit * sign * tl.load(w_ptr + c), inside)
            share = g_w_ptr + piece * R + c
            tl.store(share, tl.load(share) + tl.sum(g_logit * tl.abs(q - k), 0))
        for case in range(column_cases):
            share = g_position_ptr + (piece * WINDOW * WINDOW + shift) * column_cases + case
            tl.store(share, tl.sum(tl.where(inside & (column_case == case), g_logit, 0.0), 0))


@triton.jit
def backward_key_kernel(
    q_ptr, around_ptr, position_ptr, w_ptr, lse_ptr, g_out_ptr, dot_ptr, g_around_ptr,
    height, width, row_cases, column_cases,
    R: tl.constexpr, C: tl.constexpr, C2: tl.constexpr, WINDOW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Compute the gradient of the surroundings. At each place, it is a sum over all windows that contain the place."""
    margin: tl.constexpr = WINDOW // 2
    wide, tall = width + WINDOW - 1, height + WINDOW - 1
    n, row = tl.program_id(0) // tall, tl.program_id(0) % tall
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    plane = tall * wide
    channels = tl.arange(0, C2)
    there = n * (1 + R + C) * plane + row * wide + column
    exists = column < wide
    of_key = tl.load(around_ptr + there, exists, 0.0)
    v = tl.load(
        around_ptr + there[None, :] + (1 + R + channels)[:, None] * plane,
        exists[None, :] & (channels < C)[:, None],
        0.0,
    )
    g_key = tl.zeros((BLOCK,), tl.float32)
    g_v = tl.zeros((C2, BLOCK), tl.float32)
    for shift in range(WINDOW * WINDOW):
        y, x = row - shift // WINDOW, column - shift % WINDOW  # the pixel whose window has the place at `shift`
        looks = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        row_case, column_case = border_case(y, height, margin), border_case(x, width, margin)
        logit = of_key
        logit += tl.load(position_ptr + (shift * row_cases + row_case) * column_cases + column_case, looks, 0.0)
        for c in tl.static_range(R):
            q = tl.load(q_ptr + ((n * R + c) * height + y) * width + x, looks, 0.0)
            k = tl.load(around_ptr + there + (1 + c) * plane, exists, 0.0)
            logit += tl.load(w_ptr + c) * tl.abs(q - k)
        weight = tl.exp(logit - tl.load(lse_ptr + (n * height + y) * width + x, looks, float('inf')))
        here = ((n * C + channels[:, None]) * height + y) * width + x[None, :]
        g_out = tl.load(g_out_ptr + here, looks[None, :] & (channels < C)[:, None], 0.0)
        g_v += weight[None, :] * g_out
        g_logit = weight * (tl.sum(g_out * v, 0) - tl.load(dot_ptr + (n * height + y) * width + x, looks, 0.0))
        g_key += g_logit
        for c in tl.static_range(R):
            q = tl.load(q_ptr + ((n * R + c) * height + y) * width + x, looks, 0.0)
            k = tl.load(around_ptr + there + (1 + c) * plane, exists, 0.0)
            sign = (q < k).to(tl.float32) - (q > k).to(tl.float32)
            own = g_around_ptr + there + (1 + c) * plane
            tl.store(own, tl.load(own, exists, 0.0) + g_logit * sign * tl.load(w_ptr + c), exists)
    tl.store(g_around_ptr + there, g_key, exists)
    tl.store(
        g_around_ptr + there[None, :] + (1 + R + channels)[:, None] * plane,
        g_v,
        exists[None, :] & (channels < C)[:, None],
    )


class TritonWindowAttention(torch.autograd.Function):
    """Implementation of :class:`.window_attention.WindowAttention` by Triton kernels; all tensors are float32."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, around: Tensor, of_position: Tensor, w: Tensor, window: int) -> Tensor:
        """Return the result of the attention, and save what the backward pass needs."""
        q, around, of_position, w = (t.contiguous() for t in (q, around, of_position, w))
        n, relations, height, width = q.shape
        out = q.new_empty(n, around.shape[1] - 1 - relations, height, width)
        lse = q.new_empty(n, height, width)
        grid = (n * height, triton.cdiv(width, BLOCK))
        forward_kernel[grid](q, around, of_position, w, out, lse, *sizes(q, of_position), **constants(q, out, window))
        ctx.save_for_backward(q, around, of_position, w, out, lse)
        ctx.window = window
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_out: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the inputs."""
        q, around, of_position, w, out, lse = ctx.saved_tensors
        g_out, window = g_out.contiguous(), ctx.window
        n, relations, height, width = q.shape
        dot = (g_out * out).sum(1)
        g_q, g_around, g_position = torch.zeros_like(q), torch.zeros_like(around), torch.zeros_like(of_position)
        blocks, cases = triton.cdiv(width, BLOCK), of_position.shape[3]
        shares_w = q.new_zeros(n * height * blocks, relations)
        shares = q.new_zeros(n, height, blocks, window, window, cases)
        given = (q, around, of_position, w, lse, g_out, dot)
        backward_query_kernel[(n * height, blocks)](
            *given, g_q, shares_w, shares, *sizes(q, of_position), blocks, **constants(q, out, window)
        )
        tall, wide = around.shape[2:]
        backward_key_kernel[(n * tall, triton.cdiv(wide, BLOCK))](
            *given, g_around, *sizes(q, of_position), **constants(q, out, window)
        )
        of_rows = shares.sum((0, 2)).permute(1, 2, 0, 3)  # (window, window, H, column cases)
        g_position.index_add_(2, border_cases(height, window // 2, q.device), of_rows)
        return g_q, g_around, g_position, shares_w.sum(0), None


def sizes(q: Tensor, of_position: Tensor) -> tuple[int, ...]:
    """Return the height, the width, the number of row cases, and the number of column cases."""
    return (*q.shape[2:], *of_position.shape[2:])


def constants(q: Tensor, out: Tensor, window: int) -> dict[str, int]:
    """Return the constants that the kernels are compiled for."""
    channels = out.shape[1]
    return dict(R=q.shape[1], C=channels, C2=triton.next_power_of_2(channels), WINDOW=window, BLOCK=BLOCK)
