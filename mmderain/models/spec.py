"""What a network requires of its input, declared in one object."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NetworkSpec:
    """Requirements of a network; padding, tiling, the estimate of memory, export and the documentation read them.

    Every network has one as its attribute ``spec``.

    Attributes:
        channel_order: order of the color channels that the network reads and returns, ``'rgb'`` or ``'bgr'``.
        min_size: smallest height and width in pixels.
        size_multiple: height and width must be multiples of this number of pixels.
        halo: pixels around a tile that the network also sees. Large enough, it makes the result of a tile equal to that
            of the whole image; a network that looks at the whole image at once has no such number.
        bytes_per_pixel: upper limit of the memory of one pass without gradients, in float32, for each pixel of the
            input.
        takes_tile: whether the result of a pixel depends on its place in the image. ``forward`` then takes a second
            argument, ``tile``, which is the :class:`~mmderain.models.tiling.Tile` that the input is, or None for a
            whole image.
        export_multiple: an exported graph for any size takes sides that are multiples of this number of pixels (and of
            ``size_multiple``).
        export_any_size: whether a graph for any size can be exported; False if the graph depends on the size.
        renamed_keys: maps parts of names in the checkpoints of older versions (the text between two dots) to their
            present names. They are replaced when weights are loaded.

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
        """Return the side in pixels to which an image is padded.

        It is at least ``min_size`` and a multiple of ``size_multiple``.
        """
        return -(-max(side, self.min_size) // self.size_multiple) * self.size_multiple
