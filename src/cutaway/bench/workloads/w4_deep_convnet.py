"""W4: the book's DeepConvNet (chapter 8): six 3x3 convolutions, three poolings, dropout twice; Adam, batch 100."""


def build(torch):
    """(model, step, data): `loss = step(*data)` is one whole training step.  x[100, 1, 28, 28], y[100]."""
    nn, F = torch.nn, torch.nn.functional

    def convolution(inputs, outputs, padding=1):
        return nn.Conv2d(inputs, outputs, 3, padding=padding), nn.ReLU()

    model = nn.Sequential(
        *convolution(1, 16), *convolution(16, 16), nn.MaxPool2d(2),  # 16 x 14 x 14
        *convolution(16, 32), *convolution(32, 32, padding=2), nn.MaxPool2d(2),  # 32 x 8 x 8
        *convolution(32, 64), *convolution(64, 64), nn.MaxPool2d(2),  # 64 x 4 x 4
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 50), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(50, 10), nn.Dropout(0.5),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step, (torch.rand(100, 1, 28, 28), torch.randint(0, 10, (100,)))
