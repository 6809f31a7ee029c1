"""Put the weights of a trained network into the package, under a name.

    python tools/dev/bundle_weights.py nafnet derain/nafnet_photographs.py \
        work_dirs/queue/nafnet_photographs/iter_17000.pth --about 'NAFNet (2.0 M parameters), light to heavy streaks'

Takes the checkpoint of a run, or a stored state of tools/dev/training_state; writes mmderain/weights/NAME.pth in half
precision, and the entry of NAME in mmderain/weights/index.json. The averaged weights are taken if the run has any.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from mmengine.config import Config

from mmderain.errors import InputError
from mmderain.io import atomic_write, read_checkpoint, save_weights
from mmderain.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]


def half_precision_weights(checkpoint: dict, config: Path) -> dict:
    """Return the weights of a checkpoint's network in float16.

    Args:
        checkpoint: of mmengine's runner; with an EMA its ``state_dict`` holds the averaged weights.
        config: config of the network.

    Raises:
        InputError: the weights do not fit the network, or float16 cannot hold one of them.
    """
    weights = {key: value for key, value in checkpoint['state_dict'].items() if key.startswith('network.')}
    weights = {key: value.half() if value.is_floating_point() else value for key, value in weights.items()}
    too_large = [key for key, value in weights.items() if not value.isfinite().all()]
    if too_large:
        raise InputError(f'{too_large[0]}: float16 cannot hold its values')
    try:
        MODELS.build(Config.fromfile(config).model).load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f'{config}: the weights do not fit the network ({error})') from None
    return weights


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('name', help='name that the model is called by')
    parser.add_argument('config', help='config in configs/, for example derain/nafnet_photographs.py')
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--about', required=True, help='what the model is, in one line')
    parser.add_argument('--weights', type=Path, default=ROOT / 'mmderain/weights', help='folder of the weights')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Write the weights and their entry; return the exit code."""
    args = parse_args(argv)
    index, path = args.weights / 'index.json', args.weights / f'{args.name}.pth'
    try:
        checkpoint = read_checkpoint(args.checkpoint)
        weights = half_precision_weights(checkpoint, ROOT / 'configs' / args.config)
        save_weights(path, weights, dict(config=args.config, steps=checkpoint['meta']['iter']))
        entries = json.loads(index.read_text(encoding='utf-8'))
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        entries[args.name] = dict(kind='derainer', config=args.config, file=path.name, sha256=sha256, about=args.about)
        with atomic_write(index) as part:
            part.write_text(json.dumps(entries, indent=2) + '\n', encoding='utf-8')
    except (InputError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{path}: {path.stat().st_size:,} bytes, SHA-256 {sha256}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
