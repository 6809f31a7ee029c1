"""Image pyramid with learned or fixed kernels (MAFNet)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def gaussian_line(size: int, sigma: float = 1.0) -> Tensor:
    """Return Gaussian weights with sum 1, ``exp(-x^2 / (2 sigma^2)) / sum``, at ``size`` integers around 0, float32."""
    x = torch.arange(size, dtype=torch.float32) - size // 2
    line = torch.exp(-(x**2) / (2 * sigma**2))
    return line / line.sum()


class ImagePyramid(nn.Module):
    """Halve an image repeatedly: ``I_s = K_s * I_(s-1)``, computed at every second row and column.

    A Gaussian K is separable and the same for each channel. With five pixels and a sigma of 1, its weights in one
    direction are 0.05, 0.24, 0.40, 0.24, 0.05. The usual kernel of Burt and Adelson ("The Laplacian pyramid as a
    compact image code", 1983) is 0.05, 0.25, 0.40, 0.25, 0.05. The weights of the two kernels differ by at most 0.006.

    Args:
        kind: ``'adaptive'``: a separate learned kernel for each halving, which maps all channels to all channels. Its
            initial values are those of the Gaussian. ``'gaussian'``: the Gaussian, not learned. ``'bilinear'``: the
            mean of 2x2 pixels in place of a kernel.
        num_levels: number of images, including the input.
        channels: number of channels of the image.
        kernel_size: side of the kernels in pixels, odd.
        padding: the values that the kernels read outside the image. ``'reflect'`` reflects the image, which keeps the
            brightness at its border. ``'zeros'`` uses zeros, which darken the border.
    """

    def __init__(self, kind: str, num_levels: int, channels: int = 3, kernel_size: int = 5, padding: str = 'reflect'):
        super().__init__()
        self.num_levels = num_levels
        self.padding = padding
        self.kernels = nn.ParameterList()
        if kind != 'bilinear':
            line = gaussian_line(kernel_size)
            start = torch.eye(channels)[:, :, None, None] * line[:, None] * line
            learned = kind == 'adaptive'
            self.kernels.extend(nn.Parameter(start.clone(), requires_grad=learned) for _ in range(num_levels - 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the levels, finest first: (N, C, H, W), (N, C, H / 2, W / 2), (N, C, H / 4, W / 4), ..."""
        levels = [x]
        for s in range(self.num_levels - 1):
            if len(self.kernels):
                levels.append(self._halve(levels[-1], self.kernels[s]))
            else:
                levels.append(F.interpolate(levels[-1], scale_factor=0.5, mode='bilinear', align_corners=False))
        return levels

    def _halve(self, x: Tensor, kernel: Tensor) -> Tensor:
        """Convolve an image with a kernel at every second row and column."""
        margin = kernel.shape[-1] // 2
        if self.padding == 'zeros':
            return F.conv2d(x, kernel, stride=2, padding=margin)
        return F.conv2d(F.pad(x, [margin] * 4, mode='reflect'), kernel, stride=2)
