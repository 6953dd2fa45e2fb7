"""A siamese network: are two pictures of the same class?  Contrastive, triplet or logistic loss on shared features."""

import argparse
import json
import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import MultiStepLR
from torch.utils.data import DataLoader, Dataset

CLASSES, SIDE = 6, 20


class Pairs(Dataset):
    """Noisy copies of a few random patterns, in triples: anchor, same class, another class."""

    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(0)
        patterns = F.interpolate(
            torch.randn(CLASSES, 1, 5, 5, generator=g), size=(SIDE, SIDE), mode="bilinear", align_corners=False
        )
        g.manual_seed(seed)
        self.targets = torch.randint(CLASSES, (n,), generator=g)
        self.data = patterns[self.targets] + 0.5 * torch.randn(n, 1, SIDE, SIDE, generator=g)
        self.group_examples()

    def group_examples(self):
        self.grouped = {int(c): torch.where(self.targets == c)[0].tolist() for c in self.targets.unique()}

    def __len__(self):
        return self.data.shape[0]

    def __getitem__(self, index):
        mine = int(self.targets[index])
        other = random.choice([c for c in self.grouped if c != mine])
        return self.data[index], self.data[random.choice(self.grouped[mine])], self.data[random.choice(self.grouped[other])]


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=1.0):
        super().__init__()
        self.margin = margin

    def forward(self, output1, output2, label):
        distance = F.pairwise_distance(output1, output2, keepdim=True)
        pull = (1 - label) * torch.pow(distance, 2)
        push = label * torch.pow(torch.clamp(self.margin - distance, min=0.0), 2)
        return torch.mean(pull + push)


class SiameseNetwork(nn.Module):
    def __init__(self, features=32):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(1, 8, kernel_size=3), nn.ReLU(inplace=True), nn.BatchNorm2d(8),
            nn.Conv2d(8, 16, kernel_size=3, stride=2, padding=1), nn.PReLU(), nn.GroupNorm(4, 16),
            nn.AdaptiveAvgPool2d((5, 5)),
        )  # fmt: skip
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(16 * 25, 64), nn.ReLU6(), nn.Linear(64, features))
        self.same = nn.Bilinear(features, features, 1)
        self.fc.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Linear):
            torch.nn.init.xavier_uniform_(m.weight)
            m.bias.data.fill_(0.01)

    def forward_once(self, x):
        return self.fc(self.cnn(x))

    def forward(self, *inputs):
        return tuple(map(self.forward_once, inputs))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loss", choices=["contrastive", "triplet", "cosine", "logistic"], default="contrastive")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    random.seed(args.seed)
    torch.manual_seed(args.seed)
    train_loader = DataLoader(Pairs(1024, 1), shuffle=True, batch_size=args.batch_size)
    test_loader = DataLoader(Pairs(128, 2), batch_size=64)
    net = SiameseNetwork()
    contrastive, triplet = ContrastiveLoss(), nn.TripletMarginLoss(margin=1.0, p=2)
    cosine, logistic = nn.CosineEmbeddingLoss(margin=0.2), nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
    scheduler = MultiStepLR(optimizer, milestones=[2, 3], gamma=0.1)

    losses = []
    for epoch in range(args.epochs):
        net.train()
        for anchor, positive, negative in train_loader:
            a, p, n = net(anchor, positive, negative)
            label = torch.cat([torch.zeros(len(a), 1), torch.ones(len(a), 1)])
            twice, both = torch.cat([a, a]), torch.cat([p, n])
            if args.loss == "contrastive":
                loss = contrastive(twice, both, label)
            elif args.loss == "triplet":
                loss = triplet(a, p, n)
            elif args.loss == "cosine":
                loss = cosine(twice, both, 1 - 2 * label.squeeze(1))
            else:
                loss = logistic(net.same(twice, both), 1 - label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == args.steps:
                break
        scheduler.step()
        net.eval()
        hits = []
        with torch.no_grad():
            for triple in test_loader:
                a, p, n = net(*triple)
                hits.append(((a - p).norm(dim=1) < (a - n).norm(dim=1)).float())
        print(f"epoch {epoch}: loss {losses[-1]:.4f}, nearer to its own {torch.cat(hits).mean().item():.3f}")
        if args.steps and len(losses) >= args.steps:
            break
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
