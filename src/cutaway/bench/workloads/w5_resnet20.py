"""W5: ResNet-20 for 32x32 images (He et al. 2015, section 4.2) with shortcuts free of parameters; momentum, batch 64."""


def build(torch):
    """(model, step, data): `loss = step(*data)` is one whole training step.  x[64, 3, 32, 32], y[64]."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        """Two convolutions and a way around them; where the image halves, the way skips every second pixel."""

        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.stride, self.more = stride, outputs - inputs
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)

        def forward(self, x):
            y = F.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            if self.more:
                x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more // 2, self.more // 2))
            return F.relu(y + x)

    def stage(inputs, outputs, stride):
        return Block(inputs, outputs, stride), Block(outputs, outputs, 1), Block(outputs, outputs, 1)

    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        *stage(16, 16, 1), *stage(16, 32, 2), *stage(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(64, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step, (torch.rand(64, 3, 32, 32), torch.randint(0, 10, (64,)))
