"""Dates written out, read back: a GRU encoder and a decoder with attention, teacher forcing, greedy decoding."""

import argparse
import json
import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

PAD, SOS, EOS = 0, 1, 2
MONTHS = "january february march april may june july august september october november december".split()
CHARS = ["<pad>", "<sos>", "<eos>", *"abcdefghijklmnopqrstuvwxyz0123456789 -"]
INDEX = {c: i for i, c in enumerate(CHARS)}


class Dates(Dataset):
    def __init__(self, n, seed):
        rng = random.Random(seed)
        self.pairs = []
        for _ in range(n):
            d, m, y = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1900, 2099)
            self.pairs.append((f"{d} {MONTHS[m - 1]} {y}", f"{y}-{m:02d}-{d:02d}"))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, idx):
        source, target = self.pairs[idx]
        encode = lambda text: torch.tensor([INDEX[c] for c in text] + [EOS], dtype=torch.long)
        return encode(source), encode(target)


def collate_fn(batch):
    batch.sort(key=lambda pair: len(pair[0]), reverse=True)
    source, target = zip(*batch)
    lengths = [len(s) for s in source]
    return pad_sequence(source, padding_value=PAD), lengths, pad_sequence(target, padding_value=PAD)


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, bidirectional=True)

    def forward(self, source, lengths):
        packed = pack_padded_sequence(self.embedding(source), lengths)
        outputs, hidden = self.gru(packed)
        outputs, _ = pad_packed_sequence(outputs)
        hidden_size = outputs.size(2) // 2
        outputs = outputs[:, :, :hidden_size] + outputs[:, :, hidden_size:]
        return outputs, hidden.sum(0, keepdim=True)


class BahdanauAttention(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.Wa = nn.Linear(hidden_size, hidden_size)
        self.Ua = nn.Linear(hidden_size, hidden_size)
        self.Va = nn.Linear(hidden_size, 1)

    def forward(self, query, keys, mask):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys))).squeeze(2)
        scores = scores.masked_fill(mask, -float("inf"))
        weights = F.softmax(scores, dim=0).t().unsqueeze(1)
        return torch.bmm(weights, keys.transpose(0, 1)).transpose(0, 1), weights


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size, dropout_p=0.1):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size)
        self.out = nn.Linear(hidden_size, output_size)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, input, hidden, encoder_outputs, mask):
        embedded = self.dropout(self.embedding(input)).unsqueeze(0)
        context, weights = self.attention(hidden, encoder_outputs, mask)
        output, hidden = self.gru(torch.cat((embedded, context), dim=2), hidden)
        return F.log_softmax(self.out(output[0]), dim=1), hidden, weights


def run(encoder, decoder, source, lengths, longest, target=None, forced=False):
    outputs, hidden = encoder(source, lengths)
    mask = source == PAD
    input = torch.full((source.size(1),), SOS, dtype=torch.long)
    steps = []
    for t in range(longest):
        log_probs, hidden, _ = decoder(input, hidden, outputs, mask)
        steps.append(log_probs)
        input = target[t] if forced else log_probs.topk(1)[1].squeeze(1).detach()
    return torch.stack(steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, default=48)
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--forcing", type=float, default=0.8, help="share of batches with teacher forcing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    random.seed(args.seed)
    torch.manual_seed(args.seed)
    loader = DataLoader(Dates(1400, 0), batch_size=args.batch_size, shuffle=True, collate_fn=collate_fn)
    test = DataLoader(Dates(48, 1), batch_size=48, collate_fn=collate_fn)
    encoder = EncoderRNN(len(CHARS), args.hidden)
    decoder = AttnDecoderRNN(args.hidden, len(CHARS), args.dropout)
    encoder_optimizer = optim.Adam(encoder.parameters(), lr=3e-3)
    decoder_optimizer = optim.Adam(decoder.parameters(), lr=3e-3)
    criterion = nn.NLLLoss(ignore_index=PAD)

    losses = []
    for epoch in range(args.epochs):
        encoder.train(), decoder.train()
        for source, lengths, target in loader:
            encoder_optimizer.zero_grad()
            decoder_optimizer.zero_grad()
            forced = random.random() < args.forcing
            log_probs = run(encoder, decoder, source, lengths, target.size(0), target, forced)
            loss = criterion(log_probs.view(-1, len(CHARS)), target.view(-1))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(encoder.parameters()) + list(decoder.parameters()), 5.0)
            encoder_optimizer.step()
            decoder_optimizer.step()
            losses.append(loss.item())
            if len(losses) == args.steps:
                break
        encoder.eval(), decoder.eval()
        with torch.no_grad():
            source, lengths, target = next(iter(test))
            guess = run(encoder, decoder, source, lengths, target.size(0)).argmax(-1)
        right = ((guess == target) | (target == PAD)).all(0).float().mean().item()
        text = ["".join(CHARS[i] for i in column[:-1].tolist()) for column in (source[:, 0], guess[:, 0])]
        print(f"epoch {epoch}: loss {losses[-1]:.4f}, right {right:.2f}, {text[0]} -> {text[1]}")
        if args.steps and len(losses) >= args.steps:
            break
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
