from pathlib import Path

import torch
from PIL import Image

from cutaway.data import idx

FILES = Path(idx.__file__).parent / "files" / "mnist"


class MNIST(torch.utils.data.Dataset):
    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        kind = "train" if train else "t10k"
        self.data = idx.read(FILES / f"{kind}-images-idx3-ubyte.xz")
        self.targets = idx.read(FILES / f"{kind}-labels-idx1-ubyte.xz")
        self.transform, self.target_transform = transform, target_transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        image, label = Image.fromarray(self.data[i]), int(self.targets[i])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label
