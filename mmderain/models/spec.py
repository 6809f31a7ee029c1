"""The class in which a network declares the requirements for its input."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NetworkSpec:
    """Requirements of a network. Every network has a NetworkSpec as its attribute ``spec``.

    Padding, tiling, memory estimates, export and the documentation read the requirements.

    Attributes:
        channel_order: order of the color channels that the network reads and returns, ``'rgb'`` or ``'bgr'``.
        min_size: smallest height and smallest width of the input in pixels.
        size_multiple: height and width of the input must be multiples of this number of pixels.
        halo: width in pixels of the margin that the network reads on each side of a tile. If the halo is wide enough,
            the result for a tile equals the result for the whole image. If the result at a pixel depends on the whole
            image, no halo is wide enough.
        bytes_per_pixel: memory in bytes that a forward pass needs at most for each pixel of the input, in float32 and
            without gradients.
        takes_tile: whether the result at a pixel depends on the position of the pixel in the image. If True,
            ``forward`` has a second argument ``tile``, which says which part of the image the input contains. The
            argument is a :class:`~mmderain.models.tiling.Tile`, or None if the input contains whole images.
        export_multiple: requirement of a graph that is exported for images of any size. Height and width of its input
            must be multiples of this number of pixels and of ``size_multiple``.
        export_any_size: whether one exported graph can process images of any size. False if the graph depends on the
            image size.
        has_weights: whether the network loads its trained weights when it is built. It can then be used without a
            checkpoint.
        renamed_keys: maps old names to current names, for the keys in checkpoints of older versions. A name is one of
            the parts of a key that are separated by dots. The old names are replaced when weights are loaded.

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
    has_weights: bool = False
    renamed_keys: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.channel_order not in ('rgb', 'bgr'):
            raise ValueError(f"NetworkSpec: channel_order must be 'rgb' or 'bgr', found {self.channel_order!r}")
        least = dict(min_size=1, size_multiple=1, halo=0, bytes_per_pixel=1, export_multiple=1)
        for name, smallest in least.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < smallest:
                raise ValueError(f'NetworkSpec: {name} must be an integer of at least {smallest}, found {value!r}')

    def padded_side(self, side: int) -> int:
        """Return the length in pixels to which a side of an image is padded.

        The length is the smallest multiple of ``size_multiple`` that is at least ``side`` and at least ``min_size``.
        """
        return -(-max(side, self.min_size) // self.size_multiple) * self.size_multiple
