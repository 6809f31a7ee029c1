"""Plain formulations of the networks: slow code that follows the papers and the authors' code step by step.

The tests compare the results of the fast networks with those of the plain formulations. ``tools/benchmark.py`` compares
the run times. A plain formulation is a subclass of the fast network with another ``forward`` method. It reads the
parameters of the fast network by their names, and has no other parameters.
"""

import copy

from torch import nn

from mmderain.errors import InputError
from mmderain.models import SIAN, JDNet, MAFNet, NASNet

from .jdnet import PlainJDNet
from .mafnet import PlainMAFNet
from .nasnet import PlainNASNet
from .sian import PlainSIAN

#: Maps the class of a network to the class of its plain formulation.
PLAIN = {SIAN: PlainSIAN, JDNet: PlainJDNet, NASNet: PlainNASNet, MAFNet: PlainMAFNet}


def plain_network(network: nn.Module) -> nn.Module:
    """Return the plain formulation of a network, with the same settings and a copy of its weights.

    Args:
        network: an instance of one of the classes in :data:`PLAIN`. It is not changed.

    Raises:
        InputError: the network has no plain formulation.
    """
    if type(network) not in PLAIN:
        known = ', '.join(kind.__name__ for kind in PLAIN)
        raise InputError(f'{type(network).__name__} has no plain formulation; expected one of {known}')
    plain = copy.deepcopy(network)
    plain.__class__ = PLAIN[type(network)]  # the class of the plain formulation adds no attributes
    for module in plain.modules():
        if hasattr(module, 'with_cp'):
            module.with_cp = False  # plain formulations use no gradient checkpointing
    return plain
