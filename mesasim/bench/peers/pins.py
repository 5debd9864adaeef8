"""What is installed for each peer: calls of pip in turn, one tuple each. Where torch is asked for first it is the build that
pip is set up to find; point pip at torch's CPU builds to be spared two gigabytes of CUDA."""

TORCH = ("torch==2.13.0", "numpy<2", "setuptools<80", "wheel", "Cython")
PINS: dict[str, tuple[tuple[str, ...], ...]] = {
    "pufferlib": (  # the library itself: FROM_SOURCE
        TORCH,
        (
            "gymnasium==0.29.1", "gym==0.23.0", "pettingzoo==1.24.1", "shimmy==1.3.0", "psutil==7.2.2", "nvidia-ml-py",
            "rich==15.0.0", "rich-argparse==1.8.0", "imageio==2.38.1", "pyro-ppl==1.9.1",
        ),
    ),
    "envpool": (("envpool==1.2.5", "gymnasium==1.4.0"),),
    "gymnax": (("gymnax==1.0.1", "jax==0.10.2", "six==1.17.0"),),  # it imports six without asking for it
    "jumanji": (("jumanji==1.1.2", "jax==0.10.2"),),
    "xland-minigrid": (("xminigrid==0.9.3", "jax==0.10.2"),),
    "minigrid": (("minigrid==3.2.0", "gymnasium==1.4.0"),),
    "pgx": (("pgx==2.6.0", "jax==0.10.2"),),
    "maze-dataset": (("maze-dataset==1.4.2", "muutils==0.8.12"),),  # it does not import with a newer muutils
    "mazelib": (("mazelib==0.9.16",),),
    "ortools": (("ortools==9.15.6755",),),
    "elkai": (("elkai==2.0.1",),),
    "pyvrp": (("pyvrp==0.14.1",),),
    "python-tsp": (("python-tsp==0.5.0",),),
    "fast-tsp": (("fast-tsp==0.2.2",),),
    "highspy": (("highspy==1.15.1",),),
    "sb3-contrib": (("torch==2.13.0",), ("sb3-contrib==2.9.0", "stable-baselines3==2.9.2")),
}  # fmt: skip

# Which has no wheel, and a set-up that fetches graphics libraries before it builds.
FROM_SOURCE = {"pufferlib": "3.0.0"}
WANTED_BINDINGS = ("squared", "grid", "cartpole")  # of PufferLib's environments; the rest are left out of the build


def version(peer: str) -> str:
    """The pinned version of the peer's library."""
    if peer in FROM_SOURCE:
        return FROM_SOURCE[peer]
    library = PINS[peer][-1][0]
    return library.split("==")[1]
