"""Time a network with the package mmderain of a checkout. Such a checkout is called a tree here.

    PYTHONPATH=TREE python tools/dev/time_in_tree.py '{"config": "configs/derain/sian_sample.py", ...}'

`tools/benchmark.py --against` starts this script. The script prints a JSON object with the shortest time of a pass in
seconds and the path of the imported package.

The tree may contain an old commit. Therefore the script uses only a few parts of the package: mmderain.apis.init_model,
the derainer that init_model returns, and a context manager of KEEP_MEMORY. It does not use the command line functions
of mmderain.
"""

import argparse
import contextlib
import importlib
import json
import time
from collections.abc import Sequence
from types import SimpleNamespace

import torch

import mmderain
from mmderain.apis import init_model

#: Module and name of the context manager in which the programs of a tree run networks on a CPU. The first entry is for
#: newer trees, the second for older trees. A tree with neither of them does not need a context manager.
KEEP_MEMORY = (('mmderain.engine.cpu_memory', 'keep_cpu_memory'), ('mmderain.models.memory', 'reused_memory'))


def kept_memory() -> contextlib.AbstractContextManager:
    """Return the context in which the programs of this tree run networks on a CPU."""
    for module, name in KEEP_MEMORY:
        with contextlib.suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(module), name)()
    return contextlib.nullcontext()


def measure(job: dict) -> float:
    """Return the shortest time of a pass in seconds.

    A pass is a call of ``Derainer.restore`` or, if the job has ``train``, a forward and a backward pass.

    Args:
        job: the settings, with the keys that the help text of the argument JOB lists.
    """
    if job['threads']:
        torch.set_num_threads(job['threads'])
    torch.manual_seed(0)
    model = init_model(job['config'], job['checkpoint'], job['device'], job['cfg_options'])
    images = torch.rand(job['batch'], 3, job['height'], job['width'], device=job['device'])
    samples = [SimpleNamespace(gt_img=image) for image in images.flip(3)]

    def run() -> float:
        start = time.perf_counter()
        if job['train']:
            model.train().zero_grad()
            sum(model(images, samples, mode='loss').values()).backward()
        else:
            with torch.inference_mode():
                model.restore(images)
        if job['device'] != 'cpu':
            torch.cuda.synchronize(job['device'])
        return time.perf_counter() - start

    types = dict(bf16=torch.bfloat16, fp16=torch.float16)
    with contextlib.ExitStack() as stack:
        if job['precision'] in types:
            stack.enter_context(torch.autocast(torch.device(job['device']).type, types[job['precision']]))
        if job['device'] == 'cpu' and job['cpu_memory'] == 'kept':
            stack.enter_context(kept_memory())
        run()  # warms up
        return min(run() for _ in range(job['repeats']))


def parse_job(text: str) -> dict:
    """Convert the argument of the script to a dict.

    Raises:
        argparse.ArgumentTypeError: the text is not a JSON object.
    """
    try:
        job = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f'found {text!r}, expected a JSON object ({error})') from None
    if not isinstance(job, dict):
        raise argparse.ArgumentTypeError(f'found {text!r}, expected a JSON object')
    return job


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line, time the network, and print the result."""
    summary, _, rest = __doc__.strip().partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=f'example:\n{rest}', formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'job',
        type=parse_job,
        metavar='JOB',
        help='the settings as a JSON object with the keys config, checkpoint, cfg_options, device, threads, height, '
        'width, batch, precision, cpu_memory, repeats and train. They have the meaning of the options of '
        'tools/benchmark.py',
    )
    job = parser.parse_args(argv).job
    print(json.dumps(dict(seconds=measure(job), package=mmderain.__file__)))


if __name__ == '__main__':
    main()
