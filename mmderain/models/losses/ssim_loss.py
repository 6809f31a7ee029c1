"""The SSIM loss."""

import torch
from torch import Tensor, nn

from mmderain.evaluation.functional import gaussian_window, ssim_map
from mmderain.registry import MODELS


@MODELS.register_module()
class SSIMLoss(nn.Module):
    """Negative structural similarity (SSIM), the loss of SIAN (Eq. 13) and JDNet (Eq. 15).

    The second term of the loss of NASNet is 1 - SSIM (Eqs. 6 and 7). This term has the same gradient as SSIMLoss.

    The papers do not give the settings of SSIM. Those of the authors' code are used:
    SSIM is computed with an 11x11 Gaussian window of sigma 1.5, zero padding, K = (0.01, 0.03) and L = 1. The images
    are not clamped. The loss is the mean over images, channels and pixels. If the clean images are float64, the loss is
    computed in float64. In all other cases, it is computed in float32, because bf16 and fp16 are too coarse for SSIM.
    """

    #: Derainer passes the results of all supervised stages in one call, so that the local statistics of the clean
    #: images are computed only once.
    takes_stages = True
    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('window', gaussian_window(), persistent=False)

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Return the loss of one stage result, or the sum of the losses of several stage results.

        Args:
            pred: derained images, (N, C, H, W), or the results of S stages, (S, N, C, H, W).
            target: clean images, (N, C, H, W), in [0, 1].

        Returns:
            Scalar: minus the mean SSIM, summed over the stages.
        """
        dtype = torch.float64 if target.dtype == torch.float64 else torch.float32
        with torch.autocast(pred.device.type, enabled=False):
            similarity = ssim_map(pred.to(dtype), target.to(dtype), self.window.to(dtype), 'same')
        stages = pred.shape[0] if pred.dim() == 5 else 1
        return -stages * similarity.mean()
