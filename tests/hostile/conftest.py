"""The fuzz targets are no part of the package: found beside it, after it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
for folder in (ROOT, ROOT / "bench"):  # fuzz; builds and soak
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
