"""Any image classifier of timm (R. Wightman, 2019), by its name.

What timm draws and computes changes with its version, which stands in the record's provenance beside torch's.
"""

import difflib
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lrbench.errors import ConfigError

# Part of the identity of every run that uses this module. Raise it with any change that alters the outputs or
# the initial weights of the same options and seed.
NUMERICS = 1

# What lrbench decides itself, and what would bring weights from somewhere that no identity names.
OURS = {
    "in_chans": "the data",
    "num_classes": "the data",
    "img_size": "the data",
    "pretrained": "model.args.pretrained",
    "pretrained_cfg": "the tag in model.args.name",
    "pretrained_cfg_overlay": "the tag in model.args.name",
    "checkpoint_path": "the tag in model.args.name",
    "cache_dir": "the environment variables HF_HOME and TORCH_HOME",
}


def by_name(
    shape: tuple[int, int, int],
    num_classes: int,
    name: str,
    pretrained: bool = False,
    options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """The model that timm makes under this name, for the data's channels, classes and image size.

    name: as `timm.list_models()` has it; with pretrained weights also their tag, as `resnet18.a1_in1k`, so that the
    weights are part of the run's identity. pretrained: without it nothing is downloaded. options: further arguments
    of `timm.create_model`, such as {drop_path_rate: 0.1}. The image size is given as `img_size` to the
    architectures whose configuration in timm says `fixed_input_size`; the others take any. Raises `ConfigError` for
    an unknown name or tag, options that timm refuses, images that the model cannot take, and weights that cannot be
    had.
    """
    import timm  # takes seconds

    options = _checked(options)
    if not isinstance(pretrained, bool):
        raise ConfigError("model.args.pretrained", repr(pretrained), "give true or false")
    _require_known(name, pretrained)
    cfg = timm.get_pretrained_cfg(name)
    if cfg is not None and cfg.fixed_input_size:
        options["img_size"] = shape[1:]
    model = _create(name, pretrained, {**options, "in_chans": shape[0], "num_classes": num_classes})
    _require_fit(model, name, shape, num_classes)
    return model


def _checked(options: Mapping[str, Any] | None) -> dict[str, Any]:
    if not isinstance(options, Mapping | None):
        raise ConfigError("model.args.options", repr(options), "give a mapping, such as {drop_path_rate: 0.1}")
    options = dict(options or {})
    for option in OURS.keys() & options.keys():
        raise ConfigError(f"model.args.options.{option}", "", f"this comes from {OURS[option]}", "remove it")
    return options


def _require_known(name: str, pretrained: bool) -> None:
    """Refuse a name that timm does not have, a tag without its weights, and weights without their tag."""
    import timm

    architecture, _, tag = str(name).partition(".")
    known = timm.list_models()
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=5, cutoff=0.6)
        raise ConfigError(
            "model.args.name",
            name,
            f"timm {timm.__version__} has no model of this name."
            + (f" Did you mean {', '.join(near)}?" if near else ""),
            "timm.list_models() lists all of them",
        )
    weights = timm.list_pretrained(architecture)
    listing = f"timm {timm.__version__} has {', '.join(weights) or 'none'} for it"
    if tag and name not in weights:
        raise ConfigError("model.args.name", name, "there are no pretrained weights of this tag", listing)
    if tag and not pretrained:
        raise ConfigError(
            "model.args.name",
            name,
            f"'{tag}' names pretrained weights",
            f"add model.args.pretrained=true to begin from them, or give the bare name {architecture}",
        )
    if pretrained and name not in weights:
        raise ConfigError(
            "model.args.pretrained",
            True,
            "say which weights in model.args.name, as they are part of the run's identity",
            listing,
        )


def _create(name: str, pretrained: bool, arguments: dict[str, Any]) -> nn.Module:
    import timm

    try:
        model: nn.Module = timm.create_model(name, pretrained=pretrained, **arguments)
    except Exception as error:  # timm's models refuse in many ways
        if pretrained:
            _create(name.partition(".")[0], False, arguments)  # if the options are at fault, it says so
            raise ConfigError(
                "model.args.pretrained",
                True,
                f"the weights of {name} cannot be had ({_words(error)}). Run once with access to the "
                "internet (timm keeps them in HF_HOME, or in TORCH_HOME); or copy that folder from a "
                "machine that has them and set HF_HUB_OFFLINE=1",
                "or begin without them: model.args.pretrained=false",
            ) from error
        raise ConfigError(
            "model.args.options", "", f"timm cannot make {name} with {arguments}: {_words(error)}"
        ) from error
    return model


def _require_fit(model: nn.Module, name: str, shape: tuple[int, int, int], num_classes: int) -> None:
    """Refuse a model that would cut the image off at its patches, or that makes no logits of it: one is tried."""
    from timm.layers import PatchEmbed

    for embedding in (m for m in model.modules() if isinstance(m, PatchEmbed)):
        patch = embedding.patch_size
        if embedding.dynamic_img_pad or not any(map(int.__mod__, shape[1:], patch)):
            continue
        raise ConfigError(
            "model.args.name",
            name,
            f"its patches of {patch[0]}x{patch[1]} pixels do not fill an image of "
            f"{shape[1]}x{shape[2]}, and timm would drop the rest",
            "choose others by +model.args.options.patch_size=..., or other images",
        )
    images = f"images of shape {shape}"
    try:
        with torch.no_grad():
            found = model.eval()(torch.zeros(2, *shape))
    except Exception as error:
        raise ConfigError(
            "model.args.name",
            name,
            f"it cannot take {images} ({_words(error)})",
            "choose another model, other options or other images",
        ) from error
    model.train()
    if not isinstance(found, torch.Tensor) or found.shape != (2, num_classes):
        raise ConfigError(
            "model.args.name",
            name,
            f"for {images} it does not give one logit a class ({num_classes})",
            "choose another model or other options",
        )


def _words(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
