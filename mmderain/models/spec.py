"""What a network requires of its input, declared in one object."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NetworkSpec:
    """Requirements of a network. Every network has a NetworkSpec as its attribute ``spec``.

    Padding, tiling, memory estimates, export and the documentation read the requirements.

    Attributes:
        channel_order: order of the color channels that the network reads and returns, ``'rgb'`` or ``'bgr'``.
        min_size: smallest height and width in pixels.
        size_multiple: height and width must be multiples of this number of pixels.
        halo: number of pixels around a tile that the network also sees. If the halo is large enough, the result of the
            tile equals that of the whole image. No halo is large enough for a network whose result at a pixel depends
            on the whole image.
        bytes_per_pixel: upper limit of the memory in bytes that a forward pass without gradients, in float32, needs for
            each pixel of the input.
        takes_tile: whether the result at a pixel depends on the position of the pixel in the image. If True,
            ``forward`` has a second argument ``tile``, the part of the image that the input shows. It is a
            :class:`~mmderain.models.tiling.Tile`, or None for whole images.
        export_multiple: height and width of the input of a graph that was exported for any size must be multiples of
            this number of pixels, and of ``size_multiple``.
        export_any_size: whether one graph for images of any size can be exported. False if the graph depends on the
            image size.
        renamed_keys: maps old names to current names, for the keys of checkpoints of older versions. A name is one
            part of a key, between two dots. The old names are replaced when weights are loaded.

    Raises:
        ValueError: a value is out of range.
    """

    channel_order: str = 'rgb'
    min_size: int = 1
    size_multiple: int = 1
    halo: int = 64
    bytes_per_pixel: int = 8192
    takes_tile: bool = False
    export_multiple: int = 1
    export_any_size: bool = True
    renamed_keys: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.channel_order not in ('rgb', 'bgr'):
            raise ValueError(f"NetworkSpec: channel_order must be 'rgb' or 'bgr', found {self.channel_order!r}")
        least = dict(min_size=1, size_multiple=1, halo=0, bytes_per_pixel=1, export_multiple=1)
        for name, smallest in least.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < smallest:
                raise ValueError(f'NetworkSpec: {name} must be a whole number from {smallest}, found {value!r}')

    def padded_side(self, side: int) -> int:
        """Return the length in pixels to which a side of an image is padded.

        The length is at least ``min_size`` and a multiple of ``size_multiple``.
        """
        return -(-max(side, self.min_size) // self.size_multiple) * self.size_multiple
