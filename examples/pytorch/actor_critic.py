"""An actor and its critic in one network walk a grid with a hole in it; one update an episode."""

import argparse
import json
from collections import namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical

SavedAction = namedtuple("SavedAction", ["log_prob", "value"])


class Grid:
    """Five by five; from the corner to the opposite one, round the hole in the middle."""

    moves = ((-1, 0), (1, 0), (0, -1), (0, 1))

    def reset(self):
        self.at, self.t = (0, 0), 0
        return self.observe()

    def observe(self):
        seen = np.zeros((5, 5), dtype=np.float32)
        seen[self.at] = 1
        return seen.ravel()

    def step(self, action):
        di, dj = self.moves[action]
        self.at = min(max(self.at[0] + di, 0), 4), min(max(self.at[1] + dj, 0), 4)
        self.t += 1
        reward = 1.0 if self.at == (4, 4) else -1.0 if self.at == (2, 2) else -0.02
        return self.observe(), reward, self.at in ((4, 4), (2, 2)), self.t >= 40


class Policy(nn.Module):
    def __init__(self, obs, actions):
        super().__init__()
        self.affine1 = nn.Linear(obs, 64)
        self.action_head = nn.Linear(64, actions)
        self.value_head = nn.Linear(64, 1)
        self.saved_actions = []
        self.rewards = []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


def select_action(model, state):
    probs, state_value = model(torch.from_numpy(state).to(model.affine1.weight.dtype))
    m = Categorical(probs)
    action = m.sample()
    model.saved_actions.append(SavedAction(m.log_prob(action), state_value))
    return action.item(), m.entropy()


def finish_episode(model, optimizer, gamma, entropies):
    R = 0
    returns, policy_losses, value_losses = [], [], []
    for r in model.rewards[::-1]:
        R = r + gamma * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std(unbiased=False) + 1e-6)
    for (log_prob, value), R in zip(model.saved_actions, returns):
        advantage = R - value.item()
        policy_losses.append(-log_prob * advantage)
        value_losses.append(F.smooth_l1_loss(value, torch.tensor([R])))
    optimizer.zero_grad()
    loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum() - 0.01 * torch.stack(entropies).sum()
    loss.backward()
    optimizer.step()
    del model.rewards[:]
    del model.saved_actions[:]
    return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=400)
    parser.add_argument("--log-interval", type=int, default=10)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many updates")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    env, model = Grid(), Policy(25, 4)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    running, losses = 0.0, []
    for episode in range(args.episodes):
        state, total, entropies = env.reset(), 0.0, []
        while True:
            action, entropy = select_action(model, state)
            entropies.append(entropy)
            state, reward, terminated, truncated = env.step(action)
            model.rewards.append(reward)
            total += reward
            if terminated or truncated:
                break
        running = 0.05 * total + 0.95 * running
        losses.append(finish_episode(model, optimizer, args.gamma, entropies))
        if episode % args.log_interval == 0:
            print(f"episode {episode}: reward {total:.2f}, average {running:.2f}")
        if len(losses) == args.steps:
            break
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
