"""A training stops at the first loss or weight that is not finite, and saves no checkpoint with such values."""

import pytest
import torch
from mmengine.hooks import Hook
from test_checkpoint_hook import runner_of, saved

from mmderain.errors import InputError


class Spoil(Hook):
    """Make a loss or a weight infinite or NaN in given steps."""

    def __init__(self, steps: tuple[int, ...], value: float, weight: bool = False) -> None:
        self.steps, self.value, self.weight = steps, value, weight

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        wrong = runner.iter + 1 in self.steps
        if self.weight and wrong:
            next(runner.model.parameters()).data.fill_(self.value)
        elif not self.weight:
            runner.model.loss_weights['loss_L1Loss'] = self.value if wrong else 1.0


class SkipUpdates(Hook):
    """Skip the update of the weights for a loss that is not finite, as loss scaling does."""

    def before_train(self, runner):
        update = runner.optim_wrapper.update_params
        runner.optim_wrapper.update_params = lambda loss: update(loss) if torch.isfinite(loss) else None


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_training_stops_at_the_first_loss_that_is_not_finite(value, tmp_path):
    with pytest.raises(InputError) as error:
        runner_of(tmp_path, 2, Spoil((4,), value)).train()
    text = str(error.value)
    assert text.startswith('step 4: ') and 'loss_L1Loss' in text and 'demo/sample/train/' in text
    assert f'The last good checkpoint is {tmp_path}/iter_3.pth. Lower the learning rate' in text
    assert saved(tmp_path) == ['iter_2.pth', 'iter_3.pth']


def test_no_checkpoint_with_a_weight_that_is_not_finite_is_saved(tmp_path):
    with pytest.raises(InputError, match=r'step 4: .*not finite'):
        runner_of(tmp_path, 2, Spoil((4,), float('nan'), weight=True)).train()
    assert saved(tmp_path) == ['iter_2.pth', 'iter_3.pth']


class SpoilBuffers(Hook):
    """Give the model a buffer that becomes infinite in the third step, and one that is infinite but never saved."""

    def before_train(self, runner):
        runner.model.register_buffer('running_mean', torch.zeros(2))
        runner.model.register_buffer('count', torch.zeros(1, dtype=torch.int64))
        runner.model.register_buffer('mask', torch.full((2,), -torch.inf), persistent=False)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 2:
            runner.model.running_mean[1] = torch.inf


def test_no_checkpoint_with_a_buffer_that_is_not_finite_is_saved(tmp_path):
    with pytest.raises(
        InputError, match=r'^step 3: the weight running_mean is not finite. The last good checkpoint is'
    ):
        runner_of(tmp_path, 2, SpoilBuffers()).train()
    assert saved(tmp_path) == ['iter_1.pth', 'iter_2.pth']


@pytest.mark.parametrize('allowed', [1, 2])
def test_a_limited_number_of_successive_steps_may_be_skipped(allowed, tmp_path):
    runner = runner_of(tmp_path, 1, Spoil((2, 3), float('nan')), SkipUpdates())
    (hook,) = [hook for hook in runner.hooks if type(hook).__name__ == 'StopIfNotFiniteHook']
    hook.max_skipped = allowed
    if allowed == 2:
        runner.train()
        assert saved(tmp_path) == ['iter_6.pth']
    else:
        with pytest.raises(InputError, match='step 3: '):
            runner.train()


def test_error_before_the_first_checkpoint_says_that_none_was_saved(tmp_path):
    with pytest.raises(InputError, match='step 1: .* No checkpoint was saved'):
        runner_of(tmp_path, 2, Spoil((1,), float('nan'))).train()
    assert saved(tmp_path) == []
