"""A denoising convolutional autoencoder: OrderedDict modules, unpooling by interpolation, an average of parameters (EMA)."""

import argparse
import copy
import json
from collections import OrderedDict

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Autoencoder(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.encoder = nn.Sequential(
            OrderedDict(
                [
                    ("conv1", nn.Conv2d(1, width, 3, padding=1)),
                    ("act1", nn.ELU()),
                    ("pool1", nn.MaxPool2d(2, 2)),
                    ("conv2", nn.Conv2d(width, 2 * width, 3, padding="same")),
                    ("act2", nn.SiLU()),
                    ("pool2", nn.AvgPool2d(2)),
                ]
            )
        )
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(2 * width, width, 3, padding=1),
            nn.InstanceNorm2d(width, affine=True),
            nn.Softplus(),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(width, 1, 3, padding=1, padding_mode="replicate"),
            nn.Sigmoid(),
        )

    def forward(self, x):
        code = self.encoder(x)
        return self.decoder(code), code


class EMA:
    """A running average of a model's parameters, for evaluation."""

    def __init__(self, model, decay):
        self.model, self.decay = copy.deepcopy(model).eval(), decay
        for p in self.model.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        for mine, theirs in zip(self.model.parameters(), model.parameters()):
            mine.mul_(self.decay).add_(theirs, alpha=1 - self.decay)
        for mine, theirs in zip(self.model.buffers(), model.buffers()):
            mine.copy_(theirs)


def squares(n, side=16):
    images = torch.zeros(n, 1, side, side)
    corner = torch.randint(0, side // 2, (n, 2))
    size = torch.randint(3, side // 2, (n,))
    for image, (i, j), s in zip(images, corner.tolist(), size.tolist()):
        image[:, i : i + s, j : j + s] = 1.0
    return images


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--noise", type=float, default=0.3)
    parser.add_argument("--sparsity", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    loader = DataLoader(TensorDataset(squares(1024)), batch_size=args.batch_size, shuffle=True, drop_last=True)
    held_out = squares(64).to(device)
    model = Autoencoder().to(device)
    ema = EMA(model, decay=0.9)
    mse = nn.MSELoss()
    optimizer = torch.optim.NAdam(model.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "min", factor=0.5, patience=1)

    losses = []
    for epoch in range(args.epochs):
        for (clean,) in loader:
            clean = clean.to(device)
            noisy = (clean + args.noise * torch.randn_like(clean)).clamp_(0.0, 1.0)
            output, code = model(noisy)
            loss = mse(output, clean) + args.sparsity * code.abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            ema.update(model)
            losses.append(loss.item())
            if len(losses) == args.steps:
                break
        with torch.no_grad():
            noisy = (held_out + args.noise * torch.randn_like(held_out)).clamp(0, 1)
            plain = mse(model(noisy)[0], held_out).item()
            averaged = mse(ema.model(noisy)[0], held_out).item()
        scheduler.step(averaged)
        print(f"epoch {epoch}: {plain:.5f}, averaged parameters {averaged:.5f}, lr {optimizer.param_groups[0]['lr']:g}")
        if args.steps and len(losses) >= args.steps:
            break
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump([*losses, plain, averaged], f)


if __name__ == "__main__":
    main()
