"""Agents: networks with and without memory, and scripted references of known nature, behind one contract (base.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesasim.agents.base import Agent
from mesasim.agents.blocks import check_heads
from mesasim.agents.encoding import FieldShape
from mesasim.agents.network import Network
from mesasim.agents.recurrent import Recurrent
from mesasim.agents.stateless import MLP
from mesasim.agents.transformer import Transformer
from mesasim.agents.truncated import Truncated
from mesasim.agents.windowed import Window

NETWORKS = {
    "mlp": "stateless: sees the world's present observation, no history",
    "window": "windowed: sees the last `window` observations with their actions and rewards",
    "gru": "recurrent: one GRU layer",
    "lstm": "recurrent: one LSTM layer",
    "transformer": "looking back: a causal transformer (GPT) over the last `window` steps",
}


@dataclass
class NetworkConfig:
    """Which network, and how large."""

    kind: str = "gru"
    """mlp, window, gru, lstm or transformer."""
    hidden: int = 64
    """Units of every hidden layer; numbers a step of a transformer."""
    layers: int = 2
    """Hidden layers of mlp and window; blocks of a transformer."""
    window: int = 1
    """Steps that a window agent or a transformer sees; a whole episode, and a transformer forgets nothing."""
    hide: tuple[str, ...] = ()
    """Fields of the observation that are withheld from the network: previous_reward, previous_action …"""
    embed: int = 0
    """Units of a tanh layer before a gru or lstm; 0: none."""
    readout: int = 0
    """Units of a tanh layer that reads the state of a gru or lstm together with what is seen; 0: none."""
    memory: int = 0
    """Steps over which the units of a gru or lstm begin by forgetting (chrono initialisation); 0: torch's, half a step."""
    heads: int = 4
    """Attention heads of a transformer; they share `hidden` out evenly."""
    strict: bool = False
    """Of gru, lstm and transformer: compute every answer anew from the last `window` observations alone, as though the episode
    had begun with them, at up to `window` times the cost. Else a gru or lstm has no window, and in episodes longer than its
    window a transformer of several blocks is still moved by older steps. The other kinds see no further anyway."""

    def __post_init__(self) -> None:
        if self.kind not in NETWORKS:
            raise ValueError(f"kind: got {self.kind!r}, allowed: {', '.join(NETWORKS)}")
        for name in ("hidden", "layers", "window", "heads"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= 65536:
                raise ValueError(f"{name}: got {value!r}, allowed: 1 to 65536")
        for name in ("embed", "readout", "memory"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 0 <= value <= 65536:
                raise ValueError(f"{name}: got {value!r}, allowed: 0 (none) to 65536")
        self.hide = tuple(self.hide)
        if not isinstance(self.strict, bool):
            raise ValueError(f"strict: got {self.strict!r}, allowed: True, False")
        if self.kind == "transformer":
            check_heads(self.hidden, self.heads, rotary=True)


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
    network: Network
    if config.kind == "transformer":
        network = Transformer(fields, num_actions, config.hidden, config.layers, config.window, config.heads)
    else:
        network = Recurrent(
            fields, num_actions, config.hidden, config.kind, config.embed, config.readout, config.memory
        )
    return Truncated(network, config.window) if config.strict else network


__all__ = ["NETWORKS", "Agent", "NetworkConfig", "build_network"]
