"""Attention of each pixel over a window, computed by a loop over the places in the window (JDNet).

The plain form stores the attention weights and the neighbors of all pixels at once. Their size is the size of the
features times the number of places in the window. This module needs less memory. All neighbors are views of one padded
tensor. The features are processed in chunks of rows. On a CPU, a chunk is so small that its attention weights stay in
the cache. The attention weights are not stored for the backward pass, which computes them again.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .window_geometry import border_cases, spread_cases, sum_cases

#: Number of pixels in a chunk on a CPU and on a GPU. The attention weights of all pixels of a chunk are in memory at
#: the same time. A chunk consists of whole rows of all images of the batch. With a window of 7, a pixel has 49 weights
#: of 4 bytes. On a CPU, the weights of a chunk stay in the cache. On a GPU, a chunk is so large that the time for
#: kernel launches is negligible.
CHUNK_PIXELS = 2**13
CHUNK_PIXELS_GPU = 2**18


def window_attention(
    q: Tensor, surroundings: Tensor, position_term: Tensor, w: Tensor, window: int, backend: str = 'torch'
) -> Tensor:
    """Compute ``y_i = sum_j softmax_j(t_j + s_ij + w . |q_i - k_j|) v_j`` over the window around each pixel i.

    Args:
        q: (N, R, H, W).
        surroundings: concatenation of t (1 channel), k (R channels) and v (C channels), padded by ``window // 2``
            pixels on each side, (N, 1 + R + C, H + window - 1, W + window - 1).
        position_term: s, (window, window, row cases, column cases), see :mod:`.window_geometry`.
        w: (R,).
        window: side of the window in pixels, odd.
        backend: ``'torch'``, or ``'triton'``, which needs an NVIDIA GPU and float32. An exported model always uses
            ``'torch'``.

    Returns:
        (N, C, H, W).

    Raises:
        RuntimeError: the backend is ``'triton'``, but q is not float32 on an NVIDIA GPU, or triton is not installed.
    """
    if backend == 'triton' and not torch.compiler.is_exporting():
        return _triton_function(q).apply(q, surroundings, position_term, w, window)
    return WindowAttention.apply(q, surroundings, position_term, w, window)


def _triton_function(q: Tensor) -> type[torch.autograd.Function]:
    """Return the Triton implementation, or raise a RuntimeError if it cannot process q."""
    if not q.is_cuda or q.dtype != torch.float32:
        raise RuntimeError(
            f"attention_backend='triton' needs float32 on an NVIDIA GPU, found {q.dtype} on {q.device}; set 'torch'"
        )
    try:
        from .window_attention_triton import TritonWindowAttention
    except ImportError as error:
        raise RuntimeError(f"attention_backend='triton': {error}; install triton, or set 'torch'") from error
    return TritonWindowAttention


class WindowAttention(torch.autograd.Function):
    """Window attention whose backward pass computes the attention weights again instead of storing them."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, surroundings: Tensor, position_term: Tensor, w: Tensor, window: int) -> Tensor:
        """Return the result of :func:`window_attention`."""
        ctx.save_for_backward(q, surroundings, position_term, w)
        ctx.window = window
        compute = attend_operator if torch.compiler.is_dynamo_compiling() else attend
        return compute(q, surroundings, position_term, w, window)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_out: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the inputs."""
        compute = attend_backward_operator if torch.compiler.is_dynamo_compiling() else attend_backward
        q, surroundings, position_term, w = ctx.saved_tensors
        return *compute(g_out, q, surroundings, position_term, w, ctx.window), None


def attend(q: Tensor, surroundings: Tensor, position_term: Tensor, w: Tensor, window: int) -> Tensor:
    """Compute the attention by a loop. The arguments and the result are those of :func:`window_attention`."""
    out = _empty_result(q, surroundings)
    for rows, neighbors, position in _chunks(q, surroundings, position_term, window):
        weights = _attention_weights(q[:, :, rows], neighbors, position, w)
        # One unbind() for each row of the window takes less time than an index for each place.
        v, y = neighbors[:, 1 + q.shape[1] :].unbind(2), out[:, :, rows].zero_()
        for weights_row, v_row in zip(weights[:, None].unbind(2), v, strict=True):
            for weight, value in zip(weights_row.unbind(2), v_row.unbind(2), strict=True):
                y.addcmul_(weight, value)
    return out


def attend_backward(
    g_out: Tensor, q: Tensor, surroundings: Tensor, position_term: Tensor, w: Tensor, window: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the backward pass of :func:`attend`.

    ``g_out`` is the gradient of the result. The other arguments are those of :func:`attend`.

    Returns:
        The gradients of ``q``, ``surroundings``, ``position_term`` and ``w``.
    """
    relations = q.shape[1]
    g_q, g_around, g_position, g_w = (torch.zeros_like(t) for t in (q, surroundings, position_term, w))
    row_case = border_cases(q.shape[2], window // 2, q.device)
    for rows, neighbors, position in _chunks(q, surroundings, position_term, window):
        weights = _attention_weights(q[:, :, rows], neighbors, position, w)
        g_y = g_out[:, :, rows]
        g_logits = torch.zeros_like(weights)
        for c in range(g_y.shape[1]):
            g_logits.addcmul_(g_y[:, c, None, None], neighbors[:, 1 + relations + c])
        g_logits.sub_((weights * g_logits).sum((1, 2), keepdim=True)).mul_(weights)
        # Gradients of t and of the channels of k, for each neighbor.
        g_neighbors = [g_logits]
        for c in range(relations):
            difference = q[:, c, rows][:, None, None] - neighbors[:, 1 + c]
            g_w[c] += (g_logits * difference.abs()).sum()
            g_difference = difference.sign_().mul_(g_logits).mul_(w[c])
            g_q[:, c, rows] = g_difference.sum((1, 2))
            g_neighbors.append(g_difference.neg_())
        height, width = g_y.shape[2:]
        part = g_around[:, :, rows.start : rows.start + height + window - 1]
        for dy in range(window):
            for dx in range(window):
                place = part[:, :, dy : dy + height, dx : dx + width]
                for c, g_neighbor in enumerate(g_neighbors):
                    place[:, c] += g_neighbor[:, dy, dx]
                place[:, 1 + relations :].addcmul_(weights[:, None, dy, dx], g_y)
        g_position.index_add_(2, row_case[rows], sum_cases(g_logits.sum(0), position_term.shape[3]))
    return g_q, g_around, g_position, g_w


# torch.compile calls custom operators without tracing them. If torch.compile traced the loop, it would unroll the loop
# to thousands of operations for each layer.
attend_operator = torch.library.custom_op('mmderain::window_attention', attend, mutates_args=())
attend_backward_operator = torch.library.custom_op(
    'mmderain::window_attention_backward', attend_backward, mutates_args=()
)


@attend_operator.register_fake
def _empty_result(q: Tensor, surroundings: Tensor, *_: Tensor | int) -> Tensor:
    """Return a tensor with the shape of the result of :func:`attend`."""
    return q.new_empty(q.shape[0], surroundings.shape[1] - 1 - q.shape[1], *q.shape[2:])


@attend_backward_operator.register_fake
def _empty_gradients(
    g_out: Tensor, q: Tensor, surroundings: Tensor, position_term: Tensor, w: Tensor, window: int
) -> tuple[Tensor, ...]:
    """Return tensors with the shapes of the results of :func:`attend_backward`."""
    return tuple(torch.empty_like(t) for t in (q, surroundings, position_term, w))


def _chunks(
    q: Tensor, surroundings: Tensor, position_term: Tensor, window: int
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield each chunk of rows of the features.

    Yields:
        The rows of the chunk, the neighbors of its pixels, (N, 1 + R + C, window, window, h, W), and its position term,
        (window, window, h, W), where h is the number of rows in the chunk.
    """
    height, width = q.shape[2:]
    row_case = border_cases(height, window // 2, q.device)
    if torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling():
        # A graph that is exported for any image size can contain neither a loop over chunks nor the views of unfold().
        # The only chunk therefore contains all rows.
        along_x = torch.stack([surroundings[..., x : x + width] for x in range(window)], dim=2)
        neighbors = torch.stack([along_x[..., y : y + height, :] for y in range(window)], dim=2)
        yield slice(0, height), neighbors, spread_cases(position_term.index_select(2, row_case), width)
        return
    pixels = CHUNK_PIXELS if q.device.type == 'cpu' else CHUNK_PIXELS_GPU
    step = max(1, pixels // (q.shape[0] * width))
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        lines = rows.stop - top
        neighbors = surroundings[:, :, top : rows.stop + window - 1].unfold(2, lines, 1).unfold(3, width, 1)
        yield rows, neighbors, spread_cases(position_term.index_select(2, row_case[rows]), width)


def _attention_weights(q: Tensor, neighbors: Tensor, position_term: Tensor, w: Tensor) -> Tensor:
    """Compute the attention weights for a chunk of rows.

    The weights are the softmax of ``t_j + s_ij + w . |q_i - k_j|`` over the window.

    Args:
        q: queries, (N, R, h, W), where h is the number of rows in the chunk.
        neighbors: ``t`` and ``k`` of the neighbors, (N, 1 + R, window, window, h, W). Further channels are not used.
        position_term: ``s`` for the rows of the chunk, (window, window, h, W).
        w: (R,).

    Returns:
        (N, window, window, h, W). The sum over the two window dimensions is 1.
    """
    # In a view of windows, several dimensions have equal strides. torch would arrange a new tensor in the same way, and
    # the steps after it would take twice as long. Therefore the results go to tensors that are contiguous.
    logits = q.new_empty(q.shape[0], *neighbors.shape[2:])
    torch.add(neighbors[:, 0], position_term, out=logits)
    difference = torch.empty_like(logits)
    for c in range(q.shape[1]):
        torch.sub(q[:, c, None, None], neighbors[:, 1 + c], out=difference)
        logits.addcmul_(difference.abs_(), w[c])
    return torch.softmax(logits.flatten(1, 2), dim=1).view_as(logits)
