"""Read configs, and convert errors in configs to an InputError.

This module is in ``io`` because both ``apis`` and ``engine`` use it, and ``apis`` does not import ``engine``.
"""

import contextlib
import inspect
import json
import os
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import yaml
from mmengine.config import Config
from mmengine.registry import Registry

from mmderain.errors import InputError, did_you_mean

#: Suffixes of config files.
CONFIG_SUFFIXES = ('.py', '.yml', '.yaml', '.json')
#: Functions of mmengine that change a config or build the objects of a config, as (module, function).
BUILDERS = {
    ('mmengine.config.config', 'merge_from_dict'),
    ('mmengine.registry.build_functions', 'build_from_cfg'),
    ('mmengine.runner.runner', 'build_dataloader'),
    ('mmengine.runner.runner', 'build_optim_wrapper'),
    ('mmengine.runner.runner', 'from_cfg'),
}


def read_config(path: str | Path) -> Config:
    """Read a config file.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file is not a config, has a syntax error, or contains a statement that fails, such as an import.
            Also if :func:`refuse_code` refuses a YAML or JSON file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such config file (looked for in {Path.cwd()})')
    if Path(path).suffix not in CONFIG_SUFFIXES:
        raise InputError(f'{path}: expected a config with the suffix .py, .yml, .yaml or .json')
    refuse_code(Path(path))
    try:
        return Config.fromfile(path)
    except (OSError, InputError):
        raise
    except Exception as error:  # a config is a program and can raise any exception
        # For a failed import, mmengine raises an error whose message starts with a long list of sys.path. The message
        # of the original exception, `__cause__`, is shorter.
        cause = error.__cause__ if isinstance(error, ImportError) and error.__cause__ else error
        raise InputError(f'{path}: cannot be read as a config: {_reason(cause)}') from error


def refuse_code(path: Path) -> None:
    """Refuse a YAML or JSON config if reading it could run code.

    A YAML tag can name a Python object. mmengine's loader creates this object, which can run any code. mmengine also
    replaces templates such as ``{{ fileDirname }}`` in the text of a config. The new text can contain such a tag, or
    the path of a base. A base is a file from which a config inherits.

    Therefore a YAML or JSON config must not contain tags of Python objects or templates, and all of its bases must be
    YAML or JSON files. The function also checks the bases. It does not check Python configs, because a Python config is
    a program.

    Raises:
        FileNotFoundError: a base does not exist.
        InputError: a file contains a tag, a template or a base that is not allowed, or cannot be read as YAML or JSON.
    """
    if path.suffix == '.py':
        return
    pending, checked = [os.path.abspath(path)], set()
    while pending:
        file = pending.pop()
        if file in checked:
            continue
        checked.add(file)
        try:
            text = Path(file).read_text(encoding='utf-8')
            tags, bases = _tags_and_bases(text, is_json=file.endswith('.json'))
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            raise InputError(f'{file}: cannot be read as a config: {_reason(error)}') from error
        for tag in tags:
            if 'python' in tag:
                raise InputError(f'{file}: found the tag {tag!r}, which can run code; expected only plain values')
        if '{{' in text:
            raise InputError(
                f'{file}: found a template ("{{{{"), which YAML and JSON configs must not contain; use a .py config'
            )
        for base in bases:
            target = os.path.abspath(os.path.join(os.path.dirname(file), base))  # as mmengine does
            if '::' in base or not target.endswith(('.yml', '.yaml', '.json')):
                raise InputError(
                    f'{file}: found the base {base!r}; a YAML or JSON config can inherit only from YAML and JSON '
                    'files. Use a .py config.'
                )
            if not os.path.isfile(target):
                raise FileNotFoundError(f'{file}: the base {target} does not exist')
            pending.append(target)


def _tags_and_bases(text: str, is_json: bool) -> tuple[set[str], list[str]]:
    """Return the tags and the values of ``_base_`` in a YAML or JSON text, without creating the objects of the text."""
    tags: set[str] = set()
    bases: list[str] = []

    # The function gets pairs, because a dict would contain only the last of several entries with the key `_base_`.
    def keep_bases(pairs: list[tuple]) -> dict:
        for key, value in pairs:
            if key == '_base_':
                bases.extend(map(str, value if isinstance(value, list) else [value]))
        return dict(pairs)

    if is_json:
        json.loads(text, object_pairs_hook=keep_bases)
        return tags, bases
    pending, visited = [yaml.compose(text, Loader=getattr(yaml, 'CSafeLoader', yaml.SafeLoader))], set()
    while pending:
        node = pending.pop()
        if node is None or id(node) in visited:  # YAML aliases can refer to a node many times
            continue
        visited.add(id(node))
        tags.add(node.tag)
        if isinstance(node, yaml.MappingNode):
            pending += [part for pair in node.value for part in pair]
            # `_base_` is searched at every depth, because a YAML merge key (`<<`) can move an entry to the top level.
            for key, value in node.value:
                if key.value == '_base_':
                    values = value.value if isinstance(value, yaml.SequenceNode) else [value]
                    bases += [str(part.value) for part in values]
        elif isinstance(node, yaml.SequenceNode):
            pending += node.value
    return tags, bases


@contextlib.contextmanager
def config_errors(config: str | Path) -> Iterator[None]:
    """Convert an error that occurs while mmengine builds an object of a config to an InputError.

    The message of the InputError names the config and the reason. The ``with`` block may contain a whole training,
    because mmengine builds some objects only when the training starts. All other errors of the block are raised
    unchanged. OSError, InputError and RuntimeError are always raised unchanged, because their reason is often not the
    config. For example, torch raises a RuntimeError if there is too little memory.

    Args:
        config: name of the config for the error message.
    """
    try:
        yield
    except (OSError, RuntimeError, InputError):
        raise
    except Exception as error:
        frames = [
            frame
            for frame, _ in traceback.walk_tb(error.__traceback__)
            if (frame.f_globals.get('__name__'), frame.f_code.co_name) in BUILDERS
        ]
        if not frames:
            raise
        raise InputError(f'{config} or --cfg-options: {_building_reason(error, frames)}') from error


def _building_reason(error: Exception, frames: list) -> str:
    """Return the reason why an object could not be built.

    Args:
        error: the exception.
        frames: call frames of mmengine's builder functions. Their local variables contain the type of the object.
    """
    built = frames[-1].f_locals
    kind, cls = built.get('obj_type'), built.get('obj_cls')
    if isinstance(error, KeyError) and isinstance(kind, str) and cls is None:
        registry = built['registry']
        return f'no {registry.name} is called {kind!r}{did_you_mean(kind, _names_for(registry, kind))}'
    found = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if isinstance(error, TypeError) and found is not None:
        owner, argument = found.groups()
        classes = [frame.f_locals.get('obj_cls') for frame in frames]
        takes = [name for cls in classes if getattr(cls, '__name__', '') == owner for name in signature_of(cls)]
        return f'{owner} takes no argument {argument!r}{did_you_mean(argument, takes)}'
    return f'{getattr(cls, "__name__", frames[-1].f_code.co_name)}: {_reason(error)}'


def _names_for(registry: Registry, kind: str) -> list[str]:
    """Return names of types. The error message suggests one of them instead of the unknown name ``kind``.

    The list contains

    * the types of mmengine's root registry, without a prefix,
    * the types of mmderain, with the prefix ``mmderain.``,
    * the types of each other package that has a type called ``kind``, with the name of the package as the prefix.
    """
    root = registry
    while root.parent is not None:
        root = root.parent
    names = list(registry.module_dict)
    for scope, child in root.children.items():
        if scope == 'mmderain' or kind.split('.')[-1] in child.module_dict:
            names += [f'{scope}.{name}' for name in child.module_dict]
    return names


def _reason(error: BaseException) -> str:
    """Return the type and the message of an error in one line. For a ValueError with a message, omit the type."""
    text = ' '.join(str(error).split())
    return text if text and type(error) is ValueError else f'{type(error).__name__}: {text}'


def signature_of(cls: type) -> list[str]:
    """Return the names of the constructor arguments of a class and of its base classes."""
    names: list[str] = []
    for base in cls.__mro__:
        names += inspect.signature(base.__init__).parameters  # type: ignore[misc]  # `base` is a class
    return [name for name in names if name != 'self']
