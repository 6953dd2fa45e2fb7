"""Data-parallel training with DistributedDataParallel over gloo, here with one process; as under torchrun."""

import argparse
import json
import os
import tempfile

import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler


class MyTrainDataset(Dataset):
    def __init__(self, size):
        self.size = size
        self.data = [(torch.rand(20), torch.rand(1)) for _ in range(size)]

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.data[index]


class ToyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.net1 = nn.Linear(20, 32)
        self.norm = nn.BatchNorm1d(32)
        self.relu = nn.ReLU()
        self.net2 = nn.Linear(32, 1)

    def forward(self, x):
        return self.net2(self.relu(self.norm(self.net1(x))))


def ddp_setup():
    os.environ.setdefault("MASTER_ADDR", "localhost")
    os.environ.setdefault("MASTER_PORT", "0")
    os.environ.setdefault("RANK", "0")
    os.environ.setdefault("WORLD_SIZE", "1")
    os.environ.setdefault("LOCAL_RANK", "0")
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, rank=int(os.environ["RANK"]), world_size=int(os.environ["WORLD_SIZE"]))


class Trainer:
    def __init__(self, model, train_data, optimizer, save_every, snapshot_path):
        self.rank = dist.get_rank()
        self.train_data, self.optimizer, self.save_every = train_data, optimizer, save_every
        self.snapshot_path, self.epochs_run = snapshot_path, 0
        if os.path.exists(snapshot_path):
            self._load_snapshot(model, snapshot_path)
        self.model = DDP(model)
        self.losses = []

    def _load_snapshot(self, model, snapshot_path):
        snapshot = torch.load(snapshot_path, map_location="cpu")
        model.load_state_dict(snapshot["MODEL_STATE"])
        self.epochs_run = snapshot["EPOCHS_RUN"]
        print(f"Resuming training from snapshot at Epoch {self.epochs_run}")

    def _run_batch(self, source, targets):
        self.optimizer.zero_grad()
        output = self.model(source)
        loss = F.mse_loss(output, targets)
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())

    def _run_epoch(self, epoch, steps):
        b_sz = len(next(iter(self.train_data))[0])
        print(f"[rank {self.rank}] Epoch {epoch} | Batchsize: {b_sz} | Steps: {len(self.train_data)}")
        self.train_data.sampler.set_epoch(epoch)
        for source, targets in self.train_data:
            self._run_batch(source, targets)
            if len(self.losses) == steps:
                return True

    def train(self, max_epochs, steps):
        for epoch in range(self.epochs_run, max_epochs):
            stop = self._run_epoch(epoch, steps)
            mean = torch.tensor(sum(self.losses) / len(self.losses))
            dist.all_reduce(mean, op=dist.ReduceOp.SUM)
            mean /= dist.get_world_size()
            if self.rank == 0 and epoch % self.save_every == 0:
                snapshot = {"MODEL_STATE": self.model.module.state_dict(), "EPOCHS_RUN": epoch}
                torch.save(snapshot, self.snapshot_path)
                print(f"Epoch {epoch} | mean loss {mean.item():.5f} | snapshot saved")
            dist.barrier()
            if stop:
                return


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total-epochs", default=5, type=int)
    parser.add_argument("--save-every", default=1, type=int)
    parser.add_argument("--batch-size", default=16, type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps")
    parser.add_argument("--losses", help="write all losses to this JSON file")
    args = parser.parse_args()

    ddp_setup()
    torch.manual_seed(args.seed)
    train_set = MyTrainDataset(256)
    model = nn.SyncBatchNorm.convert_sync_batchnorm(ToyModel()) if torch.cuda.is_available() else ToyModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    loader = DataLoader(
        train_set, batch_size=args.batch_size, pin_memory=False, shuffle=False, sampler=DistributedSampler(train_set)
    )
    snapshot = os.path.join(tempfile.mkdtemp(), "snapshot.pt")
    trainer = Trainer(model, loader, optimizer, args.save_every, snapshot)
    trainer.train(args.total_epochs, args.steps)
    again = ToyModel()
    again.load_state_dict({k.removeprefix("module."): v for k, v in trainer.model.state_dict().items()})
    print(sum(p.numel() for p in again.parameters()), "parameters read back")
    if args.losses and dist.get_rank() == 0:
        with open(args.losses, "w") as f:
            json.dump(trainer.losses, f)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
