"""Hydra's plugins of lrbench. Hydra looks for them on sys.path, once a process: importing this puts their folder there.

Whatever a launcher of somebody else's unpickles in another process has to import it too (`cli.task`): with the task
come Hydra's plugins by their names.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
