"""List or delete the files in the cache: downloaded and converted weights.

    mmderain cache list
    mmderain cache clear sian_rain100h

MMDERAIN_HOME names the folder of the cache. Its default is a folder of torch.hub.
"""

import argparse
from pathlib import Path

from mmderain.io.cache import cache_folder, cached_files, clear_cache, forget_downloads


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain cache``."""
    parser = commands.add_parser('cache', doc=__doc__, help='list or delete downloaded weights')
    parser.add_argument(
        'action',
        choices=['list', 'clear', 'forget'],
        help='list: print the files and their origin. clear: delete files, also those of `mmderain convert`. forget: '
        'delete downloads and their stored hashes',
    )
    parser.add_argument(
        'pattern',
        nargs='?',
        metavar='TEXT',
        help='only files whose name contains this text (default: all files)',
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """List or delete the files."""
    args.pattern = args.pattern or ''
    if args.action == 'clear':
        _print_deleted(clear_cache(args.pattern))
    elif args.action == 'forget':
        _print_deleted(forget_downloads(args.pattern))
    else:
        files = [(path, origin) for path, origin in cached_files() if args.pattern in path.name]
        print(f'{len(files) or "no"} files in {cache_folder()}')
        for path, origin in files:
            print(f'  {path.stat().st_size / 1e6:8.1f} MB  {path.relative_to(cache_folder())}  {origin}')


def _print_deleted(paths: list[Path]) -> None:
    """Print the paths of deleted files, and their number."""
    print(*(f'deleted {path}' for path in paths), f'number of deleted files: {len(paths)}', sep='\n')
