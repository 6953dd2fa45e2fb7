"""Denoising diffusion of points in the plane: a cosine schedule in buffers, time embeddings, ancestral sampling."""

import argparse
import json
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def extract(a, t, x_shape):
    out = a.gather(-1, t)
    return out.reshape(t.shape[0], *((1,) * (len(x_shape) - 1)))


class SinusoidalPosEmb(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, time):
        half = self.dim // 2
        emb = torch.exp(torch.arange(half, device=time.device) * -(math.log(10000) / (half - 1)))
        emb = time[:, None] * emb[None, :]
        return torch.cat((emb.sin(), emb.cos()), dim=-1)


class Residual(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, *args, **kwargs):
        return self.fn(x, *args, **kwargs) + x


class Film(nn.Module):
    def __init__(self, dim, time_dim):
        super().__init__()
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, dim * 2))
        self.norm = nn.RMSNorm(dim)
        self.body = nn.Linear(dim, dim)

    def forward(self, x, t):
        scale, shift = self.time(t).chunk(2, dim=-1)
        return self.body(F.silu(self.norm(x) * (scale + 1) + shift))


class Denoiser(nn.Module):
    def __init__(self, dim=64, time_dim=32, depth=3):
        super().__init__()
        self.time = nn.Sequential(SinusoidalPosEmb(time_dim), nn.Linear(time_dim, time_dim), nn.GELU())
        self.inp = nn.Linear(2, dim)
        self.blocks = nn.ModuleList([Residual(Film(dim, time_dim)) for _ in range(depth)])
        self.out = nn.Linear(dim, 2)
        nn.init.zeros_(self.out.weight)

    def forward(self, x, t):
        t = self.time(t)
        x = self.inp(x)
        for block in self.blocks:
            x = block(x, t)
        return self.out(x)


class GaussianDiffusion(nn.Module):
    def __init__(self, model, timesteps):
        super().__init__()
        self.model, self.timesteps = model, timesteps
        s = 0.008
        x = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64)
        alphas_cumprod = torch.cos(((x / timesteps) + s) / (1 + s) * math.pi * 0.5) ** 2
        alphas_cumprod = alphas_cumprod / alphas_cumprod[0]
        betas = torch.clip(1 - (alphas_cumprod[1:] / alphas_cumprod[:-1]), 0, 0.999)
        alphas = 1.0 - betas
        alphas_cumprod = torch.cumprod(alphas, dim=0)
        alphas_cumprod_prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
        register_buffer = lambda name, val: self.register_buffer(name, val.to(torch.get_default_dtype()))
        register_buffer("betas", betas)
        register_buffer("sqrt_alphas_cumprod", torch.sqrt(alphas_cumprod))
        register_buffer("sqrt_one_minus_alphas_cumprod", torch.sqrt(1.0 - alphas_cumprod))
        register_buffer("sqrt_recip_alphas", torch.sqrt(1.0 / alphas))
        register_buffer("posterior_variance", betas * (1.0 - alphas_cumprod_prev) / (1.0 - alphas_cumprod))

    def q_sample(self, x_start, t, noise):
        return (
            extract(self.sqrt_alphas_cumprod, t, x_start.shape) * x_start
            + extract(self.sqrt_one_minus_alphas_cumprod, t, x_start.shape) * noise
        )

    def forward(self, x_start, noise=None):
        t = torch.randint(0, self.timesteps, (x_start.shape[0],), device=x_start.device).long()
        noise = torch.randn_like(x_start) if noise is None else noise
        return F.huber_loss(self.model(self.q_sample(x_start, t, noise), t), noise)

    @torch.inference_mode()
    def sample(self, n):
        x = torch.randn(n, 2)
        for i in reversed(range(self.timesteps)):
            t = torch.full((n,), i, dtype=torch.long)
            noise = self.model(x, t) * extract(self.betas, t, x.shape)
            mean = extract(self.sqrt_recip_alphas, t, x.shape) * (
                x - noise / extract(self.sqrt_one_minus_alphas_cumprod, t, x.shape)
            )
            x = mean + extract(self.posterior_variance, t, x.shape).sqrt() * torch.randn_like(x) if i else mean
        return x


def two_rings(n):
    angle = torch.rand(n) * 2 * math.pi
    radius = torch.where(torch.rand(n) < 0.5, 0.6, 1.4) + 0.05 * torch.randn(n)
    return torch.stack((radius * angle.cos(), radius * angle.sin()), dim=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--timesteps", type=int, default=50)
    parser.add_argument("--iterations", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    diffusion = GaussianDiffusion(Denoiser(), args.timesteps)
    optimizer = torch.optim.RAdam(diffusion.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.995)
    averaged = {name: p.detach().clone() for name, p in diffusion.named_parameters()}

    losses = []
    for step in range(args.steps or args.iterations):
        loss = diffusion(two_rings(args.batch_size))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        with torch.no_grad():
            for name, p in diffusion.named_parameters():
                averaged[name].lerp_(p, 0.1)
        losses.append(loss.item())
        if step % 50 == 0:
            print(f"{step}: {loss.item():.4f}")
    diffusion.load_state_dict(averaged, strict=False)
    diffusion.eval()
    samples = diffusion.sample(256)
    radius = samples.norm(dim=-1)
    counts = [((radius >= low / 2) & (radius < (low + 1) / 2)).sum().item() for low in range(6)]
    print("radii of samples:", counts, f"mean {radius.mean():.3f}")
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump([*losses, radius.mean().item()], f)


if __name__ == "__main__":
    main()
