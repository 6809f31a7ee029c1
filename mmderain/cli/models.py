"""List the names of models that other commands accept.

    mmderain models
    mmderain models rtmdet --task detector

Without TEXT, the command lists all derainers, and counts the detectors and segmentors in the metafiles of mmdet and
mmseg. In TEXT, upper and lower case count as equal. The weights of a model are downloaded when the model is used for
the first time.
"""

import argparse
from collections.abc import Iterator

from mmderain import DEFAULT_DERAINER
from mmderain.errors import InputError, did_you_mean
from mmderain.hub import PublishedTaskModel, config_names, named_models, task_models
from mmderain.hub.published import converted_weights


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain models``."""
    parser = commands.add_parser('models', doc=__doc__, help='list the names of all models')
    parser.add_argument(
        'text', nargs='?', metavar='TEXT', help='list only models whose name contains this text (default: all models)'
    )
    parser.add_argument(
        '--task',
        choices=['derainer', 'detector', 'segmentor'],
        help='list only models of this kind (default: derainers, and a count of the others)',
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the models."""
    text = (args.text or '').lower()
    found = {
        'with bundled weights': [*_bundled(text, args.task)],
        'with published weights, which are downloaded at the first use': [*_published(text, args.task)],
    }
    if args.task in (None, 'derainer'):
        found["without weights (train them, or convert the authors' weights)"] = [*_without_weights(text)]
    if args.task != 'derainer' and (args.text or args.task):
        found['of mmdet and mmseg, with published weights'] = [*_task_models(text, args.task)]
    if not any(found.values()):
        known = config_names() if args.task in (None, 'derainer') else []
        for models in (named_models(), _names(task_models())):
            known += [name for name, entry in models.items() if args.task in (None, entry.kind)]
        hint = did_you_mean(text, known, count=3)
        raise InputError(f'no model has {text!r} in its name{hint or ";"} `mmderain models` lists the models')
    print('\n\n'.join('\n'.join([f'{title}:', *lines]) for title, lines in found.items() if lines))
    if args.text is None and args.task is None and (count := len(_names(task_models()))):
        print(f'\n{count} detectors and segmentors of mmdet and mmseg: mmderain models TEXT lists those that match')


def _bundled(text: str, task: str | None) -> Iterator[str]:
    """Yield a line for each model with bundled weights."""
    for entry in named_models().values():
        if entry.file is not None and text in entry.name.lower() and task in (None, entry.kind):
            default = ' (the default)' if entry.name == DEFAULT_DERAINER else ''
            yield f'  {entry.name:16} {entry.kind:10} {entry.about}{default}'


def _published(text: str, task: str | None) -> Iterator[str]:
    """Yield a line for each model of the index with published weights."""
    for entry in named_models().values():
        if entry.url is not None and text in entry.name.lower() and task in (None, entry.kind):
            hint = '' if entry.sha256 else '; the first use needs --trust-unhashed'
            yield f'  {entry.name:16} {entry.kind:10} {entry.about}; license: {entry.license}{hint}'


def _without_weights(text: str) -> Iterator[str]:
    """Yield a line for each network, with the names of its configs. Converted weights in the cache are marked."""
    models = named_models().values()
    known = {entry.config_name for entry in models if entry.file is not None or entry.url is not None}
    names = [name for name in config_names() if name not in known and text in name]
    for network in dict.fromkeys(name.split('_')[0] for name in names):
        marked = [
            f'{name} (converted)' if converted_weights(name).is_file() else name
            for name in names
            if name.split('_')[0] == network
        ]
        yield f'  {network}: ' + ', '.join(marked)
    for entry in models:
        if entry.file is None and entry.url is None and text in entry.name.lower():
            command = f'mmderain convert {entry.format} FILE --name {entry.name}'
            yield f'  {entry.name}: published by {entry.source}; `{command}`'


def _names(models: dict[str, PublishedTaskModel]) -> dict[str, PublishedTaskModel]:
    """Return the models keyed by name, without the aliases."""
    return {entry.name: entry for entry in models.values()}


def _task_models(text: str, task: str | None) -> Iterator[str]:
    """Yield a line for each detector and segmentor of the metafiles."""
    for entry in _names(task_models()).values():
        if text in entry.name.lower() and task in (None, entry.kind):
            yield f'  {entry.name}  {entry.kind}  {entry.scores}'
