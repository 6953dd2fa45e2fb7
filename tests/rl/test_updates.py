"""Each agent's update is PyTorch's for the same batch and weights: losses, and parameters after some updates."""

import copy
import math

import numpy as np
import pytest

import cutaway
from cutaway.rl import roster

torch = pytest.importorskip("torch")
F = torch.nn.functional
UPDATES = 3


def twin(module):
    """The module on PyTorch, with its weights: Sequential, Linear, and what is made of them."""
    kinds = {"ReLU": torch.nn.ReLU, "Tanh": torch.nn.Tanh}
    if type(module).__name__ == "Linear":
        layer = torch.nn.Linear(module.in_features, module.out_features)
    elif type(module).__name__ == "Sequential":
        layer = torch.nn.Sequential(*(twin(m) for m in module))
    else:
        layer = kinds[type(module).__name__]()
    layer.load_state_dict({k: torch.tensor(v.numpy()) for k, v in module.state_dict().items()})
    return layer


def same(ours, theirs, message=""):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=2e-4, atol=2e-5, err_msg=message)


def same_modules(ours, theirs):
    theirs = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        same(p, theirs[name], name)


def filled(agent, seed=0):
    """A memory or a rollout full of random numbers; its arrays, as Tensors of PyTorch that share no memory with it."""
    rng = np.random.default_rng(seed)
    held = getattr(agent, "memory", None) or agent.rollout
    arrays = getattr(held, "_rows", None) or held._arrays
    for name, a in arrays.items():
        if name == "discount":
            a[:] = np.where(rng.random(len(a)) < 0.2, 0, 0.9)
        else:
            a[:] = rng.integers(0, agent.spaces.actions, a.shape) if a.dtype == np.int64 else rng.normal(size=a.shape)
    held.size = len(a)
    return {name: torch.tensor(a.copy()) for name, a in arrays.items()}


def make(name, **given):
    return (program := roster.find(name)).agent(program.config.of(**{"hidden": 16, "seed": 1, **given}))


@pytest.mark.parametrize("options", [{"compile": False}, {"double": True, "prioritized": True, "n_step": 2, "reward_scale": 0.1}, {"dueling": True, "compile": False}], ids=str)
def test_dqn(options):
    agent = make("dqn", env="grid-4x4", capacity=256, batch_size=32, tau=0.1, clip=0.05, **options)
    memory = filled(agent)
    online = agent.model["online"]
    if options.get("dueling"):
        body, value, advantage = twin(online.body), twin(online.value), twin(online.advantage)
        parts = torch.nn.ModuleDict({"body": body, "value": value, "advantage": advantage})

        def forward(m, x):
            a = m["advantage"](m["body"](x))
            return m["value"](m["body"](x)) + a - a.mean(1, keepdim=True)
    else:
        parts, forward = twin(online), lambda m, x: m(x)
    slow = copy.deepcopy(parts)
    optimizer = torch.optim.Adam(parts.parameters(), lr=agent.settings.lr)
    rng = np.random.default_rng(3)
    for _ in range(UPDATES):
        rows, weight = rng.integers(0, 256, 32), rng.random(32, np.float32)
        loss, error = agent._update_and_follow(cutaway.tensor(rows), cutaway.tensor(weight))
        b = {k: v[rows] for k, v in memory.items()}
        with torch.no_grad():
            q_next = forward(slow, b["next_obs"])
            choice = forward(parts if options.get("double") else slow, b["next_obs"]).argmax(1)
            target = options.get("reward_scale", 1) * b["reward"] + b["discount"] * q_next[torch.arange(32), choice]
        q = forward(parts, b["obs"])[torch.arange(32), b["action"]]
        wanted = (torch.tensor(weight) * F.smooth_l1_loss(q, target, reduction="none")).mean()
        optimizer.zero_grad()
        wanted.backward()
        torch.nn.utils.clip_grad_norm_(parts.parameters(), 0.05)
        optimizer.step()
        for p, fast in zip(slow.parameters(), parts.parameters()):
            p.data.lerp_(fast.data, 0.1)
        same(loss, wanted)
        same(error, target - q)
    same_modules(online, parts)
    same_modules(agent.model["target"], slow)


def policies(agent):
    """(policy, critic, log pi, entropy, parameters) on PyTorch."""
    network, critic = twin(agent.policy.network), twin(agent.model["critic"])
    parameters = [*network.parameters(), *critic.parameters()]
    if agent.spaces.discrete:
        of = lambda x: torch.distributions.Categorical(logits=network(x))
        return of, critic, lambda d, a: d.log_prob(a), lambda d: d.entropy().mean(), parameters, (network, None)
    log_std = torch.zeros(agent.spaces.actions, requires_grad=True)
    of = lambda x: torch.distributions.Normal(network(x), log_std.exp())
    return (
        of, critic, lambda d, a: d.log_prob(a).sum(1), lambda d: d.entropy().sum(1).mean(), [log_std, *parameters],
        (network, log_std),
    )  # fmt: skip


@pytest.mark.parametrize("env", ["grid-4x4", "Pendulum-v1"])
@pytest.mark.parametrize("name", ["a2c", "ppo"])
def test_actor_critic(name, env):
    if env == "Pendulum-v1":
        pytest.importorskip("gymnasium")
    agent = make(name, env=env, envs=2, length=16, entropy_weight=0.01, compile=(name, env) == ("ppo", "grid-4x4"), **({"batches": 2} if name == "ppo" else {}))
    s, r = agent.settings, filled(agent)
    of, critic, log_prob, entropy, parameters, (network, log_std) = policies(agent)
    optimizer = torch.optim.Adam(parameters, lr=s.lr, eps=1e-5)
    rng = np.random.default_rng(0)
    for _ in range(UPDATES):
        rows = rng.permutation(32)[:16] if name == "ppo" else np.arange(32)
        loss = agent._update(cutaway.tensor(rows)) if name == "ppo" else agent._update()
        b = {k: v[rows] for k, v in r.items()}
        a = (b["advantage"] - b["advantage"].mean()) / (b["advantage"].std() + 1e-8)
        said = of(b["obs"])
        log_p = log_prob(said, b["action"])
        if name == "ppo":
            ratio = (log_p - b["log_prob"]).exp()
            policy_loss = -torch.min(a * ratio, a * ratio.clamp(0.8, 1.2)).mean()
        else:
            policy_loss = -(a * log_p).mean()
        wanted = policy_loss + 0.5 * ((critic(b["obs"])[:, 0] - b["wanted"]) ** 2).mean() - 0.01 * entropy(said)
        optimizer.zero_grad()
        wanted.backward()
        torch.nn.utils.clip_grad_norm_(parameters, s.clip)
        optimizer.step()
        same(loss, wanted)
    same_modules(agent.policy.network, network)
    same_modules(agent.model["critic"], critic)
    if log_std is not None:
        same(agent.policy.log_std, log_std)


@pytest.mark.parametrize("baseline", [True, False])
def test_reinforce(baseline):
    agent = make("reinforce", env="grid-4x4", baseline=baseline, lr=0.01, compile=False)
    of, critic, log_prob, _, parameters, (network, _) = policies(agent)
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    rng = np.random.default_rng(0)
    from cutaway.rl.agents.reinforce import padded

    for count in (50, 70):  # two sizes of padding, neither of which may show
        obs, total = rng.normal(size=(count, 16)).astype("f"), rng.normal(3, 2, count).astype("f")
        action = rng.integers(0, 4, count)
        loss = agent._update(*padded(obs, action, total))
        g, value = torch.tensor(total), critic(torch.tensor(obs))[:, 0]
        counts = g - value.detach() if baseline else g
        counts = (counts - counts.mean()) / (counts.std(correction=0) + 1e-8)
        wanted = -(counts * log_prob(of(torch.tensor(obs)), torch.tensor(action))).mean() + 0.5 * ((value - g) ** 2).mean()
        optimizer.zero_grad()
        wanted.backward()
        torch.nn.utils.clip_grad_norm_(parameters, agent.settings.clip)
        optimizer.step()
        same(loss, wanted)
    same_modules(agent.policy.network, network)


def test_sac():
    pytest.importorskip("gymnasium")
    agent = make("sac", capacity=256, batch_size=32, tau=0.1)
    memory = filled(agent)
    memory["action"] = memory["action"] / 2  # the pendulum's torque, from -2 to 2
    policy = twin(agent.model["policy"])
    critics = torch.nn.ModuleDict({k: twin(getattr(agent.model["critics"], k)) for k in ("first", "second")})
    slow = copy.deepcopy(critics)
    log_alpha = torch.tensor([math.log(0.2)], requires_grad=True)
    lr = agent.settings.lr
    of_critics, of_policy = (torch.optim.Adam(m.parameters(), lr=lr) for m in (critics, policy))
    of_alpha = torch.optim.Adam([log_alpha], lr=lr)
    values = lambda m, o, a: [q(torch.cat([o, a], 1))[:, 0] for q in m.values()]

    def draw(obs, noise):
        """The density by PyTorch's own transformed distribution."""
        mean, raw = policy(obs).chunk(2, dim=1)
        std = (-5 + 3.5 * (raw.tanh() + 1)).exp()
        d = torch.distributions.TransformedDistribution(
            torch.distributions.Normal(mean, std), [torch.distributions.TanhTransform(cache_size=1)]
        )
        action = (mean + std * noise).tanh()
        u = mean + std * noise
        log_p = torch.distributions.Normal(mean, std).log_prob(u) - d.transforms[0].log_abs_det_jacobian(u, action)
        return action, log_p.sum(1)

    rng = np.random.default_rng(0)
    for _ in range(UPDATES):
        rows = rng.integers(0, 256, 32)
        noise = rng.standard_normal((2, 32, 1), np.float32)
        loss = agent._update(cutaway.tensor(rows), *map(cutaway.tensor, noise))
        b = {k: v[rows] for k, v in memory.items()}
        with torch.no_grad():
            action, log_p = draw(b["next_obs"], torch.tensor(noise[1]))
            target = b["reward"] + b["discount"] * (torch.min(*values(slow, b["next_obs"], action)) - log_alpha.exp() * log_p)
        wanted = sum(F.mse_loss(q, target) for q in values(critics, b["obs"], b["action"]))
        of_critics.zero_grad()
        wanted.backward()
        of_critics.step()
        action, log_p = draw(b["obs"], torch.tensor(noise[0]))
        policy_loss = (log_alpha.exp().detach() * log_p - torch.min(*values(critics, b["obs"], action))).mean()
        of_policy.zero_grad()
        policy_loss.backward()
        of_policy.step()
        alpha_loss = -(log_alpha * (log_p.detach() - 1).mean()).sum()
        of_alpha.zero_grad()
        alpha_loss.backward()
        of_alpha.step()
        for p, fast in zip(slow.parameters(), critics.parameters()):
            p.data.lerp_(fast.data, 0.1)
        same(loss, wanted)
    same_modules(agent.model["policy"], policy)
    same_modules(agent.model["critics"], critics)
    same_modules(agent.model["slow"], slow)
    same(agent.log_alpha, log_alpha)
