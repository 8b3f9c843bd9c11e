"""What the server process imports before workers are forked from it. Nothing here may start a thread."""

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C here too: the sweep stops the workers in order

import torch  # noqa: E402

import lrbench.sweep.worker  # noqa: E402

# Making the first optimizer imports torch's compiler: two seconds.
torch.optim.SGD([torch.nn.Parameter(torch.empty(0))])

__all__ = ["lrbench"]
