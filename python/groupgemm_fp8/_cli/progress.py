"""A progress bar for what may take long on a slow machine."""

from __future__ import annotations

import sys


def progress(steps, name):
    """Shows a bar on a terminal once the steps take more than a second."""
    try:
        from tqdm import tqdm
    except ImportError:
        return steps
    return tqdm(steps, desc=name, delay=1.0, disable=None, leave=False, file=sys.stderr)
