# JDNet, Table 1, Rain12: PSNR-RGB 37.02, SSIM-RGB(same) 0.97. Test only, with the weights of jdnet_rain200h.py.
_base_ = ['../_base_/models/jdnet.py', '../_base_/datasets/rain12.py', '../_base_/default_runtime.py']
test_cfg = dict(type='TestLoop')
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(same)', 'PSNR-RGB(float)', 'SSIM-RGB(float,same)'])
