"""Every config builds. Reduced versions of some configs are trained and validated."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from conftest import ROOT, write_pairs
from mmengine.config import Config
from mmengine.runner import Runner

from mmderain.apis import init_model
from mmderain.datasets.pairing import pair_by_name
from mmderain.registry import DATASETS, MODELS

CONFIGS = sorted(path.relative_to(ROOT / 'configs').as_posix() for path in (ROOT / 'configs/derain').glob('*.py'))

METAFILES = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / 'configs/derain').glob('metafile_*.yml'))]
ROWS = {model['Name']: model for metafile in METAFILES for model in metafile['Models']}
#: Number of rows with the paper's own network in the tables of each paper.
COUNTS = dict(SIAN=12, JDNet=7, NASNet=13, MAFNet=20)
#: Protocols of each paper. Every row has a score for each of them.
PROTOCOLS = {
    'SIAN': {'PSNR-Y', 'SSIM-Y(valid)'},
    'JDNet': {'PSNR-RGB', 'SSIM-RGB(same)'},
    'NASNet': {'PSNR-RGB', 'SSIM-RGB(uniform7)'},
    'MAFNet': {'PSNR-Y', 'SSIM-Y(valid)'},
}


def load(name: str) -> Config:
    return Config.fromfile(ROOT / 'configs' / name)


SMALL = {
    'SIAN': dict(channels=4),
    'JDNet': dict(channels=16, num_units=2),
    'NASNet': dict(channels=16, num_blocks=1),
    'MAFNet': dict(channels=16, num_modules=2),
    'NAFNet': dict(width=8),
}


def make_small(cfg: Config) -> None:
    network = cfg.model.network
    if network.type == 'PixelUnshuffled':
        network = network.network
    network.update(SMALL[network.type])


@pytest.mark.parametrize('name', CONFIGS)
def test_reduced_model_of_every_config_restores(name):
    cfg = load(name)
    make_small(cfg)
    model = init_model(cfg)
    batch = torch.rand(1, 3, 17, 13)
    with torch.inference_mode():
        out = model.restore(batch)
    assert out.shape == batch.shape and out.isfinite().all() and not model.training


@pytest.mark.parametrize('name', ROWS)
def test_metafiles_have_the_rows_of_the_papers_tables(name):
    row = ROWS[name]
    cfg = load(row['Config'].removeprefix('configs/'))
    model = MODELS.build(cfg.model)
    if 'Parameters' in row['Metadata']:
        assert sum(p.numel() for p in model.parameters()) == row['Metadata']['Parameters']
    # The config measures the protocols of the scores. The first line of the config names the scores and their tables.
    first = (ROOT / row['Config']).read_text().split('\n')[0]
    for result in row['Results']:
        assert set(result['Metrics']) == PROTOCOLS[row['In Collection']]
        assert set(result['Metrics']) <= set(cfg.test_evaluator.protocols)
        for score in result['Metrics'].values():
            # The score is a string, because a string keeps the final zeros of the number in the paper.
            assert isinstance(score, str) and re.fullmatch(r'\d+\.\d+', score)
            assert re.search(rf'(?<![\d.]){re.escape(score)}(?!\d)', first)
        for table in result['Tables']:
            assert re.search(rf'\b{table.split(" ")[0]}\b', first)
    printed = row['Metadata'].get('Printed parameters')
    if printed:
        assert int(printed['Number'].replace(',', '')) == row['Metadata']['Parameters']
        assert re.search(rf'\b{printed["Table"]}\b', first)
    if 'Weights of' in row['Metadata']:
        assert cfg.get('train_dataloader') is None and row['Metadata']['Weights of'] in ROWS


def test_every_config_has_a_row():
    assert {m['Collections'][0]['Name']: len(m['Models']) for m in METAFILES} == COUNTS
    # Every config has a row, except these: the demo, JDNet on the older Rain100H, a config without a published score,
    # and the configs that train on synthetic rain.
    others = {'sian_sample', 'sian_compact', 'jdnet_rain100h', 'nasnet_mpid_mist'}
    others |= {f'{network}_bsds' for network in ('sian', 'jdnet', 'nasnet', 'mafnet')}
    others |= {Path(name).stem for name in CONFIGS if '_photographs' in name}
    others |= {'nafnet_short', 'nafnet_short_l1', 'nafnet_large_crops', 'nafnet_wide', 'nafnet_all_weather'}
    assert {Path(name).stem for name in CONFIGS} == set(ROWS) | others


@pytest.mark.parametrize(
    'name, settings',
    [
        ('sian_rain100h_baseline', dict(num_stages=1, use_attention=False)),
        ('sian_rain100h_lstm', dict(num_stages=6, use_attention=False)),
        ('sian_rain100l_baseline', dict(num_stages=1, use_attention=False)),
        ('sian_rain100l_lstm', dict(num_stages=6, use_attention=False)),
        ('jdnet_rain200h_r1', dict(use_attention=False, use_calibration=False)),
        ('jdnet_rain200h_r2', dict(use_attention=False)),
        ('nasnet_spa_200k_plainnet', dict(attention=None)),
        ('nasnet_spa_200k_senet', dict(attention='se')),
        ('nasnet_spa_200k_directnet', dict(fuse_stages=False)),
        ('nasnet_rain100h_4stages', dict(num_stages=4)),
        ('mafnet_rain200h_isolated', dict(interaction='none')),
        ('mafnet_rain200h_downsampling', dict(pyramid='bilinear')),
        ('mafnet_rain200h_16heads', dict(num_heads=16)),
        ('mafnet_rain200h_10modules', dict(num_modules=10)),
        ('mafnet_rain200h_32kernels', dict(channels=32)),
    ],
)
def test_ablation_configs_change_only_the_named_setting(name, settings):
    main = load(f'derain/{name.split("_")[0]}_{name.split("_")[1]}.py').model.network
    network = load(f'derain/{name}.py').model.network
    assert network == {**main, **settings} and network != main


@pytest.mark.parametrize('name, loss', [('mae', 'L1Loss'), ('mse', 'MSELoss')])
def test_loss_ablations(name, loss):
    for config in ('sian_rain100h', 'sian_rain100l', 'jdnet_rain200h'):
        model = load(f'derain/{config}_{name}.py').model
        assert model.loss.type == loss and model.network == load(f'derain/{config}.py').model.network


@pytest.mark.parametrize(
    'name, stride, hflip, epochs', [('l', 40, True, 100), ('h', 80, False, 100), (1400, 100, 0, 50)]
)
def test_configs_have_the_recipes_of_the_papers(name, stride, hflip, epochs):
    cfg = load(f'derain/sian_rain{name}.py' if name == 1400 else f'derain/sian_rain100{name}.py')
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, tuple(optimizer.betas)) == ('Adam', 2e-4, (0.0, 0.999))
    loader = cfg.train_dataloader
    assert loader.batch_size == 18 and cfg.train_cfg.max_epochs == epochs
    assert loader.dataset.patches.size == 120 and loader.dataset.patches.stride == stride
    assert loader.dataset.patches.get('hflip', False) == hflip
    assert [t.type for t in loader.dataset.pipeline] == ['LoadPairedImages', 'CropPatch', 'PackDerainInputs']


@pytest.mark.parametrize(
    'name, batch_size',
    [
        ('rain200h', 12),
        ('rain200h_mae', 12),
        ('rain200h_mse', 12),
        ('rain200l', 32),
        ('rain200h_r1', 28),
        ('rain200h_r2', 24),
    ],
)
def test_jdnet_configs_have_the_batch_sizes_of_the_authors_code(name, batch_size):
    cfg = load(f'derain/jdnet_{name}.py')
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == batch_size


def reduced(name: str, root) -> Config:
    """Return a config with two image pairs, a small network, and a training of one epoch or two steps."""
    cfg = load(name)
    make_small(cfg)
    cfg.work_dir, cfg.log_level = str(root / 'work'), 'ERROR'
    for split, loader in (('train', cfg.train_dataloader), ('test', cfg.test_dataloader)):
        loader.update(num_workers=0, persistent_workers=False)
        if loader.dataset.type == 'PairedImageDataset':
            write_pairs(root / split, [1, 2], size=(130, 125))
            (root / split / 'without_test_backgrounds.txt').write_text('rain-1.png\nrain-2.png\n')
            loader.dataset.update(data_root=str(root / split), pairing=dict(type='prefix', img='rain-', gt='norain-'))
        else:
            loader.dataset.update(data_root=str(ROOT / 'demo/sample' / split), indices=2)
        for transform in loader.dataset.pipeline:
            if transform.type == 'PairedRandomCrop':
                transform.crop_size = 48
    cfg.train_dataloader.batch_size = 2
    if 'max_epochs' in cfg.train_cfg:
        cfg.train_cfg.update(max_epochs=1, val_interval=1)
    else:
        cfg.train_cfg.update(max_iters=2, val_interval=2)
        cfg.param_scheduler = []
    cfg.val_dataloader = cfg.test_dataloader
    return cfg


TRAINED = [
    'sian_rain100l',
    'sian_rain100h',
    'sian_rain1400',
    'sian_rain100h_mae',
    'sian_rain100h_baseline',
    'sian_sample',
]
TRAINED += ['jdnet_rain200h', 'jdnet_rain200h_r1', 'nasnet_rain100h', 'nasnet_spa_200k_senet', 'mafnet_rain200h']
TRAINED += ['mafnet_rain200h_conv', 'sian_bsds', 'nasnet_bsds', 'nafnet_photographs', 'sian_photographs_unshuffled']


@pytest.mark.parametrize('name', TRAINED)
def test_a_reduced_run_trains_and_validates(name, tmp_path):
    cfg = reduced(f'derain/{name}.py', tmp_path)
    runner = Runner.from_cfg(cfg)
    before = [p.detach().clone() for p in runner.model.parameters()]
    runner.train()
    assert any(not torch.equal(a, b) for a, b in zip(before, runner.model.parameters()))
    assert all(p.isfinite().all() for p in runner.model.parameters())
    scores = runner.message_hub.log_scalars
    for protocol in cfg.val_evaluator.protocols:
        assert scores[f'val/{protocol}'].current() > 0 and scores[f'val/input/{protocol}'].current() > 0.1


DATASET_CONFIGS = sorted(path.stem for path in (ROOT / 'configs/_base_/datasets').glob('*.py'))


@pytest.mark.parametrize('name', [name for name in DATASET_CONFIGS if name not in ('paired', 'rain_free')])
def test_error_for_missing_data_names_source_and_layout(name):
    cfg = load(f'_base_/datasets/{name}.py')
    loaders = [cfg.get('train_dataloader'), cfg.test_dataloader]
    for loader in filter(None, loaders):
        dataset = loader.dataset
        # The data sets photographs_wide and photographs_all_weather use the images of the data set photographs.
        folder = 'photographs' if name.startswith('photographs') else name
        assert dataset.data_root.startswith((f'data/{folder}', 'demo/sample'))
        dataset.data_root = 'nowhere/' + dataset.data_root
        if dataset.type == 'PairedImageDataset':
            templates = dataset.pairing.get('type') if isinstance(dataset.pairing, dict) else dataset.pairing
            assert templates in ('prefix', 'template', 'side_by_side', 'same_name')
        with pytest.raises(FileNotFoundError, match='(?s)Published at: .*Expected layout'):
            DATASETS.build(dataset)


@pytest.mark.parametrize(
    'name, split, rainy, clean',
    [
        ('rain100l', 'train', 'rain-7.png', 'norain-7.png'),
        ('rain100h', 'test', 'rain-007.png', 'norain-007.png'),
        ('rain200h', 'train', 'norain-7x2.png', 'norain-7.png'),
        ('rain1400', 'test', '901_14.jpg', '901.jpg'),
        ('spa', 'train', '000/000-1_12_345.png', '000/000_12_345.png'),
        ('spa', 'test', '7.png', '7gt.png'),
        (
            'raincityscapes',
            'train',
            'ulm/ulm_000009_000019_leftImg8bit_rain_alpha_0.02_beta_0.01_dropsize_0.005_pattern_1.png',
            'ulm/ulm_000009_000019_leftImg8bit.png',
        ),
        ('mpid_drop', 'test', '7_rain.png', '7_clean.png'),
        ('mpid_streak', 'test', '7_rain.png', '7.png'),
        ('mpid_mist', 'train', '7.jpg', '7.jpg'),
    ],
)
def test_published_file_names_are_paired(name, split, rainy, clean):
    pairing = load(f'_base_/datasets/{name}.py')[f'{split}_dataloader'].dataset.pairing
    decoys = [Path(clean).with_name(Path(clean).name.replace('7', '70').replace('1', '10')), Path('x') / clean]
    assert pair_by_name([Path(rainy)], [*decoys, Path(clean)], pairing) == ([(Path(rainy), Path(clean))], [], [])
