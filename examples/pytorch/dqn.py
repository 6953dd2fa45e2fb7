"""Deep Q-learning on the mountain car: replay memory, a slowly following target network, epsilon-greedy actions."""

import argparse
import json
import math
import random
from collections import deque, namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


class MountainCar:
    """A car too weak for the hill: it must swing (Moore 1990)."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def reset(self):
        self.x, self.v, self.t = self.rng.uniform(-0.6, -0.4), 0.0, 0
        return np.array([self.x, self.v * 10], dtype=np.float32)

    def step(self, action):
        self.v = min(max(self.v + (action - 1) * 0.001 - 0.0025 * math.cos(3 * self.x), -0.07), 0.07)
        self.x = min(max(self.x + self.v, -1.2), 0.6)
        self.v = 0.0 if self.x == -1.2 and self.v < 0 else self.v
        self.t += 1
        return np.array([self.x, self.v * 10], dtype=np.float32), -1.0, self.x >= 0.5, self.t >= 100


class ReplayMemory:
    def __init__(self, capacity):
        self.memory = deque([], maxlen=capacity)

    def push(self, *args):
        self.memory.append(Transition(*args))

    def sample(self, batch_size):
        return random.sample(self.memory, batch_size)

    def __len__(self):
        return len(self.memory)


class DQN(nn.Module):
    def __init__(self, n_observations, n_actions):
        super().__init__()
        self.layer1 = nn.Linear(n_observations, 128)
        self.layer2 = nn.Linear(128, 128)
        self.layer3 = nn.Linear(128, n_actions)

    def forward(self, x):
        x = F.relu(self.layer1(x))
        x = F.relu(self.layer2(x))
        return self.layer3(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--tau", type=float, default=0.005)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--double", action="store_true", help="let the policy network choose the target's action")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many updates")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    random.seed(args.seed)
    torch.manual_seed(args.seed)
    device = torch.device(
        "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    )
    env = MountainCar(args.seed)
    policy_net = DQN(2, 3).to(device)
    target_net = DQN(2, 3).to(device)
    target_net.load_state_dict(policy_net.state_dict())
    optimizer = optim.AdamW(policy_net.parameters(), lr=args.lr, amsgrad=True)
    memory = ReplayMemory(10000)
    steps_done, losses = 0, []

    def select_action(state):
        nonlocal steps_done
        eps_threshold = 0.05 + 0.85 * math.exp(-1.0 * steps_done / 500)
        steps_done += 1
        if random.random() > eps_threshold:
            with torch.no_grad():
                return policy_net(state).max(1).indices.view(1, 1)
        return torch.tensor([[random.randrange(3)]], device=device, dtype=torch.long)

    def optimize_model():
        if len(memory) < args.batch_size:
            return
        transitions = memory.sample(args.batch_size)
        batch = Transition(*zip(*transitions))
        non_final_mask = torch.tensor(tuple(s is not None for s in batch.next_state), device=device, dtype=torch.bool)
        non_final_next_states = torch.cat([s for s in batch.next_state if s is not None])
        state_batch, action_batch, reward_batch = torch.cat(batch.state), torch.cat(batch.action), torch.cat(batch.reward)

        state_action_values = policy_net(state_batch).gather(1, action_batch)
        next_state_values = torch.zeros(args.batch_size, device=device)
        with torch.no_grad():
            if args.double:
                best = policy_net(non_final_next_states).argmax(1, keepdim=True)
                next_state_values[non_final_mask] = target_net(non_final_next_states).gather(1, best).squeeze(1)
            else:
                next_state_values[non_final_mask] = target_net(non_final_next_states).max(1).values
        expected_state_action_values = (next_state_values * args.gamma) + reward_batch

        criterion = nn.SmoothL1Loss()
        loss = criterion(state_action_values, expected_state_action_values.unsqueeze(1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
        optimizer.step()
        losses.append(loss.item())

    for episode in range(args.episodes):
        state = torch.tensor(env.reset(), dtype=torch.get_default_dtype(), device=device).unsqueeze(0)
        total = 0
        while True:
            action = select_action(state)
            observation, reward, terminated, truncated = env.step(action.item())
            total += reward
            reward = torch.tensor([reward], device=device)
            next_state = None
            if not terminated:
                next_state = torch.tensor(observation, dtype=torch.get_default_dtype(), device=device).unsqueeze(0)
            memory.push(state, action, next_state, reward)
            state = next_state
            optimize_model()

            target_net_state_dict = target_net.state_dict()
            policy_net_state_dict = policy_net.state_dict()
            for key in policy_net_state_dict:
                target_net_state_dict[key] = policy_net_state_dict[key] * args.tau + target_net_state_dict[key] * (
                    1 - args.tau
                )
            target_net.load_state_dict(target_net_state_dict)
            if terminated or truncated or len(losses) == args.steps > 0:
                break
        print(f"episode {episode}: {total:.0f}, last loss {losses[-1] if losses else float('nan'):.5f}")
        if args.steps and len(losses) >= args.steps:
            break
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
