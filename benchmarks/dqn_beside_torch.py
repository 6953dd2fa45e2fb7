"""DQN's updates and whole training on Cutaway and on PyTorch: the same agent, memory, environment and random numbers.

    python benchmarks/dqn_beside_torch.py [--updates 2000] [--steps 20000] [--threads 1]

PyTorch's side is the very agent with another `build()`: networks and optimiser are PyTorch's and read the same memory.
The sides take turns; medians of the blocks are compared. Both begin with the same weights: first their losses are compared.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F

import cutaway
from cutaway.rl.agents import dqn
from cutaway.rl.arithmetic import td_target


class OnTorch(dqn.Agent):
    """`dqn.Agent` with PyTorch inside."""

    def build(self):
        s, memory = self.settings, self.memory
        self.nets = {}
        for name in ("online", "target"):
            layers = []
            for layer in self.model[name]:
                if isinstance(layer, cutaway.nn.Linear):
                    made = torch.nn.Linear(layer.in_features, layer.out_features)
                    made.load_state_dict({k: torch.tensor(v.numpy()) for k, v in layer.state_dict().items()})
                    layers.append(made)
                else:
                    layers.append(torch.nn.ReLU())
            self.nets[name] = torch.nn.Sequential(*layers)
        online, target = self.nets.values()
        optimizer = self.torch_optimizer = torch.optim.Adam(online.parameters(), lr=s.lr)
        rows_of = {name: torch.from_numpy(a) for name, a in memory._rows.items()}  # the same memory

        @torch.no_grad()
        def act(obs):
            return online(torch.from_numpy(obs.numpy()))

        def update(rows, weight):
            rows, weight = torch.from_numpy(rows.numpy()), torch.from_numpy(weight.numpy())
            with torch.no_grad():
                next_obs = rows_of["next_obs"][rows]
                q_next = target(next_obs)
                if s.double:
                    best = q_next.gather(1, online(next_obs).argmax(1, keepdim=True))[:, 0]
                else:
                    best = q_next.amax(1)
                wanted = td_target(rows_of["reward"][rows], rows_of["discount"][rows], best)
            q = online(rows_of["obs"][rows]).gather(1, rows_of["action"][rows][:, None])[:, 0]
            loss = (weight * F.smooth_l1_loss(q, wanted, reduction="none")).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(online.parameters(), s.clip)
            optimizer.step()
            return loss, wanted - q.detach()

        def update_and_follow(rows, weight):
            result = update(rows, weight)
            with torch.no_grad():
                for slow, fast in zip(target.parameters(), online.parameters()):
                    slow.lerp_(fast, s.tau)
            return result

        self._act, self._update, self._update_and_follow = act, update, update_and_follow
        self._even = cutaway.ones(s.batch_size)

    def anneal(self):
        super().anneal()
        self.torch_optimizer.param_groups[0]["lr"] = self.optimizers["q"].param_groups[0]["lr"]


def main():
    """Compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cutaway.set_num_threads(args.threads)

    sides = {name: kind(dqn.Config.of(steps=args.steps)) for name, kind in (("cutaway", dqn.Agent), ("torch", OnTorch))}
    for agent in sides.values():
        while len(agent.losses) < 50:
            agent.advance()
    pairs = np.array([agent.losses[:50] for agent in sides.values()])
    print(f"first 50 losses differ by at most {np.abs(pairs[0] - pairs[1]).max():.1e}")
    rates = {name: [] for name in sides}
    for _ in range(args.blocks):
        for name, agent in sides.items():
            begin = time.perf_counter()
            for _ in range(args.updates):
                agent.learn()
            rates[name].append(args.updates / (time.perf_counter() - begin))
    report("updates/s", {name: statistics.median(r) for name, r in rates.items()})

    whole = {}
    for name, kind in (("cutaway", dqn.Agent), ("torch", OnTorch)):
        begin = time.perf_counter()
        agent = kind(dqn.Config.of(steps=args.steps))
        while not agent.finished:
            agent.advance()
        whole[name] = args.steps / (time.perf_counter() - begin)
    report("steps/s of a whole training, the first call and its compilation included", whole)


def report(what, rates):
    """One line."""
    sides = ", ".join(f"{k} {v:,.0f}" for k, v in rates.items())
    print(f"{what}: {sides} ({rates['cutaway'] / rates['torch']:.1f} x)")


if __name__ == "__main__":
    main()
