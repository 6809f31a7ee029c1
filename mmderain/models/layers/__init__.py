"""Layers of the networks, and functions that rearrange computations to save time or memory."""

from .anchors import conv1x1_anchors, pool_anchors
from .channel_mixing import mix_conv1x1
from .checkpointing import maybe_checkpoint
from .conv import conv1x1, conv1x1_upsampled, conv2d_split, conv3x3
from .conv_lstm import ConvLSTM
from .dense import DenseConv1x1
from .haar import HAAR, band_maps, band_pixels, conv1x1_haar, merge_band_pixels
from .pairwise_attention import PairwiseSelfAttention
from .pyramid import ImagePyramid
from .upsampling import upsample2x

__all__ = [
    'HAAR',
    'ConvLSTM',
    'DenseConv1x1',
    'ImagePyramid',
    'PairwiseSelfAttention',
    'band_maps',
    'band_pixels',
    'conv1x1',
    'conv1x1_anchors',
    'conv1x1_haar',
    'conv1x1_upsampled',
    'conv2d_split',
    'conv3x3',
    'maybe_checkpoint',
    'merge_band_pixels',
    'mix_conv1x1',
    'pool_anchors',
    'upsample2x',
]
