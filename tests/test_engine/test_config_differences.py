"""The config of a resumed training is compared with the config in the checkpoint, which is parsed and not run."""

import math
import re

import pytest
from mmengine.config import Config
from test_resume_config import BY_STEPS

from mmderain.engine.resume import completed, require_training_state
from mmderain.engine.resume_config import config_differences, parse_config_text
from mmderain.errors import InputError

#: Maps each changed setting to the line of the error message.
CHANGES = {
    'train_cfg.max_iters=12': '6 -> 12',
    'optim_wrapper.optimizer.lr=0.002': '0.001 -> 0.002',
    'optim_wrapper.optimizer.weight_decay=0': '0.01 -> 0',
    'optim_wrapper.optimizer.type=AdamW': "'Adam' -> 'AdamW'",
    'optim_wrapper.clip_grad.max_norm=1': 'not set -> 1',
    'optim_wrapper.accumulative_counts=2': 'not set -> 2',
    'optim_wrapper.type=mmderain.BFloat16OptimWrapper': "'OptimWrapper' -> 'mmderain.BFloat16OptimWrapper'",
    'param_scheduler.1.T_max=8': '4 -> 8',
    'param_scheduler.0.end=1': '2 -> 1',
    'train_dataloader.batch_size=2': '1 -> 2',
    'train_dataloader.dataset.pipeline.3.preset=light': "'heavy' -> 'light'",
    'train_dataloader.sampler.repeat=2': 'not set -> 2',
    'train_dataloader.dataset.data_root=None': 'a str -> not set',
    'randomness.seed=1': '0 -> 1',
    'model.loss.1.loss_weight=2.0': 'not set -> 2.0',
    'model.network.channels=8': '4 -> 8',
    'auto_scale_lr.enable=True': 'not set -> True',
}


@pytest.fixture(scope='module')
def steps(tmp_path_factory):
    """Return the config of the run by steps, and the content of a checkpoint with this config."""
    folder = tmp_path_factory.mktemp('config')
    (folder / 'config.py').write_text(BY_STEPS)
    cfg = Config.fromfile(folder / 'config.py')
    return cfg, dict(meta=dict(cfg=cfg.pretty_text))


@pytest.mark.parametrize('change', CHANGES)
def test_each_setting_that_affects_the_weights_is_compared(steps, change):
    cfg, checkpoint = steps[0].copy(), steps[1]
    key, _, value = change.partition('=')
    assert config_differences(cfg, checkpoint) == {}
    cfg = Config.fromfile(cfg.filename)
    cfg.merge_from_dict({key: parse_config_text(f'x = {value}')['x'] if value[0] in 'N0123456789T' else value})
    assert config_differences(cfg, checkpoint) == {key: CHANGES[change]}
    assert config_differences(cfg, checkpoint, {key}) == {}


@pytest.mark.parametrize('content', [[1, 2], {}, dict(state_dict={}), dict(meta={}), dict(meta=dict(iter=3)), None])
def test_a_file_without_the_steps_of_a_training_is_refused(content):
    with pytest.raises(InputError, match='^a.pth: found no entries meta.iter and meta.epoch; expected a checkpoint of'):
        require_training_state(content, 'a.pth')


def test_a_training_with_steps_left_is_not_complete():
    assert completed(Config(dict(train_cfg=dict(max_iters=7))), dict(meta=dict(iter=6, epoch=9))) is None
    assert completed(Config(dict(train_cfg=dict(max_epochs=9))), dict(meta=dict(iter=6, epoch=8))) is None


def test_the_text_of_a_config_is_parsed_and_not_run(tmp_path, capsys):
    text = "a = dict(b=[-1, (2, 3)], c={'x-y': inf, 2: -inf}, d=dict({3: None}), e=torch.optim.Adam, f=set(), g=1e-06)"
    assert parse_config_text(text) == dict(
        a=dict(b=[-1, [2, 3]], c={'x-y': math.inf, 2: -math.inf}, d={3: None}, e='torch.optim.Adam', f=set(), g=1e-6)
    )
    call = f"a = open({str(tmp_path / 'file')!r}, 'w')"
    assert re.fullmatch(r"open\('.*', 'w'\)", parse_config_text(call)['a']) and not (tmp_path / 'file').exists()
    for wrong in ("open('file', 'w')", 'a = b ==', 'import os', 'a.b = 3'):
        assert config_differences(Config(), dict(meta=dict(cfg=wrong))) == {}
    for without in ({}, dict(meta={}), dict(meta=dict(cfg=None))):
        assert config_differences(Config(dict(model=1)), without) == {}
