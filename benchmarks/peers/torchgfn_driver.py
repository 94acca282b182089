"""torchgfn on the hypergrid: one measurement, one JSON line."""

from importlib.metadata import version

import numpy as np
import torch
from gfn.estimators import DiscretePolicyEstimator
from gfn.gflownet import TBGFlowNet
from gfn.gym import HyperGrid
from gfn.preprocessors import KHotPreprocessor
from gfn.samplers import Sampler

import grid


class AsFloat(torch.nn.Module):
    """The preprocessor gives integers."""

    def forward(self, x):
        return x.float()


class Setup:
    """The task of design: MLP 2×256 on one-hot input, both heads on one trunk, Adam."""

    def __init__(self, arguments):
        torch.manual_seed(arguments.seed)
        torch.distributions.Distribution.set_default_validate_args(False)
        self.arguments = arguments
        self.env = HyperGrid(ndim=arguments.dimensions, height=arguments.side,
                             reward_fn_kwargs={"R0": 0.1, "R1": 0.5, "R2": 2.0}, debug=False)
        preprocessor = KHotPreprocessor(arguments.side, arguments.dimensions)
        trunk = torch.nn.Sequential(
            AsFloat(), torch.nn.Linear(arguments.side * arguments.dimensions, 256),
            torch.nn.LeakyReLU(),
            torch.nn.Linear(256, 256), torch.nn.LeakyReLU())
        self.heads = [torch.nn.Linear(256, self.env.n_actions),
                      torch.nn.Linear(256, self.env.n_actions - 1)]
        modules = []
        for head in self.heads:
            module = torch.nn.Sequential(trunk, head)
            module.input_dim, module.output_dim = preprocessor.output_dim, head.out_features
            modules.append(module)
        self.forward = DiscretePolicyEstimator(modules[0], self.env.n_actions, preprocessor)
        backward = DiscretePolicyEstimator(modules[1], self.env.n_actions, preprocessor,
                                           is_backward=True)
        self.flow = TBGFlowNet(pf=self.forward, pb=backward, init_logZ=0.0)
        parameters = {id(p): p for p in self.flow.pf_pb_parameters()}
        self.optimizer = torch.optim.Adam(
            [{"params": list(parameters.values()), "lr": 1e-3},
             {"params": self.flow.logz_parameters(), "lr": 0.1}])

    def on_threads(self, count, work):
        """`work` on `count` threads of PyTorch: small batches are not always faster on two."""
        def work_on_threads():
            torch.set_num_threads(count)
            return work()

        return work_on_threads

    def choices(self, work):
        return {count: self.on_threads(count, work) for count in (1, 2)}

    def roll_out(self):
        with torch.no_grad():
            drawn = Sampler(self.forward).sample_trajectories(self.env, n=self.arguments.batch)
        return int(drawn.terminating_idx.sum())

    def step(self):
        drawn = self.flow.sample_trajectories(self.env, n=self.arguments.batch,
                                              save_logprobs=True)
        self.optimizer.zero_grad()
        loss = self.flow.loss_from_trajectories(self.env, drawn, recalculate_all_logprobs=False)
        loss.backward()
        self.optimizer.step()
        return 1

    def total_variation(self):
        cells = torch.as_tensor(grid.all_cells(self.arguments.dimensions, self.arguments.side))
        states = self.env.states_from_tensor(cells)
        with torch.no_grad():
            logits = self.forward(states)
            logits = logits.masked_fill(~states.forward_masks, -torch.inf)
            forward = torch.softmax(logits.double(), dim=-1).numpy()
        return grid.total_variation(np.asarray(forward), self.arguments.dimensions,
                                    self.arguments.side)


def main():
    arguments = grid.parse_arguments(__doc__)
    setup = Setup(arguments)
    library = ("torchgfn", version("torchgfn"))
    if arguments.task == "rollout":
        with torch.no_grad():
            setup.heads[0].bias[-1] += grid.STOP_LOGIT_OFFSET
        choices = setup.choices(setup.roll_out)
        threads = grid.fastest(choices)
        rate = grid.measure(choices[threads], arguments.seconds, warm_up=3)
        grid.report(*library, arguments.task, rate, "transitions/s", threads=threads)
        return
    threads = grid.fastest(setup.choices(setup.step))
    if arguments.task == "train":
        step = setup.on_threads(threads, setup.step)
        rate = grid.measure(step, arguments.seconds, warm_up=300)
        grid.report(*library, arguments.task, rate, "iterations/s", threads=threads)
    else:
        fresh = Setup(arguments)
        some = fresh.on_threads(threads, lambda: sum(fresh.step() for _ in range(100)))
        spent, iterations, found = grid.time_to(some, fresh.total_variation, arguments.tv,
                                                arguments.limit)
        grid.report(*library, arguments.task, spent, "s", iterations=iterations, tv=found,
                    threads=threads)


if __name__ == "__main__":
    main()
