"""Which way a sentence leans: nn.TransformerEncoder over padded tokens, sinusoidal positions, a warm-up schedule."""

import argparse
import json
import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset, random_split

PAD = 0
GOOD = "bright clear fine kind true warm useful lively".split()
BAD = "dull murky poor cruel false cold broken stale".split()
PLAIN = "the a machine wheel belt bench was is seemed and but very quite not it".split()
VOCABULARY = {word: i for i, word in enumerate(["<pad>", *GOOD, *BAD, *PLAIN])}


class Sentences(Dataset):
    """Random words; the label says whether the good ones are in the majority ("not" turns the next one over)."""

    def __init__(self, n, longest=24):
        g = torch.Generator().manual_seed(42)
        words = list(VOCABULARY)[1:]
        self.rows = []
        while len(self.rows) < n:
            length = torch.randint(4, longest, (1,), generator=g).item()
            sentence = [words[i] for i in torch.randint(0, len(words), (length,), generator=g)]
            score = 0
            for before, word in zip(["", *sentence], sentence):
                sign = -1 if before == "not" else 1
                score += sign * ((word in GOOD) - (word in BAD))
            if score:
                self.rows.append((sentence, int(score > 0)))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        sentence, label = self.rows[index]
        return torch.tensor([VOCABULARY[word] for word in sentence]), torch.tensor(label)


def pad(batch):
    longest = max(len(tokens) for tokens, _ in batch)
    padded = torch.full((len(batch), longest), PAD, dtype=torch.long)
    for row, (tokens, _) in zip(padded, batch):
        row[: len(tokens)] = tokens
    return padded, torch.stack([label for _, label in batch])


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1, max_len=512):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        x = x + self.pe[:, : x.size(1)]
        return self.dropout(x)


class Classifier(nn.Module):
    def __init__(self, d_model, nhead, layers, dropout, norm_first):
        super().__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(len(VOCABULARY), d_model, padding_idx=PAD)
        self.position = PositionalEncoding(d_model, dropout)
        layer = nn.TransformerEncoderLayer(
            d_model, nhead, dim_feedforward=4 * d_model, dropout=dropout, activation="gelu", batch_first=True,
            norm_first=norm_first,
        )  # fmt: skip
        self.encoder = nn.TransformerEncoder(layer, num_layers=layers, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(d_model), nn.Linear(d_model, 1))

    def forward(self, tokens):
        padding = tokens == PAD
        x = self.position(self.embedding(tokens) * math.sqrt(self.d_model))
        x = self.encoder(x, src_key_padding_mask=padding)
        keep = (~padding).unsqueeze(-1).type_as(x)
        return self.head((x * keep).sum(dim=1) / keep.sum(dim=1).clamp(min=1)).squeeze(-1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--d-model", type=int, default=32)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--norm-first", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train_set, valid_set = random_split(Sentences(2200), [2000, 200])
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True, collate_fn=pad)
    valid_loader = DataLoader(valid_set, batch_size=100, collate_fn=pad)

    model = Classifier(args.d_model, 4, args.layers, args.dropout, args.norm_first).to(device)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), eps=1e-9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / 30, (30 / (step + 1)) ** 0.5))

    losses = []
    for epoch in range(args.epochs):
        model.train()
        for tokens, labels in train_loader:
            tokens, labels = tokens.to(device), labels.to(device)
            loss = criterion(model(tokens), labels.float())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            if len(losses) == args.steps:
                break
        model.eval()
        correct = total = 0
        with torch.inference_mode():
            for tokens, labels in valid_loader:
                predicted = torch.sigmoid(model(tokens.to(device))).cpu() > 0.5
                correct += (predicted == labels.bool()).sum().item()
                total += labels.size(0)
        print(f"epoch {epoch + 1}: loss {sum(losses[-10:]) / 10:.4f}, accuracy {correct / total:.3f}")
        if args.steps and len(losses) >= args.steps:
            break
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
