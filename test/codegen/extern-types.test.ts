/** Layers, metrics, optimizers and schedule phases in TypeScript that differ from what a spec declares: one error each, where it is declared. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { checkExterns, compile, nodeHost } from '../../src/compiler.js';
import { externs, own, specOf } from '../specs/own-externs.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-extern-types-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const all = specOf(
  externs,
  'metric all = counted(Net(batch.image), batch.label, classes = 10, weight = cast(batch.label, f32))',
);

/** What is told, each with the text that it stands at. */
const faultsOf = async (
  changes: readonly (readonly [string, string])[],
  spec = all,
): Promise<readonly string[]> => {
  const code = changes.reduce((text, [from, to]) => {
    expect(text).toContain(from);
    return text.replace(from, to);
  }, own);
  const path = join(folder, 'differs.ztrain');
  writeFileSync(join(folder, 'own.ts'), code);
  writeFileSync(path, spec);
  const compiled = await compile(path, { host: nodeHost });
  if (compiled.emitted === null) throw new Error(JSON.stringify(compiled.diagnostics));
  const { diagnostics, rest } = await checkExterns(compiled, compiled.emitted, compiled.folder);
  expect(rest).toEqual([]);
  return diagnostics
    .map(
      ({ code: found, message, span }) =>
        `${found} ${message.slice(0, message.indexOf(':'))} at ${spec.slice(span.start, span.end)}`,
    )
    .sort();
};
const says = (kind: string, name: string): string =>
  `ZT6001 ${kind} \`${name}\` is not what ./own.ts exports at ${name}`;

test('nothing where they agree', async () => {
  expect(await faultsOf([])).toEqual([]);
}, 60_000);

test('tensors of another rank, slots beyond those declared, and options of other types', async () => {
  const found = await faultsOf([
    [
      'logits: Tensor2D, label: Tensor1D): metrics.Reduction',
      'logits: Tensor2D, label: Tensor2D): metrics.Reduction',
    ],
    ['readonly classes: number; readonly', 'readonly classes: string; readonly'],
    ["optim.UpdateRule<'m' | 'v'>", "optim.UpdateRule<'m' | 'v' | 'n'>"],
    ['readonly to: number', 'readonly to: string'],
    ['schedules.Curve => ({ steps }) =>', 'string => ({ steps }) =>'],
    [
      'export const line = (options: { readonly inputs: number',
      'export const line = (options: { readonly inputs: string',
    ],
    ['readonly gamma: nn.Weight<Tensor1D>;', 'private readonly gamma: nn.Weight<Tensor1D>;'],
    [
      'class Drop extends nn.Module<[x: Tensor2D, y: Tensor2D], Tensor2D>',
      'class Drop extends nn.Module<[x: Tensor2D, y: Tensor2D], Tensor>',
    ],
  ]);
  expect(found).toEqual([
    says('layer', 'drop'),
    says('layer', 'line'),
    says('layer', 'own_norm'),
    says('metric', 'counted'),
    says('metric', 'hits'),
    says('optimizer', 'own_adam'),
    says('schedule phase', 'level'),
    says('schedule phase', 'ramp'),
  ]);
}, 60_000);

test('a number that is missing, and an option of a rule of another type', async () => {
  const found = await faultsOf([
    ["metrics.NamedFigures<'rows' | 'sum' | 'most'>", "metrics.NamedFigures<'rows' | 'sum'>"],
    ['most: ({ labels }) => Math.max(...labels),', ''],
    ['readonly epsilon: number;\n}): optim', 'readonly epsilon: string;\n}): optim'],
  ]);
  expect(found).toEqual([says('metric', 'counted'), says('optimizer', 'own_adam')]);
}, 60_000);

test('a tensor that must be given where the spec may leave it out', async () => {
  expect(await faultsOf([['readonly weight?: Tensor1D | null', 'readonly weight: Tensor1D']])).toEqual([
    says('metric', 'counted'),
  ]);
}, 60_000);

test('an option that nothing reads', async () => {
  expect(await faultsOf([['readonly classes: number; ', '']])).toEqual([says('metric', 'counted')]);
}, 60_000);

test.each(['["m"]', '["m", "v", "n"]'])(
  'slots declared as %s',
  async (slots) => {
    expect(await faultsOf([], all.replace('slots = ["m", "v"]', `slots = ${slots}`))).toEqual([
      says('optimizer', 'own_adam'),
    ]);
  },
  60_000,
);

test('a curve that goes on from where the phase before ended, declared without `from`', async () => {
  const spec = all.replace('over: duration, from: float | none = none)', 'over: duration)');
  expect(await faultsOf([], spec)).toEqual([says('schedule phase', 'ramp')]);
}, 60_000);

describe('a model', () => {
  const spec = `extern "./net.ts" {
  model Net(rate: float = 0.5) on image: f32[n, 8, 8, 1] -> f32[n, 10] { weights = { inner: { weight: f32[64, 10] }, bias: f32[10] } }
}
data train_set = digits { batch = 64 map row -> { image: cast(row.image, f32) / 16, label: row.label } }
optimizer opt = sgd { of = Net lr = 1e-2 }
step train(batch in train_set) { update opt { minimize mean(softmax_cross_entropy(Net(batch.image), batch.label)) } }
trainer Digits { epochs = 1 }
`;
  const code = `import { nn, ops, type Tensor1D, type Tensor2D, type Tensor4D } from 'ztrain/runtime';
export class Net extends nn.Module<[image: Tensor4D], Tensor2D> {
  readonly bias: nn.Weight<Tensor1D>;
  readonly inner: nn.Dense;
  constructor(readonly options: { readonly rate: number }) {
    super();
    this.bias = this.addWeight('bias', [10], nn.constantInitializer(10, options.rate));
    this.inner = this.add('inner', nn.dense({ inputs: 64, units: 10, bias: false }));
  }
  protected override forward(image: Tensor4D): Tensor2D {
    return ops.add<Tensor2D>(this.inner.call(ops.flatten<Tensor2D>(image)), this.bias.read());
  }
}
`;
  test.each([
    ['', '', []],
    [
      'extends nn.Module<[image: Tensor4D], Tensor2D>',
      'extends nn.Module<[image: Tensor2D], Tensor2D>',
      ['Net'],
    ],
    ['readonly rate: number', 'readonly rate: string', ['Net']],
    ['readonly rate: number', 'readonly rate: number; readonly width: number', ['Net']],
    ['readonly bias: nn.Weight<Tensor1D>', 'readonly bias: nn.Weight<Tensor2D>', ['Net']],
    ['readonly bias', 'private readonly bias', ['Net']],
    ['export class Net ', 'export class Other ', ['Net']],
    ['export class Net ', 'export const Net = () => new Own({ rate: 1 });\nclass Own ', ['Net']],
  ] as const)(
    '%j changed to %j: %j',
    async (from, to, names) => {
      const path = join(folder, 'model.ztrain');
      expect(code).toContain(from);
      writeFileSync(join(folder, 'net.ts'), code.replace(from, to));
      writeFileSync(path, spec);
      const compiled = await compile(path, { host: nodeHost });
      if (compiled.emitted === null) throw new Error(JSON.stringify(compiled.diagnostics));
      const { diagnostics } = await checkExterns(compiled, compiled.emitted, compiled.folder);
      expect(
        diagnostics.map(({ message, span }) => [
          message.slice(0, message.indexOf(':')),
          spec.slice(span.start, span.end),
        ]),
      ).toEqual(names.map((name) => ['model `Net` is not what ./net.ts exports', name]));
    },
    60_000,
  );
});
