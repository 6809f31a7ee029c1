from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from ..tiling import current_tile
from .conv import conv1x1

# Pixels (of all pictures together, whole rows) whose weights are held at once, with a window of 7 at 49 x 4 bytes each:
# on a CPU what stays in its cache; on a GPU enough that launches do not count.
CHUNK_PIXELS = 2**13
CHUNK_PIXELS_GPU = 2**18


class PairwiseSelfAttention(nn.Module):
    """Pairwise self-attention over a window (Zhao et al., CVPR 2020), as JDNet uses it.

    A pixel's weight on each neighbour follows from the difference of their features and of their positions::

        logit_ij = w . lrelu([q_i - k_j ; p_i - p_j]) + b,   y_i = sum_j softmax_j(logit_ij) v_j

    Outside the picture neighbours are reflected. The authors apply two 1x1 convolutions in a row where w stands; their
    product is w. What is done otherwise, with the same result:

    * lrelu(d) = (1 + slope) / 2 d + (1 - slope) / 2 |d|, and a softmax ignores what is the same for all neighbours: so
      of the features only ``|q_i - k_j|`` and a term of k_j alone are left;
    * the positions' term depends on the neighbour's place in the window and on how near the border is, so it is
      computed for the few cases that there are;
    * all shifts of the window are views of one padded tensor, rows are taken in chunks that stay in the cache, and the
      weights are computed again in the backward pass: nothing of size window x picture is ever held.

    Between the convolutions it computes in float32 or wider, whatever the model and autocast say.

    Args:
        in_channels: of the input.
        relation_channels: of q, k and of what the relation is reduced to in between.
        out_channels: of v and of the result.
        window: side of the square footprint, odd.
        slope: of the leaky ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        relation_channels: int,
        out_channels: int,
        window: int = 7,
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        self.query = conv1x1(in_channels, relation_channels)
        self.key = conv1x1(in_channels, relation_channels)
        self.value = conv1x1(in_channels, out_channels)
        self.position = conv1x1(2, 2)
        self.reduce = conv1x1(relation_channels + 2, relation_channels, bias=False)
        self.weigh = conv1x1(relation_channels, 1)
        self.window = window
        self.slope = slope

    @property
    def min_size(self) -> int:
        """The least side of a picture: reflection needs one pixel more than it pads."""
        return self.window // 2 + 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W), sides of at least ``min_size`` -> (N, out_channels, H, W)."""
        height, width = x.shape[-2:]
        q, k, v = self.query(x), self.key(x), self.value(x)
        dtype = v.dtype
        with torch.autocast(x.device.type, enabled=False):
            # Planes, not pixels: the work is done channel by channel.
            q, k, v = (as_planes(t) for t in (q, k, v))
            # (relation_channels + 2,): the two convolutions in a row, then the odd half of the leaky ReLU.
            w = (self.weigh.weight.flatten(1) @ self.reduce.weight.flatten(1))[0].to(q.dtype)
            w_feature, w_position = w[: q.shape[1]], w[q.shape[1] :]
            of_key = -(1 + self.slope) / 2 * torch.einsum('nchw,c->nhw', k, w_feature)[:, None]
            around = F.pad(torch.cat([of_key, k, v], dim=1), (self.window // 2,) * 4, mode='reflect')
            of_position = self._position_term(height, width, w_position)
            y = window_attention(q).apply(q, around, of_position, (1 - self.slope) / 2 * w_feature, self.window)
        # What follows is fastest in the layout that x has: a sum of two layouts takes ten times as long.
        layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        return y.to(dtype, memory_format=layout)

    def _position_term(self, height: int, width: int, w: Tensor) -> Tensor:
        """w . lrelu(p_i - p_j) + b for every shift and case, (window, window, cases of rows, cases of columns)."""
        margin = self.window // 2
        # Of a tile, steps are as small as the whole picture makes them.
        tile = current_tile()
        whole = (height, width) if tile is None else tile.picture
        y, y_around = coordinates(height, margin, w, whole[0])  # (cases,), (window, cases)
        x, x_around = coordinates(width, margin, w, whole[1])
        here = torch.stack(torch.meshgrid(x, y, indexing='xy'))
        there = torch.stack(torch.broadcast_tensors(x_around[None, :, None, :], y_around[:, None, :, None]), dim=0)
        # As (1, 2, ., .) for the convolution; in w's precision, for half of it cannot tell neighbours' places.
        weight, bias = self.position.weight.to(w.dtype), self.position.bias.to(w.dtype)
        p_here = F.conv2d(here[None], weight, bias)[0]
        p_there = F.conv2d(there.reshape(1, 2, self.window**2, -1), weight, bias).view(there.shape)
        relation = F.leaky_relu(p_here[:, None, None] - p_there, self.slope)
        return (relation * w.view(-1, 1, 1, 1, 1)).sum(0) + self.weigh.bias.to(w.dtype)


def window_attention(q: Tensor) -> type[torch.autograd.Function]:
    """Triton's kernels on an NVIDIA GPU, where Triton is; the loop below anywhere else."""
    if q.is_cuda and q.dtype == torch.float32 and not torch.compiler.is_exporting():
        try:
            from .pairwise_attention_triton import TritonWindowAttention
        except ImportError:
            return WindowAttention
        return TritonWindowAttention
    return WindowAttention


class WindowAttention(torch.autograd.Function):
    """The loop over shifts, with a backward pass that computes the weights again."""

    @staticmethod
    def forward(ctx: FunctionCtx, q: Tensor, around: Tensor, of_position: Tensor, w: Tensor, window: int) -> Tensor:
        ctx.save_for_backward(q, around, of_position, w)
        ctx.window = window
        compute = attend_operator if torch.compiler.is_dynamo_compiling() else attend
        return compute(q, around, of_position, w, window)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, g_out: Tensor) -> tuple[Tensor | None, ...]:
        compute = attend_backward_operator if torch.compiler.is_dynamo_compiling() else attend_backward
        return *compute(g_out, *ctx.saved_tensors, ctx.window), None


def attend(q: Tensor, around: Tensor, of_position: Tensor, w: Tensor, window: int) -> Tensor:
    """The loop.

    Args:
        q: (N, R, H, W).
        around: a term of k, k (R channels) and v (C channels), padded: (N, 1 + R + C, H + window - 1, ...).
        of_position: (window, window, cases of rows, cases of columns).
        w: (R,), of ``|q_i - k_j|``.

    Returns:
        (N, C, H, W).
    """
    out = empty_result(q, around)
    for rows, shifts, position in chunks(q, around, of_position, window):
        weights = attention_weights(q[:, :, rows], shifts, position, w)
        v, y = shifts[:, 1 + q.shape[1] :], out[:, :, rows]
        torch.mul(weights[:, None, 0, 0], v[:, :, 0, 0], out=y)
        for dy in range(window):
            for dx in range(window):
                if dy or dx:
                    y.addcmul_(weights[:, None, dy, dx], v[:, :, dy, dx])
    return out


def attend_backward(
    g_out: Tensor, q: Tensor, around: Tensor, of_position: Tensor, w: Tensor, window: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of ``q``, ``around``, ``of_position`` and ``w`` from that of the result."""
    relations = q.shape[1]
    g_q, g_around, g_position, g_w = (torch.zeros_like(t) for t in (q, around, of_position, w))
    row_case = border_cases(q.shape[2], window // 2, q.device)
    for rows, shifts, position in chunks(q, around, of_position, window):
        weights = attention_weights(q[:, :, rows], shifts, position, w)
        g_y = g_out[:, :, rows]
        g_logits = torch.zeros_like(weights)
        for c in range(g_y.shape[1]):
            g_logits.addcmul_(g_y[:, c, None, None], shifts[:, 1 + relations + c])
        g_logits.sub_((weights * g_logits).sum((1, 2), keepdim=True)).mul_(weights)
        # What each shift gives to its term of k and to k.
        g_shifts = [g_logits]
        for c in range(relations):
            difference = q[:, c, rows][:, None, None] - shifts[:, 1 + c]
            g_w[c] += (g_logits * difference.abs()).sum()
            g_difference = difference.sign_().mul_(g_logits).mul_(w[c])
            g_q[:, c, rows] = g_difference.sum((1, 2))
            g_shifts.append(g_difference.neg_())
        height, width = g_y.shape[2:]
        part = g_around[:, :, rows.start : rows.start + height + window - 1]
        for dy in range(window):
            for dx in range(window):
                place = part[:, :, dy : dy + height, dx : dx + width]
                for c, g_shift in enumerate(g_shifts):
                    place[:, c] += g_shift[:, dy, dx]
                place[:, 1 + relations :].addcmul_(weights[:, None, dy, dx], g_y)
        g_position.index_add_(2, row_case[rows], gather(g_logits.sum(0), of_position.shape[3]))
    return g_q, g_around, g_position, g_w


# Operators, for torch.compile to call them as they are: unrolled, the loop would be thousands of operations a layer.
attend_operator = torch.library.custom_op('mmderain::window_attention', attend, mutates_args=())
attend_backward_operator = torch.library.custom_op(
    'mmderain::window_attention_backward', attend_backward, mutates_args=()
)


@attend_operator.register_fake
def empty_result(q: Tensor, around: Tensor, *_: Tensor | int) -> Tensor:
    """Of the shape of :func:`attend`'s."""
    return q.new_empty(q.shape[0], around.shape[1] - 1 - q.shape[1], *q.shape[2:])


@attend_backward_operator.register_fake
def empty_gradients(g_out: Tensor, *of: Tensor | int) -> tuple[Tensor, ...]:
    """Of the shapes of :func:`attend_backward`'s."""
    return tuple(torch.empty_like(t) for t in of[:4])


def chunks(q: Tensor, around: Tensor, of_position: Tensor, window: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Rows of the picture, a view of their surroundings (N, ., window, window, h, W), and the positions' term."""
    height, width = q.shape[2:]
    row_case = border_cases(height, window // 2, q.device)
    if torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling():
        # A graph for any size has neither loops over rows nor such views.
        along_x = torch.stack([around[..., x : x + width] for x in range(window)], dim=2)
        shifts = torch.stack([along_x[..., y : y + height, :] for y in range(window)], dim=2)
        yield slice(0, height), shifts, spread(of_position.index_select(2, row_case), width)
        return
    pixels = CHUNK_PIXELS if q.device.type == 'cpu' else CHUNK_PIXELS_GPU
    step = max(1, pixels // (q.shape[0] * width))
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        lines = rows.stop - top
        shifts = around[:, :, top : rows.stop + window - 1].unfold(2, lines, 1).unfold(3, width, 1)
        yield rows, shifts, spread(of_position.index_select(2, row_case[rows]), width)


def attention_weights(q: Tensor, shifts: Tensor, of_position: Tensor, w: Tensor) -> Tensor:
    """(N, window, window, h, W), sum 1 over the window."""
    logits = shifts[:, 0] + of_position
    for c in range(q.shape[1]):
        logits.addcmul_((q[:, c, None, None] - shifts[:, 1 + c]).abs_(), w[c])
    return torch.softmax(logits.flatten(1, 2), dim=1).view_as(logits)


def as_planes(x: Tensor) -> Tensor:
    """Each channel in one piece, float32 or wider."""
    return x.to(torch.promote_types(x.dtype, torch.float32)).contiguous()


def border_cases(length: int, margin: int, device: torch.device) -> Tensor:
    """Which places of a line see the border alike, (length,): the first ``margin``, the last, all in between."""
    place = torch.arange(length, device=device)
    cases = min(length, 2 * margin + 1)
    return torch.maximum(place.clamp(max=margin), place - (length - cases))


def coordinates(length: int, margin: int, like: Tensor, whole: int) -> tuple[Tensor, Tensor]:
    """Of one place for each of :func:`border_cases`, the coordinates, from -1 to 1 over ``whole`` places.

    Returns:
        Its own, (cases,), and those of its neighbours, reflected, (2 margin + 1, cases).
    """
    # As linspace does it, which an export with a variable length cannot.
    line = torch.arange(length, dtype=like.dtype, device=like.device) / (whole - 1) * 2 - 1
    cases = min(length, 2 * margin + 1)
    place = torch.arange(cases, device=like.device)
    place = torch.where(place > margin, place + length - cases, place)
    neighbour = place + torch.arange(-margin, margin + 1, device=like.device)[:, None]
    neighbour = (length - 1) - ((length - 1) - neighbour.abs()).abs()
    return line[place], line[neighbour]


def spread(of_cases: Tensor, width: int) -> Tensor:
    """(..., cases of columns) -> (..., W)."""
    cases = of_cases.shape[-1]
    if cases == width:
        return of_cases
    margin = cases // 2
    middle = of_cases[..., margin : margin + 1].expand(*of_cases.shape[:-1], width - 2 * margin)
    return torch.cat([of_cases[..., :margin], middle, of_cases[..., margin + 1 :]], dim=-1)


def gather(of_columns: Tensor, cases: int) -> Tensor:
    """What :func:`spread` does, backwards: (..., W) -> sums, (..., cases of columns)."""
    margin, width = cases // 2, of_columns.shape[-1]
    if cases == width:
        return of_columns
    middle = of_columns[..., margin : width - margin].sum(-1, keepdim=True)
    return torch.cat([of_columns[..., :margin], middle, of_columns[..., width - margin :]], dim=-1)
