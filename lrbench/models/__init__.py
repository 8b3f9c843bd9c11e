"""Models: what is trained.

A model is a function or class called as `target(shape, num_classes, **options)`: `shape` is (channels,
height, width) of the images, the options are those under `args` of its config level. It returns a
`torch.nn.Module` that maps normalised float32 images (n, channels, height, width) to logits (n, num_classes).
Weights are drawn from torch's default generator, which the caller seeds. A bad option raises
`lrbench.errors.ConfigError`.

To bring your own, name such a function in a config level:

    _target_: my_package.my_models.my_net
    args: {width: 32}
"""
