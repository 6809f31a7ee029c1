"""The SSIM loss."""

import torch
from torch import Tensor, nn

from mmderain.evaluation.functional import gaussian_window, ssim_map
from mmderain.registry import MODELS


@MODELS.register_module()
class SSIMLoss(nn.Module):
    """Negative structural similarity: the loss of SIAN and JDNet, and the second term of NASNet's loss.

    It uses an 11x11 Gaussian window with sigma 1.5, zero padding, K = (0.01, 0.03) and L = 1 on unclamped values, and
    takes the mean over pixels and channels. It computes in float32 or wider, because SSIM is wrong in bf16 and fp16.
    """

    #: Derainer passes the results of all stages at once, because they share the local statistics of the target.
    takes_stages = True
    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('window', gaussian_window(), persistent=False)

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Return the loss of one result, or the sum over stages if ``pred`` has a stage dimension in front.

        Args:
            pred: (N, C, H, W), or (S, N, C, H, W) for S stage results against one target.
            target: (N, C, H, W), values around [0, 1].

        Returns:
            Scalar: minus the mean similarity, summed over the stages.
        """
        dtype = torch.float64 if target.dtype == torch.float64 else torch.float32
        with torch.autocast(pred.device.type, enabled=False):
            similarity = ssim_map(pred.to(dtype), target.to(dtype), self.window.to(dtype), 'same')
        stages = pred.shape[0] if pred.dim() == 5 else 1
        return -stages * similarity.mean()
