from .checkpointing import maybe_checkpoint
from .conv import conv1x1, conv2d_split, conv3x3
from .pairwise_attention import PairwiseSelfAttention

__all__ = ['PairwiseSelfAttention', 'conv1x1', 'conv3x3', 'conv2d_split', 'maybe_checkpoint']
