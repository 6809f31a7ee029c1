"""Time a network with the mmderain package of any checkout (tree); `benchmark.py --against` runs this script.

    PYTHONPATH=TREE python tools/dev/time_in_tree.py '{"config": "configs/derain/sian_sample.py", ...}'

The argument is a dict as JSON: config, checkpoint, cfg_options, device, threads, height, width, batch, precision,
cpu_memory, repeats and train. The script prints the shortest time of a pass in seconds, and the path of the imported
package. The tree may be an old commit, because the script uses little of its package: mmderain.apis.init_model, the
derainer that it returns, and one of KEEP_MEMORY if there is one.
"""

import contextlib
import importlib
import json
import sys
import time
from types import SimpleNamespace

import torch

import mmderain
from mmderain.apis import init_model

#: Module and name of the context manager in which the programs of a tree run networks on a CPU, in newer and in older
#: trees. A tree that has neither does not need one.
KEEP_MEMORY = (('mmderain.engine.cpu_memory', 'keep_cpu_memory'), ('mmderain.models.memory', 'reused_memory'))


def kept_memory() -> contextlib.AbstractContextManager:
    """Return the context in which the programs of this tree run networks on a CPU."""
    for module, name in KEEP_MEMORY:
        with contextlib.suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(module), name)()
    return contextlib.nullcontext()


def measure(job: dict) -> float:
    """Return the shortest time in seconds of `restore` or, with ``train``, of a forward and backward pass."""
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


if __name__ == '__main__':
    print(json.dumps(dict(seconds=measure(json.loads(sys.argv[1])), package=mmderain.__file__)))
