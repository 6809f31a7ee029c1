# The small PSPNet, fine-tuned on rain behind a frozen derainer. The derainer is the SIAN that `make demo` trains.
_base_ = './pspnet_r18_camvid_small_rain.py'
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='mmderain.DerainBeforeTask',
        derainer=dict(config='mmderain::derain/sian_sample.py', checkpoint='work_dirs/sample_demo/iter_900.pth'),
        wrapped=_base_.model.data_preprocessor,
    )
)
