"""W3: the book's SimpleConvNet (chapter 7): one convolution of 30 filters 5x5, one pooling, two layers; Adam, batch 100."""


def build(torch):
    """(model, step, data): `loss = step(*data)` is one whole training step.  x[100, 1, 28, 28], y[100]."""
    nn, F = torch.nn, torch.nn.functional
    model = nn.Sequential(
        nn.Conv2d(1, 30, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(30 * 12 * 12, 100), nn.ReLU(),
        nn.Linear(100, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step, (torch.rand(100, 1, 28, 28), torch.randint(0, 10, (100,)))
