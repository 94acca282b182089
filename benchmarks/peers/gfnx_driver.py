"""gfnx on the hypergrid: one measurement, one JSON line."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from importlib.metadata import version

import gfnx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from gfnx.environment import HypergridEnvironment
from gfnx.reward.hypergrid import GeneralHypergridRewardModule

import grid

ITERATIONS = 50  # A call trains so often.


class Setup:
    """The task of design: MLP 2×256 on one-hot input, both heads on one trunk, Adam."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.dimensions = arguments.dimensions
        self.env = HypergridEnvironment(GeneralHypergridRewardModule(R0=0.1, R1=0.5, R2=2.0),
                                        dim=self.dimensions, side=arguments.side)
        key = jax.random.PRNGKey(arguments.seed)
        self.env_params = self.env.init(key)
        sizes = [self.dimensions * arguments.side, 256, 256, 2 * self.dimensions + 1]
        layers = []
        for inputs, outputs in zip(sizes, sizes[1:]):
            key, k1, k2 = jax.random.split(key, 3)
            bound = inputs ** -0.5
            layers.append((jax.random.uniform(k1, (inputs, outputs), minval=-bound, maxval=bound),
                           jax.random.uniform(k2, (outputs,), minval=-bound, maxval=bound)))
        self.parameters = {"layers": layers, "log_z": jnp.zeros(())}
        self.optimizer = optax.multi_transform(
            {"layers": optax.adam(1e-3), "log_z": optax.adam(0.1)},
            {"layers": "layers", "log_z": "log_z"})
        self.state = (self.parameters, self.optimizer.init(self.parameters), key)

    def policy(self, _key, observations, layers):
        h = observations
        for weight, bias in layers[:-1]:
            h = jax.nn.leaky_relu(h @ weight + bias)
        weight, bias = layers[-1]
        out = h @ weight + bias
        forward, backward = out[..., :self.dimensions + 1], out[..., self.dimensions + 1:]
        return forward, {"forward_logits": forward, "backward_logits": backward}

    def draw(self, key, layers):
        return gfnx.utils.forward_rollout(key, self.arguments.batch, self.policy, layers, self.env,
                                          self.env_params)

    def loss(self, parameters, drawn, log_reward):
        _, info = self.policy(None, drawn.obs, parameters["layers"])
        drawn = drawn.replace(info={**drawn.info, **info})
        log_pf, log_pb = gfnx.utils.forward_trajectory_log_probs(self.env, drawn, self.env_params)
        return jnp.mean((parameters["log_z"] + log_pf - log_pb - log_reward) ** 2)

    def iterate(self, state, _):
        parameters, moments, key = state
        key, draw_key = jax.random.split(key)
        drawn, info = self.draw(draw_key, parameters["layers"])
        gradient = jax.grad(self.loss)(parameters, drawn, info["log_gfn_reward"])
        updates, moments = self.optimizer.update(gradient, moments, parameters)
        return (optax.apply_updates(parameters, updates), moments, key), None

    def compile(self, looped):
        """ITERATIONS of training as one compiled loop, or as compiled calls one after another."""
        if looped:
            many = jax.jit(lambda state: jax.lax.scan(self.iterate, state, None,
                                                      length=ITERATIONS)[0])
        else:
            once = jax.jit(lambda state: self.iterate(state, None)[0])

        def train():
            if looped:
                self.state = many(self.state)
            else:
                for _ in range(ITERATIONS):
                    self.state = once(self.state)
            jax.block_until_ready(self.state)
            return ITERATIONS

        return train

    def total_variation(self):
        cells = grid.all_cells(self.dimensions, self.arguments.side)
        states = self.env.get_init_state(len(cells)).replace(state=jnp.asarray(cells))
        observations = self.env.get_obs(states, self.env_params)
        logits, _ = self.policy(None, observations, self.state[0]["layers"])
        logits = np.asarray(logits, dtype=np.float64)
        logits[np.asarray(self.env.get_invalid_mask(states, self.env_params))] = -np.inf
        forward = np.exp(logits - logits.max(axis=1, keepdims=True))
        return grid.total_variation(forward / forward.sum(axis=1, keepdims=True), self.dimensions,
                                    self.arguments.side)


def main():
    arguments = grid.parse_arguments(__doc__)
    setup = Setup(arguments)
    library = ("gfnx", version("gfnx"))
    if arguments.task == "rollout":
        layers = setup.parameters["layers"]
        layers[-1] = (layers[-1][0], layers[-1][1].at[setup.dimensions].add(grid.STOP_LOGIT_OFFSET))
        draw = jax.jit(lambda key: setup.draw(key, layers)[1]["trajectory_length"].sum())
        keys = iter(jax.random.split(jax.random.PRNGKey(1), 100000))
        rate = grid.measure(lambda: int(draw(next(keys))), arguments.seconds, warm_up=3)
        grid.report(*library, arguments.task, rate, "transitions/s")
        return
    choices = {looped: setup.compile(looped) for looped in (False, True)}
    looped = grid.fastest(choices)
    if arguments.task == "train":
        rate = grid.measure(choices[looped], arguments.seconds, warm_up=6)
        grid.report(*library, arguments.task, rate, "iterations/s", looped=looped)
    else:
        fresh = Setup(arguments)
        spent, iterations, found = grid.time_to(fresh.compile(looped), fresh.total_variation,
                                                arguments.tv, arguments.limit)
        grid.report(*library, arguments.task, spent, "s", iterations=iterations, tv=found,
                    looped=looped)


if __name__ == "__main__":
    main()
