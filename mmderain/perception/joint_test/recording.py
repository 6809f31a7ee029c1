"""Record the run times, the predictions and the results of single images in a test.

The test loop of mmengine returns only the metrics of the whole test set.
"""

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
    """Evaluate like the ``Evaluator`` of mmengine, and keep the results of each image.

    Args:
        metrics: configs of the metrics, see the ``Evaluator`` of mmengine.
        tested_only: True computes the metrics of COCO over the tested images. False computes the metrics over all
            images of the annotation file. In this case, an image that was not tested counts as an image without
            detections. Default: False.

    Attributes:
        image_results: for each metric, a list with the results of each image. :meth:`evaluate` sets this attribute.
        process_ms: run time of the last call of :meth:`process` in milliseconds.
    """

    def __init__(self, metrics: dict | Sequence[dict], tested_only: bool = False) -> None:
        super().__init__(metrics)
        self.tested_only = tested_only
        self.image_results: list[list] = []
        self.process_ms = 0.0

    def process(self, data_samples: Sequence[BaseDataElement], data_batch: dict | None = None) -> None:
        """Pass the predictions of a batch to the metrics, and measure the run time of the metrics."""
        if torch.cuda.is_available():
            # Wait for the GPU kernels that the task model has started. Without this call, the run time of these kernels
            # would be measured as run time of the metrics.
            torch.cuda.synchronize()
        start = time.perf_counter()
        super().process(data_samples, data_batch)
        self.process_ms = 1000 * (time.perf_counter() - start)

    def evaluate(self, size: int) -> dict:
        """Compute the metrics of the whole test set.

        Args:
            size: number of tested images.

        Returns:
            A dict that maps the name of each metric to its value.
        """
        # Each metric deletes the results of the images after it has computed its value.
        self.image_results = [copy.deepcopy(metric.results[:size]) for metric in self.metrics]
        for metric, results in zip(self.metrics, self.image_results, strict=True):
            if self.tested_only and type(metric).__name__ == 'CocoMetric':
                # If `img_ids` is None, the metric sets it to the ids of all images in the annotation file.
                metric.img_ids = [gt['img_id'] for gt, _ in results]
        return super().evaluate(size)


class RecordingHook(Hook):
    """Measure the run time of the task model in a test, and keep its predictions for some images.

    The hook requires a batch size of 1 and the evaluator :class:`RecordingEvaluator`.

    Args:
        keep: indices of the images whose predictions are kept.

    Attributes:
        milliseconds: run time of the task model for each image, including the data preprocessor of the model.
        predictions: maps the index of an image to its data sample.
    """

    # With this priority, after_test_iter() of this hook runs before after_test_iter() of most other hooks. Therefore
    # the run time of the other hooks is not measured.
    priority = 'VERY_HIGH'

    def __init__(self, keep: frozenset[int] = frozenset()) -> None:
        self.keep = keep
        self.milliseconds: list[float] = []
        self.predictions: dict[int, BaseDataElement] = {}
        self._start = 0.0

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Store the start time of the run time measurement."""
        self._start = time.perf_counter()

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[BaseDataElement] | None = None,
    ) -> None:
        """Store the run time without the time of the evaluator. If ``keep`` contains the index, keep the prediction."""
        elapsed = 1000 * (time.perf_counter() - self._start)
        self.milliseconds.append(elapsed - runner.test_loop.evaluator.process_ms)
        if batch_idx in self.keep and outputs:
            self.predictions[batch_idx] = copy.deepcopy(outputs[0])
