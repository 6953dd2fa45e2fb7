"""Well-known image networks, small: ResNet, VGG, MobileNetV2, DenseNet, a squeeze-and-excitation net, on coloured textures."""

import argparse
import json
import os

import torch
import torch.backends.cudnn as cudnn
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


def conv3x3(in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        in_planes, out_planes, kernel_size=3, stride=stride, padding=dilation, groups=groups, bias=False,
        dilation=dilation,
    )  # fmt: skip


class BasicBlock(nn.Module):
    expansion: int = 1

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = conv3x3(in_planes, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1 or in_planes != self.expansion * planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_planes, self.expansion * planes, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(self.expansion * planes),
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, in_planes, planes, stride=1):
        super(Bottleneck, self).__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes, stride, groups=2)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, self.expansion * planes, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.expansion * planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != self.expansion * planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, self.expansion * planes, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(self.expansion * planes),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self, block, num_blocks, num_classes=10, zero_init_residual=False):
        super().__init__()
        self.in_planes = 8
        self.conv1 = conv3x3(3, 8)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = self._make_layer(block, 8, num_blocks[0], stride=1)
        self.layer2 = self._make_layer(block, 16, num_blocks[1], stride=2)
        self.layer3 = self._make_layer(block, 32, num_blocks[2], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.linear = nn.Linear(32 * block.expansion, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
        if zero_init_residual:
            for m in self.modules():
                if isinstance(m, Bottleneck):
                    nn.init.constant_(m.bn3.weight, 0)
                elif isinstance(m, BasicBlock):
                    nn.init.constant_(m.bn2.weight, 0)

    def _make_layer(self, block, planes, num_blocks, stride):
        strides = [stride] + [1] * (num_blocks - 1)
        layers = []
        for stride in strides:
            layers.append(block(self.in_planes, planes, stride))
            self.in_planes = planes * block.expansion
        return nn.Sequential(*layers)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        out = torch.flatten(self.avgpool(out), 1)
        return self.linear(out)


class VGG(nn.Module):
    cfg = [8, "M", 16, "M", 32, 32, "M"]

    def __init__(self, num_classes=10, dropout=0.5):
        super().__init__()
        self.features = self._make_layers(self.cfg)
        self.classifier = nn.Sequential(
            nn.Linear(32 * 2 * 2, 64), nn.ReLU(True), nn.Dropout(dropout), nn.Linear(64, num_classes)
        )

    def forward(self, x):
        out = self.features(x)
        out = out.view(out.size(0), -1)
        return self.classifier(out)

    def _make_layers(self, cfg):
        layers = []
        in_channels = 3
        for x in cfg:
            if x == "M":
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
            else:
                layers += [
                    nn.Conv2d(in_channels, x, kernel_size=3, padding=1),
                    nn.BatchNorm2d(x),
                    nn.ReLU(inplace=True),
                ]
                in_channels = x
        layers += [nn.AvgPool2d(kernel_size=1, stride=1)]
        return nn.Sequential(*layers)


class ConvBNReLU(nn.Sequential):
    def __init__(self, in_planes, out_planes, kernel_size=3, stride=1, groups=1):
        super().__init__(
            nn.Conv2d(in_planes, out_planes, kernel_size, stride, (kernel_size - 1) // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out_planes),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        hidden_dim = int(round(inp * expand_ratio))
        self.use_res_connect = stride == 1 and inp == oup
        layers = []
        if expand_ratio != 1:
            layers.append(ConvBNReLU(inp, hidden_dim, kernel_size=1))
        layers.extend(
            [
                ConvBNReLU(hidden_dim, hidden_dim, stride=stride, groups=hidden_dim),
                nn.Conv2d(hidden_dim, oup, 1, 1, 0, bias=False),
                nn.BatchNorm2d(oup),
            ]
        )
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, num_classes=10, dropout=0.2):
        super().__init__()
        features = [ConvBNReLU(3, 8)]
        inp = 8
        for t, c, n, s in [(1, 8, 1, 1), (3, 12, 2, 2), (3, 16, 2, 2)]:
            for i in range(n):
                features.append(InvertedResidual(inp, c, s if i == 0 else 1, t))
                inp = c
        features.append(ConvBNReLU(inp, 48, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(48, num_classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


class DenseLayer(nn.Module):
    def __init__(self, in_planes, growth_rate):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(in_planes), nn.BatchNorm2d(2 * growth_rate)
        self.conv1 = nn.Conv2d(in_planes, 2 * growth_rate, kernel_size=1, bias=False)
        self.conv2 = nn.Conv2d(2 * growth_rate, growth_rate, kernel_size=3, padding=1, bias=False)

    def forward(self, x):
        out = self.conv1(F.relu(self.bn1(x)))
        out = self.conv2(F.relu(self.bn2(out)))
        return torch.cat([x, out], 1)


class DenseNet(nn.Module):
    def __init__(self, num_classes=10, growth_rate=6, depth=3):
        super().__init__()
        planes = 2 * growth_rate
        self.features = nn.Sequential()
        self.features.add_module("conv0", conv3x3(3, planes))
        for b in range(2):
            for _ in range(depth):
                self.features.add_module(f"dense{b}_{planes}", DenseLayer(planes, growth_rate))
                planes += growth_rate
            self.features.add_module(f"trans{b}", nn.Conv2d(planes, planes // 2, 1, bias=False))
            self.features.add_module(f"pool{b}", nn.AvgPool2d(2))
            planes //= 2
        self.features.add_module("norm", nn.BatchNorm2d(planes))
        self.linear = nn.Linear(planes, num_classes)

    def forward(self, x):
        out = F.relu(self.features(x), inplace=True)
        out = F.adaptive_avg_pool2d(out, 1).view(out.size(0), -1)
        return self.linear(out)


class SENet(nn.Module):
    """Channels weighed by what the whole picture holds; dilated and channel-shuffled convolutions between."""

    def __init__(self, num_classes=10, groups=4):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 5, stride=2, padding=2)
        self.grouped = nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=groups)
        self.fc1, self.fc2 = nn.Conv2d(16, 4, kernel_size=1), nn.Conv2d(4, 16, kernel_size=1)
        self.norm = nn.GroupNorm(4, 16)
        self.groups = groups
        self.linear = nn.Linear(32, num_classes)

    def forward(self, x):
        x = F.hardswish(self.stem(x))
        n, c, h, w = x.size()
        x = self.grouped(x).view(n, self.groups, c // self.groups, h, w).permute(0, 2, 1, 3, 4).reshape(n, c, h, w)
        s = F.avg_pool2d(x, x.size(2))
        s = F.hardsigmoid(self.fc2(F.relu(self.fc1(s))))
        x = F.leaky_relu(self.norm(x * s), 0.1)
        return self.linear(torch.cat([x.amax(dim=(2, 3)), x.mean(dim=(-2, -1))], dim=1))


class Textures(Dataset):
    def __init__(self, n, seed, side=16, classes=10):
        g = torch.Generator()
        g.manual_seed(1)
        prototypes = torch.randn(classes, 3, side, side, generator=g)
        g.manual_seed(seed)
        self.y = torch.randint(0, classes, (n,), generator=g)
        self.x = prototypes[self.y] + 1.5 * torch.randn(n, 3, side, side, generator=g)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        x = self.x[i]
        if i % 2:
            x = x.flip(-1)
        return x, self.y[i]


ARCHITECTURES = {
    "resnet": lambda p: ResNet(BasicBlock, [1, 1, 1]),
    "bottleneck": lambda p: ResNet(Bottleneck, [1, 1, 1], zero_init_residual=True),
    "vgg": lambda p: VGG(dropout=p),
    "mobilenet": lambda p: MobileNetV2(dropout=p),
    "densenet": lambda p: DenseNet(),
    "senet": lambda p: SENet(),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", "-a", choices=sorted(ARCHITECTURES), default="resnet")
    parser.add_argument("--lr", default=0.05, type=float)
    parser.add_argument("--dropout", default=0.5, type=float)
    parser.add_argument("--batch-size", default=16, type=int)
    parser.add_argument("--epochs", default=3, type=int)
    parser.add_argument("--seed", default=0, type=int)
    parser.add_argument("--resume", "-r", help="checkpoint to go on from")
    parser.add_argument("--checkpoint", help="file for the best parameters so far")
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    trainloader = DataLoader(Textures(1600, 2), batch_size=args.batch_size, shuffle=True, num_workers=0)
    testloader = DataLoader(Textures(200, 3), batch_size=100, shuffle=False)
    net = ARCHITECTURES[args.arch](args.dropout).to(device)
    if device == "cuda":
        net = torch.nn.DataParallel(net)
        cudnn.benchmark = True
    best_acc, start_epoch = 0, 0
    if args.resume:
        checkpoint = torch.load(args.resume, map_location=device)
        net.load_state_dict(checkpoint["net"])
        best_acc, start_epoch = checkpoint["acc"], checkpoint["epoch"]

    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=args.lr, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    losses = []
    for epoch in range(start_epoch, start_epoch + args.epochs):
        net.train()
        correct = total = 0
        for inputs, targets in trainloader:
            inputs, targets = inputs.to(device), targets.to(device)
            optimizer.zero_grad()
            outputs = net(inputs)
            loss = criterion(outputs, targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            _, predicted = outputs.max(1)
            total += targets.size(0)
            correct += predicted.eq(targets).sum().item()
            if len(losses) == args.steps:
                break
        print(f"epoch {epoch}: loss {losses[-1]:.3f}, accuracy {100.0 * correct / total:.2f}% ({correct}/{total})")
        net.eval()
        test_loss = correct = total = 0
        with torch.no_grad():
            for inputs, targets in testloader:
                outputs = net(inputs.to(device))
                test_loss += criterion(outputs, targets.to(device)).item()
                _, predicted = torch.max(outputs.data, 1)
                total += targets.size(0)
                correct += (predicted.cpu() == targets).sum().item()
        acc = 100.0 * correct / total
        print(f"test: loss {test_loss / len(testloader):.3f}, accuracy {acc:.2f}%")
        if acc > best_acc and args.checkpoint:
            os.makedirs(os.path.dirname(args.checkpoint) or ".", exist_ok=True)
            torch.save({"net": net.state_dict(), "acc": acc, "epoch": epoch}, args.checkpoint)
            best_acc = acc
        scheduler.step()
        if args.steps and len(losses) >= args.steps:
            break
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump([*losses, test_loss], f)


if __name__ == "__main__":
    main()
