"""Record the run time, prediction and result of each image, which the test loop of mmengine does not return."""

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
    """Evaluate as the ``Evaluator`` of mmengine does, and keep the results of each image.

    Args:
        metrics: configs of the metrics, see the ``Evaluator`` of mmengine.
        tested_only: True computes the metrics of COCO over the tested images. False computes them over all images of
            the annotation file, and an image that was not tested counts as an image without detections. Default: False.

    Attributes:
        image_results: for each metric, a list with the results of each image. :meth:`evaluate` sets it.
        process_ms: run time of the last call of :meth:`process` in milliseconds.
    """

    def __init__(self, metrics: dict | Sequence[dict], tested_only: bool = False) -> None:
        super().__init__(metrics)
        self.tested_only = tested_only
        self.image_results: list[list] = []
        self.process_ms = 0.0

    def process(self, data_samples: Sequence[BaseDataElement], data_batch: dict | None = None) -> None:
        """Pass the predictions of a batch to the metrics, and measure the run time."""
        if torch.cuda.is_available():
            # Wait for the kernels that the model has started, so that their time counts for the model.
            torch.cuda.synchronize()
        start = time.perf_counter()
        super().process(data_samples, data_batch)
        self.process_ms = 1000 * (time.perf_counter() - start)

    def evaluate(self, size: int) -> dict:
        """Compute the metrics of the whole test set.

        Args:
            size: number of images.

        Returns:
            A dict that maps the name of each metric to its value.
        """
        # Each metric deletes the results of the images after it has computed its value.
        self.image_results = [copy.deepcopy(metric.results[:size]) for metric in self.metrics]
        for metric, results in zip(self.metrics, self.image_results, strict=True):
            if self.tested_only and type(metric).__name__ == 'CocoMetric':
                # If this is None, the metric sets it to all images of the annotation file.
                metric.img_ids = [gt['img_id'] for gt, _ in results]
        return super().evaluate(size)


class RecordingHook(Hook):
    """Measure the run time of the task model in a test, and keep its predictions for some images.

    The hook requires a batch size of 1 and :class:`RecordingEvaluator`.

    Args:
        keep: indices of the images whose predictions are kept.

    Attributes:
        milliseconds: run time of the model, including its data preprocessor, for each image.
        predictions: maps the index of an image to its data sample.
    """

    # after_test_iter() runs before the same method of most other hooks, so that their run time is not measured.
    priority = 'VERY_HIGH'

    def __init__(self, keep: frozenset[int] = frozenset()) -> None:
        self.keep = keep
        self.milliseconds: list[float] = []
        self.predictions: dict[int, BaseDataElement] = {}
        self._start = 0.0

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Start the measurement."""
        self._start = time.perf_counter()

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[BaseDataElement] | None = None,
    ) -> None:
        """Store the run time without the time of the evaluator, and keep the prediction if its index is in ``keep``."""
        elapsed = 1000 * (time.perf_counter() - self._start)
        self.milliseconds.append(elapsed - runner.test_loop.evaluator.process_ms)
        if batch_idx in self.keep and outputs:
            self.predictions[batch_idx] = copy.deepcopy(outputs[0])
