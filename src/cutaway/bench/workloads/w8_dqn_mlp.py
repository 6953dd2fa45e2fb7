"""W8: DQN's network for a cart and its pole, 4-64-64-2 with ReLU, and Adam on batches of 64: overhead is all there is.

The loss is a classifier's: what is timed is the network and its update, not the replay of an agent.
"""


def build(torch):
    """(model, step, data): `loss = step(*data)` is one whole training step.  x[64, 4], y[64]."""
    nn, F = torch.nn, torch.nn.functional
    model = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step, (torch.rand(64, 4), torch.randint(0, 2, (64,)))
