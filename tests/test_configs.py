"""Every config builds, and a reduced one takes a training step."""

import pytest
import torch
from conftest import ROOT, write_pairs
from mmengine.config import Config
from mmengine.runner import Runner

from mmderain.apis import init_model
from mmderain.registry import DATASETS

CONFIGS = sorted(path.relative_to(ROOT / 'configs').as_posix() for path in (ROOT / 'configs/derain').glob('*.py'))

#: Of SIAN's tables: config -> parameters, stages, loss.
FULL, BARE = 491_939, 353_603
ROWS = {
    'sian_rain100l': (FULL, 6, 'SSIMLoss'),
    'sian_rain100h': (FULL, 6, 'SSIMLoss'),
    'sian_rain1400': (FULL, 6, 'SSIMLoss'),
    'sian_rain12': (FULL, 6, 'SSIMLoss'),
    'sian_rain100h_mae': (FULL, 6, 'L1Loss'),
    'sian_rain100h_mse': (FULL, 6, 'MSELoss'),
    'sian_rain100h_baseline': (BARE, 1, 'SSIMLoss'),
    'sian_rain100h_lstm': (BARE, 6, 'SSIMLoss'),
}


def load(name: str) -> Config:
    return Config.fromfile(ROOT / 'configs' / name)


@pytest.mark.parametrize('name', CONFIGS)
def test_model_builds_and_restores(name):
    model = init_model(ROOT / 'configs' / name)
    batch = torch.rand(1, 3, 17, 13)
    with torch.inference_mode():
        out = model.restore(batch)
    assert out.shape == batch.shape and out.isfinite().all() and not model.training


@pytest.mark.parametrize('name', ROWS)
def test_rows_of_the_tables(name):
    model = init_model(ROOT / f'configs/derain/{name}.py')
    parameters, stages, loss = ROWS[name]
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(model(torch.rand(1, 3, 8, 8))) == stages
    assert list(model.losses) == [f'loss_{loss}'] and model.supervise == 'all'


@pytest.mark.parametrize(
    'name, stride, hflip, epochs', [('l', 40, True, 100), ('h', 80, False, 100), (1400, 100, 0, 50)]
)
def test_the_papers_recipe(name, stride, hflip, epochs):
    cfg = load(f'derain/sian_rain{name}.py' if name == 1400 else f'derain/sian_rain100{name}.py')
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, tuple(optimizer.betas)) == ('Adam', 2e-4, (0.0, 0.999))
    loader = cfg.train_dataloader
    assert loader.batch_size == 18 and cfg.train_cfg.max_epochs == epochs
    assert loader.dataset.patches.size == 120 and loader.dataset.patches.stride == stride
    assert loader.dataset.patches.get('hflip', False) == hflip
    assert [t.type for t in loader.dataset.pipeline] == ['LoadPairedImages', 'CropPatch', 'PackDerainInputs']


def reduced(name: str, root) -> Config:
    """The config on six made-up pairs, a narrow network, one epoch."""
    cfg = load(name)
    cfg.model.network.update(channels=4)
    cfg.work_dir, cfg.log_level = str(root / 'work'), 'ERROR'
    if cfg.get('train_dataloader') is None:
        return cfg
    for split, loader in (('train', cfg.train_dataloader), ('test', cfg.test_dataloader)):
        loader.update(num_workers=0, persistent_workers=False)
        if loader.dataset.type == 'PairedImageDataset':
            names = ['1_1', '1_2'] if 'rain1400' in name else [1, 2]
            write_pairs(root / split, names, size=(130, 125))
            if 'rain1400' in name:
                for path in (root / split).rglob('*.png'):
                    path.rename(path.with_name(path.name.replace('norain-', '').replace('rain-', '')))
                for path in (root / split / 'norain').glob('*.png'):
                    path.rename(path.with_name(path.name.split('_')[0] + '.png'))
            (root / split / 'without_test_backgrounds.txt').write_text('rain-1.png\nrain-2.png\n')
            loader.dataset.data_root = str(root / split)
        else:
            loader.dataset.data_root = str(ROOT / loader.dataset.data_root)
    cfg.train_dataloader.batch_size = 2
    if 'max_epochs' in cfg.train_cfg:
        cfg.train_cfg.update(max_epochs=1, val_interval=1)
    else:
        cfg.train_cfg.update(max_iters=2, val_interval=2)
        cfg.test_dataloader.dataset.indices = 1
    cfg.val_dataloader = cfg.test_dataloader
    return cfg


@pytest.mark.parametrize('name', [name for name in CONFIGS if 'rain12' not in name])
def test_a_reduced_run_trains_and_validates(name, tmp_path):
    cfg = reduced(name, tmp_path)
    runner = Runner.from_cfg(cfg)
    before = [p.detach().clone() for p in runner.model.parameters()]
    runner.train()
    assert any(not torch.equal(a, b) for a, b in zip(before, runner.model.parameters()))
    assert all(p.isfinite().all() for p in runner.model.parameters())
    figures = runner.message_hub.log_scalars
    assert figures['val/PSNR-Y'].current() > 5 and figures['val/input/PSNR-Y'].current() > 5


def test_missing_data_says_where_from_and_how():
    for name in ('rain100l', 'rain100h', 'rain1400', 'rain12'):
        cfg = load(f'derain/sian_{name}.py')
        dataset = cfg.test_dataloader.dataset
        assert dataset.data_root.startswith(f'data/{name}')
        dataset.data_root = 'nowhere/' + dataset.data_root
        with pytest.raises(FileNotFoundError, match='(?s)Published at: https://.*It must lie like this.*norain'):
            DATASETS.build(dataset)
