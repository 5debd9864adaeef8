"""mesasim: does an agent search, learn inside its activations, or merely react?

Worlds that run at tens of millions of steps a second and can be solved exactly; agents with and without memory; and
measurements checked against agents whose nature is known. `import mesasim` never fails for lack of a GPU.
"""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

if find_spec("mesasim._core") is None:
    raise ImportError(
        f"{__path__[0]} is mesasim's source without its built engine, and shadows an installed mesasim; "
        "leave its folder, or install in place: pip install -e ."
    )

from mesasim.devices import devices
from mesasim.registration import register_worlds
from mesasim.vector import MesaVectorEnv, make_vec

try:
    __version__ = version("mesasim")
except PackageNotFoundError:  # imported from a source tree that was never installed
    __version__ = "0+unknown"

register_worlds()

__all__ = ["MesaVectorEnv", "__version__", "devices", "make_vec"]
