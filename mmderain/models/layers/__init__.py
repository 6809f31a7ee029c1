from .conv import conv1x1, conv3x3
from .pairwise_attention import PairwiseSelfAttention

__all__ = ['PairwiseSelfAttention', 'conv1x1', 'conv3x3']
