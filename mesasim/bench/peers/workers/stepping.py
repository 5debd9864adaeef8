"""Peers' environments, random actions, automatic reset: a function a peer from a work {"env": …, "num_envs": …, "mode": …} to
a protocol.Work whose units are environment steps. Imports nothing of mesasim.

Each is driven as its own documentation does for speed. JAX libraries by one of two modes: "scan" (a compiled loop of POOL steps;
observation and reward are carried, so that each step computes them) or "calls" (one compiled batch of steps a call). In both,
as in ours, actions come from a pool drawn beforehand. What has no threads runs in as many processes."""

import numpy as np
from protocol import Work

POOL = 64  # rows of random actions drawn beforehand; steps in a compiled loop


def pufferlib(work, threads):
    """Its native environments, a process a core."""
    import importlib

    name, count = work["env"], work["num_envs"]
    module = importlib.import_module(f"pufferlib.ocean.{name}.{name}")
    env = getattr(module, name.capitalize())(num_envs=count, **work.get("options", {}))
    env.reset(seed=1)
    pool = np.random.default_rng(1).integers(env.single_action_space.n, size=(1024, count)).astype(env.actions.dtype)
    state = {"k": 0}

    def once():
        k = state["k"]
        for row in range(k, k + 256):
            env.step(pool[row % 1024])
        state["k"] = k + 256
        return 256 * count

    once()
    moved = (env.actions, env.observations, env.rewards, env.terminals, env.truncations)
    return Work(once, {"bytes_per_step": _bytes(moved, count)}, processes=threads)


def envpool(work, threads):
    """Its synchronous form: a call steps every environment."""
    import envpool

    count = work["num_envs"]
    env = envpool.make(work["env"], env_type="gymnasium", num_envs=count, num_threads=threads, seed=1)
    env.reset()
    pool = np.random.default_rng(1).integers(env.action_space.n, size=(POOL, count)).astype(np.int32)
    moved = env.step(pool[0])[:4]

    def once():
        for row in pool:
            env.step(row)
        return POOL * count

    once()
    return Work(once, {"bytes_per_step": _bytes((pool[0], *_leaves(moved)), count)})


def minigrid(work, threads):
    """Single environments in Gymnasium's SyncVectorEnv, a process a core."""
    import gymnasium
    import minigrid as _registers  # noqa: F401
    from minigrid.wrappers import ImgObsWrapper

    count = work["num_envs"]

    def make():
        return ImgObsWrapper(gymnasium.make(work["env"]))

    env = gymnasium.vector.SyncVectorEnv([make for _ in range(count)])
    env.reset(seed=1)
    pool = np.random.default_rng(1).integers(3, size=(POOL, count))  # left, right, forward: the rest do nothing here
    moved = env.step(pool[0])[:4]

    def once():
        for row in pool[:8]:
            env.step(row)
        return 8 * count

    once()
    return Work(once, {"bytes_per_step": _bytes((pool[0], *moved), count)}, processes=threads)


def gymnax(work, threads):
    """Its step resets by itself."""
    import gymnax
    import jax

    env, params = gymnax.make(work["env"])
    many = jax.vmap(env.step, in_axes=(0, 0, 0, None))
    first = jax.vmap(env.reset, in_axes=(0, None))

    def reset(keys):
        obs, state = first(keys, params)
        return state, obs

    def step(keys, state, actions):
        obs, state, reward, *ends, _ = many(keys, state, actions, params)
        return state, (obs, reward, *ends)

    return _jax(reset, step, env.num_actions, work)


def jumanji(work, threads):
    """Its own VmapAutoResetWrapper, or with reset="lazy" a reset that only environments at an end pay for."""
    import jax
    import jumanji
    from jumanji.wrappers import VmapAutoResetWrapper

    env = jumanji.make(work["env"])
    actions = int(env.action_spec.num_values)
    if work.get("reset") != "lazy":
        wrapped = VmapAutoResetWrapper(env)

        def reset(keys):
            state, timestep = wrapped.reset(keys)
            return state, timestep.observation

        def step(keys, state, action):
            state, timestep = wrapped.step(state, action)
            return state, (timestep.observation, timestep.reward, timestep.last())

        return _jax(reset, step, actions, work, keyed=False)

    def anew(state, timestep):
        state, fresh = env.reset(jax.random.split(state.key)[0])
        return state, timestep.replace(observation=fresh.observation)

    def restart(both):
        return jax.lax.cond(both[1].last(), anew, lambda state, timestep: (state, timestep), *both)

    def lazy_reset(keys):
        state, timestep = jax.vmap(env.reset)(keys)
        return state, timestep.observation

    def lazy_step(keys, state, action):
        state, timestep = jax.lax.map(restart, jax.vmap(env.step)(state, action))
        return state, (timestep.observation, timestep.reward, timestep.last())

    return _jax(lazy_reset, lazy_step, actions, work, keyed=False)


def xland_minigrid(work, threads):
    """Its GymAutoResetWrapper."""
    import jax
    import xminigrid
    from xminigrid.wrappers import GymAutoResetWrapper

    env, params = xminigrid.make(work["env"])
    env = GymAutoResetWrapper(env)

    def reset(keys):
        timestep = jax.vmap(env.reset, in_axes=(None, 0))(params, keys)
        return timestep, timestep.observation

    def step(keys, timestep, action):
        timestep = jax.vmap(env.step, in_axes=(None, 0, 0))(params, timestep, action)
        return timestep, (timestep.observation, timestep.reward, timestep.last())

    return _jax(reset, step, 3, work, keyed=False)  # forward and the two turns, as MiniGrid's and ours


def pgx(work, threads):
    """Its auto_reset; actions are the legal ones, drawn inside."""
    import jax
    import jax.numpy as jnp
    import pgx
    from pgx.experimental import auto_reset

    env = pgx.make(work["env"])
    stepping = jax.vmap(auto_reset(env.step, env.init))

    def reset(keys):
        state = jax.vmap(env.init)(keys)
        return state, state.observation

    def step(keys, state, action):
        legal = jnp.log(state.legal_action_mask.astype(jnp.float32))
        state = stepping(state, jax.vmap(jax.random.categorical)(keys, legal), keys)
        return state, (state.observation, state.rewards, state.terminated)

    return _jax(reset, step, env.num_actions, work)


def _jax(reset, step, num_actions, work, keyed=True):
    """`keyed`: whether the step takes a key of its own for every environment."""
    import jax
    import jax.numpy as jnp

    count = work["num_envs"]
    state, _ = jax.jit(reset)(jax.random.split(jax.random.key(1), count))
    state, handed = jax.jit(step)(
        jax.random.split(jax.random.key(2), count), state, jnp.zeros((count,), dtype=jnp.int32)
    )
    facts = {"bytes_per_step": _bytes([np.zeros(count, np.int32), *_leaves(handed)], count)}
    held = {"state": state, "key": jax.random.key(3), "k": 0}

    def keys(key):
        return jax.random.split(key, count) if keyed else None

    pool = jax.random.randint(jax.random.key(4), (POOL, count), 0, num_actions)

    if work["mode"] == "scan":

        @jax.jit
        def loop(state, handed, key, pool):
            def body(carry, row):
                key, actions = row
                return step(keys(key), carry[0], actions), None

            key, using = jax.random.split(key)
            (state, handed), _ = jax.lax.scan(body, (state, handed), (jax.random.split(using, POOL), pool))
            return state, handed, key

        held["handed"] = handed

        def once():
            held["state"], held["handed"], held["key"] = loop(held["state"], held["handed"], held["key"], pool)
            jax.block_until_ready(held["handed"])
            return POOL * count

    else:

        @jax.jit
        def call(state, key, actions):
            key, using = jax.random.split(key)
            state, handed = step(keys(using), state, actions)
            return state, handed, key

        rows = list(pool[:8])

        def once():
            for actions in rows:
                held["state"], handed, held["key"] = call(held["state"], held["key"], actions)
            jax.block_until_ready(handed)
            return 8 * count

    once()
    once()
    return Work(once, facts)


def _leaves(tree):
    """Arrays of nested dicts, tuples, lists and records."""
    try:
        import jax

        return jax.tree.leaves(tree)
    except ImportError:
        if isinstance(tree, dict):
            return [leaf for value in tree.values() for leaf in _leaves(value)]
        return [leaf for value in tree for leaf in _leaves(value)] if isinstance(tree, (tuple, list)) else [tree]


def _bytes(arrays, count):
    """A step's share of what is handed over: action in; observation, reward and flags out."""
    return round(sum(array.size * array.dtype.itemsize for array in arrays) / count)
