"""Measure one part of the report on speed, or write the page docs/en/speed.md from all parts.

    python tools/dev/speed.py limits
    python tools/dev/speed.py page

The first command measures a part, and stores it in docs/en/reports/speed.json, where it replaces the earlier result of
this part. The second command writes the page and its plot. Each part takes at most ten minutes on two cores without
other programs. The parts are:

    limits           convolution peak and memory bandwidth of the machine
    arithmetic       multiply-adds of the networks for each pixel
    baseline-NET     the working tree against the commit before the work on speed, fp32 and bf16
    training-NET     a training step against this commit; NET is sian or jdnet
    precision        bf16 against fp32
    prenet           the networks against PReNet (tests/reference/prenet.py)
    prepared-NET     Derainer.prepare against the plain derainer
    memory           peak memory of the tensors and of the process
    growth-NET       time and memory against image size, batch size and tiles
    formats          PyTorch, AOTInductor, and ONNX Runtime in fp32 and int8

NET is sian, jdnet, nasnet or mafnet.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from speed_parts import formats, measure, page
from speed_parts.common import NETWORKS, ROOT

from mmderain.cli.command import CommandParser, command
from mmderain.engine.machine import processor_with_features
from mmderain.io import atomic_write

RESULTS, PAGE = ROOT / 'docs/en/reports/speed.json', ROOT / 'docs/en/speed.md'
PLOT = ROOT / 'docs/en/images/speed_growth.png'
#: Maps the name of each part to the function that measures it.
PARTS: dict[str, Callable[[], Iterator[dict]]] = {
    'limits': measure.limits,
    'arithmetic': measure.arithmetic,
    **{f'baseline-{name}': partial(measure.baseline, name) for name in NETWORKS},
    **{f'training-{name}': partial(measure.baseline, name, train=True) for name in ('sian', 'jdnet')},
    'precision': measure.precision,
    'prenet': measure.prenet,
    **{f'prepared-{name}': partial(measure.prepared, name) for name in NETWORKS},
    'memory': measure.memory,
    **{f'growth-{name}': partial(measure.growth, name) for name in NETWORKS},
    'formats': formats.formats,
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    text = 'a part of the report, see below; page: write the page'
    parser.add_argument('part', choices=[*PARTS, 'page'], metavar='PART', help=text)
    return parser.parse_args(argv)


def stored() -> dict[str, dict]:
    """Return the stored results, keyed by the names of the parts."""
    return json.loads(RESULTS.read_text(encoding='utf-8')) if RESULTS.is_file() else {}


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Measure a part and store it, or write the page."""
    if args.part == 'page':
        report = stored()
        with atomic_write(PAGE) as part:
            part.write_text(page.page(report), encoding='utf-8')
        if any(name.startswith('growth-') for name in report):
            page.plot(report, PLOT)
        print(PAGE)
        return
    commit = subprocess.run(['git', '-C', ROOT, 'describe', '--always', '--dirty'], capture_output=True, text=True)
    result = dict(
        date=datetime.date.today().isoformat(),
        machine=processor_with_features(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        commit=commit.stdout.strip(),
        load=os.getloadavg()[0],
    )
    rows = []
    for row in PARTS[args.part]():
        print(json.dumps(row), flush=True)
        rows.append(row)
    with atomic_write(RESULTS) as part:
        text = json.dumps(stored() | {args.part: dict(result, rows=rows)}, indent=1, sort_keys=True)
        part.write_text(text + '\n', encoding='utf-8')
    print(RESULTS)


if __name__ == '__main__':
    sys.exit(main())
