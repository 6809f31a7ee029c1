# The person detector of the demo, fine-tuned on rain behind the frozen derainer `nafnet`
_base_ = './atss_r18_street_rain.py'
model = dict(
    data_preprocessor=dict(
        _delete_=True, type='mmderain.DerainBeforeTask', derainer='nafnet', wrapped=_base_.model.data_preprocessor
    )
)
