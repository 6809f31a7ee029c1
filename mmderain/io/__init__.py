"""Read and write files: images, videos, checkpoints."""

from .checkpoint import read_checkpoint, save_weights, use_safe_loading
from .files import atomic_folder, atomic_write, file_sha256, safe_name
from .folders import expand_pattern, iter_images, list_images, skipped_by_suffix
from .image import (
    DecodedImage,
    decode_image,
    decode_image_bytes,
    encode_image,
    image_from_pillow,
    image_size,
    read_image,
    to_bgr_uint8,
    to_rgb_tensor,
    write_image,
)
from .text import read_lines, read_text
from .video import VideoOptions, read_frames, write_frames

__all__ = [
    'DecodedImage',
    'VideoOptions',
    'atomic_folder',
    'atomic_write',
    'decode_image',
    'decode_image_bytes',
    'encode_image',
    'expand_pattern',
    'file_sha256',
    'image_from_pillow',
    'image_size',
    'iter_images',
    'list_images',
    'read_checkpoint',
    'read_frames',
    'read_image',
    'read_lines',
    'read_text',
    'safe_name',
    'save_weights',
    'skipped_by_suffix',
    'to_bgr_uint8',
    'to_rgb_tensor',
    'use_safe_loading',
    'write_frames',
    'write_image',
]
