import cv2
import mmcv
import numpy as np
import pytest
from conftest import smooth_image

from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.perception.joint_test import MeasuredSteps, MedianBlur, ReplaceFromFolder


def test_steps_are_measured_against_the_loaded_image():
    img = smooth_image(40, 60)
    steps = MeasuredSteps([dict(type='mmderain.MedianBlur', size=5)], timed=0)
    steps.keep = frozenset([1])
    for number in range(3):
        results = steps(dict(img=img + np.uint8(number), img_path=f'{number}.png'))
        blurred = cv2.medianBlur(img + np.uint8(number), 5)
        assert np.array_equal(results['img'], blurred)
        assert steps.psnr[-1] == measure(blurred, img + np.uint8(number), 'PSNR-Y')
        assert steps.ssim[-1] == measure(blurred, img + np.uint8(number), 'SSIM-Y(valid)')
    assert len(steps.milliseconds) == 3 and min(steps.milliseconds) > 0
    path, kept = steps.kept.pop(1)
    assert path == '1.png' and np.array_equal(kept, MedianBlur(5)(dict(img=img + np.uint8(1)))['img'])
    assert not steps.kept
    nothing = MeasuredSteps([])
    nothing(dict(img=img, img_path='a.png'))
    assert nothing.psnr == [np.inf] and nothing.ssim == [1] and nothing.milliseconds == []


@pytest.mark.parametrize('layout', ['test/0.png', '0.png'])
def test_images_are_replaced_by_files_with_the_same_name(layout, tmp_path):
    derained = smooth_image(20, 30, 1)
    mmcv.imwrite(derained, str(tmp_path / 'derained' / layout))
    replace = ReplaceFromFolder(str(tmp_path / 'derained'), str(tmp_path / 'data'))
    path = str(tmp_path / 'data/test/0.jpg')
    assert np.array_equal(replace(dict(img=smooth_image(20, 30), img_path=path))['img'], derained)
    with pytest.raises(
        InputError, match=r'0.png: has \(height, width\) \(20, 30\), but the image of the data set has \(20, 31\)'
    ):
        replace(dict(img=smooth_image(20, 31), img_path=path))
    with pytest.raises(InputError, match=r'found no image 1\.\* for the image test/1.jpg'):
        replace(dict(img=smooth_image(20, 30), img_path=path.replace('0.jpg', '1.jpg')))
