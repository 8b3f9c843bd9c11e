"""What the server process imports before workers are forked from it. Nothing here may start a thread."""

import torch

import lrbench.plots.run  # half a second, for matplotlib
import lrbench.sweep.worker

# Making the first optimizer imports torch's compiler: two seconds.
torch.optim.SGD([torch.nn.Parameter(torch.empty(0))])

__all__ = ["lrbench"]
