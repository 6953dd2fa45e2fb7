"""train: what `cutaway train` (mnist-deep) does, as one would write it by hand on tensors in memory.

Each epoch a new order of the images, each moved by up to two pixels; dropout; Adam with one cycle of the learning rate.
Cutaway's side is not this loop but the trainer of `cutaway train` itself.
"""

BATCH, PIXELS, STEPS = 100, 2, 1_000_000


def build(torch):
    """(model, step, data): `loss = step(*data)` is one batch of training.  images uint8[60000, 1, 28, 28], labels[60000]."""
    nn, F = torch.nn, torch.nn.functional

    def convolution(inputs, outputs, padding=1):
        return nn.Conv2d(inputs, outputs, 3, padding=padding), nn.ReLU()

    model = nn.Sequential(
        *convolution(1, 16), *convolution(16, 16), nn.MaxPool2d(2),
        *convolution(16, 32), *convolution(32, 32, padding=2), nn.MaxPool2d(2),
        *convolution(32, 64), *convolution(64, 64), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 50), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(50, 10), nn.Dropout(0.5),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.003, total_steps=STEPS, cycle_momentum=False)
    left, losses = [], []

    def batches(count):
        """(rows[B], down[B], right[B]) of a new epoch, the last one first."""
        order = torch.randperm(count)
        down, right = torch.randint(-PIXELS, PIXELS + 1, (2, count))
        return [(order[i : i + BATCH], down[i : i + BATCH], right[i : i + BATCH]) for i in range(0, count, BATCH)][::-1]

    def moved(x, down, right):
        """x[B, C, H, W], each image by its own down[B] and right[B]; what comes in is 0."""
        b, _, h, w = x.shape
        framed = F.pad(x, (PIXELS,) * 4)
        i = torch.arange(h)[None, :] + (PIXELS - down)[:, None]
        j = torch.arange(w)[None, :] + (PIXELS - right)[:, None]
        return framed[torch.arange(b)[:, None, None], :, i[:, :, None], j[:, None, :]].permute(0, 3, 1, 2)

    def step(images, labels):
        if not left:
            left.extend(batches(len(labels)))
        rows, down, right = left.pop()
        x, y = moved(images[rows].float() / 255, down, right), labels[rows]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        return loss

    return model, step, (torch.zeros(60000, 1, 28, 28, dtype=torch.uint8), torch.zeros(60000, dtype=torch.int64))


def probe(torch, model, images, labels):
    """The loss of the first 500 images, nothing drawn: what sides are compared by."""
    model.eval()
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(images[:500].float() / 255), labels[:500])
    model.train()
    return loss.item()
