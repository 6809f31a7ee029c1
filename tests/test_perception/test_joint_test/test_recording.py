import time
from types import SimpleNamespace

from mmengine.evaluator import BaseMetric
from mmengine.structures import BaseDataElement

from mmderain.perception.joint_test import RecordingEvaluator, RecordingHook


class CocoMetric(BaseMetric):
    """Slow metric with the class name and the attribute `img_ids` of mmdet's metric.

    Its score is the number of tested images divided by the length of `img_ids`, or by four if `img_ids` is None.
    """

    default_prefix = 'fake'
    img_ids = None

    def process(self, data_batch, data_samples):
        time.sleep(0.2)
        self.results += [(dict(img_id=sample['img_id']), {}) for sample in data_samples]

    def compute_metrics(self, results):
        return dict(share=len(results) / len(self.img_ids or range(4)))


def test_times_predictions_and_results_of_each_image_are_recorded():
    for tested_only, share in ((False, 0.5), (True, 1.0)):
        evaluator = RecordingEvaluator(CocoMetric(), tested_only)
        hook = RecordingHook(frozenset([1]))
        runner = SimpleNamespace(test_loop=SimpleNamespace(evaluator=evaluator))
        for number in range(2):
            outputs = [BaseDataElement(metainfo=dict(img_id=number))]
            hook.before_test_iter(runner, number, {})
            time.sleep(0.01)  # the time of the model
            evaluator.process(outputs, {})
            hook.after_test_iter(runner, number, {}, outputs)
        assert all(9 < value < 150 for value in hook.milliseconds) and len(hook.milliseconds) == 2
        assert hook.predictions.keys() == {1} and hook.predictions[1].img_id == 1
        assert evaluator.evaluate(2) == {'fake/share': share}
        assert evaluator.image_results == [[(dict(img_id=0), {}), (dict(img_id=1), {})]]
