/**
 * Weights from files of PyTorch, Keras and ztrain: the net's output is held against plain loops over the other framework's own layout,
 * by that framework's formulas; and what does not fit is told whole, before a run begins.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import { writeSafetensors } from '../../src/runtime/checkpoint/safetensors.js';
import * as copies from '../../src/runtime/copies/index.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as nn from '../../src/runtime/nn/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import type { Tensor1D, Tensor2D, Tensor4D } from '../../src/runtime/tensor.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import * as units from '../../src/values/units.js';
import { unsaid } from './killed-runs.js';
import { lineSet, LineTrainer, type LineData, type Row } from './tiny-trainer.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-pretrained-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Made-up numbers, each its own. */
const filled = (shape: readonly number[], from: number): HostTensor => ({
  dtype: 'f32',
  shape,
  values: Float32Array.from(
    { length: shape.reduce((product, n) => product * n, 1) },
    (_, i) => Math.sin(from + 1.7 * i) / 2,
  ),
});

/** [n = 1, height 4, width 4, channels 2] through every kind of layer with a weight, to 3 numbers. */
class Net extends nn.Module<[image: Tensor4D], Tensor2D> {
  readonly stem = this.add('stem', nn.conv2d({ inputs: 2, filters: 3, kernel: 2 }));
  readonly norm = this.add('norm', nn.batchNorm({ inputs: 3 }));
  readonly deep = this.add('deep', nn.depthwiseConv2d({ inputs: 3, kernel: 2, multiplier: 2, bias: false }));
  readonly wide = this.add('wide', nn.conv2dTranspose({ inputs: 6, filters: 2, kernel: 2, stride: 2 }));
  readonly last = this.add('last', nn.layerNorm({ inputs: 6 }));
  readonly root = this.add('root', nn.rmsNorm({ inputs: 6 }));
  readonly table = this.add('table', nn.embedding({ count: 5, width: 4 }));
  readonly head = this.add('head', nn.dense({ inputs: 32, units: 3 }));

  protected override forward(image: Tensor4D): Tensor2D {
    const maps = this.deep.call(ops.relu(this.norm.call(this.stem.call(image))));
    const wide = this.wide.call(this.root.call(this.last.call(maps)));
    // PyTorch flattens channels first.
    return this.head.call(ops.flatten(ops.transpose<Tensor4D>(wide, { axes: [0, 3, 1, 2] })));
  }
}

/** Holds what the net is asked about. */
class Probe extends nn.Module<[], Tensor4D> {
  readonly image = this.addState<Tensor4D>('image', [1, 4, 4, 2], () =>
    Float32Array.from(image, (value) => value),
  );
  protected override forward(): Tensor4D {
    return this.image.read();
  }
}

const image = filled([1, 4, 4, 2], 9).values;

interface Models {
  readonly line: nn.Dense;
  readonly net: Net;
  readonly probe: Probe;
  readonly copy: nn.Dense;
  readonly still: Net;
}

class Loading extends Trainer<object, Models, LineData> {
  static override readonly spec = { ...LineTrainer.spec, params: [], asserts: [] };
  /** What weights and the net were before the first step. */
  readonly first = new Map<string, readonly number[]>();

  constructor(
    private readonly add: addons.PretrainedOptions | readonly addons.PretrainedOptions[] | null,
    overrides: readonly string[] = [],
    private readonly format: 'folder' | 'ckpt' = 'folder',
  ) {
    super({
      options: { epochs: 1, logEvery: units.steps(100) },
      overrides: overrides.map((text) => {
        const [path = '', value = ''] = text.split('=');
        return { path: path.split('.'), text: value };
      }),
    });
  }
  protected override configureData(): LineData {
    return { train: lineSet(20, { batch: 4, shuffle: true }), test: lineSet(4, {}) };
  }
  protected override configureModels(): Models {
    return {
      line: nn.dense({ inputs: 2, units: 1 }),
      net: new Net(),
      probe: new Probe(),
      copy: nn.dense({ inputs: 2, units: 1 }),
      still: new Net(),
    };
  }
  protected override configureOptimizers({ line }: Models) {
    return { opt: optim.sgd({ of: [line], lr: 0.1 }) };
  }
  protected override configureCopies({ line, copy, net, still }: Models) {
    return {
      Copy: copies.ema({ of: line, into: copy, decay: 0.9 }),
      Still: copies.frozen({ of: net, into: still }),
    };
  }
  protected override configureSteps(from: LineData) {
    return [steps.train('train', [from.train], (batch) => this.learn(batch))];
  }
  protected override configureAddOns(models: Models): readonly addons.AddOn[] {
    const ask = (net: Net) => () => [net.call(models.probe.call())];
    const [asked, still] = [ask(models.net), ask(models.still)];
    const look: addons.AddOn = {
      kind: 'look',
      phase: 'independent',
      owns: [],
      withOptions: () => look,
      start: (host) => ({
        fitStart: async () => {
          for (const variable of this.session.modelState)
            this.first.set(variable.path, [...(await variable.download()).values]);
          for (const [name, body] of [
            ['net', asked],
            ['still', still],
          ] as const) {
            const [found] = await host.evaluate(name, body);
            this.first.set(name, [...(found?.values ?? [])]);
          }
        },
      }),
    };
    return [
      look,
      addons.checkpoint({ format: this.format }),
      ...[this.add ?? []].flat().map((each) => addons.pretrained(each)),
    ];
  }
  learn(batch: Row): void {
    this.update(['opt'], () => ({
      minimize: rows.mean(
        losses.squaredError(ops.squeeze<Tensor1D>(this.models.line.call(batch.x), { axis: -1 }), batch.y),
      ),
    }));
  }
}

const said: string[] = [];
const quiet = {
  stream: {
    write: (text: string) => {
      said.push(text);
    },
  },
};

type Added = ConstructorParameters<typeof Loading>[0];

async function begun(add: Added, overrides: readonly string[] = []) {
  const trainer = new Loading(add, overrides);
  await trainer.fit({ ...quiet, runDir: null, dataRoot: folder });
  return trainer.first;
}

const problemOf = (add: Added, overrides: readonly string[] = []): Promise<string> =>
  begun(add, overrides).then(
    () => 'nothing was wrong',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

const write = (name: string, tensors: Readonly<Record<string, HostTensor>>): string => {
  const bytes = Buffer.concat(writeSafetensors(new Map(Object.entries(tensors))));
  writeFileSync(join(folder, name), bytes);
  return createHash('sha256').update(bytes).digest('hex');
};

/** The same, with tensors besides of types that are not written here: so many bytes of 0. */
const writeWith = (
  name: string,
  tensors: Readonly<Record<string, HostTensor>>,
  others: Readonly<Record<string, readonly [dtype: string, bytes: number, shape: readonly number[]]>>,
): void => {
  const bytes = Buffer.concat(writeSafetensors(new Map(Object.entries(tensors))));
  const length = bytes.readUInt32LE(0);
  let at = bytes.length - 8 - length;
  const added = Object.entries(others).map(([own, [dtype, size, shape]]) => {
    const entry = { dtype, shape, data_offsets: [at, (at += size)] };
    return `,${JSON.stringify(own)}:${JSON.stringify(entry)}`;
  });
  const header = Buffer.from(
    `${bytes
      .toString('utf8', 8, 8 + length)
      .trim()
      .slice(0, -1)}${added.join('')}}`,
  );
  const start = Buffer.alloc(8);
  start.writeUInt32LE(header.length);
  const end = Buffer.alloc(at - (bytes.length - 8 - length));
  writeFileSync(join(folder, name), Buffer.concat([start, header, bytes.subarray(8 + length), end]));
};

/** As `state_dict` of PyTorch has it. */
const torch: Readonly<Record<string, HostTensor>> = {
  'conv1.weight': filled([3, 2, 2, 2], 1),
  'conv1.bias': filled([3], 2),
  'bn1.weight': filled([3], 3),
  'bn1.bias': filled([3], 4),
  'bn1.running_mean': filled([3], 5),
  'bn1.running_var': { dtype: 'f32', shape: [3], values: Float32Array.of(0.5, 2, 0.25) },
  'bn1.num_batches_tracked': { dtype: 'i32', shape: [], values: Int32Array.of(77) },
  'deep.weight': filled([6, 1, 2, 2], 6),
  'up1.weight': filled([6, 2, 2, 2], 7),
  'up1.bias': filled([2], 8),
  'last.weight': filled([6], 9),
  'last.bias': filled([6], 10),
  'root.weight': filled([6], 11),
  'table.weight': filled([5, 4], 12),
  'head.weight': filled([3, 32], 13),
  'head.bias': filled([3], 14),
  'fc.weight': filled([1000, 3], 15),
};
const fromTorch: addons.PretrainedOptions = {
  from: 'torch.safetensors',
  into: 'Net',
  layout: 'torch',
  unused: ['fc.*'],
  rename: [
    { from: 'conv1.*', to: 'stem.*' },
    { from: 'bn{k}.*', to: 'norm.*' },
    { from: 'up1.*', to: 'wide.*' },
  ],
};

const valuesOf = (name: string): HostTensor['values'] => torch[name]?.values ?? new Float32Array();
const at = (values: HostTensor['values'], ...index: readonly (readonly [place: number, size: number])[]) =>
  values[index.reduce((sum, [place, size]) => sum * size + place, 0)] ?? Number.NaN;
const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** What PyTorch computes, channels first, by its documentation's formulas: Conv2d … Linear, in evaluation mode. */
function reference(): readonly number[] {
  const input = (c: number, y: number, x: number): number => at(image, [y, 4], [x, 4], [c, 2]);
  const [w1, b1] = [valuesOf('conv1.weight'), valuesOf('conv1.bias')];
  const stem = (o: number, y: number, x: number): number =>
    at(b1, [o, 3]) +
    sum(
      range(2).flatMap((i) =>
        range(2).flatMap((u) =>
          range(2).map((v) => at(w1, [o, 3], [i, 2], [u, 2], [v, 2]) * input(i, y + u, x + v)),
        ),
      ),
    );
  const bn = (key: string, c: number): number => at(valuesOf(`bn1.${key}`), [c, 3]);
  const norm = (c: number, y: number, x: number): number =>
    Math.max(
      0,
      ((stem(c, y, x) - bn('running_mean', c)) / Math.sqrt(bn('running_var', c) + 1e-5)) * bn('weight', c) +
        bn('bias', c),
    );
  // groups = 3: output channel o reads input channel ⌊o / 2⌋.
  const w2 = valuesOf('deep.weight');
  const deep = (o: number, y: number, x: number): number =>
    sum(
      range(2).flatMap((u) =>
        range(2).map((v) => at(w2, [o, 6], [u, 2], [v, 2]) * norm(Math.floor(o / 2), y + u, x + v)),
      ),
    );
  const last = (c: number, y: number, x: number): number => {
    const all = range(6).map((o) => deep(o, y, x));
    const mean = sum(all) / 6;
    const variance = sum(all.map((value) => (value - mean) ** 2)) / 6;
    const normal = ((all[c] ?? 0) - mean) / Math.sqrt(variance + 1e-5);
    return normal * at(valuesOf('last.weight'), [c, 6]) + at(valuesOf('last.bias'), [c, 6]);
  };
  const root = (c: number, y: number, x: number): number => {
    const squares = sum(range(6).map((o) => last(o, y, x) ** 2)) / 6;
    return (last(c, y, x) / Math.sqrt(squares + 1e-6)) * at(valuesOf('root.weight'), [c, 6]);
  };
  // Stride 2, kernel 2: each output has one place of the input.
  const [w3, b3] = [valuesOf('up1.weight'), valuesOf('up1.bias')];
  const wide = (o: number, y: number, x: number): number =>
    at(b3, [o, 2]) +
    sum(
      range(6).map(
        (i) => at(w3, [i, 6], [o, 2], [y % 2, 2], [x % 2, 2]) * root(i, Math.floor(y / 2), Math.floor(x / 2)),
      ),
    );
  const flat = range(2).flatMap((c) => range(4).flatMap((y) => range(4).map((x) => wide(c, y, x))));
  return range(3).map(
    (o) =>
      at(valuesOf('head.bias'), [o, 3]) +
      sum(flat.map((value, i) => value * at(valuesOf('head.weight'), [o, 3], [i, 32]))),
  );
}

function expectNear(found: readonly number[] | undefined, wanted: readonly number[]): void {
  expect(found).toHaveLength(wanted.length);
  wanted.forEach((value, i) => expect(found?.[i]).toBeCloseTo(value, 4));
}

describe('a file of PyTorch', () => {
  test('gives the net that PyTorch has, and its frozen copy too', async () => {
    write('torch.safetensors', torch);
    said.splice(0);
    const first = await begun(fromTorch);
    const wanted = reference();
    expect(Math.max(...wanted.map(Math.abs))).toBeGreaterThan(0.1);
    expectNear(first.get('net'), wanted);
    expectNear(first.get('still'), wanted);
    expect(first.get('Net.table.weight')).toEqual([...valuesOf('table.weight')]);
    expect(said.join('')).toContain('15 weights of Net are from torch.safetensors; unused: fc.weight\n');
  });

  test('gives a part of the net, whose names count from there', async () => {
    write('part.safetensors', { 'fc.weight': filled([3, 32], 3), 'fc.bias': filled([3], 4) });
    const first = await begun({
      from: 'part.safetensors',
      into: 'Net.head',
      layout: 'torch',
      rename: [{ from: 'fc.*', to: '*' }],
      fresh: ['bias'],
      unused: ['fc.bias'],
    });
    const { values } = filled([3, 32], 3);
    expect(first.get('Net.head.weight')).toEqual(
      range(32).flatMap((i) => range(3).map((o) => values[o * 32 + i])),
    );
    expect(first.get('Net.head.bias')).toEqual([0, 0, 0]);
    expect(first.get('Still.head.weight')).toEqual(first.get('Net.head.weight'));
  });

  test('in 16 bits is widened', async () => {
    const half = {
      ...torch,
      'head.bias': { dtype: 'f32', shape: [3], values: Float32Array.of(1.5, -2, 0.375) },
    } as const;
    write('bf16.safetensors', half);
    // Rewritten by hand: F32 of head.bias becomes BF16, whose bits are the upper half.
    const bytes = rewritten(join(folder, 'bf16.safetensors'), 'head.bias');
    writeFileSync(join(folder, 'bf16.safetensors'), bytes);
    const first = await begun({ ...fromTorch, from: 'bf16.safetensors' });
    expect(first.get('Net.head.bias')).toEqual([1.5, -2, 0.375]);
  });
});

/** The file with one F32 tensor as BF16. */
function rewritten(path: string, name: string): Buffer {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header: Record<string, { dtype: string; shape: readonly number[]; data_offsets: [number, number] }> =
    JSON.parse(bytes.subarray(8, 8 + length).toString());
  const data = bytes.subarray(8 + length);
  const pieces: Buffer[] = [];
  let offset = 0;
  for (const [key, entry] of Object.entries(header)) {
    let piece = data.subarray(...entry.data_offsets);
    if (key === name) {
      piece = Buffer.concat(range(piece.length / 4).map((i) => piece.subarray(4 * i + 2, 4 * i + 4)));
      entry.dtype = 'BF16';
    }
    entry.data_offsets = [offset, offset + piece.length];
    offset += piece.length;
    pieces.push(piece);
  }
  const text = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([start, text, ...pieces]);
}

/** The same net as Keras keeps it. */
const keras = (): Readonly<Record<string, HostTensor>> => ({
  'net/conv/kernel': filled([2, 2, 2, 3], 1),
  'net/conv/bias': filled([3], 2),
  'net/norm/gamma': filled([3], 3),
  'net/norm/beta': filled([3], 4),
  'net/norm/moving_mean': filled([3], 5),
  'net/norm/moving_variance': { dtype: 'f32', shape: [3], values: Float32Array.of(0.5, 2, 0.25) },
  'net/deep/depthwise_kernel': filled([2, 2, 3, 2], 6),
  'net/wide/kernel:0': filled([2, 2, 2, 6], 7),
  'net/wide/bias:0': filled([2], 8),
  'net/last/gamma': filled([6], 9),
  'net/last/beta': filled([6], 10),
  'net/root/scale': filled([6], 11),
  'net/table/embeddings': filled([5, 4], 12),
  'net/head/kernel': filled([32, 3], 13),
  'net/head/bias': filled([3], 14),
});

test('a file of Keras has the layout of this library, and other names', async () => {
  write('keras.safetensors', keras());
  const first = await begun({
    from: 'keras.safetensors',
    into: 'Net',
    layout: 'keras',
    rename: [
      { from: 'net.**', to: '**' },
      { from: 'conv.*', to: 'stem.*' },
    ],
  });
  const named = new Map([
    ['stem.weight', 'conv/kernel'],
    ['norm.variance', 'norm/moving_variance'],
    ['norm.mean', 'norm/moving_mean'],
    ['deep.weight', 'deep/depthwise_kernel'],
    ['wide.weight', 'wide/kernel:0'],
    ['root.gamma', 'root/scale'],
    ['table.weight', 'table/embeddings'],
    ['head.weight', 'head/kernel'],
  ]);
  for (const [own, other] of named)
    expect(first.get(`Net.${own}`), own).toEqual([...(keras()[`net/${other}`]?.values ?? [])]);
});

describe('what a run has kept', () => {
  const run = (name: string, trainer: Loading) =>
    trainer.fit({ ...quiet, runDir: join(folder, name), dataRoot: folder });

  test('a run, a checkpoint and a file of it begin another, and averages begin there', async () => {
    await run('first', new Loading(null));
    const kept = join('first', 'checkpoints', 'step-00000005');
    const wanted = new Loading(null);
    await wanted.fit({ ...quiet, runDir: null, dataRoot: folder });
    for (const from of ['first', kept, join(kept, 'model.safetensors')]) {
      const first = await begun({
        from,
        into: 'Line',
        unused: ['Net.**', 'Probe.**', 'Copy.**', 'Still.**'],
      });
      const line = first.get('Line.weight');
      expect(line).not.toEqual(wanted.first.get('Line.weight'));
      expect(first.get('Copy.weight')).toEqual(line);
      expect(first.get('Copy.bias')).toEqual(first.get('Line.bias'));
      expect(first.get('Net.head.weight')).toEqual(wanted.first.get('Net.head.weight'));
    }
  });

  test('a run says which file it began with; a run that goes on does not need it', async () => {
    const sha256 = write('torch.safetensors', torch);
    await run('whole', new Loading(fromTorch));
    const about = (name: string): { readonly pretrained?: unknown } =>
      JSON.parse(readFileSync(join(folder, name, 'run.json'), 'utf8'));
    const facts = { from: 'torch.safetensors', into: 'Net', layout: 'torch', sha256 };
    expect(about('whole').pretrained).toEqual(facts);
    const lock = (name: string): unknown =>
      JSON.parse(readFileSync(join(folder, name, 'checkpoints/step-00000005/state.json'), 'utf8')).lock
        .pretrained;
    expect(lock('whole')).toEqual(facts);
    expect(about('first').pretrained).toBeUndefined();
    rmSync(join(folder, 'torch.safetensors'));
    // As if it had been killed before it said that it had ended.
    unsaid(join(folder, 'whole'));
    const resume = await resumePointAt(join(folder, 'whole'));
    const again = new Loading(fromTorch);
    await again.fit({ ...quiet, runDir: join(folder, 'whole'), dataRoot: folder, resume });
    expect(again.first.get('Net.head.bias')).toEqual([...valuesOf('head.bias')]);
    expect(about('whole').pretrained).toEqual(facts);
    // A new one does.
    expect(await problemOf(fromTorch)).toBe(
      `pretrained: there is no file or run torch.safetensors (looked for ${join(folder, 'torch.safetensors')}); correct the path, or say with --data-root where relative paths start`,
    );
  });

  test('the command line may name another file', async () => {
    write('other.safetensors', torch);
    symlinkSync(join(folder, 'other.safetensors'), join(folder, 'link.safetensors'));
    const first = await begun(fromTorch, ['pretrained.from=link.safetensors']);
    expectNear(first.get('net'), reference());
  });

  test('a checkpoint in one file is one, and its own checksum is told', async () => {
    await run('one', new Loading(null, [], 'ckpt'));
    const file = join('one', 'checkpoints', 'step-00000005.ckpt');
    const unused = ['Net.**', 'Probe.**', 'Copy.**', 'Still.**'];
    const [from, again] = [
      await begun({ from: 'first', into: 'Line', unused }),
      new Loading({ from: file, into: 'Line', unused }),
    ];
    await run('again', again);
    expect(again.first.get('Line.weight')).toEqual(from.get('Line.weight'));
    const { pretrained } = JSON.parse(readFileSync(join(folder, 'again', 'run.json'), 'utf8'));
    const sha256 = createHash('sha256')
      .update(readFileSync(join(folder, file)))
      .digest('hex');
    expect(pretrained).toEqual({
      from: file,
      into: 'Line',
      layout: 'ztrain',
      checkpoint: 'step-00000005.ckpt',
      sha256,
    });
  });
});

describe('several', () => {
  const body: addons.PretrainedOptions = {
    ...fromTorch,
    label: 'body',
    fresh: ['head.*'],
    unused: ['fc.*', 'head.*'],
  };
  const top: addons.PretrainedOptions = {
    label: 'top',
    from: 'top.safetensors',
    into: 'Net.head',
    layout: 'torch',
  };
  const line: addons.PretrainedOptions = { from: 'line.safetensors', into: 'Line' };
  const files = () => ({
    body: write('torch.safetensors', torch),
    top: write('top.safetensors', { weight: filled([3, 32], 30), bias: filled([3], 31) }),
    line: write('line.safetensors', { 'Line.weight': filled([2, 1], 32), 'Line.bias': filled([1], 33) }),
  });

  test('each fills its own part from its own file, in their order, and says so', async () => {
    const sha256 = files();
    said.splice(0);
    const trainer = new Loading([body, top, line]);
    await trainer.fit({ ...quiet, runDir: join(folder, 'several'), dataRoot: folder });
    const { first } = trainer;
    expect(first.get('Net.table.weight')).toEqual([...valuesOf('table.weight')]);
    expect(first.get('Net.head.bias')).toEqual([...filled([3], 31).values]);
    expect(first.get('Still.head.bias')).toEqual([...filled([3], 31).values]);
    expect(first.get('Line.weight')).toEqual([...filled([2, 1], 32).values]);
    expect(first.get('Copy.weight')).toEqual(first.get('Line.weight'));
    expect(said.join('')).toContain(
      [
        '13 weights of Net are from torch.safetensors; fresh: head.weight, head.bias; unused: fc.weight, head.bias, head.weight',
        '2 weights of Net.head are from top.safetensors',
        '2 weights of Line are from line.safetensors',
        '',
      ].join('\n'),
    );
    const facts = {
      from: 'line.safetensors',
      into: 'Line',
      layout: 'ztrain',
      sha256: sha256.line,
      named: {
        body: { from: 'torch.safetensors', into: 'Net', layout: 'torch', sha256: sha256.body },
        top: { from: 'top.safetensors', into: 'Net.head', layout: 'torch', sha256: sha256.top },
      },
    };
    const about = () => JSON.parse(readFileSync(join(folder, 'several', 'run.json'), 'utf8')).pretrained;
    expect(about()).toEqual(facts);
    // A run that goes on has no need of any.
    for (const name of ['torch', 'top', 'line']) rmSync(join(folder, `${name}.safetensors`));
    unsaid(join(folder, 'several'));
    const again = new Loading([body, top, line]);
    await again.fit({ ...quiet, dataRoot: folder, resume: await resumePointAt(join(folder, 'several')) });
    expect(again.first.get('Net.head.bias')).toEqual([...filled([3], 31).values]);
    expect(about()).toEqual(facts);
  });

  test('the command line knows each by its name', async () => {
    files();
    write('other.safetensors', { weight: filled([3, 32], 40), bias: filled([3], 41) });
    const first = await begun([body, top], ['top.from=other.safetensors']);
    expect(first.get('Net.head.bias')).toEqual([...filled([3], 41).values]);
    expect(first.get('Net.table.weight')).toEqual([...valuesOf('table.weight')]);
    expect(await problemOf([body, top], ['pretrained.from=other.safetensors'])).toContain(
      'nothing is named "pretrained"; there are trainer, train, test, opt, look, checkpoint, body, top',
    );
  });

  test('a weight of two is refused before any file is taken, and what does not fit has the name in front', async () => {
    files();
    expect(await problemOf([{ ...fromTorch, label: 'all' }, top])).toBe(
      'pretrained as top: Net.head.weight has its first values from pretrained as all; name it in `fresh` of one of the two',
    );
    expect(await problemOf([line, line])).toBe(
      'pretrained: Line.weight has its first values from another pretrained; name it in `fresh` of one of the two',
    );
    expect(await problemOf([body, { ...top, into: 'Net.table' }])).toContain(
      'pretrained as top: top.safetensors does not fit Net.table with the layout of torch:\n  bias (F32[3]) is in the file',
    );
    expect(await problemOf([body, { ...top, into: 'Net.heads' }])).toContain(
      'pretrained as top: the trainer has no part',
    );
  });
});

describe('what does not fit is told, all at once, and no run begins', () => {
  const without = (...names: readonly string[]): Readonly<Record<string, HostTensor>> =>
    Object.fromEntries(Object.entries(torch).filter(([name]) => !names.includes(name)));

  test('every difference has its line', async () => {
    write('wrong.safetensors', {
      ...without('head.bias', 'conv1.weight', 'last.bias'),
      'conv1.weight': filled([3, 2, 3, 3], 1),
      'last.bias': { dtype: 'i32', shape: [6], values: new Int32Array(6) },
      'heads.bias': filled([3], 1),
    });
    const options: addons.PretrainedOptions = {
      ...fromTorch,
      from: 'wrong.safetensors',
      rename: [...(fromTorch.rename ?? []), { from: 'layer{k}.*', to: 'stem.*' }],
      unused: ['fc.*', 'classifier.*'],
      fresh: ['top.*'],
    };
    const trainer = new Loading(options);
    const runDir = join(folder, 'never');
    const error = await trainer.fit({ ...quiet, runDir, dataRoot: folder }).catch((each: unknown) => each);
    expect(error instanceof Error ? error.message.split('\n') : []).toEqual([
      'pretrained: wrong.safetensors does not fit Net with the layout of torch:',
      '  unused: "classifier.*" matches no tensor of the file',
      '  fresh: "top.*" matches no weight of Net',
      '  rename: ("layer{k}.*", "stem.*") matches no tensor that is left of the file',
      '  heads.bias (F32[3]) is in the file, and nothing takes it; did you mean head.bias?',
      '  the file lacks head.bias (F32[3])',
      '  conv1.weight, renamed to stem.weight, is F32[3, 2, 3, 3] there, and Net.stem.weight needs F32[3, 2, 2, 2]',
      '  last.bias is I32[6] there, and Net.last.beta needs F32[6], and weights are floating-point numbers',
      'rename what has another name; name in `unused` what is not to be loaded, in `fresh` what keeps its first values',
    ]);
    expect(existsSync(runDir)).toBe(false);
  });

  test('a head that stays new is named on both sides', async () => {
    write('other.safetensors', { ...without('head.weight'), 'head.weight': filled([7, 32], 3) });
    const options = { ...fromTorch, from: 'other.safetensors' };
    expect(await problemOf(options)).toContain('head.weight is F32[7, 32] there');
    expect(await problemOf({ ...options, fresh: ['head.*'] })).toContain(
      'head.weight (F32[7, 32]) is in the file, and nothing takes it',
    );
    const first = await begun({ ...options, fresh: ['head.*'], unused: ['fc.*', 'head.*'] });
    const fresh = await begun(null);
    expect(first.get('Net.head.weight')).toEqual(fresh.get('Net.head.weight'));
    expect(first.get('Net.root.gamma')).toEqual([...valuesOf('root.weight')]);
  });

  test('two tensors of one name', async () => {
    write('other.safetensors', { ...torch, 'stem.bias': filled([3], 2) });
    expect(await problemOf({ ...fromTorch, from: 'other.safetensors' })).toContain(
      'conv1.bias and stem.bias of the file both become stem.bias',
    );
  });

  test.each<[string, Partial<addons.PretrainedOptions>, string]>([
    ['no such part', { into: 'Net.heads' }, 'the trainer has no part Net.heads; did you mean head?'],
    ['no such model', { into: 'Nets' }, 'the trainer has no part Nets; did you mean Net?'],
    [
      'a copy',
      { into: 'Copy' },
      'Copy is a copy, which begins with the weights that it is a copy of; load into Line',
    ],
    [
      'a run in the layout of another',
      { from: 'first' },
      "is a folder, as runs and checkpoints are, which has ztrain's own layout",
    ],
    ['a folder without a run', { from: '.', layout: 'ztrain' }, 'is no checkpoint and no run with one'],
    [
      'no safetensors',
      { from: 'text.safetensors' },
      'text.safetensors is no safetensors file that can be read: the header',
    ],
    [
      'numbers of 64 bits',
      { from: 'double.safetensors' },
      'head.bias is F64[3] there, and Net.head.bias needs F32[3]; F64 is not read: convert that tensor to F32',
    ],
    [
      'numbers of a type that there is none of',
      { from: 'unknown.safetensors' },
      'convert that tensor to F32, or leave it out, and write the file with save_file',
    ],
    [
      'not finite',
      { from: 'nan.safetensors' },
      'head.bias of nan.safetensors holds a value that is not finite',
    ],
  ])('%s', async (_name, changed, message) => {
    writeFileSync(join(folder, 'text.safetensors'), 'these are no weights, but a text');
    const { 'head.bias': _, ...rest } = torch;
    writeWith('double.safetensors', rest, { 'head.bias': ['F64', 24, [3]] });
    writeWith('unknown.safetensors', rest, { 'head.bias': ['F63', 24, [3]] });
    write('nan.safetensors', {
      ...torch,
      'head.bias': { dtype: 'f32', shape: [3], values: Float32Array.of(0, Number.NaN, 0) },
    });
    write('torch.safetensors', torch);
    expect(await problemOf({ ...fromTorch, ...changed })).toContain(message);
  });

  test('a tensor that nothing takes may be of a type that is not read', async () => {
    write('torch.safetensors', torch);
    const first = await begun(fromTorch);
    writeWith('mixed.safetensors', torch, {
      'extra.f64': ['F64', 16, [2]],
      'extra.c64': ['C64', 8, [1]],
      'extra.i16': ['I16', 12, [2, 3]],
      'extra.f8': ['F8_E4M3', 3, [3]],
      'extra.f6': ['F6_E2M3', 3, [4]],
      'extra.f4': ['F4', 1, [2]],
    });
    const from = { ...fromTorch, from: 'mixed.safetensors' };
    const unused = [...(fromTorch.unused ?? []), 'extra.*'];
    expect(await begun({ ...from, unused })).toEqual(first);
    // Where it is not said to be of no use, it is one of the differences.
    expect(await problemOf(from)).toContain('extra.f64 (F64[2]) is in the file, and nothing takes it');
    // Its size has to be right all the same.
    for (const [type, size] of [
      ['F64', 15],
      ['F4', 2],
      ['F6_E2M3', 2],
    ] as const) {
      writeWith('wrong.safetensors', torch, { 'extra.wrong': [type, size, [2]] });
      expect(await problemOf({ ...from, from: 'wrong.safetensors', unused })).toMatch(
        /tensor "extra.wrong" has \d+ bytes, its shape \[2\] needs [\d.]+;/,
      );
    }
  });

  test('a file that was cut off', async () => {
    write('cut.safetensors', torch);
    const bytes = readFileSync(join(folder, 'cut.safetensors'));
    writeFileSync(join(folder, 'cut.tmp'), bytes.subarray(0, bytes.length - 5));
    renameSync(join(folder, 'cut.tmp'), join(folder, 'cut.safetensors'));
    expect(await problemOf({ ...fromTorch, from: 'cut.safetensors' })).toContain('it was cut off');
  });

  test('a renaming that cannot be done, before anything is read', () => {
    expect(() => addons.pretrained({ ...fromTorch, rename: [{ from: 'a.*', to: 'b' }] })).toThrow(
      'both sides have the same ones',
    );
  });
});
