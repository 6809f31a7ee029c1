"""Derain many inputs at once: read in threads, run the network in the calling thread, write in threads."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

import torch
from torch import Tensor

from mmderain.io.image import DecodedImage
from mmderain.io.image_header import MAX_PIXELS
from mmderain.io.video import VideoOptions
from mmderain.models import Derainer

from .batches import BatchRunner, Loaded, Restored, batch_key, input_size, num_bytes
from .jobs import Job, drop
from .results import BrokenDeviceError, InputResult, is_device_broken, is_out_of_memory
from .sources import Source
from .video import derain_video
from .video_report import VideoStoppedError

#: Default number of threads that read and write.
WORKERS = 4
#: No further input is read while the images in the pipeline have more than this number of bytes.
MAX_BYTES = 2**29
#: Sides in pixels of the tiles that are tried one after another if an image is too large for the memory.
TILES = (512, 256, 128)


class Pipeline:
    """Derain inputs while other inputs are read and written.

    The number of inputs in the pipeline is limited, and so is their memory. Therefore the memory does not depend on the
    number of all inputs. Images of the same size that are near each other in the order of the inputs form a batch. The
    batches depend only on the inputs and on the free memory, not on the speed of the threads.

    If a batch fails, its halves are derained one after another. If the memory is too small for a single image, the
    image is derained in tiles, unless the model has a setting for tiles. If the image still fails, its result contains
    the error.

    Args:
        model: a derainer in ``eval()`` mode.
        batch_size: number of images of the same size that are derained together.
        workers: number of threads that read and write.
        max_pixels: largest number of pixels of an image file or a video frame.
        video: options of the result videos. None uses the default options.
        stop: after this event is set, no further input is derained. The results of derained inputs are still written
            and yielded. An incomplete video has no result. None never stops.
    """

    def __init__(
        self,
        model: Derainer,
        batch_size: int = 1,
        workers: int = WORKERS,
        max_pixels: int = MAX_PIXELS,
        video: VideoOptions | None = None,
        stop: Event | None = None,
    ) -> None:
        self.model, self.batch_size, self.max_pixels, self.video = model, batch_size, max_pixels, video
        self.workers, self.stop = workers, stop or Event()
        self._network = BatchRunner(model)
        self._broken: Exception | None = None  # the error after which the GPU cannot be used any more
        self._batch_limits: dict[tuple, int] = {}  # key of a batch that did not fit into the memory -> smaller size
        self._usual_bytes = 0  # memory of the input that was read last
        self._window = max(4 * batch_size, 2 * workers)  # number of inputs that are read ahead
        self._capacity = self._window + batch_size + 2 * workers  # number of inputs in the pipeline

    def run(self, sources: Iterable[Source]) -> Iterator[InputResult]:
        """Derain the inputs, and yield their results in the order of the inputs.

        If the caller ends the iteration, the results of the inputs that were derained are still written.

        Args:
            sources: the inputs. Each input is requested when it can be read.

        Raises:
            BrokenDeviceError: the GPU cannot be used any more. The results of the inputs up to this error were yielded.
        """
        remaining = iter(sources)
        jobs: deque[Job] = deque()  # all inputs in the pipeline, in order
        waiting: deque[Job] = deque()  # those of them that the network has not derained, in order
        with ThreadPoolExecutor(self.workers, 'mmderain') as self._pool:
            try:
                while True:
                    self._read_ahead(remaining, jobs, waiting)
                    if self.stop.is_set() or self._broken is not None:
                        drop(jobs, waiting)
                    if not jobs:
                        if self._broken is not None:
                            raise BrokenDeviceError(self._broken)
                        return
                    with suppress(VideoStoppedError):  # the video is still waiting, and is dropped
                        self._derain_batch(waiting)
                    while jobs and (not waiting or jobs[0] is not waiting[0]):
                        writing = jobs[0].writing
                        if writing is not None and not writing.done() and waiting and len(jobs) < self._capacity:
                            break  # the network can continue
                        if writing is not None:
                            writing.result()
                        yield jobs.popleft().result
            finally:
                drop(jobs, waiting)

    def _read_ahead(self, remaining: Iterator[Source], jobs: deque[Job], waiting: deque[Job]) -> None:
        """Start to read further inputs, until one of the limits is reached."""
        while (
            not self.stop.is_set()
            and self._broken is None
            and len(waiting) < self._window
            and len(jobs) < self._capacity
            and (not jobs or sum(job.num_bytes for job in jobs) < MAX_BYTES)
        ):
            source = next(remaining, None)
            if source is None:
                return
            job = Job(source, InputResult(source.name), num_bytes=self._usual_bytes)
            job.reading = self._pool.submit(self._read, job)
            jobs.append(job)
            waiting.append(job)

    def _read(self, job: Job) -> None:
        """Check the target of an input, and load the input. Worker threads call this method."""
        start = time.perf_counter()
        try:
            if job.source.is_done():
                job.result.skip(job.source.target)
            elif not job.source.is_video:
                loaded = job.source.load(self.max_pixels)
                if job.source.fit_target(loaded) and job.source.is_done():
                    job.result.skip(job.source.target)
                else:
                    job.loaded, job.result.size = loaded, input_size(loaded)
                    job.num_bytes = self._usual_bytes = num_bytes(loaded)
        except Exception as error:  # decoders can raise any exception
            job.result.fail(error)
        job.result.seconds += time.perf_counter() - start

    def _derain_batch(self, waiting: deque[Job]) -> None:
        """Derain the next video or batch. Remove its inputs, and the inputs that are done, from ``waiting``."""
        batch, limit = list[Job](), self.batch_size
        for job in list(waiting):
            assert job.reading is not None
            job.reading.result()
            if job.loaded is None:
                if job.source.is_video and job.result.error is None and not job.result.skipped:
                    if batch:
                        continue
                    self._derain_video(job)
                    waiting.remove(job)
                    return
                waiting.remove(job)
                continue
            key = batch_key(job.loaded)
            if not batch:
                first, limit = key, self._batch_limits.get(key, self.batch_size)
            if key == first:
                batch.append(job)
                waiting.remove(job)
                if len(batch) == limit:
                    break
        if batch:
            self._derain(batch)

    def _derain_video(self, job: Job) -> None:
        start, content, target = time.perf_counter(), job.source.content, job.source.target
        try:
            assert isinstance(content, Path) and isinstance(target, Path)
            if job.source.is_done():  # another process can have written the result since the source was read
                job.result.skip(target)
                return
            report = derain_video(
                self.model, content, target, self.batch_size, None, self.max_pixels, self.video, self.stop
            )
            job.result.notes, job.result.partial = report.notes, not report.complete
            job.result.prediction = report.path if report.complete else None
        except VideoStoppedError:
            raise
        except Exception as error:  # decoders and networks can raise any exception
            self._fail([job], error)
        job.result.seconds += time.perf_counter() - start

    def _derain(self, jobs: list[Job], tile: int | None = None) -> None:
        """Run the network on inputs that can be in one batch, and start to write the results."""
        start, restored, smaller = time.perf_counter(), None, None
        loaded = [job.loaded for job in jobs if job.loaded is not None]
        try:
            restored = self._network(loaded, tile)
        except Exception as error:  # a network can raise any exception
            if is_out_of_memory(error):
                self._batch_limits[batch_key(loaded[0])] = max(1, len(jobs) // 2)
                smaller = self._smaller_tile(loaded[0], tile)
            if (len(jobs) == 1 and smaller is None) or is_device_broken(error):
                self._fail(jobs, error)
                loaded.clear()  # the traceback of the error keeps the local variables of this method
                return
        # The next attempts are not in the except block. There, the tensors of the failed attempt still need memory.
        if restored is not None:
            for job, values in zip(jobs, restored, strict=True):
                job.result.seconds += (time.perf_counter() - start) / len(jobs)
                job.writing = self._pool.submit(self._write, job, values)
            return
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(jobs) == 1:
            self._derain(jobs, smaller)
        else:
            self._derain(jobs[: len(jobs) // 2], tile)
            self._derain(jobs[len(jobs) // 2 :], tile)

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        """Store the error of the network for its inputs."""
        for job in jobs:
            job.result.fail(error)
            job.loaded = None
        if is_device_broken(error):
            self._broken = error

    def _smaller_tile(self, loaded: Loaded, tile: int | None) -> int | None:
        """Return the side of the next smaller tiles; None if there are none, or if the model sets the tiles."""
        if self.model.tile is not None:
            return None
        return next((side for side in TILES if side < (tile or max(input_size(loaded)))), None)

    def _write(self, job: Job, restored: Restored) -> None:
        """Convert a result to the type of the input, and write it. Worker threads call this method."""
        start, loaded, content = time.perf_counter(), job.loaded, job.source.content
        try:
            restored.wait()
            if isinstance(loaded, DecodedImage):
                job.result.prediction = job.source.save(restored.to_array(loaded))
                job.result.notes = job.source.notes
            else:
                has_batch_axis = isinstance(content, Tensor) and content.dim() == 4
                job.result.prediction = restored.values if has_batch_axis else restored.values[0]
        except Exception as error:  # an encoder can raise any exception
            job.result.fail(error)
        job.loaded = None
        job.result.seconds += time.perf_counter() - start
