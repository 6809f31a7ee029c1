"""Record what a test loop of mmengine does not return: times, predictions, and the metric's results of each image."""

import copy
import time
from collections.abc import Sequence

import torch
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

from mmderain.registry import EVALUATOR


@EVALUATOR.register_module()
class RecordingEvaluator(Evaluator):
    """Evaluate as mmengine does, and keep what the metrics noted of each image.

    Args:
        metrics: as for mmengine's ``Evaluator``.
        tested_only: compute metrics of COCO over the tested images. By default they are computed over all images of
            the annotation file, where an image that was not tested counts as one in which nothing was found.

    Attributes:
        image_results: for each metric, its list of results, one for each image. Filled by :meth:`evaluate`.
        process_ms: duration of the last call of :meth:`process`, milliseconds.
    """

    def __init__(self, metrics: dict | Sequence[dict], tested_only: bool = False) -> None:
        super().__init__(metrics)
        self.tested_only = tested_only
        self.image_results: list[list] = []
        self.process_ms = 0.0

    def process(self, data_samples: Sequence[BaseDataElement], data_batch: dict | None = None) -> None:
        """Pass the predictions of a batch to the metrics, and measure how long this takes."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # what the model has queued is the model's time
        start = time.perf_counter()
        super().process(data_samples, data_batch)
        self.process_ms = 1000 * (time.perf_counter() - start)

    def evaluate(self, size: int) -> dict:
        """Compute the metrics of the whole test set.

        Args:
            size: number of images.

        Returns:
            Name -> value.
        """
        # The metrics empty their lists when they have computed.
        self.image_results = [copy.deepcopy(metric.results[:size]) for metric in self.metrics]
        for metric, results in zip(self.metrics, self.image_results, strict=True):
            if self.tested_only and type(metric).__name__ == 'CocoMetric':
                metric.img_ids = [gt['img_id'] for gt, _ in results]  # which would be set to all images if left None
        return super().evaluate(size)


class RecordingHook(Hook):
    """Measure the time of the task model in a test, and keep its predictions for a few images.

    Needs a batch size of 1 and :class:`RecordingEvaluator`.

    Args:
        keep: indices of the images whose predictions are kept.

    Attributes:
        milliseconds: time of the model for each image, its data preprocessor included.
        predictions: index -> data sample.
    """

    priority = 'VERY_HIGH'  # no work of other hooks lies between the two times

    def __init__(self, keep: frozenset[int] = frozenset()) -> None:
        self.keep = keep
        self.milliseconds: list[float] = []
        self.predictions: dict[int, BaseDataElement] = {}
        self._start = 0.0

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Note the start of the model."""
        self._start = time.perf_counter()

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[BaseDataElement] | None = None,
    ) -> None:
        """Note the time since the start, without that of the evaluator, and keep the prediction if required."""
        elapsed = 1000 * (time.perf_counter() - self._start)
        self.milliseconds.append(elapsed - runner.test_loop.evaluator.process_ms)
        if batch_idx in self.keep and outputs:
            self.predictions[batch_idx] = copy.deepcopy(outputs[0])
