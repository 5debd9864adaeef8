"""Agents: networks with and without memory, and scripted references of known nature, behind one contract (base.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesasim.agents.base import Agent
from mesasim.agents.encoding import FieldShape
from mesasim.agents.recurrent import Recurrent
from mesasim.agents.stateless import MLP
from mesasim.agents.windowed import Window

NETWORKS = {
    "mlp": "stateless: sees the world's present observation, no history",
    "window": "windowed: sees the last `window` observations with their actions and rewards",
    "gru": "recurrent: one GRU layer",
    "lstm": "recurrent: one LSTM layer",
}


@dataclass
class NetworkConfig:
    """Which network, and how large."""

    kind: str = "gru"
    """mlp, window, gru or lstm."""
    hidden: int = 64
    """Units of every hidden layer."""
    layers: int = 2
    """Hidden layers of mlp and window."""
    window: int = 1
    """Steps that a window agent sees."""
    hide: tuple[str, ...] = ()
    """Fields of the observation that are withheld from the network: previous_reward, previous_action …"""

    def __post_init__(self) -> None:
        if self.kind not in NETWORKS:
            raise ValueError(f"kind: got {self.kind!r}, allowed: {', '.join(NETWORKS)}")
        for name in ("hidden", "layers", "window"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= 65536:
                raise ValueError(f"{name}: got {value!r}, allowed: 1 to 65536")
        self.hide = tuple(self.hide)


def build_network(config: NetworkConfig, fields: Sequence[FieldShape], num_actions: int) -> Agent:
    """A fresh network for a world's observation fields and actions, initialised from torch's global generator."""
    unknown = set(config.hide) - {field.name for field in fields}
    if unknown:
        names = ", ".join(field.name for field in fields)
        raise ValueError(f"hide: got {', '.join(sorted(unknown))}, allowed: the observation's fields: {names}")
    fields = [field for field in fields if field.name not in config.hide]
    if config.kind == "mlp":
        return MLP(fields, num_actions, config.hidden, config.layers)
    if config.kind == "window":
        return Window(fields, num_actions, config.hidden, config.layers, config.window)
    return Recurrent(fields, num_actions, config.hidden, config.kind)


__all__ = ["NETWORKS", "Agent", "NetworkConfig", "build_network"]
