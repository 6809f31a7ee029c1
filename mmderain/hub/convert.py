"""Convert checkpoints from the authors of a network to the format of mmderain.

A checkpoint is converted only if three conditions are met:

* It contains all keys that the rules of the network name.
* It contains no other keys, except those of weights that the authors' model never uses.
* The shapes of all tensors fit the network of mmderain.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from mmderain.errors import InputError
from mmderain.io.checkpoint import plain_weights
from mmderain.models import SIAN, JDNet, NASNet
from mmderain.models.networks.nasnet import Stage

#: Maps each key of mmderain to keys of the authors' checkpoint, which are arranged in rows. The tensors of each row are
#: concatenated along dimension 1. Then the rows are concatenated along dimension 0.
Rules = dict[str, list[list[str]]]


class ConversionError(InputError):
    """The content of a file is not a checkpoint of the named network."""


def rename(modules: dict[str, str], kinds: tuple[str, ...] = ('weight', 'bias')) -> Rules:
    """Return rules that rename modules.

    Args:
        modules: maps the name of each module in the authors' model to its name in mmderain.
        kinds: names of the tensors in each module.
    """
    return {f'{ours}.{kind}': [[f'{theirs}.{kind}']] for theirs, ours in modules.items() for kind in kinds}


def sian(network: SIAN) -> tuple[Rules, list[str]]:
    """Return the rules that convert a checkpoint of SIAN.

    The authors' model lists the coarsest scale first, and each of its ConvLSTMs has eight convolutions. The network of
    mmderain lists the finest scale first, and each of its ConvLSTMs has one convolution.

    Returns:
        The rules, and the keys of the weights that the authors' model contains but never uses.
    """
    modules = {'body.tran_conv': 'embed', 'body_end.2': 'reconstruct.2'}
    for ours, theirs in enumerate((2, 1, 0)):
        for part in ('conv_f', 'conv_m', 'conv_z'):
            modules[f'body.scale_conv.{theirs}.{part}.0'] = f'attention.{ours}.{part}'
    for ours, theirs in enumerate((1, 0)):
        modules[f'body.up_conv.{theirs}.conv_m.0'] = f'fusion.{ours}.conv'
    for block in (0, 1):
        for ours, theirs in ((1, 0), (2, 2)):
            modules[f'body_end.{block}.body.{theirs}'] = f'reconstruct.{block}.conv{ours}'
    rules = rename(modules)
    for ours, theirs in enumerate((2, 1, 0)):
        cell = f'body.lstm.{theirs}.conv_'
        rules[f'lstm.{ours}.gates.weight'] = [[f'{cell}x{g}.weight', f'{cell}h{g}.weight'] for g in 'fioj']
        rules[f'lstm.{ours}.gates.bias'] = [[f'{cell}x{g}.bias'] for g in 'fioj']
    unused = [f'body.conv_m.{i}.{kind}' for i in (0, 2) for kind in ('weight', 'bias')]
    return rules, unused


def jdnet(network: JDNet) -> tuple[Rules, list[str]]:
    """Return the rules that convert a checkpoint of JDNet.

    Returns:
        The rules, which only rename modules, and an empty list, because the authors' model has no unused weights.
    """
    modules = {'enterBlock.0': 'conv_in', 'exitBlock.0': 'conv_out'}
    norms: dict[str, str] = {}
    kernels: dict[str, str] = {}
    for i in range(len(network.units)):
        theirs, (attention, aggregation, calibration) = f'derain_net.units.{i}', (f'units.{i}.{k}' for k in range(3))
        modules[f'derain_net.conv1x1.{i}.0'] = f'fuse.{i}'
        for k in range(4):
            coarser = f'{aggregation}.coarser.{k}'
            modules[f'{theirs}.res_list.{k}.convert.0'] = f'{coarser}.down'
            modules[f'{theirs}.res_list.{k}.res.0'] = f'{coarser}.conv1'
            modules[f'{theirs}.res_list.{k}.res.2'] = f'{coarser}.conv2'
        modules[f'{theirs}.conv11.0'] = f'{aggregation}.fuse'
        sam = f'{theirs}.san.sam'
        names = dict(conv1='query', conv2='key', conv3='value', conv_p='position')
        names['conv_w.2'] = 'logit'
        modules |= {f'{sam}.{a}': f'{attention}.attention.{b}' for a, b in names.items()}
        kernels[f'{sam}.conv_w.1'] = f'{attention}.attention.reduce'
        modules[f'{theirs}.san.conv'] = f'{attention}.conv'
        norms |= {f'{theirs}.san.bn{k}': f'{attention}.norm{k}' for k in (1, 2)}
        names = {'conv1_a': 'plain_in', 'k1.0': 'plain', 'conv1_b': 'gated_in', 'conv3': 'out'}
        names |= {'scconv.k2.1': 'context', 'scconv.k3.0': 'gated', 'scconv.k4.0': 'gated_out'}
        modules |= {f'{theirs}.scn.{a}': f'{calibration}.{b}' for a, b in names.items()}
    statistics = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
    return rename(modules) | rename(norms, statistics) | rename(kernels, ('weight',)), []


def nasnet(network: NASNet) -> tuple[Rules, list[str]]:
    """Return the rules that convert a checkpoint of NASNet.

    Returns:
        The rules, which only rename modules, and an empty list, because the authors' model has no unused weights.
    """
    modules = {'pre.0': 'conv_in', 'post.0': 'conv_out1', 'post.1': 'conv_out2'}
    modules |= {'fusion_sub.0': 'fuse1', 'fusion_sub.1': 'fuse2'}
    attentions = {'fusion_att': 'attention'}
    for s, stage in enumerate(cast('list[Stage]', network.stages)):
        for b in range(len(stage.blocks)):
            for conv in ('conv1', 'conv2'):
                modules[f'stages.{s}.s.{b}.{conv}'] = f'stages.{s}.blocks.{b}.{conv}'
            attentions[f'stages.{s}.s.{b}.attlayer'] = f'stages.{s}.blocks.{b}.attention'
        modules[f'stages.{s}.s.{len(stage.blocks)}'] = f'stages.{s}.conv'
    for theirs, ours in attentions.items():
        modules |= {f'{theirs}.att.0': f'{ours}.surroundings', f'{theirs}.att.2': f'{ours}.channels'}
    return rename(modules), []


#: Maps the name of a network on the command line to three values: the function that returns the rules, the class of the
#: network, and the key of the weights in the authors' checkpoint file. The key is None if the file has only weights.
NETWORKS: dict[str, tuple[Callable, type[nn.Module], str | None]] = {
    'sian': (sian, SIAN, None),
    'jdnet': (jdnet, JDNet, 'net'),
    'nasnet': (nasnet, NASNet, 'model'),
}


def bare_weights(name: str, source: object) -> dict[str, Tensor]:
    """Return the state dict in a checkpoint of the authors.

    A wrapper of a model adds a part to each key. Such parts are removed, see :data:`~mmderain.io.checkpoint.WRAPPERS`.

    Args:
        name: a key of ``NETWORKS``.
        source: content of the authors' checkpoint file.

    Raises:
        ConversionError: the content is not a dictionary of tensors.
    """
    wrapper = NETWORKS[name][2]
    if wrapper is not None and isinstance(source, dict) and isinstance(source.get(wrapper), dict):
        source = source[wrapper]
    if not isinstance(source, dict) or not all(isinstance(value, Tensor) for value in source.values()):
        found = type(source).__name__
        if isinstance(source, dict) and 'state_dict' in source:
            found = 'a checkpoint of mmengine or mmderain, which need not be converted'
        raise ConversionError(f'expected a dict of tensors, found {found}')
    return plain_weights(source)


def source_keys(rules: Rules) -> set[str]:
    """Return the keys of the authors' checkpoint that the rules name."""
    return {key for rows in rules.values() for row in rows for key in row}


def other_network(name: str, source: object) -> str | None:
    """Return the network to which most keys of a checkpoint belong, or None if it is the named network.

    Args:
        name: a key of ``NETWORKS``.
        source: content of the authors' checkpoint file.

    Returns:
        Another key of ``NETWORKS``, or None.
    """
    for other, (get_rules, network_type, _) in NETWORKS.items():
        try:
            keys = set(bare_weights(other, source))
        except ConversionError:
            continue
        known = keys & source_keys(get_rules(network_type())[0])
        if len(known) > len(keys) / 2:
            return other if other != name else None
    return None


def convert(name: str, source: object, **settings: Any) -> dict[str, Tensor]:
    """Convert a checkpoint of the authors to a state dict of the network in mmderain.

    Args:
        name: a key of ``NETWORKS``.
        source: content of the authors' checkpoint file.
        settings: arguments of the network class that differ from their defaults.

    Raises:
        ConversionError: the content is not a dictionary of tensors, a key is unknown or missing, or a shape does not
            fit. The message lists all wrong keys. If all keys are right, it lists all wrong shapes. If the keys belong
            to another network, it only names this network.
    """
    other = other_network(name, source)
    if other is not None:
        raise ConversionError(f'the weights are those of {other}; run the command with {other} instead of {name}')
    source = bare_weights(name, source)
    get_rules, network_type, _ = NETWORKS[name]
    network = network_type(**settings)
    rules, unused = get_rules(network)
    used = source_keys(rules)
    problems = [f'unknown key: {key}' for key in sorted(set(source) - used - set(unused))]
    problems += [f'missing key: {key}' for key in sorted(used - set(source))]
    if problems:
        raise ConversionError('\n'.join([*problems, f'{len(problems)} in total']))

    def join(tensors: list[Tensor], dim: int) -> Tensor:
        return tensors[0].clone() if len(tensors) == 1 else torch.cat(tensors, dim)

    expected = network.state_dict()
    weights = {}
    for key, tensor in expected.items():
        try:
            weights[key] = join([join([source[k] for k in row], 1) for row in rules[key]], 0)
        except RuntimeError as error:
            problems.append(f'{key}: {error}')
            continue
        if weights[key].shape != tensor.shape:
            problems.append(f'{key}: found shape {tuple(weights[key].shape)}, expected {tuple(tensor.shape)}')
    if problems:
        raise ConversionError('\n'.join([*problems, f'{len(problems)} in total']))
    return weights


def unused_weights(name: str, source: object) -> dict[str, Tensor]:
    """Return the weights that the authors' model contains but never uses, from a checkpoint of the authors.

    Args:
        name: a key of ``NETWORKS``.
        source: content of the authors' checkpoint file.

    Returns:
        A dict of these weights, with the keys of the authors. It is empty if there are no such weights.

    Raises:
        ConversionError: the content is not a dictionary of tensors.
    """
    get_rules, network_type, _ = NETWORKS[name]
    bare = bare_weights(name, source)
    return {key: bare[key] for key in get_rules(network_type())[1] if key in bare}
