"""Word embeddings: an N-gram model, a bag of words, and skip-grams with negative sampling."""

import argparse
import json
from collections import Counter

import torch
import torch.autograd as autograd
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

CONTEXT_SIZE, EMBEDDING_DIM = 2, 10
WORDS = """the wheel turns the belt and the belt turns the small wheel and the small wheel drives the pump which lifts
the water to the tank above the house from which the water runs down through the pipe to the mill where the large
stone turns slowly and grinds the corn that the cart brought up the hill before the rain came and the road was lost""".split()


class NGramLanguageModeler(nn.Module):
    def __init__(self, vocab_size, embedding_dim, context_size):
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, embedding_dim)
        self.linear1 = nn.Linear(context_size * embedding_dim, 64)
        self.linear2 = nn.Linear(64, vocab_size)

    def forward(self, inputs):
        embeds = self.embeddings(inputs).view((1, -1))
        out = F.relu(self.linear1(embeds))
        return F.log_softmax(self.linear2(out), dim=1)


class CBOW(nn.Module):
    def __init__(self, vocab_size, embedding_dim):
        super().__init__()
        self.bag = nn.EmbeddingBag(vocab_size, embedding_dim, mode="mean")
        self.out = nn.Linear(embedding_dim, vocab_size)
        self.init_weights()

    def init_weights(self):
        self.bag.weight.data.uniform_(-0.5, 0.5)
        self.out.weight.data.uniform_(-0.5, 0.5)
        self.out.bias.data.zero_()

    def forward(self, text, offsets):
        return self.out(self.bag(text, offsets))


class SkipGram(nn.Module):
    def __init__(self, vocab_size, embedding_dim):
        super().__init__()
        self.center = nn.Embedding(vocab_size, embedding_dim)
        self.context = nn.Embedding(vocab_size, embedding_dim)
        nn.init.uniform_(self.center.weight, -0.5 / embedding_dim, 0.5 / embedding_dim)
        nn.init.constant_(self.context.weight, 0)

    def forward(self, center, positive, negative):
        v = self.center(center)
        u = self.context(positive)
        score = torch.sum(v * u, dim=1)
        noise = torch.bmm(self.context(negative), v.unsqueeze(2)).squeeze(2)
        return -(F.logsigmoid(score) + F.logsigmoid(-noise).sum(1)).mean()


def ngram(steps, word_to_ix):
    grams = [(WORDS[i - CONTEXT_SIZE : i], WORDS[i]) for i in range(CONTEXT_SIZE, len(WORDS))]
    loss_function = nn.NLLLoss()
    model = NGramLanguageModeler(len(word_to_ix), EMBEDDING_DIM, CONTEXT_SIZE)
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for context, target in (grams * (steps // len(grams) + 1))[:steps]:
        context_idxs = torch.tensor([word_to_ix[w] for w in context], dtype=torch.long)
        model.zero_grad()
        log_probs = model(autograd.Variable(context_idxs))
        loss = loss_function(log_probs, torch.tensor([word_to_ix[target]], dtype=torch.long))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(model.embeddings.weight[word_to_ix["wheel"]])
    return losses


def bag_of_words(steps, word_to_ix):
    model = CBOW(len(word_to_ix), EMBEDDING_DIM)
    optimizer = optim.Adagrad(model.parameters(), lr=0.3)
    losses = []
    for step in range(steps):
        text, offsets, target = [], [0], []
        for i in range(2 + step % 8, len(WORDS) - 2, 8):
            around = WORDS[max(0, i - 2 - step % 2) : i] + WORDS[i + 1 : i + 3]
            text += [word_to_ix[w] for w in around]
            offsets.append(len(around))
            target.append(word_to_ix[WORDS[i]])
        text, offsets = torch.tensor(text), torch.tensor(offsets[:-1]).cumsum(dim=0)
        optimizer.zero_grad()
        predicted = model(text, offsets)
        loss = F.cross_entropy(predicted, torch.tensor(target))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
    hits = (predicted.argmax(1) == torch.tensor(target)).sum().item()
    print(f"bag of words: loss {losses[-1]:.4f}, {hits} of {len(target)} guessed")
    return losses


def skipgram(steps, word_to_ix):
    model = SkipGram(len(word_to_ix), EMBEDDING_DIM)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    counts = Counter(WORDS)
    freq = torch.tensor([counts[w] for w in word_to_ix], dtype=torch.get_default_dtype()) ** 0.75
    pairs = torch.tensor(
        [
            (word_to_ix[WORDS[i]], word_to_ix[WORDS[j]])
            for i in range(len(WORDS))
            for j in range(max(0, i - 2), min(len(WORDS), i + 3))
            if i != j
        ]
    )
    losses = []
    for _ in range(steps):
        batch = pairs[torch.randperm(len(pairs))[:32]]
        negative = torch.multinomial(freq, 32 * 4, replacement=True).view(32, 4)
        loss = model(batch[:, 0], batch[:, 1], negative)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        e = F.normalize(model.center.weight, dim=1)
        near = (e @ e[word_to_ix["wheel"]]).topk(4)
    names = list(word_to_ix)
    print("near wheel:", ", ".join(f"{names[i]} {s:.2f}" for s, i in zip(near.values, near.indices)))
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=300, help="steps of each model")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    word_to_ix = {word: i for i, word in enumerate(dict.fromkeys(WORDS))}
    losses = [train(args.steps, word_to_ix) for train in (ngram, bag_of_words, skipgram)]
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
