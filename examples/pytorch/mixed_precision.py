"""A loop in mixed precision: autocast and GradScaler on a GPU, bfloat16 on the CPU if asked, with gradient accumulation."""

import argparse
import json
import os
import tempfile
import time

import torch
from torch import nn


def make_model(in_size, out_size, num_layers):
    layers = []
    for _ in range(num_layers - 1):
        layers.append(torch.nn.Linear(in_size, in_size))
        layers.append(torch.nn.ReLU())
    layers.append(torch.nn.Linear(in_size, out_size))
    return torch.nn.Sequential(*tuple(layers))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bfloat16", action="store_true", help='autocast("cpu", dtype=torch.bfloat16)')
    parser.add_argument("--old-names", action="store_true", help="torch.cuda.amp, as before PyTorch 2.4")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--num-layers", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--accumulate", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many batches")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    use_amp = torch.cuda.is_available()
    device = "cuda" if use_amp else "cpu"
    data = [torch.randn(args.batch_size, args.size, device=device) for _ in range(40)]
    teacher = make_model(args.size, 8, 2).to(device).eval()
    with torch.no_grad():
        targets = [teacher(x) * 2 for x in data]
    loss_fn = torch.nn.MSELoss().to(device)
    net = make_model(args.size, 8, args.num_layers).to(device)
    opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    if args.old_names:
        scaler = torch.cuda.amp.GradScaler(enabled=use_amp)
        autocast = lambda: torch.cuda.amp.autocast(enabled=use_amp)
    elif args.bfloat16:
        scaler = torch.amp.GradScaler("cpu", enabled=False)
        autocast = lambda: torch.autocast(device_type="cpu", dtype=torch.bfloat16)
    else:
        scaler = torch.amp.GradScaler("cuda", enabled=use_amp)
        autocast = lambda: torch.autocast(device_type=device, dtype=torch.float16, enabled=use_amp)

    losses, start_time = [], time.time()
    for epoch in range(args.epochs):
        for i, (input, target) in enumerate(zip(data, targets)):
            with autocast():
                output = net(input)
                loss = loss_fn(output.float(), target) / args.accumulate
            scaler.scale(loss).backward()
            losses.append(loss.item() * args.accumulate)
            if (i + 1) % args.accumulate == 0:
                scaler.unscale_(opt)
                torch.nn.utils.clip_grad_norm_(net.parameters(), max_norm=5.0)
                scaler.step(opt)
                scaler.update()
                opt.zero_grad()
            if len(losses) == args.steps:
                break
        print(f"epoch {epoch}: loss {losses[-1]:.4f}, output {output.dtype}, scale {scaler.get_scale()}")
        if args.steps and len(losses) >= args.steps:
            break
    if use_amp:
        torch.cuda.synchronize()
    print("it took", "less" if time.time() - start_time < 600 else "more", "than ten minutes")

    path = os.path.join(tempfile.mkdtemp(), "checkpoint.pt")
    torch.save({"model": net.state_dict(), "optimizer": opt.state_dict(), "scaler": scaler.state_dict()}, path)
    dev = torch.device(device)
    checkpoint = torch.load(path, map_location=lambda storage, loc: storage if dev.type == "cpu" else storage.cuda(dev))
    again = make_model(args.size, 8, args.num_layers).to(dev)
    again.load_state_dict(checkpoint["model"])
    opt = torch.optim.SGD(again.parameters(), lr=1.0, momentum=0.9)
    opt.load_state_dict(checkpoint["optimizer"])
    scaler.load_state_dict(checkpoint["scaler"])
    with torch.inference_mode():
        difference = nn.functional.l1_loss(again(data[0]), net(data[0])).item()
    print(f"read back: learning rate {opt.param_groups[0]['lr']}, outputs {difference} apart")
    if args.losses:
        with open(args.losses, "w") as f:
            json.dump(losses, f)


if __name__ == "__main__":
    main()
