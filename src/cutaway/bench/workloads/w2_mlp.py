"""W2: a multilayer perceptron 784-512-512-10 with ReLU, and Adam on batches of 128."""


def build(torch):
    """(model, step, data): `loss = step(*data)` is one whole training step.  x[128, 784], y[128]."""
    nn, F = torch.nn, torch.nn.functional
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(),
        nn.Linear(512, 512), nn.ReLU(),
        nn.Linear(512, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step, (torch.rand(128, 784), torch.randint(0, 10, (128,)))
