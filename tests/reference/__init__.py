"""Plain formulations of the networks: slow, step by step as the papers and the authors' codes write them.

The tests hold the fast networks to them, and ``tools/benchmark.py`` times the fast networks against them. A plain
formulation is a subclass with another ``forward``: it reads the parameters of the fast network by their names, and has
none of its own.
"""

import copy

from torch import nn

from mmderain.errors import InputError
from mmderain.models import SIAN, JDNet, MAFNet, NASNet

from .jdnet import PlainJDNet
from .mafnet import PlainMAFNet
from .nasnet import PlainNASNet
from .sian import PlainSIAN

#: Class of a network -> class of its plain formulation.
PLAIN = {SIAN: PlainSIAN, JDNet: PlainJDNet, NASNet: PlainNASNet, MAFNet: PlainMAFNet}


def plain_network(network: nn.Module) -> nn.Module:
    """Return the plain formulation of a network, with the same settings and a copy of its weights.

    Args:
        network: an instance of one of the classes in :data:`PLAIN`. It stays as it is.

    Raises:
        InputError: the network has no plain formulation.
    """
    if type(network) not in PLAIN:
        known = ', '.join(kind.__name__ for kind in PLAIN)
        raise InputError(f'{type(network).__name__} has no plain formulation; expected one of {known}')
    plain = copy.deepcopy(network)
    plain.__class__ = PLAIN[type(network)]  # which adds no attributes
    for module in plain.modules():
        if hasattr(module, 'with_cp'):
            module.with_cp = False  # a plain forward pass keeps everything for the backward pass
    return plain
