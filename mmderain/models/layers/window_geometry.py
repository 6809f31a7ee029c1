"""Which places of an image see its border in the same way, and what a window around each of them covers.

A window of side ``2 m + 1`` reaches over the border at the first and the last m places of a line. All places in between
are alike, so a quantity that depends on the place in the window and on the border has ``2 m + 1`` cases for each line.
"""

import torch
from torch import Tensor


def border_cases(length: int, margin: int, device: torch.device) -> Tensor:
    """Return the case of each place of a line, (length,).

    The first ``margin`` places have the cases 0, 1, .., all places in the middle share one case, and the last
    ``margin`` places have the cases after it.
    """
    place = torch.arange(length, device=device)
    cases = min(length, 2 * margin + 1)
    return torch.maximum(place.clamp(max=margin), place - (length - cases))


def coordinates(length: int, margin: int, like: Tensor, whole: int) -> tuple[Tensor, Tensor]:
    """Return the coordinates of one place of each case, and of its neighbors.

    Args:
        length: number of places of the line.
        margin: m, how far the window reaches to each side.
        like: tensor whose dtype and device the result has.
        whole: number of places over which the coordinate goes from -1 to 1; more than ``length`` for a tile.

    Returns:
        Coordinates of the places, (cases,), and of their neighbors, reflected at the border, (2 m + 1, cases).
    """
    # torch.linspace, written so that a model with a variable size can be exported.
    line = torch.arange(length, dtype=like.dtype, device=like.device) / (whole - 1) * 2 - 1
    cases = min(length, 2 * margin + 1)
    place = torch.arange(cases, device=like.device)
    place = torch.where(place > margin, place + length - cases, place)
    neighbor = place + torch.arange(-margin, margin + 1, device=like.device)[:, None]
    neighbor = (length - 1) - ((length - 1) - neighbor.abs()).abs()
    return line[place], line[neighbor]


def spread_cases(of_cases: Tensor, width: int) -> Tensor:
    """Return the value of each place from those of the cases: (..., cases) -> (..., width)."""
    cases = of_cases.shape[-1]
    if cases == width:
        return of_cases
    margin = cases // 2
    middle = of_cases[..., margin : margin + 1].expand(*of_cases.shape[:-1], width - 2 * margin)
    return torch.cat([of_cases[..., :margin], middle, of_cases[..., margin + 1 :]], dim=-1)


def sum_cases(of_places: Tensor, cases: int) -> Tensor:
    """Return the sum over the places of each case, the gradient of :func:`spread_cases`: (..., W) -> (..., cases)."""
    margin, width = cases // 2, of_places.shape[-1]
    if cases == width:
        return of_places
    middle = of_places[..., margin : width - margin].sum(-1, keepdim=True)
    return torch.cat([of_places[..., :margin], middle, of_places[..., width - margin :]], dim=-1)
