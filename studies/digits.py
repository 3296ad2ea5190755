"""A script of one's own: a small network learns to read digits, and says how well."""

import argparse

import torch
from sklearn.datasets import load_digits

from sweeper.client import done, report, seed, should_stop

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=1e-2)
parser.add_argument("--width", type=int, default=32)
parser.add_argument("--epochs", type=int, default=8)
arguments = parser.parse_args()

torch.manual_seed(seed())
torch.set_num_threads(1)
pixels, digits = load_digits(return_X_y=True)
inputs, labels = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(digits)
train, test = slice(0, 1200), slice(1200, None)
network = torch.nn.Sequential(
    torch.nn.Linear(64, arguments.width), torch.nn.ReLU(), torch.nn.Linear(arguments.width, 10)
)
optimizer = torch.optim.SGD(network.parameters(), lr=arguments.lr, momentum=0.9)
for epoch in range(1, arguments.epochs + 1):
    for batch in torch.randperm(1200).split(32):
        loss = torch.nn.functional.cross_entropy(
            network(inputs[train][batch]), labels[train][batch]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    correct = (network(inputs[test]).argmax(dim=1) == labels[test]).float()
    report(step=epoch, loss=loss, accuracy=correct.mean())
    if should_stop():
        break
report(scores={index: float(value) for index, value in enumerate(correct)})
done(accuracy=correct.mean())
