"""Models: what is trained.

A model is a function or class that returns a `torch.nn.Module`. It is called by keyword: each parameter whose name
stands in the data's spec is taken from there (`shape`, (channels, height, width), and `num_classes` of images;
`vocab_size` of a text), the others are the options under `args` of its config level. One that has no default and is in
neither is refused, naming model and data. What the module is called with, and what it returns, is between it and the
task: for classification, normalised float32 images (n, channels, height, width) to logits (n, num_classes). Weights are
drawn from torch's default generator, which the caller seeds. A bad option raises `lrbench.errors.ConfigError`.

To bring your own, name such a function in a config level:

    _target_: my_package.my_models.my_net
    args: {width: 32}

A module of this package says `NUMERICS = 1`, and raises it with every change of a model's numbers: it is part of the
runs' identity. Of a module of yours the source is, so that it needs nothing.
"""
