"""A DCGAN: transposed convolutions draw 32 x 32 pictures, strided convolutions judge them."""

import argparse
import json
import random

import torch
import torch.nn as nn
import torch.nn.parallel
import torch.optim as optim
import torch.utils.data

nz, ngf, ndf, nc = 64, 16, 16, 3


class Shapes(torch.utils.data.Dataset):
    """Coloured discs on a dark ground, made when they are asked for; each index has its own seed."""

    def __init__(self, size, image_size=32):
        self.size, self.image_size = size, image_size
        ticks = torch.linspace(-1, 1, image_size)
        self.yy, self.xx = torch.meshgrid(ticks, ticks, indexing="ij")

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        g = torch.Generator().manual_seed(index)
        cx, cy, r = (torch.rand(3, generator=g) * 0.6 - 0.3).tolist()
        colour = torch.rand(nc, 1, 1, generator=g)
        mask = ((self.xx - cx) ** 2 + (self.yy - cy) ** 2 < (0.5 + r) ** 2).float()
        return (colour * mask) * 2 - 1, 0


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, ngf * 4, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 4),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(nc, ndf, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 2, ndf * 4, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 4),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 4, 1, 4, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, input):
        output = self.main(input)
        return output.view(-1, 1).squeeze(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--niter", type=int, default=5, help="epochs")
    parser.add_argument("--lr", type=float, default=0.0002)
    parser.add_argument("--beta1", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=999)
    parser.add_argument("--netG", default="", help="checkpoint of the generator to go on from")
    parser.add_argument("--outf", help="folder for checkpoints")
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    opt = parser.parse_args()

    random.seed(opt.seed)
    torch.manual_seed(opt.seed)
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    dataloader = torch.utils.data.DataLoader(Shapes(1600), batch_size=opt.batch_size, shuffle=True, num_workers=0)

    netG = Generator().to(device)
    netG.apply(weights_init)
    if opt.netG != "":
        netG.load_state_dict(torch.load(opt.netG))
    netD = Discriminator().to(device)
    netD.apply(weights_init)

    criterion = nn.BCELoss()
    fixed_noise = torch.randn(opt.batch_size, nz, 1, 1, device=device)
    real_label, fake_label = 1.0, 0.0
    optimizerD = optim.Adam(netD.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))
    optimizerG = optim.Adam(netG.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))

    losses = []
    for epoch in range(opt.niter):
        for i, data in enumerate(dataloader, 0):
            netD.zero_grad()
            real = data[0].to(device)
            batch_size = real.size(0)
            label = torch.full((batch_size,), real_label, dtype=real.dtype, device=device)
            output = netD(real)
            errD_real = criterion(output, label)
            errD_real.backward()
            D_x = output.mean().item()

            noise = torch.randn(batch_size, nz, 1, 1, device=device)
            fake = netG(noise)
            label.fill_(fake_label)
            output = netD(fake.detach())
            errD_fake = criterion(output, label)
            errD_fake.backward()
            errD = errD_real + errD_fake
            optimizerD.step()

            netG.zero_grad()
            label.fill_(real_label)
            output = netD(fake)
            errG = criterion(output, label)
            errG.backward()
            D_G_z = output.mean().item()
            optimizerG.step()

            losses.append([errD.item(), errG.item()])
            if i % 10 == 0:
                print(
                    "[%d/%d][%d/%d] Loss_D: %.4f Loss_G: %.4f D(x): %.4f D(G(z)): %.4f"
                    % (epoch, opt.niter, i, len(dataloader), errD.item(), errG.item(), D_x, D_G_z)
                )
            if len(losses) == opt.steps:
                break
        with torch.no_grad():
            fake = netG(fixed_noise)
        print(f"epoch {epoch}: pixels of the fixed noise {fake.detach().cpu().numpy().std():.4f} apart")
        if opt.outf:
            torch.save(netG.state_dict(), f"{opt.outf}/netG_epoch_{epoch}.pth")
            torch.save(netD.state_dict(), f"{opt.outf}/netD_epoch_{epoch}.pth")
        if opt.steps and len(losses) >= opt.steps:
            break
    if opt.losses:
        with open(opt.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
