"""W1: the book's two-layer net (chapters 4 and 5), 784-50-10 with a sigmoid, and plain SGD on batches of 100."""


def build(torch):
    """(model, step, data): `loss = step(*data)` is one whole training step.  x[100, 784], y[100]."""
    nn, F = torch.nn, torch.nn.functional
    model = nn.Sequential(nn.Linear(784, 50), nn.Sigmoid(), nn.Linear(50, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step, (torch.rand(100, 784), torch.randint(0, 10, (100,)))
