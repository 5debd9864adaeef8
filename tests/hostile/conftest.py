"""The fuzz targets and bench/ are no part of the package: found beside it, after it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
if str(ROOT) not in sys.path:  # not bench itself: its custom.py would stand for tests/custom
    sys.path.append(str(ROOT))
