/**
 * A spec on a backbone of PyTorch, compiled and run as a program: a file with the names and shapes of torchvision's ResNet-18 (but for
 * its width) begins a backbone that is frozen from then on, so that what the run has kept is what the file held.
 */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/runtime/checkpoint/safetensors.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { unsaid } from '../runtime/killed-runs.js';
import { lastWeights, openWorkplace, type Workplace } from './run-spec.js';

const width = 4;

const spec = `
param weights: path = "resnet18.safetensors"
data train_set = digits {
  batch = 32
  shuffle = true
  map row -> { image: cast(row.image, f32) / 16, label: row.label }
}
block Residual(filters: int where filters > 0, stride: int = 1 where stride >= 1)
  on x: f32[n, h, w, c] -> f32[n, ceil(h / stride), ceil(w / stride), filters] {
  let skip = if stride == 1 and c == filters then x
    else (x |> conv2d(filters, kernel = 1, stride = stride, bias = false) as project |> batch_norm() as norm0)
  let body = x |> conv2d(filters, kernel = 3, stride = stride, padding = "same", bias = false) as conv1 |> batch_norm() as norm1
    |> relu() |> conv2d(filters, kernel = 3, padding = "same", bias = false) as conv2 |> batch_norm() as norm2
  return relu(body + skip)
}
block Stage(filters: int, stride: int, count: int where count >= 1)
  on x: f32[n, h, w, c] -> f32[n, ceil(h / stride), ceil(w / stride), filters] {
  return x |> Residual(filters, stride) as first |> repeat count - 1 as rest { Residual(filters) }
}
block ResNet(counts: int[4], width: int) on image: f32[n, h, w, c] -> f32[n, 8 * width] {
  return image |> conv2d(width, kernel = 7, stride = 2, padding = "same", bias = false) as stem |> batch_norm() as norm |> relu()
    |> max_pool(3, stride = 2, padding = "same")
    |> repeat i in 0..4 as stages { Stage(width * 2 ** i, if i == 0 then 1 else 2, counts[i]) } |> global_avg_pool()
}
model Digits on image: f32[n, 8, 8, 1] -> f32[n, 10] {
  return concat([image, image, image], axis = -1) |> ResNet([2, 2, 2, 2], ${width}) as backbone |> dense(10) as head
}
optimizer opt = adam { of = Digits group backbone { match = ["backbone.**"] freeze = rest } }
step train(batch in train_set) {
  update opt { minimize mean(softmax_cross_entropy(Digits(batch.image), batch.label)) }
}
trainer DigitsTrainer { steps = 3 seed = 1 }
addon pretrained {
  from = weights
  into = Digits.backbone
  layout = "torch"
  unused = ["fc.*"]
  rename = [
    ("conv1.*", "stem.*"), ("bn1.*", "norm.*"),
    ("layer{s+1}.0.**", "stages.{s}.first.**"), ("layer{s+1}.{b+1}.**", "stages.{s}.rest.{b}.**"),
    ("**.downsample.0.*", "**.project.*"), ("**.downsample.1.*", "**.norm0.*"), ("**.bn{k}.*", "**.norm{k}.*")
  ]
}
`;

let count = 0;
/** Numbers around `middle` that differ from tensor to tensor. */
const filled = (middle: number, ...shape: readonly number[]): HostTensor => {
  count += 1;
  return {
    dtype: 'f32',
    shape,
    values: Float32Array.from(
      { length: shape.reduce((product, n) => product * n, 1) },
      (_, i) => middle + Math.sin(1.3 * count + i) / 4,
    ),
  };
};

/** As `torchvision.models.resnet18().state_dict()` names it, and what each tensor becomes here. */
function resnet18(): { readonly file: Map<string, HostTensor>; readonly here: Map<string, string> } {
  const file = new Map<string, HostTensor>();
  const here = new Map<string, string>();
  const put = (name: string, own: string, ...shape: readonly number[]): void => {
    file.set(name, filled(name.endsWith('running_var') ? 1 : 0, ...shape));
    here.set(`Digits.backbone.${own}`, name);
  };
  const norm = (name: string, own: string, channels: number): void => {
    put(`${name}.weight`, `${own}.gamma`, channels);
    put(`${name}.bias`, `${own}.beta`, channels);
    put(`${name}.running_mean`, `${own}.mean`, channels);
    put(`${name}.running_var`, `${own}.variance`, channels);
    file.set(`${name}.num_batches_tracked`, { dtype: 'i32', shape: [], values: Int32Array.of(9) });
  };
  put('conv1.weight', 'stem.weight', width, 3, 7, 7);
  norm('bn1', 'norm', width);
  for (let stage = 0; stage < 4; stage += 1) {
    const filters = width * 2 ** stage;
    for (let block = 0; block < 2; block += 1) {
      const [name, own] = [
        `layer${stage + 1}.${block}`,
        `stages.${stage}.${block === 0 ? 'first' : 'rest.0'}`,
      ];
      const inputs = block === 0 && stage > 0 ? filters / 2 : filters;
      put(`${name}.conv1.weight`, `${own}.conv1.weight`, filters, inputs, 3, 3);
      norm(`${name}.bn1`, `${own}.norm1`, filters);
      put(`${name}.conv2.weight`, `${own}.conv2.weight`, filters, filters, 3, 3);
      norm(`${name}.bn2`, `${own}.norm2`, filters);
      if (inputs === filters) continue;
      put(`${name}.downsample.0.weight`, `${own}.project.weight`, filters, inputs, 1, 1);
      norm(`${name}.downsample.1`, `${own}.norm0`, filters);
    }
  }
  file.set('fc.weight', filled(0, 1000, 8 * width));
  file.set('fc.bias', filled(0, 1000));
  return { file, here };
}

/** The value that stands at a place of [h, w, in, out], in the file's [out, in, h, w]. */
const inFile = ({ shape, values }: HostTensor, index: number): number => {
  const [filters = 1, inputs = 1, height = 1, side = 1] = shape;
  if (shape.length === 1) return values[index] ?? Number.NaN;
  const [o, i] = [index % filters, Math.floor(index / filters) % inputs];
  const place = Math.floor(index / (filters * inputs));
  return values[((o * inputs + i) * height + Math.floor(place / side)) * side + (place % side)] ?? Number.NaN;
};

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
});
afterAll(() => place.remove());

test('the names and shapes of a ResNet-18 of torchvision', async () => {
  const { file, here } = resnet18();
  // 62 weights with those of its head, and 20 batch norms have 3 buffers each.
  expect(file.size).toBe(122);
  const bytes = Buffer.concat(writeSafetensors(file));
  const weights = join(place.folder, 'resnet18.safetensors');
  writeFileSync(weights, bytes);
  writeFileSync(join(place.folder, 'transfer.ztrain'), spec);
  const program = await place.build('transfer');
  const run = await place.train(program, 'transfer', ['--data-root', place.folder]);
  const { tensors } = readSafetensors(lastWeights(run));
  const kept = [...tensors.keys()].filter((name) => name.startsWith('Digits.backbone.'));
  expect(kept.sort()).toEqual([...here.keys()].sort());
  for (const [own, name] of here) {
    const [tensor, given] = [tensors.get(own), file.get(name)];
    if (!tensor || !given) throw new Error(`${own} is missing`);
    const wanted = [...tensor.values].map((_, index) => inFile(given, index));
    expect([...tensor.values], own).toEqual(wanted);
  }
  const about = JSON.parse(readFileSync(join(run.folder, 'run.json'), 'utf8'));
  expect(about.pretrained).toEqual({
    from: 'resnet18.safetensors',
    into: 'Digits.backbone',
    layout: 'torch',
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  expect(readFileSync(join(run.folder, 'console.log'), 'utf8')).toContain(
    '100 weights of Digits.backbone are from resnet18.safetensors; unused: fc.bias, fc.weight\n',
  );
  // Measuring, predicting and going on have no need of the file.
  rmSync(weights);
  // As if it had been killed before it said that it had ended.
  unsaid(run.folder);
  await place.call(program, ['--resume', run.folder, '--data-root', place.folder]);
  const again = place.call(program, [
    '--run-dir',
    join(place.folder, 'runs/again'),
    '--data-root',
    place.folder,
  ]);
  await expect(again).rejects.toThrow('there is no file or run resnet18.safetensors');
}, 120_000);
