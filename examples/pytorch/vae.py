"""A variational autoencoder of small pictures: reparameterisation, a summed loss, samples from the prior."""

import argparse
import json

import torch
import torch.utils.data
from torch import nn, optim
from torch.nn import functional as F

SIDE = 16


def pictures(n):
    """Blobs at random places, one a picture, with values in [0, 1]."""
    where = torch.rand(n, 2, 1, 1) * 10 + 3
    rows = torch.arange(SIDE, dtype=torch.float32).view(1, SIDE, 1)
    cols = torch.arange(SIDE, dtype=torch.float32).view(1, 1, SIDE)
    width = torch.empty(n, 1, 1).uniform_(2.0, 8.0)
    return torch.exp(-((rows - where[:, 0]) ** 2 + (cols - where[:, 1]) ** 2) / width)


class VAE(nn.Module):
    def __init__(self, latent=8):
        super().__init__()
        self.fc1 = nn.Linear(SIDE * SIDE, 200)
        self.fc21 = nn.Linear(200, latent)
        self.fc22 = nn.Linear(200, latent)
        self.fc3 = nn.Linear(latent, 200)
        self.fc4 = nn.Linear(200, SIDE * SIDE)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, SIDE * SIDE))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x.view(-1, SIDE * SIDE), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--size", type=int, default=4096, help="how many pictures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-interval", type=int, default=10)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_set = torch.utils.data.TensorDataset(pictures(args.size))
    test_x = pictures(256).to(device)
    train_loader = torch.utils.data.DataLoader(train_set, batch_size=args.batch_size, shuffle=True)

    model = VAE().to(device)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    losses = []
    for epoch in range(1, args.epochs + 1):
        model.train()
        train_loss = 0
        for batch_idx, (data,) in enumerate(train_loader):
            data = data.to(device)
            optimizer.zero_grad()
            recon_batch, mu, logvar = model(data)
            loss = loss_function(recon_batch, data, mu, logvar)
            loss.backward()
            train_loss += loss.item()
            optimizer.step()
            losses.append(loss.item() / len(data))
            if batch_idx % args.log_interval == 0:
                print(f"epoch {epoch} [{batch_idx * len(data)}/{len(train_loader.dataset)}] {loss.item() / len(data):.6f}")
            if len(losses) == args.steps:
                break
        print(f"====> epoch {epoch}: average loss {train_loss / len(train_loader.dataset):.4f}")

        model.eval()
        with torch.no_grad():
            recon, mu, logvar = model(test_x)
            test_loss = loss_function(recon, test_x, mu, logvar).item() / len(test_x)
            sample = model.decode(torch.randn(64, 8).to(device)).cpu().view(64, 1, SIDE, SIDE)
        print(f"====> test loss {test_loss:.4f}, brightest pixel of {tuple(sample.shape)} samples {sample.max():.3f}")
        if args.steps and len(losses) >= args.steps:
            break
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses + [test_loss], f)


if __name__ == "__main__":
    main()
