"""A vision transformer: patches by unfold, attention in einsum, a class token, hooks that look at the attention."""

import argparse
import json
import math
import random

import torch
from torch import einsum, nn
from torch.nn.init import trunc_normal_
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR


class Attention(nn.Module):
    def __init__(self, dim, heads=4):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.to_qkv = nn.Linear(dim, dim * 3, bias=False)
        self.attend = nn.Softmax(dim=-1)
        self.to_out = nn.Linear(dim, dim)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = map(lambda t: t.reshape(b, n, self.heads, -1).permute(0, 2, 1, 3), self.to_qkv(x).chunk(3, dim=-1))
        attn = self.attend(einsum("b h i d, b h j d -> b h i j", q, k) * self.scale)
        out = einsum("b h i j, b h j d -> b h i d", attn, v)
        return self.to_out(out.transpose(1, 2).flatten(2))


class DropPath(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0.0:
            return x
        keep = 1 - self.p
        return x * x.new_empty(x.shape[0], *[1] * (x.ndim - 1)).bernoulli_(keep).div_(keep)


class Block(nn.Module):
    def __init__(self, dim, drop_path):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, dim * 2), nn.GELU(approximate="tanh"), nn.Linear(dim * 2, dim))
        self.gamma = nn.Parameter(0.1 * torch.ones(dim))
        self.drop_path = DropPath(drop_path)

    def forward(self, x):
        x = x + self.drop_path(self.gamma * self.attn(self.norm1(x)))
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        return x


class ViT(nn.Module):
    def __init__(self, image=16, patch=4, dim=32, depth=3, classes=8, drop_path=0.1):
        super().__init__()
        self.unfold = nn.Unfold(kernel_size=patch, stride=patch)
        self.embed = nn.Linear(3 * patch * patch, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, (image // patch) ** 2 + 1, dim))
        rates = [x.item() for x in torch.linspace(0, drop_path, depth)]
        self.blocks = nn.ModuleList(Block(dim, rate) for rate in rates)
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)
        trunc_normal_(self.pos_embed, std=0.02)
        trunc_normal_(self.cls_token, std=0.02)
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(m):
        if isinstance(m, nn.Linear):
            trunc_normal_(m.weight, std=0.02)
            if m.bias is not None:
                nn.init.constant_(m.bias, 0)

    def forward(self, x):
        x = self.embed(self.unfold(x).transpose(1, 2))
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def batch(n, prototypes, generator):
    y = torch.randint(0, len(prototypes), (n,), generator=generator)
    x = prototypes[y] + 0.8 * torch.randn(n, *prototypes.shape[1:], generator=generator)
    shift = torch.randint(-2, 3, (2,), generator=generator).tolist()
    return torch.roll(x, shifts=shift, dims=(2, 3)), y


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--total", type=int, default=200, help="steps of the schedule")
    parser.add_argument("--drop-path", type=float, default=0.1)
    parser.add_argument("--mixup", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    random.seed(args.seed)
    torch.manual_seed(args.seed)
    g = torch.Generator().manual_seed(args.seed + 1)
    prototypes = torch.randn(8, 3, 16, 16, generator=g)
    model = ViT(drop_path=args.drop_path)
    no_decay = [p for n, p in model.named_parameters() if p.ndim == 1 or n in ("pos_embed", "cls_token")]
    decay = [p for n, p in model.named_parameters() if not any(p is q for q in no_decay)]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.05}, {"params": no_decay, "weight_decay": 0.0}], lr=2e-3
    )
    warmup = LinearLR(optimizer, start_factor=0.01, total_iters=10)
    cosine = CosineAnnealingLR(optimizer, T_max=args.total - 10, eta_min=1e-5)
    scheduler = SequentialLR(optimizer, schedulers=[warmup, cosine], milestones=[10])
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)

    losses = []
    for step in range(args.steps or args.total):
        model.train()
        x, y = batch(args.batch_size, prototypes, g)
        target = nn.functional.one_hot(y, 8).to(x.dtype)
        if args.mixup:
            lam = random.betavariate(args.mixup, args.mixup)
            order = torch.randperm(len(x))
            x, target = lam * x + (1 - lam) * x[order], lam * target + (1 - lam) * target[order]
        loss = criterion(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        if step % 25 == 0:
            print(f"step {step}: loss {loss.item():.4f}, lr {scheduler.get_last_lr()}")

    seen = {}
    handles = [
        block.attn.attend.register_forward_hook(lambda module, inputs, output, i=i: seen.__setitem__(i, output.detach()))
        for i, block in enumerate(model.blocks)
    ]
    model.eval()
    with torch.no_grad():
        x, y = batch(128, prototypes, g)
        accuracy = (model(x).argmax(-1) == y).float().mean().item()
    for handle in handles:
        handle.remove()
    entropy = [-(a * a.clamp(min=1e-9).log()).sum(-1).mean().item() / math.log(a.shape[-1]) for a in seen.values()]
    print(f"accuracy {accuracy:.3f}, entropy of the attention", [round(e, 3) for e in entropy])
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
