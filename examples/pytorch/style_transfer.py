"""A picture in the style of another: a fixed feature network read through hooks, Gram matrices, LBFGS on the pixels."""

import argparse
import copy
import json

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


class Normalization(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.mean = torch.as_tensor(mean).view(-1, 1, 1)
        self.std = torch.as_tensor(std).view(-1, 1, 1)

    def forward(self, img):
        return (img - self.mean) / self.std


def gram_matrix(input):
    a, b, c, d = input.size()
    features = input.view(a * b, c * d)
    G = torch.mm(features, features.t())
    return G.div(a * b * c * d)


class ContentLoss(nn.Module):
    def __init__(self, target):
        super().__init__()
        self.target = target.detach()

    def forward(self, input):
        self.loss = F.mse_loss(input, self.target)
        return input


class StyleLoss(nn.Module):
    def __init__(self, target_feature):
        super().__init__()
        self.target = gram_matrix(target_feature).detach()

    def forward(self, input):
        self.loss = F.mse_loss(gram_matrix(input), self.target)
        return input


def build(cnn, style_img, content_img):
    model = nn.Sequential(Normalization([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    content_losses, style_losses = [], []
    i = 0
    for layer in cnn.children():
        if isinstance(layer, nn.Conv2d):
            i += 1
            name = f"conv_{i}"
        elif isinstance(layer, nn.ReLU):
            name = f"relu_{i}"
            layer = nn.ReLU(inplace=False)
        elif isinstance(layer, nn.MaxPool2d):
            name = f"pool_{i}"
        else:
            raise RuntimeError(f"Unrecognized layer: {layer.__class__.__name__}")
        model.add_module(name, layer)
        if name in ("conv_2",):
            content_loss = ContentLoss(model(content_img).detach())
            model.add_module(f"content_loss_{i}", content_loss)
            content_losses.append(content_loss)
        if name in ("conv_1", "conv_2", "conv_3"):
            style_loss = StyleLoss(model(style_img).detach())
            model.add_module(f"style_loss_{i}", style_loss)
            style_losses.append(style_loss)
    for i in range(len(model) - 1, -1, -1):
        if isinstance(model[i], (ContentLoss, StyleLoss)):
            break
    return model[: (i + 1)], style_losses, content_losses


def pictures(side):
    tick = torch.linspace(0, 1, side)
    yy, xx = torch.meshgrid(tick, tick, indexing="ij")
    stripes = torch.stack([(xx * 20).sin(), (yy * 14 + xx * 9).cos(), (xx * yy * 30).sin()]).mul(0.5).add(0.5)
    disc = ((xx - 0.5).square() + (yy - 0.5).square() < 0.1).to(xx.dtype)
    content = torch.stack([disc, 1 - disc, xx * disc])
    return stripes.unsqueeze(0), content.unsqueeze(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-steps", type=int, default=60)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--style-weight", type=float, default=1e6)
    parser.add_argument("--content-weight", type=float, default=1)
    parser.add_argument("--adam", action="store_true", help="Adam instead of LBFGS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many evaluations")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    style_img, content_img = pictures(args.side)
    cnn = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(inplace=True), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(inplace=True),
    ).eval()  # fmt: skip
    print(copy.deepcopy(cnn)[:3])
    input_img = content_img.clone()
    model, style_losses, content_losses = build(cnn, style_img, content_img)
    input_img.requires_grad_(True)
    model.eval()
    model.requires_grad_(False)
    optimizer = optim.Adam([input_img], lr=0.02) if args.adam else optim.LBFGS([input_img])

    run, losses = [0], []
    limit = args.steps or args.num_steps
    while run[0] < limit:

        def closure():
            with torch.no_grad():
                input_img.clamp_(0, 1)
            optimizer.zero_grad()
            model(input_img)
            style_score = 0
            content_score = 0
            for sl in style_losses:
                style_score += sl.loss
            for cl in content_losses:
                content_score += cl.loss
            style_score *= args.style_weight
            content_score *= args.content_weight
            loss = style_score + content_score
            loss.backward()
            run[0] += 1
            losses.append(loss.item())
            if run[0] % 20 == 0:
                print(f"run {run}: style {style_score.item():4f}, content {content_score.item():4f}")
            return style_score + content_score

        optimizer.step(closure)
    with torch.no_grad():
        input_img.clamp_(0, 1)
    print(f"mean pixel {input_img.mean().item():.4f}")
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses[:limit], f)


if __name__ == "__main__":
    main()
