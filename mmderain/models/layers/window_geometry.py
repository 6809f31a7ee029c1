"""Positions of windows relative to the border of an image.

A line is a row or a column of the image, and a place is a position on a line. A window of side ``2 m + 1`` crosses the
border of the image if its center is one of the first m or the last m places of a line. At all other places, the whole
window is inside the image. Some quantities depend only on the position within the window and on the border of the
image. Such a quantity is equal for all places in the middle. It is therefore computed for only ``2 m + 1`` cases of a
line: one case for each of the first m and the last m places, and one case for all places in the middle.
"""

import torch
from torch import Tensor


def border_cases(length: int, margin: int, device: torch.device) -> Tensor:
    """Return, for each place of a line, the index of its case, (length,).

    The first ``margin`` places have the cases 0, 1, .., ``margin - 1``. All places in the middle have the case
    ``margin``. The last ``margin`` places have the cases ``margin + 1``, .., ``2 * margin``. In a line with fewer
    than ``2 * margin + 1`` places, place i has the case i instead.
    """
    place = torch.arange(length, device=device)
    cases = min(length, 2 * margin + 1)
    return torch.maximum(place.clamp(max=margin), place - (length - cases))


def coordinates(length: int, margin: int, like: Tensor, whole: int) -> tuple[Tensor, Tensor]:
    """Return the coordinates of one place of each case, and of the neighbors of this place.

    Args:
        length: number of places of the line.
        margin: m, the number of neighbors in the window on each side of its center.
        like: tensor with the dtype and the device that the result gets.
        whole: number of places of the line in the whole image. Along these places, the coordinate increases from -1 to
            1.

    Returns:
        Coordinates of the places, (cases,), and of their neighbors, (2 m + 1, cases). Neighbors outside the line are
        reflected at its ends.
    """
    # With torch.linspace, the model could not be exported for variable image sizes.
    line = torch.arange(length, dtype=like.dtype, device=like.device) / (whole - 1) * 2 - 1
    cases = min(length, 2 * margin + 1)
    place = torch.arange(cases, device=like.device)
    place = torch.where(place > margin, place + length - cases, place)
    neighbor = place + torch.arange(-margin, margin + 1, device=like.device)[:, None]
    neighbor = (length - 1) - ((length - 1) - neighbor.abs()).abs()
    return line[place], line[neighbor]


def spread_cases(of_cases: Tensor, width: int) -> Tensor:
    """Return, for each place of a line, the value of its case: (..., cases) -> (..., width)."""
    cases = of_cases.shape[-1]
    if cases == width:
        return of_cases
    margin = cases // 2
    middle = of_cases[..., margin : margin + 1].expand(*of_cases.shape[:-1], width - 2 * margin)
    return torch.cat([of_cases[..., :margin], middle, of_cases[..., margin + 1 :]], dim=-1)


def sum_cases(of_places: Tensor, cases: int) -> Tensor:
    """Return, for each case, the sum of the values at all places of this case: (..., W) -> (..., cases).

    This is the backward pass of :func:`spread_cases`.
    """
    margin, width = cases // 2, of_places.shape[-1]
    if cases == width:
        return of_places
    middle = of_places[..., margin : width - margin].sum(-1, keepdim=True)
    return torch.cat([of_places[..., :margin], middle, of_places[..., width - margin :]], dim=-1)
