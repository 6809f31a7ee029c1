from .conv import conv1x1, conv3x3, conv_of_parts
from .pairwise_attention import PairwiseSelfAttention
from .recompute import recompute

__all__ = ['PairwiseSelfAttention', 'conv1x1', 'conv3x3', 'conv_of_parts', 'recompute']
