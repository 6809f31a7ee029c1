# MAFNet's recipe: Adam for 700 epochs. The learning rate is halved every 100 epochs. Each MAFNet config sets the batch
# size of four crops. The paper gives no other settings of Adam, so they are torch's defaults. The crops are random; see
# the notes on MAFNet in docs/en/paper_tables.md.
_base_ = '../default_runtime.py'
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=2e-4))
param_scheduler = [dict(type='StepLR', step_size=100, gamma=0.5, by_epoch=True)]
auto_scale_lr = dict(enable=False, base_batch_size=4)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=700, val_interval=50)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
