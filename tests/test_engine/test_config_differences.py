"""The config of a resumed training is compared with the config in the checkpoint, which is parsed and not run."""

import math
import re

import pytest
from mmengine.config import Config
from test_not_finite import Lines
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
    'train_dataloader.dataset.data_prefix.img=rain': "not set -> 'rain'",
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


@pytest.mark.parametrize(
    'content',
    [
        *([1, 2], {}, dict(state_dict={}), dict(meta={}), dict(meta=dict(iter=3)), None),
        *(dict(meta=dict(iter='3', epoch=0)), dict(meta=dict(iter=3, epoch=None)), dict(meta=dict(iter=3.0, epoch=0))),
    ],
)
def test_a_file_without_the_steps_of_a_training_is_refused(content):
    with pytest.raises(
        InputError, match='^a.pth: found no integers meta.iter and meta.epoch; expected a checkpoint of'
    ):
        require_training_state(content, 'a.pth')


def test_a_checkpoint_without_the_optimizer_or_the_schedule_is_refused():
    meta = dict(iter=3, epoch=0)
    weights = dict(meta=meta, state_dict={})
    advice = (
        'this checkpoint contains only weights, as the files best_*.pth do. Resume from an iter_*.pth or epoch_*.pth '
        'file. To start a new training from these weights, use --cfg-options load_from=FILE without --resume.'
    )
    for needs_schedule, missing in ((True, 'optimizer, param_schedulers'), (False, 'optimizer')):
        with pytest.raises(InputError) as error:
            require_training_state(weights, 'best_PSNR_iter_3.pth', needs_schedule)
        assert str(error.value) == f'best_PSNR_iter_3.pth: found no {missing}; {advice}'
    without_schedule = weights | dict(optimizer={})
    with pytest.raises(
        InputError, match='^a.pth: found no param_schedulers, but the config has a param_scheduler. Res'
    ):
        require_training_state(without_schedule, 'a.pth', True)
    assert require_training_state(without_schedule, 'a.pth') is without_schedule
    complete = without_schedule | dict(param_schedulers=[])
    assert require_training_state(complete, 'a.pth', True) is complete


def differences(old: str, new: dict) -> dict[str, str]:
    return config_differences(Config(new), dict(meta=dict(cfg=old)))


def test_equal_numbers_of_other_types_are_equal_and_switches_are_not():
    assert (
        differences('optim_wrapper = dict(lr=1.0, betas=(0, 0.5))', dict(optim_wrapper=dict(lr=1, betas=(0.0, 0.5))))
        == {}
    )
    assert differences('optim_wrapper = dict(a=1, b=[0])', dict(optim_wrapper=dict(a=True, b=[False]))) == {
        'optim_wrapper.a': '1 -> True',
        'optim_wrapper.b': '[0] -> [False]',
    }


def test_the_number_of_processes_is_compared_if_the_checkpoint_contains_it(steps):
    cfg, checkpoint = steps
    with_processes = dict(meta=checkpoint['meta'] | dict(world_size=8))
    assert config_differences(cfg, with_processes, processes=4) == {'number of processes': '8 -> 4'}
    assert config_differences(cfg, with_processes, processes=8) == config_differences(cfg, with_processes) == {}
    assert config_differences(cfg, checkpoint, processes=4) == {}


def test_of_the_list_of_images_only_the_name_is_compared():
    old = "train_dataloader = dict(dataset=dict(data_root='/a', ann_file='/a/train.txt', data_prefix=dict(img='x')))"

    def new(ann_file, img='x'):
        dataset = dict(data_root='/b', ann_file=ann_file, data_prefix=dict(img=img))
        return dict(train_dataloader=dict(dataset=dataset))

    assert differences(old, new('lists/train.txt')) == {}
    assert differences(old, new('/a/all.txt', 'y')) == {
        'train_dataloader.dataset.ann_file': "'/a/train.txt' -> '/a/all.txt'",
        'train_dataloader.dataset.data_prefix.img': "'x' -> 'y'",
    }


def test_a_training_with_steps_left_is_not_complete():
    assert completed(Config(dict(train_cfg=dict(max_iters=7))), dict(meta=dict(iter=6, epoch=9))) is None
    assert completed(Config(dict(train_cfg=dict(max_epochs=9))), dict(meta=dict(iter=6, epoch=8))) is None


def test_the_text_of_a_config_is_parsed_and_not_run(tmp_path, capsys):
    text = "a = dict(b=[-1, (2, 3)], c={'x-y': inf, 2: -inf}, d=dict({3: None}), e=torch.optim.Adam, f=set(), g=1e-06, "
    text += 'h=-x)'
    assert parse_config_text(text) == dict(
        a=dict(
            b=[-1, [2, 3]],
            c={'x-y': math.inf, 2: -math.inf},
            d={3: None},
            e='torch.optim.Adam',
            f=set(),
            g=1e-6,
            h='-x',
        )
    )
    call = f"a = open({str(tmp_path / 'file')!r}, 'w')"
    assert re.fullmatch(r"open\('.*', 'w'\)", parse_config_text(call)['a']) and not (tmp_path / 'file').exists()
    for wrong in ("open('file', 'w')", 'a = b ==', 'import os', 'a.b = 3'):
        assert config_differences(Config(), dict(meta=dict(cfg=wrong))) == {}


@pytest.mark.parametrize(
    'meta, reason',
    [
        ({}, 'it is missing'),
        (dict(cfg=None), 'it is missing'),
        (dict(cfg='import os'), 'line 1 is not of the form name = value'),
    ],
)
def test_a_missing_or_unreadable_config_is_in_the_log(meta, reason):
    lines = Lines()
    assert config_differences(Config(dict(model=1)), dict(meta=meta)) == {}
    text = 'it is not compared with the config of this training.'
    assert lines.lines == [f'WARNING The config in the checkpoint cannot be read ({reason}); {text}']
