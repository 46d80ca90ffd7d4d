/** Functions in TypeScript over any number of axes: what they are held against, and that a call keeps the rank. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { checkExterns, compile, nodeHost } from '../../src/compiler.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-extern-axes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const spec = `extern "./axes.ts" {
  fn smooth_abs(x: f32[...s], edge: float = 1.0) -> f32[...s]
  fn apart(x: f32[...s], y: f32[...s]) -> f32
  fn last_sum(x: f32[...s, c]) -> f32[...s]
  fn both(x: f32[...s]) -> { up: f32[...s], count: f32 }
}
data train_set = digits { batch = 32 map row -> { image: cast(row.image, f32) / 16, label: row.label } }
model Net on image: f32[n, 8, 8, 1] -> f32[n, 10] {
  return smooth_abs(image) |> flatten() |> dense(10) as head
}
optimizer opt = adam { of = Net }
step train(batch in train_set) {
  update opt { minimize mean(smooth_abs(softmax_cross_entropy(Net(batch.image), batch.label), edge = 0.5)) }
}
step validate(batch in train_set) every 1.epoch {
  let guess = Net(batch.image)
  metric far = apart(guess, smooth_abs(guess)) by mean
  metric sums = mean(last_sum(guess))
  metric up = mean(both(guess).up) by mean
}
trainer T { steps = 3 }
`;

const code = `import { ops, type Scalar, type Tensor } from 'ztrain/runtime';
export const smoothAbs = <T extends Tensor>(x: T, { edge = 1 }: { readonly edge?: number }): T =>
  ops.select<T>(ops.less<T>(ops.abs(x), edge), ops.mul<T>(ops.square(x), 0.5 / edge), ops.abs(x));
export const apart = (x: Tensor, y: Tensor): Scalar => ops.sum<Scalar>(ops.sub<Tensor>(x, y));
export const lastSum = (x: Tensor): Tensor => ops.sum<Tensor>(x, { axis: -1 });
export const both = (x: Tensor): { readonly up: Tensor; readonly count: Scalar } => ({ up: x, count: ops.ones<Scalar>({ shape: [] }) });
`;

const compiledWith = async (source: string) => {
  const path = join(folder, 'axes.ztrain');
  writeFileSync(path, spec);
  writeFileSync(join(folder, 'axes.ts'), source);
  const compiled = await compile(path, { host: nodeHost });
  if (compiled.emitted === null) throw new Error(JSON.stringify(compiled.diagnostics));
  const { diagnostics, rest } = await checkExterns(compiled, compiled.emitted, compiled.folder);
  return {
    text: compiled.emitted.map((file) => file.text).join(''),
    faults: [
      ...rest,
      ...diagnostics.map(({ code: found, span }) => [found, spec.slice(span.start, span.end)]),
    ],
  };
};

test('a function of any rank is no function of numbers', async () => {
  const { text, faults } = await compiledWith(code);
  expect(faults).toEqual([]);
  expect(text).toContain(
    'axes.smoothAbs satisfies <S extends Tensor>(x: S, options: { readonly edge: number }) => S;',
  );
  expect(text).toContain('axes.apart satisfies (x: Tensor, y: Tensor) => Scalar;');
  expect(text).toContain('axes.lastSum satisfies (x: Tensor) => Tensor;');
}, 60_000);

test.each([
  ['for numbers alone', '<T extends Tensor>(x: T', '<T extends Scalar>(x: T', 'smooth_abs'],
  [
    'that loses the rank',
    '{ readonly edge?: number }): T =>',
    '{ readonly edge?: number }): Tensor =>',
    'smooth_abs',
  ],
  ['for numbers alone, of two', '(x: Tensor, y: Tensor): Scalar', '(x: Scalar, y: Scalar): Scalar', 'apart'],
])(
  'one %s is told of where it is declared',
  async (_, from, to, name) => {
    expect(code).toContain(from);
    const { faults } = await compiledWith(code.replace(from, to));
    expect(faults).toEqual([['ZT6001', name]]);
  },
  60_000,
);
