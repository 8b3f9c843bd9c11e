# ruff: noqa: C408 (as mmengine writes it)
auto_scale_lr = dict(base_batch_size=16, enable=False)
backend_args = None
data_root = "data/coco/"
dataset_type = "CocoDataset"
default_hooks = dict(
    checkpoint=dict(interval=1, type="CheckpointHook"),
    logger=dict(interval=50, type="LoggerHook"),
    param_scheduler=dict(type="ParamSchedulerHook"),
)
default_scope = "mmdet"
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0))
log_level = "INFO"
max_epochs = 12
model = dict(backbone=dict(depth=50, type="ResNet"), type="FasterRCNN")
optim_wrapper = dict(optimizer=dict(lr=0.02, momentum=0.9, type="SGD", weight_decay=0.0001), type="OptimWrapper")
param_scheduler = [
    dict(begin=0, by_epoch=False, end=500, start_factor=0.001, type="LinearLR"),
    dict(begin=0, by_epoch=True, end=max_epochs, gamma=0.1, milestones=[8, 11], type="MultiStepLR"),
]
resume = False
train_cfg = dict(max_epochs=max_epochs, type="EpochBasedTrainLoop", val_interval=1)
train_dataloader = dict(
    batch_size=2,
    dataset=dict(ann_file="annotations/instances_train2017.json", data_root=data_root, type=dataset_type),
    num_workers=2,
    sampler=dict(shuffle=True, type="DefaultSampler"),
)
visualizer = dict(type="DetLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")])
