# SIAN, Table IV, Rain12: PSNR-Y 37.24, SSIM-Y 0.967. Test only, with the weights of sian_rain100l.py.
_base_ = ['../_base_/models/sian.py', '../_base_/datasets/rain12.py', '../_base_/default_runtime.py']
test_cfg = dict(type='TestLoop')
