# Faster R-CNN R50-FPN on COCO, tested on the rainy images of BDD100K (made by tools/prepare_dataset.py bdd100k_rain)
# Sources of the layout of BDD100K: https://github.com/bdd100k/bdd100k/blob/master/doc/source/download.rst and
# https://github.com/bdd100k/bdd100k/blob/master/doc/source/format.rst
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
test_dataloader = dict(
    dataset=dict(data_root='data/bdd100k_rain/', ann_file='test.json', data_prefix=dict(img='images/'))
)
test_evaluator = dict(ann_file='data/bdd100k_rain/test.json')
