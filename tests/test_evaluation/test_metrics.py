import csv
import json
import math

import mmcv
import numpy as np
import pytest
import torch
from conftest import load_tool, smooth_image

from mmderain.evaluation import ImageQuality, measure
from mmderain.io.image import to_bgr_uint8, to_rgb_tensor


def run(metric, truths, results, names):
    for gt, pred, name in zip(truths, results, names, strict=True):
        rainy = torch.from_numpy(smooth_image(*gt.shape[:2], 9).transpose(2, 0, 1).copy())
        metric.process(dict(inputs=[rainy]), [dict(name=name, gt_img=to_rgb_tensor(gt), pred_img=pred)])
    return metric.evaluate(len(truths))


def test_results_are_rounded_to_the_nearest_level_and_clipped():
    values = torch.tensor([-0.5, 0.0, 100.49 / 255, 100.51 / 255, 1.0, 7.0]).expand(3, 1, 6)
    assert to_bgr_uint8(values)[0, :, 0].tolist() == [0, 0, 100, 101, 255, 255]


def test_float_protocols_measure_the_values_of_the_network():
    protocols = ['PSNR-RGB', 'PSNR-RGB(float)', 'SSIM-RGB(same)', 'SSIM-RGB(float,same)']
    gt = np.clip(smooth_image(24, 24), 1, 254)
    near = run(ImageQuality(protocols), [gt], [to_rgb_tensor(gt).double() + 0.3 / 255], ['a.png'])
    assert math.isinf(near['PSNR-RGB']) and near['SSIM-RGB(same)'] == 1
    assert near['PSNR-RGB(float)'] == pytest.approx(20 * math.log10(255 / 0.3), abs=1e-4)
    assert 0.99 < near['SSIM-RGB(float,same)'] < 1
    # PSNR clips values outside of 0 to 255, but SSIM does not.
    white = np.full_like(gt, 255)
    above = run(ImageQuality(protocols), [white], [to_rgb_tensor(white) * 1.5], ['b.png'])
    assert math.isinf(above['PSNR-RGB(float)']) and above['SSIM-RGB(same)'] == 1
    # For images without variance, SSIM is only the term of the means, (2 a b + c) / (a^2 + b^2 + c). At the border,
    # the protocol pads the images with zeros.
    assert above['SSIM-RGB(float,same)'] < (2 * 1.5 + 1e-4) / (1 + 1.5**2 + 1e-4) + 1e-3


def test_metric_files_and_evaluate_folder_agree(tmp_path, capsys):
    truths = [smooth_image(30, 40, s) for s in range(3)]
    results = [
        to_rgb_tensor(np.clip(t.astype(int) + 7 * (i + 1), 0, 255).astype(np.uint8)) for i, t in enumerate(truths)
    ]
    names = ['a.png', 'sub/b.png', 'c.png']
    protocols = ['PSNR-Y', 'SSIM-Y(valid)', 'PSNR-RGB']
    metric = ImageQuality(protocols, with_input=True, out_dir=str(tmp_path / 'out'))
    means = run(metric, truths, results, names)
    expected = [measure(to_bgr_uint8(r), t, 'PSNR-Y') for r, t in zip(results, truths)]
    assert means['PSNR-Y'] == pytest.approx(np.mean(expected), abs=1e-12)
    assert means['input/PSNR-Y'] == pytest.approx(
        np.mean([measure(smooth_image(30, 40, 9), t, 'PSNR-Y') for t in truths])
    )

    rows = list(csv.DictReader((tmp_path / 'out/per_image.csv').open()))
    assert [row['image'] for row in rows] == names
    assert float(rows[1]['PSNR-Y']) == pytest.approx(expected[1], abs=1e-8)
    content = json.loads((tmp_path / 'out/metrics.json').read_text())
    assert content['images'] == 3 and content['mean'] == means

    for name, gt, result in zip(names, truths, results):
        mmcv.imwrite(to_bgr_uint8(result), str(tmp_path / 'pred' / name))
        mmcv.imwrite(gt, str(tmp_path / 'gt' / name))
    tool = load_tool('evaluate_folder')
    arguments = [str(tmp_path / 'pred'), str(tmp_path / 'gt'), '--protocols', *protocols, '--out', str(tmp_path / 'o2')]
    assert tool.main(arguments) == 0
    assert 'mean of 3' in capsys.readouterr().out
    assert json.loads((tmp_path / 'o2/metrics.json').read_text())['mean'] == pytest.approx(
        {p: means[p] for p in protocols}
    )


def test_infinite_scores_are_written_as_valid_json(tmp_path):
    gt = smooth_image(20, 20)
    means = run(ImageQuality(out_dir=str(tmp_path)), [gt], [to_rgb_tensor(gt)], ['a.png'])
    assert math.isinf(means['PSNR-Y'])
    assert json.loads((tmp_path / 'metrics.json').read_text())['mean']['PSNR-Y'] == 'inf'


def test_name_of_a_score_includes_the_border():
    gt = smooth_image(20, 20)
    assert set(run(ImageQuality(['PSNR-Y'], crop_border=2), [gt], [to_rgb_tensor(gt)], ['a'])) == {'PSNR-Y[border 2]'}


def test_errors_for_nan_sizes_and_missing_clean_images_name_the_image():
    gt, metric = smooth_image(20, 20), ImageQuality()
    with pytest.raises(ValueError, match='sub/7.png: the network returned NaN'):
        run(metric, [gt], [to_rgb_tensor(gt) * float('nan')], ['sub/7.png'])
    with pytest.raises(ValueError, match='8.png: the image has shape'):
        run(metric, [gt], [to_rgb_tensor(gt)[:, :-1]], ['8.png'])
    with pytest.raises(ValueError, match='9.png: no clean image'):
        metric.process(dict(inputs=[to_rgb_tensor(gt)]), [dict(name='9.png', pred_img=to_rgb_tensor(gt))])
    with pytest.raises(KeyError, match='PSNR-X'):
        ImageQuality(['PSNR-X'])


def test_evaluate_folder_pairs_by_rule_and_reports_images_without_partner(tmp_path, capsys):
    tool = load_tool('evaluate_folder')
    for n, offset in ((1, 3), (10, 5), (2, 9)):
        mmcv.imwrite(smooth_image(20, 20, n), str(tmp_path / f'gt/norain-{n}.png'))
        mmcv.imwrite(smooth_image(20, 20, n) + offset, str(tmp_path / f'pred/rain-{n}.png'))
    arguments = [str(tmp_path / 'pred'), str(tmp_path / 'gt')]
    assert tool.main([*arguments, '--pairing', 'prefix', 'rain-', 'norain-', '--protocols', 'PSNR-RGB']) == 0
    out = capsys.readouterr().out
    for n, offset in ((1, 3), (10, 5), (2, 9)):
        assert f'rain-{n}.png  PSNR-RGB {20 * np.log10(255 / offset):.4f}' in out
    assert tool.main(arguments) == 1
    assert 'have no clean image' in capsys.readouterr().err
    assert tool.main([str(tmp_path / 'none'), str(tmp_path / 'gt')]) == 1
    assert 'none: no such folder' in capsys.readouterr().err
