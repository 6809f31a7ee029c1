"""Run the conditions of a joint test, and store their results so that an interrupted test can continue."""

import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import mmderain
from mmderain.hub import find_derainer
from mmderain.io.files import atomic_write, file_sha256
from mmderain.perception.derain import parse_derainer

from .conditions import Condition, Result
from .runner import run_condition, task_config


def evaluate(
    rows: list[Condition],
    cache: Path,
    limit: int | None = None,
    cfg_options: dict | None = None,
    on_result: Callable[[Condition, Result], None] = lambda row, result: None,
) -> list[Result]:
    """Run conditions one after another, and store the result of each condition in a cache.

    If the cache already contains the result of a condition and all drawings of the result, the function reads the
    result and does not run the condition.

    Args:
        rows: the conditions.
        cache: folder of the stored results. Each result consists of a JSON file and a folder of drawings.
        limit: see :func:`run_condition`.
        cfg_options: see :func:`run_condition`.
        on_result: function that is called after each condition, with the condition and its result.

    Returns:
        The results, in the order of ``rows``.
    """
    results = []
    for row in rows:
        path = cache / f'{cache_key(row, limit, cfg_options)}.json'
        result = read_result(path)
        if result is None or not all((cache / f'{name}.png').is_file() for name in result.drawings):
            result = run_condition(row, limit, cfg_options, cache / path.stem)
            result.drawings = [f'{path.stem}/{name}' for name in result.drawings]
            with atomic_write(path) as part:
                part.write_text(json.dumps(asdict(result)), encoding='utf-8')
        results.append(result)
        on_result(row, result)
    return results


def read_result(path: Path) -> Result | None:
    """Return a stored result; None if its file does not exist or is damaged."""
    try:
        return Result(**json.loads(path.read_text(encoding='utf-8')))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def cache_key(condition: Condition, limit: int | None, cfg_options: dict | None) -> str:
    """Hash everything that the result of a condition depends on.

    The hash covers

    * the config with all inherited entries, which also contains the rain and the other steps of the condition,
    * the source code of mmderain,
    * the content of weights files, annotation files and configs of derainers that the config names,
    * the path, size and modification time of each image that was derained by another program.

    Args:
        condition: the condition.
        limit: see :func:`run_condition`.
        cfg_options: see :func:`run_condition`.

    Returns:
        16 hexadecimal digits.
    """
    cfg = task_config(condition, limit, cfg_options)
    parts = [cfg.pretty_text, file_sha256(condition.model.checkpoint), code_hash()]
    parts += describe_files(dict(model=cfg.model, data=cfg.test_dataloader, evaluator=cfg.test_evaluator))
    for step in condition.steps:
        if step['type'] == 'mmderain.ReplaceFromFolder':
            files = (path for path in sorted(Path(step['folder']).rglob('*')) if path.is_file())
            parts += [f'{path} {path.stat().st_size} {path.stat().st_mtime_ns}' for path in files]
    return hashlib.sha256('\n'.join(parts).encode('utf-8', 'surrogateescape')).hexdigest()[:16]


@functools.cache
def code_hash() -> str:
    """Hash the source files of mmderain. The hash is computed only once in each process."""
    root = Path(mmderain.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob('*.py')):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def describe_files(node: object, data_root: str = '') -> Iterator[str]:
    """Describe the content of the files that a config names.

    The names are not sufficient, because the content of a file can change while the name stays the same.

    Args:
        node: a part of a config.
        data_root: the ``data_root`` of the enclosing data set.

    Yields:
        The text of the config of each derainer, and the SHA-256 of each checkpoint and annotation file.
    """
    if isinstance(node, list | tuple):
        for entry in node:
            yield from describe_files(entry, data_root)
    if not isinstance(node, dict):
        return
    data_root = node.get('data_root') or data_root
    files = [Path(node['checkpoint'])] if isinstance(node.get('checkpoint'), str) else []
    if str(node.get('type')).rpartition('.')[2] in ('Derain', 'DerainBeforeTask'):
        config, checkpoint = find_derainer(*parse_derainer(node['derainer']))
        yield config.pretty_text
        yield from describe_files(config.get('model'))  # the network itself can name a checkpoint
        files += [checkpoint] if checkpoint else []  # the config does not name bundled weights
    if isinstance(node.get('ann_file'), str):
        files += [Path(node['ann_file']), Path(data_root) / node['ann_file']]
    yield from (file_sha256(path) for path in files if path.is_file())
    for entry in node.values():
        yield from describe_files(entry, data_root)
