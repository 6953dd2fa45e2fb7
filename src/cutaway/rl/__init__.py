"""Reinforcement learning: bandits, grid worlds, and agents that solve gymnasium's tasks.

    bandits                          epsilon-greedy, UCB, gradient
    grids, planning, tabular         worlds as tables; policy and value iteration; Monte Carlo, SARSA, Q-learning
    agents                           DQN, REINFORCE, A2C, PPO, SAC: one file each, an update is one native program

`cutaway rl train dqn --env CartPole-v1` trains one, `cutaway rl watch RUN` shows what it does and why; parts.py names what
`cutaway.use` can replace in them.
"""

from cutaway.rl import parts as parts
