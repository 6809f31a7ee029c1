import re
import subprocess
import sys

import mmcv
import pytest
from conftest import ROOT


@pytest.mark.soak
def test_demo_reaches_the_documented_gain(tmp_path):
    """Compare the PSNR of the derained images with that of the rainy images and of two simple methods.

    The images are held out of the training of `make demo`.
    """
    command = [sys.executable, ROOT / 'demo/sample_demo.py', '--work-dir', tmp_path / 'work']
    done = subprocess.run([str(part) for part in command], cwd=tmp_path, capture_output=True, text=True)
    print(done.stdout.replace(str(tmp_path), 'TMP'), done.stderr[-2000:])
    assert done.returncode == 0
    table = {kind.strip(): float(psnr) for kind, psnr in re.findall(r'^(\w[\w ]+?)\s+(\d+\.\d\d) ', done.stdout, re.M)}
    output = table['derained by SIAN']
    assert table['rainy input'] == pytest.approx(14.51, abs=0.02)
    assert output >= table['rainy input'] + 10
    assert output >= 5 + max(table['median blur 5x5'], table['input less its best constant'])
    assert mmcv.imread(str(tmp_path / 'work/panel.png')).shape[0] > 6 * 300
