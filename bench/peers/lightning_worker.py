"""Lightning's side, the tabular network: lightning_worker.py CASE MODE WARM_UP THREADS."""

import logging
import sys
import time
import warnings

import lightning
import torch
from torch import nn
from torch.nn import functional as F

from protocol import answer, next_order, peak_memory

case, warm_up, threads = sys.argv[1], int(sys.argv[3]), int(sys.argv[4])
assert case == "mlp", case
torch.set_num_threads(threads)
warnings.simplefilter("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Mlp(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def training_step(self, batch, _):
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-3, fused=True)


class Orders(lightning.Callback):
    """Stops at the end of each order and waits for the next one."""

    def __init__(self):
        self.step, self.began_at, self.until = 0, 0, warm_up
        self.began, self.processor = time.perf_counter(), time.process_time()

    def on_train_batch_end(self, trainer, *_):
        self.step += 1
        if self.step == 1:
            answer(first=True)
        if self.step < self.until:
            return
        took = (time.perf_counter() - self.began) * 1e3
        worked = (time.process_time() - self.processor) * 1e3
        answer(ms=took, cpu=worked, steps=self.step - self.began_at, peak=peak_memory())
        steps = next_order()
        if steps is None:
            trainer.should_stop = True
            return
        self.began_at, self.until = self.step, self.step + steps
        self.began, self.processor = time.perf_counter(), time.process_time()


rows = torch.utils.data.TensorDataset(torch.rand(2**20, 32), torch.arange(2**20) % 10)
lightning.Trainer(
    max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
    enable_model_summary=False, callbacks=[Orders()],
).fit(Mlp(), torch.utils.data.DataLoader(rows, batch_size=32))  # fmt: skip
