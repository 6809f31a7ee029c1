"""Images with 16 bits are measured without rounding to 8 bits, by evaluate_folder.py and by ImageQuality."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import load_tool

from mmderain.datasets.transforms.formatting import PackDerainInputs
from mmderain.datasets.transforms.loading import LoadPairedImages
from mmderain.engine.visualization_hook import DerainVisualizationHook
from mmderain.evaluation import ImageQuality
from mmderain.io.image import decode_image, write_image
from mmderain.models.data_preprocessor import DerainDataPreprocessor
from mmderain.visualization import DerainVisualizer

RNG = np.random.default_rng(0)
GT = RNG.integers(1000, 60_000, (24, 30, 3)).astype(np.uint16)
PRED = GT + np.uint16(64)
#: PSNR of a constant difference of 64 levels of 65535.
EXPECTED = 20 * math.log10(65535 / 64)  # 60.2 dB


@pytest.fixture
def folders(tmp_path):
    for name, array in (('pred', PRED), ('gt', GT)):
        write_image(array, tmp_path / name / 'a.png')
    return tmp_path


def test_evaluate_folder(folders, capsys):
    tool = load_tool('evaluate_folder')
    assert tool.main([str(folders / 'pred'), str(folders / 'gt'), '--protocols', 'PSNR-RGB']) == 0
    assert f'a.png  PSNR-RGB {EXPECTED:.4f}' in capsys.readouterr().out


def loaded(folders):
    """Load the pair as a test does, with the image of `pred` as the derained image."""
    results = LoadPairedImages()(
        dict(img_path=str(folders / 'pred/a.png'), gt_path=str(folders / 'gt/a.png'), name='a')
    )
    packed = PackDerainInputs()(results)
    batch = DerainDataPreprocessor()(dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']]))
    sample = batch['data_samples'][0]
    sample.pred_img = batch['inputs'][0]
    return packed['inputs'], sample


@pytest.mark.fault(7, 'evaluation.ImageQuality', 'evaluation.measure')
@pytest.mark.parametrize('protocol', ['PSNR-RGB', 'PSNR-RGB(float)'])
def test_image_quality(folders, protocol):
    metric = ImageQuality([protocol], with_input=True)
    inputs, sample = loaded(folders)
    metric.process(dict(inputs=[inputs]), [sample.to_dict()])
    scores = metric.compute_metrics(metric.results)
    assert scores == {
        protocol: pytest.approx(EXPECTED, abs=2e-3),
        f'input/{protocol}': pytest.approx(EXPECTED, abs=2e-3),
    }


class Names(list):
    """Data set whose items have only names."""

    def get_data_info(self, number):
        return dict(name=self[number])


@pytest.mark.fault(7, 'engine.DerainVisualizationHook')
def test_the_written_result_has_16_bits(folders):
    inputs, sample = loaded(folders)
    hook = DerainVisualizationHook(show_dir=str(folders / 'shown'))
    names = [f's/{"x" * 251}{suffix}' for suffix in ('.jpg', '.bmp')]
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=Names(names)))
    runner = SimpleNamespace(visualizer=DerainVisualizer('shown_16_bits'), test_loop=loop)
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, dict(inputs=[inputs]), [sample])
    assert np.array_equal(decode_image(folders / 'shown/derained/a.png').bgr, PRED)
    # Two images that differ only in their suffix, with names of 255 bytes.
    for name in names:
        sample.set_metainfo(dict(name=name))
        hook.after_test_iter(runner, 0, dict(inputs=[inputs]), [sample])
    written = sorted(len(path.name) for path in (folders / 'shown/derained/s').iterdir())
    assert written == [244, 244]  # 240 bytes and the suffix


def test_a_pair_of_8_and_16_bits(folders):
    write_image((PRED // 257).astype(np.uint8), folders / 'pred/a.png')
    results = LoadPairedImages()(dict(img_path=str(folders / 'pred/a.png'), gt_path=str(folders / 'gt/a.png')))
    assert (results['img_bits'], results['gt_bits']) == (8, 16)
    assert results['img'].dtype == np.uint8 and np.array_equal(results['gt_img'], (GT / 257).astype(np.float32))
    mixed = [torch.zeros(3, 4, 4, dtype=torch.uint8), torch.full((3, 4, 4), 127.5)]
    batch = DerainDataPreprocessor()(dict(inputs=mixed))['inputs']
    assert batch.dtype == torch.float32 and batch[1].unique().tolist() == [0.5]


def test_evaluate_folder_prints_what_it_passes_over(folders, capsys):
    for name in ('b.xyz', 'c.xyz', 'note.txt', '.ipynb_checkpoints/a.png'):
        (folders / 'pred' / name).parent.mkdir(exist_ok=True)
        (folders / 'pred' / name).touch()
    assert load_tool('evaluate_folder').main([str(folders / 'pred'), str(folders / 'gt')]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f'{folders / "pred"}: skipped 3 files: 2 .xyz, 1 .txt' and lines[-1].startswith('mean of 1  ')
