# The recipe of https://pytorch.org/blog/how-to-train-state-of-the-art-models-using-torchvision-latest-primitives/
torchrun --nproc_per_node=8 references/classification/train.py --model resnet50 --batch-size 128 --lr 0.5 \
--lr-scheduler cosineannealinglr --lr-warmup-epochs 5 --lr-warmup-method linear --lr-warmup-decay 0.01 \
--auto-augment ta_wide --epochs 600 --random-erase 0.1 --label-smoothing 0.1 --mixup-alpha 0.2 --cutmix-alpha 1.0 \
--weight-decay 0.00002 --norm-weight-decay 0.0 --train-crop-size 176 --model-ema --val-resize-size 232 \
--ra-sampler --ra-reps 4
