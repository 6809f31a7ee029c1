"""Options that several commands share, so that their names and help texts are the same in all commands."""

import argparse
from collections.abc import Sequence

from mmengine.config import DictAction

from mmderain import DEFAULT_DERAINER
from mmderain.rain import PRESETS


def add_model_options(parser: argparse.ArgumentParser, default: str | None = DEFAULT_DERAINER) -> None:
    """Add ``--model`` and ``--weights`` of a derainer."""
    parser.add_argument(
        '--model',
        default=default,
        help=f'the derainer: a name that `mmderain models` lists, or the path of a config file or of a folder '
        f'(default: {default or "none"})',
    )
    add_weights_option(parser)


def add_weights_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--weights`` of a derainer."""
    text = 'checkpoint file or URL of the derainer (default: the weights of a named model; required for a config file)'
    parser.add_argument('--weights', type=checkpoint_file, metavar='FILE', help=text)
    add_trust_option(parser)


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--trust-unhashed``. All commands that accept the URL of a checkpoint have this option."""
    parser.add_argument(
        '--trust-unhashed',
        action='store_true',
        help='accept the URL of a checkpoint whose hash is not known, and remember its hash (default: refuse it)',
    )


def add_device_option(parser: argparse.ArgumentParser, default: str | None = None, models: str = 'all models') -> None:
    """Add ``--device``.

    Args:
        parser: parser to extend.
        default: default device. None chooses the first GPU if there is one, else the CPU.
        models: description of the models that run on the device, for the help text.
    """
    shown = default or 'the first GPU if there is one, else cpu'
    parser.add_argument(
        '--device', default=default, help=f'device of {models}, such as cpu or cuda:0 (default: {shown})'
    )


def add_precision_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--precision`` of the derainer."""
    parser.add_argument(
        '--precision',
        choices=['auto', 'fp32', 'bf16', 'fp16'],
        default='auto',
        help='number format in which the derainer computes. auto: bf16 if the device has bf16 in hardware, and if '
        'bf16 is faster than fp32 in a short measurement; else fp32 (default: auto)',
    )


def add_existing_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--existing``, which decides what happens to result files that already exist."""
    parser.add_argument(
        '--existing',
        choices=['refuse', 'skip', 'replace'],
        default='refuse',
        help='what to do if a result file already exists. refuse: report an error, and keep the file; skip: do not '
        'process the input, and keep the existing result file; replace: process the input, and replace the existing '
        'result file (default: refuse)',
    )


def add_keep_suffix_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--keep-suffix``, which avoids that two inputs have the same result file."""
    parser.add_argument(
        '--keep-suffix',
        action='store_true',
        help='if the format of a file changes, append the new suffix to the name, so that a.gif becomes a.gif.png '
        '(default: replace the suffix, so that a.gif becomes a.png)',
    )


def add_rain_options(parser: argparse.ArgumentParser, default: str, allow_none: bool = True) -> None:
    """Add ``--rain`` and ``--seed``.

    Args:
        parser: parser to extend.
        default: default rain, for example ``'heavy:2'``.
        allow_none: whether ``none`` is accepted.
    """
    parser.add_argument('--rain', default=default, help=f'{rain_help(allow_none)} (default: {default})')
    parser.add_argument('--seed', type=int, default=0, help='seed of the random rain (default: 0)')


def add_launcher_option(parser: argparse.ArgumentParser, run: str, scripts: str) -> None:
    """Add the option ``--launcher``.

    Args:
        parser: parser of a tool that can run in several processes.
        run: what the tool does: ``'training'`` or ``'test'``.
        scripts: the scripts that set this option.
    """
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help=f'for a {run} in several processes: the program that started the processes. {scripts} set this option '
        f'(default: none, for a {run} in one process)',
    )
    # torch.distributed.launch, which `mim train --launcher pytorch` uses, passes this option to each process. It also
    # sets the environment variable LOCAL_RANK, and mmengine reads only this variable.
    parser.add_argument('--local-rank', type=int, help=argparse.SUPPRESS)


def add_cfg_options(parser: argparse.ArgumentParser, example: str) -> None:
    """Add ``--cfg-options``, which overrides entries of a config.

    Args:
        parser: parser to extend.
        example: one option, for the help text.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptionsAction,
        metavar='KEY=VALUE',
        help=f'replace values of the config, for example {example}. Dots in KEY separate nested keys '
        '(default: use the config unchanged)',
    )


class CfgOptionsAction(DictAction):
    """The ``DictAction`` of mmengine, with a clear error message for text that is not ``KEY=VALUE``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Add the options to the dictionary of the namespace."""
        for text in values:
            key, equals, _ = text.partition('=')
            if not key or not equals:
                raise argparse.ArgumentError(self, f'found {text!r}, expected KEY=VALUE')
            try:
                super().__call__(parser, namespace, [text], option_string)
            except AssertionError:  # mmengine asserts that brackets are balanced
                raise argparse.ArgumentError(self, f'found {text!r}; its brackets are not balanced') from None


def rain_help(allow_none: bool = True) -> str:
    """Return the help text of the option ``--rain``.

    Args:
        allow_none: whether ``none`` is accepted.
    """
    none = '. Use none if the images already show real rain' if allow_none else ''
    return (
        f'rain to draw: {", ".join(PRESETS)}. A severity from 1 (weakest) to 5 can follow each name, as in heavy:4; '
        f'without it, the severity is 3. Join several names by +, as in light+mist:2{none}'
    )


def rain_or_none(text: str) -> str | None:
    """Return the value of ``--rain``, or None if it is ``'none'``."""
    return None if text == 'none' else text


def checkpoint_file(text: str) -> str:
    """Return the file or URL of a checkpoint unchanged, after checking that the text is not empty.

    All options and arguments that name a checkpoint use this function as their type. The programs read the checkpoint
    with :func:`~mmderain.io.read_checkpoint`, which never runs code from a file.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError('expected the file or URL of a checkpoint, found an empty text')
    return text


def non_negative_int(text: str) -> int:
    """Convert text to an integer of at least 0."""
    return _whole_number(text, 0)


def positive_int(text: str) -> int:
    """Convert text to an integer of at least 1."""
    return _whole_number(text, 1)


def _whole_number(text: str, minimum: int) -> int:
    if not text.isdecimal() or int(text) < minimum:
        raise argparse.ArgumentTypeError(f'expected an integer of at least {minimum}, found {text!r}')
    return int(text)
