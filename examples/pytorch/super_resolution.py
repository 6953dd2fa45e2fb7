"""Pictures made larger: a sub-pixel convolution (PixelShuffle) learns what bicubic enlargement misses."""

import argparse
import json
import os
import tempfile
from math import log10

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.nn import init
from torch.utils.data import DataLoader, Dataset


class Stripes(Dataset):
    def __init__(self, n, factor, side=24):
        super().__init__()
        tick = torch.linspace(0, 1, side)
        yy, xx = torch.meshgrid(tick, tick, indexing="ij")
        angle = torch.rand(n) * 3.14159
        wave = 10 + 20 * torch.rand(n)
        phase = torch.rand(n) * 6.28318
        along = angle.cos()[:, None, None] * xx + angle.sin()[:, None, None] * yy
        self.large = (torch.sin(along * wave[:, None, None] + phase[:, None, None]) * 0.5 + 0.5).unsqueeze(1)
        self.small = F.avg_pool2d(self.large, factor)

    def __getitem__(self, index):
        return self.small[index], self.large[index]

    def __len__(self):
        return len(self.large)


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 32, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(32, 32, (3, 3), (1, 1), (1, 1))
        self.conv3 = nn.Conv2d(32, 16, (3, 3), (1, 1), (1, 1))
        self.conv4 = nn.Conv2d(16, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        return self.pixel_shuffle(self.conv4(x))

    def _initialize_weights(self):
        init.orthogonal_(self.conv1.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv2.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv3.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv4.weight)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upscale-factor", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=123)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    opt = parser.parse_args()

    torch.manual_seed(opt.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_set, test_set = Stripes(320, opt.upscale_factor), Stripes(32, opt.upscale_factor)
    training_data_loader = DataLoader(dataset=train_set, num_workers=0, batch_size=opt.batch_size, shuffle=True)
    testing_data_loader = DataLoader(dataset=test_set, num_workers=0, batch_size=8, shuffle=False)
    model = Net(upscale_factor=opt.upscale_factor).to(device)
    criterion = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=opt.lr)

    losses, folder = [], tempfile.mkdtemp()
    for epoch in range(1, opt.epochs + 1):
        epoch_loss = 0
        for _iteration, batch in enumerate(training_data_loader, 1):
            input, target = batch[0].to(device), batch[1].to(device)
            optimizer.zero_grad()
            loss = criterion(model(input), target)
            epoch_loss += loss.item()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == opt.steps:
                break
        print(f"===> Epoch {epoch} complete: avg. loss {epoch_loss / len(training_data_loader):.5f}")

        avg_psnr = avg_bicubic = 0
        with torch.no_grad():
            for input, target in testing_data_loader:
                input, target = input.to(device), target.to(device)
                avg_psnr += 10 * log10(1 / criterion(model(input), target).item())
                larger = F.interpolate(input, scale_factor=opt.upscale_factor, mode="bicubic", align_corners=False)
                avg_bicubic += 10 * log10(1 / F.mse_loss(larger.clamp(0, 1), target).item())
        n = len(testing_data_loader)
        print(f"===> avg. PSNR: {avg_psnr / n:.3f} dB, bicubic {avg_bicubic / n:.3f} dB")

        path = os.path.join(folder, f"model_epoch_{epoch}.pth")
        torch.save(model, path)
        again = torch.load(path, weights_only=False)
        same = all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))
        print(f"checkpoint read back: {same}")
        if opt.steps and len(losses) >= opt.steps:
            break
    if opt.losses:
        with open(opt.losses, "w") as f:
            json.dump([*losses, avg_psnr / n, avg_bicubic / n], f)


if __name__ == "__main__":
    main()
