"""check_vector_env passes good environments and catches planted offenders: one thing broken each."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import mesasim
from mesasim import MesaVectorEnv
from mesasim.testing import ContractError, check_vector_env

OPTIONS = {"size": 3, "view": 3, "max_episode_steps": 12, "output": "numpy", "oracle": True}


class Offender(MesaVectorEnv):
    """A good environment whose results pass through `spoil_reset` and `spoil_step`."""

    def __init__(self, **kwargs):
        super().__init__("Maze-v0", 4, **{**OPTIONS, **kwargs})
        self.calls = 0

    def reset(self, **kwargs):
        self.calls += 1
        return self.spoil_reset(*super().reset(**kwargs))

    def step(self, actions):
        self.calls += 1
        return self.spoil_step(*super().step(actions))

    def spoil_reset(self, observation, info):
        return observation, info

    def spoil_step(self, *result):
        return result


class Same(Offender):
    def __init__(self):
        super().__init__(autoreset_mode="SameStep")


class Disabled(Offender):
    def __init__(self):
        super().__init__(autoreset_mode="Disabled")


class WrongNumEnvs(Offender):
    def __init__(self):
        super().__init__()
        self.num_envs = 4.0


class WrongBatchSpace(Offender):
    def __init__(self):
        super().__init__()
        self.observation_space = self.single_observation_space


class SharedMetadata(Offender):
    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012  the very fault

    def __init__(self):
        super().__init__()
        self.metadata = type(self).metadata


class ModeAsText(Offender):
    def __init__(self):
        super().__init__()
        self.metadata["autoreset_mode"] = "NextStep"


class SeedIgnored(Offender):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=self.calls, options=options)


class ObservationDtype(Offender):
    def spoil_reset(self, observation, info):
        return observation.astype(np.float32), info


class ObservationOutside(Offender):
    def spoil_step(self, observation, *rest):
        return observation + np.uint8(40), *rest


class ObservationShape(Offender):
    def spoil_step(self, observation, *rest):
        return observation.reshape(len(observation), -1), *rest


class Int64ActionsMeanOther(Offender):
    def step(self, actions):
        return super().step((actions + 1) % 4 if actions.dtype == np.int64 else actions)


class RewardColumn(Offender):
    def spoil_step(self, observation, reward, *rest):
        return observation, reward[:, None], *rest


class IntegerReward(Offender):
    def spoil_step(self, observation, reward, *rest):
        return observation, reward.astype(np.int32), *rest


class FloatFlags(Offender):
    def spoil_step(self, observation, reward, terminated, *rest):
        return observation, reward, terminated.astype(np.float32), *rest


class InfoWithoutMask(Offender):
    def spoil_step(self, *result):
        del result[4]["_goal_distance"]
        return result


class InfoIsScalar(Offender):
    def spoil_reset(self, observation, info):
        return observation, info | {"mean": 3.0, "_mean": np.ones(4, dtype=bool)}


class MaskOfIntegers(Offender):
    def spoil_reset(self, observation, info):
        return observation, info | {"_goal_distance": np.ones(4, dtype=np.int64)}


class FourValues(Offender):
    def spoil_step(self, *result):
        return result[:4]


class Reused(Offender):
    def _give(self, value):
        return value.numpy()  # the engine's own memory, though `copy` says that it is the caller's to keep


class Handed(Offender):
    """The reward array never changes its values here, but it is one and the same."""

    def spoil_step(self, observation, reward, *rest):
        self.held = getattr(self, "held", reward)
        self.held[:] = 0
        return observation, self.held, *rest


class RewardOnReset(Offender):
    def step(self, actions):
        core = self.buffers.group["core"]
        done = (core["terminated"] | core["truncated"]).numpy().copy()
        observation, reward, *rest = super().step(actions)
        return observation, np.where(done, np.float32(1), reward), *rest


class ClaimsSameStep(Offender):
    def __init__(self):
        super().__init__()
        self.metadata["autoreset_mode"] = AutoresetMode.SAME_STEP


class ClaimsNextStep(Same):
    """The first action after an end is acted on, not ignored."""

    def __init__(self):
        super().__init__()
        self.metadata["autoreset_mode"] = AutoresetMode.NEXT_STEP


class ClaimsDisabled(Offender):
    def __init__(self):
        super().__init__()
        self.metadata["autoreset_mode"] = AutoresetMode.DISABLED


class NoFinalObservation(Same):
    def spoil_step(self, *result):
        result[4].pop("final_obs", None)
        result[4].pop("_final_obs", None)
        return result


class FinalMaskFlipped(Same):
    def spoil_step(self, *result):
        if "_final_obs" in result[4]:
            result[4]["_final_obs"] = ~result[4]["_final_obs"]
        return result


class FinalObservationMissing(Same):
    def spoil_step(self, *result):
        if "final_obs" in result[4]:
            result[4]["final_obs"] = np.full(4, None, dtype=object)
        return result


class MaskIgnored(Disabled):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)


class MaskRefused(Offender):
    def reset(self, *, seed=None, options=None):
        if options:
            raise NotImplementedError("options")
        return super().reset(seed=seed)


class CloseOnce(Offender):
    def close(self, **kwargs):
        if self.closed:
            raise RuntimeError("already closed")
        super().close(**kwargs)


class NeverEnds(Offender):
    def __init__(self):
        super().__init__(max_episode_steps=0, size=20, min_distance=38)


CAUGHT = [
    (WrongNumEnvs, "num_envs is 4.0"),
    (WrongBatchSpace, "observation_space is"),
    (SharedMetadata, "metadata is the class's dict"),
    (ModeAsText, "not an AutoresetMode"),
    (SeedIgnored, "two resets with seed=0"),
    (ObservationDtype, "dtype float32"),
    (ObservationOutside, "not in observation_space"),
    (ObservationShape, "observation has shape"),
    (Int64ActionsMeanOther, "int32 than with int64"),
    (RewardColumn, "reward has shape"),
    (IntegerReward, "reward has dtype int32"),
    (FloatFlags, "terminated has dtype float32"),
    (InfoWithoutMask, "has no mask '_goal_distance'"),
    (InfoIsScalar, "info['mean'] is not an array"),
    (MaskOfIntegers, "dtype int64, not bool"),
    (FourValues, "five values"),
    (Reused, "change when the environment steps on"),
    (Handed, "handed out again"),
    (RewardOnReset, "gives reward"),
    (ClaimsSameStep, "no 'final_obs'"),
    (ClaimsNextStep, "is not ignored"),
    (ClaimsDisabled, "went on without a reset"),
    (NoFinalObservation, "no 'final_obs'"),
    (FinalMaskFlipped, "'_final_obs'"),
    (FinalObservationMissing, "final_obs of slot"),
    (MaskIgnored, "not asked to reset"),
    (MaskRefused, "raises NotImplementedError"),
    (CloseOnce, "closing twice"),
    (NeverEnds, "no episode ended in 200 steps"),
]


@pytest.mark.parametrize("good", [Offender, Same, Disabled])
def test_environments_that_only_pass_results_on_are_let_through(good):
    check_vector_env(good())


@pytest.mark.parametrize(("offender", "sentence"), CAUGHT, ids=[offender.__name__ for offender, _ in CAUGHT])
def test_planted_offender_is_caught_and_named(offender, sentence):
    with pytest.raises(ContractError) as caught:
        check_vector_env(offender(), steps=200)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_gymnasiums_own_vector_environment_passes(mode):
    check_vector_env(SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 3, autoreset_mode=mode))


def test_every_form_of_ours_passes(case, device):
    world, options = case
    for mode in AutoresetMode:
        for output, copy in (("torch", True), ("torch", False), ("numpy", True), ("numpy", False)):
            env = mesasim.make_vec(
                world, 3, device=device, output=output, copy=copy, autoreset_mode=mode, max_episode_steps=6,
                history=copy, oracle=not copy, **options,
            )  # fmt: skip
            check_vector_env(env, steps=20)
