"""Names and the language they come from: a bidirectional GRU over packed, padded sequences of characters."""

import argparse
import json
import string

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler

ALPHABET = string.ascii_lowercase
LANGUAGES = {
    "a": ["ka", "to", "shi", "mi", "ra", "no", "yu"],
    "b": ["son", "berg", "lund", "strom", "gren", "dahl"],
    "c": ["ello", "ini", "ari", "etti", "ossa", "uzzi"],
    "d": ["ov", "sky", "enko", "ich", "ina", "yev"],
}


class Names(Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.labels = sorted(LANGUAGES)
        self.items = []
        for _ in range(n):
            label = int(torch.randint(len(self.labels), (1,), generator=g))
            parts = LANGUAGES[self.labels[label]]
            count = int(torch.randint(1, 5, (1,), generator=g))
            name = "".join(parts[i] for i in torch.randint(len(parts), (count,), generator=g).tolist())
            self.items.append((name, label))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        name, label = self.items[i]
        return torch.LongTensor([ALPHABET.index(c) + 1 for c in name]), label


class SimilarLengths(Sampler):
    """Indices in chunks of similar length, shuffled within a window, so that little is padded."""

    def __init__(self, lengths, window):
        self.lengths, self.window = lengths, window

    def __iter__(self):
        order = torch.randperm(len(self.lengths)).tolist()
        for start in range(0, len(order), self.window):
            yield from sorted(order[start : start + self.window], key=lambda i: -self.lengths[i])

    def __len__(self):
        return len(self.lengths)


def collate(batch):
    names, labels = zip(*batch)
    lengths = torch.tensor([len(n) for n in names])
    return pad_sequence(names, batch_first=True), lengths, torch.tensor(labels)


class Classifier(nn.Module):
    def __init__(self, vocabulary, embedding, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=0)
        self.gru = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(2 * hidden, 1, bias=False)
        self.out = nn.Linear(4 * hidden, classes)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.embedding(x), lengths, batch_first=True, enforce_sorted=False)
        packed_output, h_n = self.gru(packed)
        output, _ = pad_packed_sequence(packed_output, batch_first=True)
        score = self.attention(output).squeeze(-1)
        mask = torch.arange(x.size(1), device=x.device)[None, :] >= lengths[:, None]
        weight = score.masked_fill(mask, float("-inf")).softmax(dim=-1)
        context = torch.einsum("bt,bth->bh", weight, output)
        last = torch.cat([h_n[0], h_n[1]], dim=1)
        return self.out(torch.cat((context, last), dim=1))


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    hits = [(model(x, n).argmax(1) == y).float().mean().item() for x, n, y in loader]
    model.train()
    return sum(hits) / len(hits)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train_set, test_set = Names(1600, 0), Names(256, 1)
    sampler = SimilarLengths([len(name) for name, _ in train_set.items], 8 * args.batch_size)
    train_loader = DataLoader(train_set, args.batch_size, sampler=sampler, collate_fn=collate, drop_last=True)
    test_loader = DataLoader(test_set, 64, collate_fn=collate)

    model = Classifier(len(ALPHABET) + 1, 16, args.hidden, len(LANGUAGES))
    print(model)
    print(sum(p.numel() for p in model.parameters() if p.requires_grad), "parameters")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=args.epochs * len(train_loader))
    loss_fn = nn.CrossEntropyLoss(label_smoothing=0.05)

    losses = []
    for epoch in range(args.epochs):
        for x, lengths, y in train_loader:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_fn(model(x, lengths), y)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            if len(losses) == args.steps:
                break
        lr = scheduler.get_last_lr()[0]
        print(f"epoch {epoch} loss {losses[-1]:.4f} |g| {norm:.3f} lr {lr:.5f} accuracy {accuracy(model, test_loader):.3f}")
        if args.steps and len(losses) >= args.steps:
            break
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
