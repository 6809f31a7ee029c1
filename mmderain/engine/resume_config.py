"""Compare the config of a resumed training with the config in its checkpoint, and follow the new config."""

import ast
import logging
import math
import warnings
from collections.abc import Iterator, Set
from pathlib import PurePath
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner

from mmderain.errors import InputError

#: Entries of a config that affect the weights of a training.
COMPARED = (
    *('model', 'data_preprocessor', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'),
    *('auto_scale_lr', 'randomness', 'custom_hooks'),
)
#: Keys of these entries, at any depth, that do not affect the weights of a resumed training, or that differ between
#: machines: loader processes, validation, initial weights, and settings of speed and memory.
IGNORED = {
    *('num_workers', 'persistent_workers', 'prefetch_factor', 'pin_memory', 'lazy_init', 'serialize_data'),
    *('source', 'unreadable', 'val_interval', 'val_begin', 'dynamic_intervals', 'fast_forward_on_resume'),
    *('init_cfg', 'pretrained', 'with_cp', 'compile', 'tile', 'precision', '_scope_'),
}
#: Keys that say where the data is. A data set may lie in another folder. Therefore only a change of the type of a value
#: is reported. For the path ``ann_file``, only the file name is compared.
PATHS = {'data_root', 'backend_args'}
#: Entries that ``--amp=auto`` decides again on each machine.
PRECISION = {'optim_wrapper.type', 'optim_wrapper.loss_scale', 'optim_wrapper.dtype'}


def config_differences(
    cfg: Config, checkpoint: dict, ignored: Set[str] = frozenset(), processes: int | None = None
) -> dict[str, str]:
    """Return the settings in which a config differs from the config in a checkpoint.

    Only settings that affect the weights of the training are compared, see :data:`COMPARED`, :data:`IGNORED` and
    :data:`PATHS`. A setting with the value None counts as not set.

    Args:
        cfg: config of the resumed training.
        checkpoint: checkpoint of mmengine's Runner. The config is the text ``checkpoint['meta']['cfg']``, which is
            parsed, but never run.
        ignored: dotted keys of further settings that may differ.
        processes: number of processes of the resumed training. None does not compare it.

    Returns:
        Maps the dotted key of each setting, in sorted order, to the old and the new value as text. Empty if the
        checkpoint contains no config, or a config that cannot be parsed. In these cases, the log contains a warning.
    """
    text = checkpoint.get('meta', {}).get('cfg')
    try:
        if not isinstance(text, str):
            raise ValueError('it is missing')
        old = dict(_settings(parse_config_text(text)))
    except (SyntaxError, ValueError) as error:
        reason = f'The config in the checkpoint cannot be read ({error})'
        print_log(f'{reason}; it is not compared with the config of this training.', 'current', logging.WARNING)
        return {}
    # The config is converted to text and back, so that both configs contain the same types.
    compared = Config({key: cfg[key] for key in COMPARED if key in cfg})
    new = dict(_settings(parse_config_text(compared.pretty_text)))
    before = checkpoint['meta'].get('world_size')
    if processes is not None and before is not None:  # older checkpoints do not contain the number
        old['number of processes'], new['number of processes'] = (before, str(before)), (processes, str(processes))
    absent = (None, 'not set')  # no setting has the value None, because such settings are left out
    differences = {}
    for key in sorted((old.keys() | new.keys()) - ignored):
        (old_value, old_text), (new_value, new_text) = old.get(key, absent), new.get(key, absent)
        if not _is_same(old_value, new_value):
            differences[key] = f'{old_text} -> {new_text}'
    return differences


def require_same_config(differences: dict[str, str], checkpoint: str) -> None:
    """Raise an error that lists the differences between a config and the config in a checkpoint.

    Args:
        differences: result of :func:`config_differences`.
        checkpoint: path of the checkpoint.

    Raises:
        InputError: there are differences.
    """
    if differences:
        raise InputError(
            f'{checkpoint}: the training was started with other settings (old value -> new value):\n'
            f'{difference_lines(differences)}\n'
            'Use the config of that training, which is in its work directory. Or add --resume-with-config, which '
            'continues with the new values.'
        )


def difference_lines(differences: dict[str, str]) -> str:
    """Return the text that lists differences, one in a line."""
    return '\n'.join(f'  {key}: {values}' for key, values in differences.items())


def parse_config_text(text: str) -> dict[str, Any]:
    """Parse the text of a config that mmengine has written, without running it.

    Args:
        text: a text of statements ``name = value``. The values consist of literals, dicts, lists, tuples and sets.

    Returns:
        Maps the names to the values. A value of another kind, such as a class, is returned as its text.

    Raises:
        SyntaxError: the text is not Python.
        ValueError: a statement is not of the form ``name = value``.
    """
    entries = {}
    for statement in ast.parse(text).body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise ValueError(f'line {statement.lineno} is not of the form name = value')
        entries[statement.targets[0].id] = _value(statement.value)
    return entries


def _value(node: ast.expr) -> Any:
    """Return the value of an expression, see :func:`parse_config_text`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        entries = _value(node.args[0]) if node.args else {}
        return entries | {word.arg: _value(word.value) for word in node.keywords}
    if isinstance(node, ast.Dict):
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True) if key}
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(part) for part in node.elts]
    if isinstance(node, ast.Name) and node.id == 'inf':
        return math.inf
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and _value(node.operand) == math.inf:
        return -math.inf
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def _is_same(old: Any, new: Any) -> bool:
    """Return whether two values of a setting are equal. 1 and 1.0 are equal, but 1 and True are not."""
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_is_same, old, new))
    return isinstance(old, bool) == isinstance(new, bool) and old == new


def _settings(entries: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Yield the dotted key of each setting in :data:`COMPARED`, its value to compare, and its value as text."""
    pending = [(key, key, entries[key]) for key in COMPARED if key in entries]
    while pending:
        path, key, value = pending.pop()
        if key in IGNORED or value is None:
            continue
        if key in PATHS:
            yield path, (type(value), f'a {type(value).__name__}')
        elif key == 'ann_file' and isinstance(value, str):
            yield path, (PurePath(value).name, repr(value))
        elif isinstance(value, dict):
            pending += [(f'{path}.{name}', str(name), part) for name, part in value.items()]
        elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
            pending += [(f'{path}.{number}', '', part) for number, part in enumerate(value)]
        else:
            yield path, (value, repr(value))


class FollowConfigHook(Hook):
    """Make a resumed training follow its config, and not the schedule in the checkpoint.

    mmengine restores the learning rate, the other settings of the optimizer, the schedulers and the seed from the
    checkpoint. With this hook, only the weights, the moments of the optimizer and the number of steps come from the
    checkpoint. The learning rate is the one that a training with this config has after this number of steps.

    Args:
        reset_moments: True makes the optimizer start without the moments in the checkpoint. This is necessary if the
            config has another type of optimizer than the checkpoint.

    Raises:
        InputError: the config has several optimizers, a scheduler that depends on validation scores, or other groups of
            parameters than the checkpoint. The error is raised when the checkpoint is loaded.
    """

    def __init__(self, reset_moments: bool = False) -> None:
        self.reset_moments = reset_moments

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Replace the settings in the checkpoint, before mmengine restores them."""
        wrapper, schedulers = runner.optim_wrapper, runner.param_schedulers or []
        if isinstance(wrapper, OptimWrapperDict) or isinstance(schedulers, dict):
            raise InputError(
                '--resume-with-config: the config has several optimizers; expected only one. Leave out this option.'
            )
        meta = checkpoint['meta']
        meta['seed'] = runner.seed
        checkpoint.pop('param_schedulers', None)
        step_schedulers(schedulers, meta['iter'], meta['epoch'])
        state = checkpoint.get('optimizer')
        if state is None:
            return
        if self.reset_moments:
            state['state'] = {}
        old_groups, new_groups = state['param_groups'], wrapper.optimizer.param_groups
        if [len(group['params']) for group in old_groups] != [len(group['params']) for group in new_groups]:
            raise InputError(
                '--resume-with-config: the config divides the parameters into other groups than the checkpoint (entry '
                'optim_wrapper.paramwise_cfg); use the groups of the checkpoint'
            )
        state['param_groups'] = [
            {**new, 'params': old['params']} for new, old in zip(new_groups, old_groups, strict=True)
        ]
        if wrapper.base_param_settings is not None:
            state['base_param_settings'] = wrapper.base_param_settings


def step_schedulers(schedulers: list, iterations: int, epochs: int) -> None:
    """Call the schedulers as often as a training calls them.

    mmengine's schedulers compute each value from the previous one. Therefore the value after many steps cannot be
    computed directly.

    Args:
        schedulers: new schedulers of mmengine. They change the settings of their optimizer.
        iterations: number of completed steps.
        epochs: number of completed epochs. 0 for a training by iterations.

    Raises:
        InputError: a scheduler depends on the scores of validations.
    """
    for scheduler in schedulers:
        if getattr(scheduler, 'need_val_args', False):
            raise InputError(
                f'--resume-with-config: the scheduler {type(scheduler).__name__} depends on the scores of earlier '
                'validations; use a scheduler without such scores'
            )
    length = max(iterations // epochs, 1) if epochs else 0
    with warnings.catch_warnings():
        # The schedulers warn that they are called before the optimizer has made a step.
        warnings.simplefilter('ignore', UserWarning)
        for step in range(1, iterations + 1):
            for scheduler in schedulers:
                if not scheduler.by_epoch:
                    scheduler.step()
            if length and step % length == 0:
                for scheduler in schedulers:
                    if scheduler.by_epoch:
                        scheduler.step()
