"""A perceptron that a test can hold, slow down and count, in whatever process it trains. Its numbers stay the same."""

import os
import time
from pathlib import Path

import torch
from torch import nn

from lrbench.models.mlp import mlp

PACE = 0.05  # seconds an update takes, until it may go
UNDER_WAY = 10  # updates after which a process says so


class _Gated(nn.Module):
    """In the folder $GATE, `NAME.PID` grows by a byte with every update; the run is slow until there is a file `go` or
    `NAME.go`, stands still while there is a file `NAME.hold`, and eats its memory if there is a file `NAME.eat`."""

    def __init__(self, inner: nn.Module, folder: Path | None, name: str) -> None:
        super().__init__()
        self.inner, self.folder, self.name = inner, folder, name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and self.folder is not None:
            with (self.folder / f"{self.name}.{os.getpid()}").open("ab") as file:
                file.write(b".")
            if self._says("eat"):
                eaten = b"x" * 3_000_000_000
                time.sleep(60)
                del eaten
            while self._says("hold"):
                time.sleep(0.02)
            if not self._says("go"):
                time.sleep(PACE)
        return self.inner(x)

    def _says(self, what: str) -> bool:
        assert self.folder is not None
        return (self.folder / f"{self.name}.{what}").exists() or (self.folder / what).exists()


def gated(shape: tuple[int, int, int], num_classes: int, name: str = "") -> nn.Module:
    return _Gated(mlp(shape, num_classes, [8]), Path(os.environ["GATE"]) if "GATE" in os.environ else None, name)
