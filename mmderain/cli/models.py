"""List the names of models that other commands accept: models with bundled weights, and configs of derainers."""

import argparse
from pathlib import Path

from mmderain import DEFAULT_DERAINER
from mmderain.hub import bundled_models, config_names


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain models``."""
    parser = commands.add_parser('models', doc=__doc__, help='list the names of all models')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the models."""
    print('with bundled weights, ready to use:')
    for entry in bundled_models().values():
        default = ' (the default)' if entry.name == DEFAULT_DERAINER else ''
        print(f'  {entry.name:16} {entry.kind:10} {entry.about}{default}')
    print("\nwithout weights (train them or convert the authors' weights; then use --weights FILE):")
    bundled = {Path(entry.config).stem for entry in bundled_models().values()}
    names = [name for name in config_names() if name not in bundled]
    for network in dict.fromkeys(name.split('_')[0] for name in names):
        print(f'  {network}: ' + ', '.join(name for name in names if name.split('_')[0] == network))
