"""A Wasserstein GAN with a gradient penalty: the gradient of a gradient's norm, several critic steps to one of the generator."""

import argparse
import itertools
import json

import torch
from torch import autograd, nn, optim
from torch.nn.utils import spectral_norm

DIM = 64


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(2, DIM), nn.ReLU(True), nn.Linear(DIM, DIM), nn.ReLU(True), nn.Linear(DIM, 2)
        )

    def forward(self, noise):
        return self.main(noise)


class Discriminator(nn.Module):
    def __init__(self, spectral):
        super().__init__()
        wrap = spectral_norm if spectral else lambda layer: layer
        self.main = nn.Sequential(
            wrap(nn.Linear(2, DIM)), nn.LeakyReLU(0.2), wrap(nn.Linear(DIM, DIM)), nn.LeakyReLU(0.2), nn.Linear(DIM, 1)
        )

    def forward(self, inputs):
        return self.main(inputs).view(-1)


def inf_train_gen(batch_size):
    centers = torch.tensor(list(itertools.product([-1.0, 0.0, 1.0], repeat=2)), dtype=torch.get_default_dtype())
    while True:
        which = torch.randint(len(centers), (batch_size,))
        yield centers[which] + 0.05 * torch.randn(batch_size, 2)


def calc_gradient_penalty(netD, real_data, fake_data, lambda_):
    alpha = torch.rand(len(real_data), 1).expand_as(real_data)
    interpolates = (alpha * real_data + (1 - alpha) * fake_data).requires_grad_(True)
    disc_interpolates = netD(interpolates)
    gradients = autograd.grad(
        outputs=disc_interpolates, inputs=interpolates, grad_outputs=torch.ones_like(disc_interpolates),
        create_graph=True, retain_graph=True, only_inputs=True,
    )[0]  # fmt: skip
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean() * lambda_


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--critic-iters", type=int, default=3)
    parser.add_argument("--lambda", dest="penalty", type=float, default=0.1)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--spectral", action="store_true", help="spectral normalisation of the critic")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many iterations")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    netG, netD = Generator(), Discriminator(args.spectral)
    optimizerD = optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.9))
    optimizerG = optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.9))
    one = torch.tensor(1.0)
    mone = one * -1
    data = inf_train_gen(args.batch_size)
    losses = []
    for iteration in range(args.steps or args.iterations):
        for p in netD.parameters():
            p.requires_grad = True
        for _ in range(args.critic_iters):
            real = next(data)
            netD.zero_grad()
            D_real = netD(real).mean()
            D_real.backward(mone.to(D_real.dtype))
            with torch.no_grad():
                fake = netG(torch.randn(args.batch_size, 2))
            D_fake = netD(fake).mean()
            D_fake.backward(one.to(D_fake.dtype))
            gradient_penalty = calc_gradient_penalty(netD, real.data, fake.data, args.penalty)
            gradient_penalty.backward()
            D_cost = D_fake - D_real + gradient_penalty
            optimizerD.step()
        for p in netD.parameters():
            p.requires_grad = False
        netG.zero_grad()
        G = -netD(netG(torch.randn(args.batch_size, 2))).mean()
        G.backward()
        optimizerG.step()
        losses.append([D_cost.item(), G.item()])
        if iteration % 25 == 0:
            print(f"{iteration}: critic {D_cost.item():.4f}, generator {G.item():.4f}, penalty {gradient_penalty.item():.5f}")
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
