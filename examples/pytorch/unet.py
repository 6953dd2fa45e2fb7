"""A U-Net marks discs in noisy pictures: up-convolutions, skip connections, weighted cross-entropy and a Dice loss."""

import argparse
import json
import logging

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, random_split

logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")


class DoubleConv(nn.Module):
    def __init__(self, in_channels, out_channels, mid_channels=None):
        super().__init__()
        mid_channels = mid_channels or out_channels
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(mid_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, in_channels, out_channels, bilinear):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(in_channels, out_channels, in_channels // 2)
        else:
            self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
            self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        diff_y, diff_x = x2.size()[2] - x1.size()[2], x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [diff_x // 2, diff_x - diff_x // 2, diff_y // 2, diff_y - diff_y // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self, n_channels, n_classes, bilinear=False, width=8):
        super().__init__()
        factor = 2 if bilinear else 1
        self.n_classes = n_classes
        self.inc = DoubleConv(n_channels, width)
        self.down1 = Down(width, width * 2)
        self.down2 = Down(width * 2, width * 4 // factor)
        self.up1 = Up(width * 4, width * 2 // factor, bilinear)
        self.up2 = Up(width * 2, width, bilinear)
        self.outc = nn.Conv2d(width, n_classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        return self.outc(self.up2(self.up1(x3, x2), x1))


def dice_coeff(input, target, epsilon=1e-6):
    sum_dim = (-1, -2)
    inter = 2 * (input * target).sum(dim=sum_dim)
    sets_sum = input.sum(dim=sum_dim) + target.sum(dim=sum_dim)
    sets_sum = torch.where(sets_sum == 0, inter, sets_sum)
    return ((inter + epsilon) / (sets_sum + epsilon)).mean()


class Discs(Dataset):
    def __init__(self, n, side=22, seed=0):
        rng = np.random.RandomState(seed)
        yy, xx = np.mgrid[:side, :side]
        self.masks = np.zeros((n, side, side), dtype=np.int64)
        for mask in self.masks:
            for kind in (1, 2):
                cy, cx, r = rng.randint(4, side - 4), rng.randint(4, side - 4), rng.randint(2, 5)
                mask[(yy - cy) ** 2 + (xx - cx) ** 2 <= r * r] = kind
        self.images = (self.masks[:, None] * 0.7 + rng.randn(n, 1, side, side) * 0.4).astype(np.float32)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, idx):
        image = torch.as_tensor(self.images[idx].copy(), dtype=torch.get_default_dtype()).contiguous()
        return {"image": image, "mask": torch.as_tensor(self.masks[idx].copy()).long().contiguous()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--bilinear", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dataset = Discs(440)
    n_val = int(len(dataset) * 0.1)
    train_set, val_set = random_split(
        dataset, [len(dataset) - n_val, n_val], generator=torch.Generator().manual_seed(args.seed)
    )
    train_loader = DataLoader(train_set, shuffle=True, batch_size=args.batch_size, num_workers=0, pin_memory=False)
    val_loader = DataLoader(val_set, shuffle=False, drop_last=True, batch_size=args.batch_size)
    model = UNet(1, 3, args.bilinear)
    model = model.to(device=device, memory_format=torch.channels_last)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.9, foreach=True)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=2)
    weight = torch.tensor([0.5, 1.0, 1.0])
    criterion = nn.CrossEntropyLoss(weight=weight)

    losses = []
    for epoch in range(1, args.epochs + 1):
        model.train()
        for batch in train_loader:
            images, true_masks = batch["image"], batch["mask"]
            images = images.to(device=device, memory_format=torch.channels_last)
            true_masks = true_masks.to(device=device, dtype=torch.long)
            masks_pred = model(images)
            loss = criterion(masks_pred, true_masks)
            hot = F.one_hot(true_masks, model.n_classes).permute(0, 3, 1, 2).to(images.dtype)
            loss += 1 - dice_coeff(F.softmax(masks_pred, dim=1)[:, 1:], hot[:, 1:])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == args.steps:
                break
        model.eval()
        score = 0
        with torch.no_grad():
            for batch in val_loader:
                pred = model(batch["image"].to(device)).argmax(dim=1)
                hot = F.one_hot(pred, model.n_classes).permute(0, 3, 1, 2).float()
                true = F.one_hot(batch["mask"], model.n_classes).permute(0, 3, 1, 2).float()
                score += dice_coeff(hot[:, 1:], true[:, 1:])
        score = score / max(len(val_loader), 1)
        scheduler.step(score)
        logging.info(f"epoch {epoch}: loss {losses[-1]:.4f}, Dice score {score:.4f}")
        if args.steps and len(losses) >= args.steps:
            break
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
