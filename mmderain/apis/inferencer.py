"""The inferencer, which derains images and videos."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import cast

from mmderain import DEFAULT_DERAINER
from mmderain.errors import InputError, require_whole_number
from mmderain.io.image_header import MAX_PIXELS
from mmderain.io.naming import Naming
from mmderain.io.video import VideoOptions
from mmderain.models.fast_path import at_once, pays, prepare_derainer

from .model import default_device, require_compiler, trained_derainer
from .pipeline import WORKERS, Pipeline
from .plan import Plan
from .plans import make_plan
from .progress import show_progress
from .remote_plan import RemotePlan
from .results import Inference, InputResult, is_out_of_memory
from .run_log import finished_outputs, logged
from .shards import Shard
from .sources import InMemory, Input
from .tar_shards import TarPlan, derain_shards


class DerainInferencer:
    """Derain images and videos.

    Args:
        model: name of a model with bundled weights, such as ``'nafnet'``; name of a bundled config, such as
            ``'sian_rain100h'``; path of a config file; or a config as a dict with the key ``model``. The command
            ``mmderain models`` lists the names.
        weights: path or URL of a checkpoint. None uses the weights of the named model.
        device: device of the model, such as ``'cpu'`` or ``'cuda:0'``. None uses the first GPU if there is one.
        precision: ``'fp32'``, ``'bf16'``, ``'fp16'`` or ``'auto'``, see :class:`~mmderain.models.Derainer`. None uses
            the value of the config, or float32 if the config has no value.
        tile: side of the tiles in pixels. 0 never uses tiles. None uses the value of the config. If the config has no
            value, tiles are used only for images that are too large for the free memory.
        compile: True compiles the network with ``torch.compile``, which makes it faster. The compilation takes a minute
            or more for each input size. A smaller last batch also counts as another size. None uses the value of the
            config, or False if the config has no value.
        max_pixels: largest number of pixels of an image file or a video frame. A larger image or video is refused
            before its pixels are decoded. Default: 500 million.
        prepare: True compiles the network for each image size after the first image of this size, and uses the
            compiled network if it was measured to be faster (:meth:`~mmderain.models.Derainer.prepare`). None does
            this only after ten minutes of images of one size. Default: False, which never does it.

    Raises:
        FileNotFoundError: the config file or the checkpoint does not exist.
        InputError: no model has this name, ``weights`` is missing and no weights are bundled, the checkpoint does not
            fit the config, the machine has no such device, or torch cannot compile on this machine.

    Example::

        inferencer = DerainInferencer('sian')
        array = inferencer('rainy.jpg').predictions[0]
        inferencer('rainy_images/', out_dir='derained')
    """

    def __init__(
        self,
        model: str | Path | dict = DEFAULT_DERAINER,
        weights: str | Path | None = None,
        device: str | None = None,
        precision: str | None = None,
        tile: int | None = None,
        compile: bool | None = None,
        max_pixels: int = MAX_PIXELS,
        prepare: bool | None = False,
    ) -> None:
        require_whole_number('max_pixels', max_pixels, 1)
        if compile and prepare:
            raise InputError('compile=True and prepare=True: both compile the network; use one of them')
        self.max_pixels = max_pixels
        device = device or default_device()
        options = {'model.precision': precision, 'model.tile': tile, 'model.compile': compile}
        self.model = trained_derainer(model, weights, device, options)
        if compile:
            require_compiler(device)
        elif prepare is not False:
            self.model = prepare_derainer(self.model, rule=at_once if prepare else pays)

    def __call__(
        self,
        inputs: Input | Iterable[Input],
        batch_size: int = 1,
        out_dir: str | Path | None = None,
        existing: str = 'refuse',
        progress: bool = False,
        workers: int = WORKERS,
        video: VideoOptions | None = None,
        keep_suffix: bool = False,
    ) -> Inference:
        """Derain images and videos.

        If an input cannot be derained, the other inputs are still derained. The attribute ``failures`` of the result
        contains the error message. If ``inputs`` is not a list and contains only one image, video, array or tensor, the
        error is raised instead.

        Args:
            inputs: one input, or a list or iterator of inputs. An input is one of these:

                * the path of an image file or a video file;
                * the path of a folder, whose images and videos are derained, including those in its sub-folders;
                * the URL of an image or a folder, such as ``'s3://bucket/photos'``, see
                  :class:`~mmderain.apis.remote_plan.RemotePlan`;
                * WebDataset shards, such as ``'shards/{000..099}.tar'``, see
                  :func:`~mmderain.apis.tar_shards.derain_shard`;
                * an array, uint8 or uint16, with the shape (H, W), (H, W, 3) BGR or (H, W, 4) BGRA. An array with the
                  shape (N, H, W, 3) counts as N inputs;
                * a Pillow image. The result is an array, BGR or BGRA;
                * a tensor, RGB in [0, 1], with the shape (3, H, W) or (N, 3, H, W).
            batch_size: number of images of the same size that are derained together. Images of other sizes can be
                between them. Default: 1.
            out_dir: folder for the result files, or a URL. A result file has the name of its input file. The suffix
                changes to that of ``video.container`` for a video, and to .png if the image format cannot be written.
                If a file named ``a.jpg`` has transparent pixels, its result is ``a.jpg.png``. Results of a folder have
                the sub-folders of the input folder. The result of the fourth array of a list is ``input_3.png``.
                Results of tensors are returned, not written. None returns all results as arrays; videos and shards need
                a folder.
            existing: what to do if a result file already exists. With ``'refuse'``, the input fails. ``'skip'`` keeps
                the file and does not derain the input. ``'replace'`` replaces the file. Default: ``'refuse'``.
            progress: True shows a progress bar. Default: False.
            workers: number of threads that read and write files while the network runs. Default: 4.
            video: codec, quality and other options of the result videos. None uses the default options.
            keep_suffix: True appends a new suffix to the name of a result file: ``a.gif`` becomes ``a.gif.png``. False
                replaces the suffix: ``a.gif`` becomes ``a.png``, and fails if the folder also contains ``a.png``.
                Default: False.

        Returns:
            The result, with one prediction for each image, video, array and tensor.

        Raises:
            FileNotFoundError: there is only one input, and it does not exist.
            InputError: an argument is not as expected, or an input folder contains no image or video. In these cases,
                no input is derained. Also raised if ``inputs`` is a single input without a list, and this input fails.
        """
        is_single = isinstance(inputs, str | os.PathLike | InMemory)
        items = [cast('Input', inputs)] if is_single else cast('Iterable[Input]', inputs)
        results = list(
            self.stream(items, batch_size, out_dir, existing, progress, workers, video, keep_suffix=keep_suffix)
        )
        if is_single and len(results) == 1 and results[0].error is not None:
            error = results[0].error
            if isinstance(error, OSError | InputError) or is_out_of_memory(error):
                raise InputError(results[0].reason) from error
            raise error
        return Inference(results)

    def stream(
        self,
        inputs: Input | Iterable[Input],
        batch_size: int = 1,
        out_dir: str | Path | None = None,
        existing: str = 'refuse',
        progress: bool = False,
        workers: int = WORKERS,
        video: VideoOptions | None = None,
        shard: Shard | None = None,
        log: str | Path | None = None,
        stop: Event | None = None,
        keep_suffix: bool = False,
    ) -> Iterator[InputResult]:
        """Derain images and videos, and return an iterator over their results.

        Only a few inputs and results are in memory at the same time. Therefore ``inputs`` can contain folders of
        millions of images, or can be an iterator that never ends. If an input cannot be derained, its result contains
        the error.

        Args:
            inputs: one input, a list of inputs or an iterator over inputs, as in :meth:`__call__`.
            batch_size: as in :meth:`__call__`.
            out_dir: as in :meth:`__call__`.
            existing: as in :meth:`__call__`.
            progress: as in :meth:`__call__`.
            workers: as in :meth:`__call__`.
            video: as in :meth:`__call__`.
            shard: derain only this part of the inputs, see :class:`~mmderain.apis.Shard`. None derains all inputs.
            log: path of a JSONL file, to which a line is appended for each result, see :mod:`mmderain.apis.run_log`.
                With ``existing='skip'``, inputs that the log names as complete are left out, and their result files are
                not checked. None writes no log.
            stop: if another thread or a signal handler sets this event, the iterator ends after the inputs that the
                network has already derained. None never ends early.
            keep_suffix: as in :meth:`__call__`.

        Returns:
            An iterator over the results, in the order of the inputs.

        Raises:
            FileNotFoundError: there is only one input, and it does not exist.
            InputError: an argument is not as expected, or an input folder contains no image or video.

        Example::

            for result in inferencer.stream(['rainy_images/'], batch_size=16, out_dir='derained', log='run.jsonl'):
                print(result.name, result.status)
        """
        finished = finished_outputs(log) if log is not None and existing == 'skip' else ()
        items = [inputs] if isinstance(inputs, str | os.PathLike | InMemory) else inputs
        options = video or VideoOptions()
        naming = Naming(options.container, keep_suffix)
        plan = make_plan(items, out_dir, existing, shard, finished, naming, share_videos=options.shard[1] > 1)
        return self.run(plan, batch_size, progress, workers, video, log, stop)

    def run(
        self,
        plan: Plan | RemotePlan | TarPlan,
        batch_size: int = 1,
        progress: bool = False,
        workers: int = WORKERS,
        video: VideoOptions | None = None,
        log: str | Path | None = None,
        stop: Event | None = None,
    ) -> Iterator[InputResult]:
        """Derain the sources of a plan, and return an iterator over their results.

        Args:
            plan: the sources, or the shards. Another iterable of sources with a method ``count`` can take its place.
            batch_size: as in :meth:`__call__`.
            progress: as in :meth:`__call__`.
            workers: as in :meth:`__call__`.
            video: as in :meth:`__call__`. The plan must be made with the same options.
            log: path of a log to which a line is appended for each result. None writes no log.
            stop: as in :meth:`stream`.

        Returns:
            An iterator over the results, in the order of the sources.
        """
        require_whole_number('batch_size', batch_size, 1)
        require_whole_number('workers', workers, 1)
        pipeline = Pipeline(self.model, batch_size, workers, self.max_pixels, video, stop)
        results = derain_shards(pipeline, plan) if isinstance(plan, TarPlan) else pipeline.run(plan)
        if log is not None:
            results = logged(results, log)
        return show_progress(results, plan.count) if progress else results
