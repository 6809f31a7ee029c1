# The derainer of all configs *_derained.py. To choose another derainer, set the environment variable DERAINER to a key
# of `trained`, to the name of a bundled model such as sian, or to the path of a config. `--cfg-options derainer=...`
# has no effect, because options are applied after this file has set `derain`.
trained = dict(
    sian_rain100h=dict(config='mmderain::derain/sian_rain100h.py', checkpoint='work_dirs/sian_rain100h/epoch_100.pth'),
    jdnet_rain200h=dict(
        config='mmderain::derain/jdnet_rain200h.py', checkpoint='work_dirs/jdnet_rain200h/epoch_1000.pth'
    ),
    nasnet_rain100h=dict(
        config='mmderain::derain/nasnet_rain100h.py', checkpoint='work_dirs/nasnet_rain100h/iter_300000.pth'
    ),
    mafnet_rain200h=dict(
        config='mmderain::derain/mafnet_rain200h.py', checkpoint='work_dirs/mafnet_rain200h/epoch_700.pth'
    ),
)
derainer = '{{$DERAINER:sian_rain100h}}'
derain = dict(type='mmderain.Derain', derainer=trained.get(derainer, derainer))
del trained
