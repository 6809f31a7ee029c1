_base_ = './paired.py'
source = dict(
    name='RainCityscapes, 9,432 training and 1,188 test pairs',
    published_at='https://www.cityscapes-dataset.com (Hu et al., CVPR 2019; for registered users)',
    prepare='python tools/prepare_dataset.py raincityscapes SRC',
    layout="""
data/raincityscapes/
    train/rain/<city>/<image>_leftImg8bit_rain_alpha_A_beta_B_dropsize_D_pattern_P.png
    train/norain/<city>/<image>_leftImg8bit.png    (9,432 pairs; the same layout in test/, with 1,188 pairs)
""",
)
pairing = dict(type='template', img='{image}_leftImg8bit_rain_{parameters}', gt='{image}_leftImg8bit')
train_dataloader = dict(dataset=dict(data_root='data/raincityscapes/train', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/raincityscapes/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
