/**
 * Specs whose metric, optimizer and schedule are written in TypeScript, compiled and run as programs. What they compute is what a
 * built-in does, so that a run with them must be the run with the built-in, and its checkpoints must hold the same.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors } from '../../src/runtime/checkpoint/safetensors.js';
import { builtIn, externs, own, specOf, type Parts } from './own-externs.js';
import { lastCheckpoint, openWorkplace, type Run, type Workplace } from './run-spec.js';

let place: Workplace;
beforeAll(() => {
  place = openWorkplace();
  writeFileSync(join(place.folder, 'own.ts'), own);
});
afterAll(() => place.remove());

const train = async (name: string, spec: string): Promise<Run> => {
  writeFileSync(join(place.folder, `${name}.ztrain`), spec);
  return place.train(await place.build(name), name, []);
};

const near = (a: number, b: number, tolerance: number): boolean =>
  Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a), Math.abs(b));

/** Tensors of two checkpoint files, by name. */
const expectSameTensors = (a: Run, b: Run, file: string): void => {
  const [first, second] = [a, b].map((run) => {
    const { tensors } = readSafetensors(readFileSync(join(lastCheckpoint(run), file)));
    return new Map([...tensors].map(([name, tensor]) => [name, Float32Array.from(tensor.values)]));
  });
  expect([...(first?.keys() ?? [])].sort()).toEqual([...(second?.keys() ?? [])].sort());
  for (const [name, values] of first ?? []) {
    const others = second?.get(name) ?? new Float32Array();
    expect(others.length, name).toBe(values.length);
    values.forEach((value, index) =>
      expect(near(value, others[index] ?? Number.NaN, 2e-5), `${name}[${index}]`).toBe(true),
    );
  }
};

test('a run with layers, an optimizer, schedule phases and a metric of its own is the run with the built-in ones', async () => {
  const given = await train('given', specOf(builtIn, '', false));
  const made = await train('made', specOf(externs));
  expect(made.records.length).toBe(given.records.length);
  expect(given.records.length).toBeGreaterThan(48);
  given.records.forEach((record, line) => {
    for (const [key, value] of Object.entries(record)) {
      if (key === 'wall' || key.includes('per_second')) continue;
      const other = made.records[line]?.[key];
      if (typeof value === 'number')
        expect(near(value, Number(other), 1e-5), `line ${line}, ${key}: ${value}, ${String(other)}`).toBe(
          true,
        );
      else expect(other).toEqual(value);
    }
  });
  expectSameTensors(given, made, 'model.safetensors');
  expectSameTensors(given, made, 'optimizer.safetensors');
}, 240_000);

test('a metric of several numbers has each by its name, of all rows', async () => {
  const more = `metric all = counted(Net(batch.image), batch.label, classes = 10)
  metric some = counted(Net(batch.image), batch.label, classes = 10, weight = cast(batch.label == 3, f32))`;
  const { metrics } = await train('several', specOf(builtIn, more));
  expect(metrics.get('validate.all.rows')).toBe(359);
  expect(metrics.get('validate.all.sum')).toBe(359);
  const threes = metrics.get('validate.some.sum');
  expect(threes).toBeGreaterThan(20);
  expect(metrics.get('validate.some.most')).toBe(threes);
  expect(metrics.get('validate.all.most')).toBeLessThan(60);
}, 120_000);

test('a layer with a layer of the runtime inside, random numbers and a second input learns, and a named one shares its weights', async () => {
  const spec = specOf(externs).replace(
    /return image[^}]*}/,
    `layer first = line(24)
  layer mix = drop(rate = 0.2)
  let x = image |> flatten() |> first() |> tanh()
  let y = tanh(mix(x, x))
  return (mix(y, x) |> drop(rate = 0.1, y = x) as last |> dense(10) as head) + 0 * sum(square(first.weight)) }`,
  );
  const { metrics } = await train(
    'mixed',
    spec.replace('hidden.bias', 'first.bias').replace('epochs = 2', 'epochs = 6'),
  );
  expect(metrics.get('validate.accuracy')).toBeGreaterThan(0.85);
}, 120_000);

test('a run that goes on from a checkpoint ends with the same bytes: slots, running statistics and the place in a schedule', async () => {
  const spec = `${specOf(externs)}addon checkpoint { every = 1.epoch keep = 3 }\n`;
  const whole = await train('resumed', spec.replace('epochs = 2', 'epochs = 3'));
  const bytes = (): readonly Buffer[] =>
    ['model.safetensors', 'optimizer.safetensors'].map((file) =>
      readFileSync(join(lastCheckpoint(whole), file)),
    );
  const before = bytes();
  const lines = whole.records.length;
  const from = join(whole.folder, 'checkpoints', 'step-00000023');
  await place.call(join(place.folder, 'dist', 'resumed.mjs'), ['--resume', from]);
  const after = bytes();
  expect(after.map((own, index) => own.equals(before[index] ?? Buffer.of()))).toEqual([true, true]);
  const written = readFileSync(join(whole.folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
  expect(written).toHaveLength(lines);
}, 240_000);

/** What the program says before it ends, with its exit code 3. */
const failureOf = async (name: string, code: string, parts: Parts, more = ''): Promise<string> => {
  writeFileSync(join(place.folder, `${name}-own.ts`), code);
  const spec = specOf(parts, more).replace('"./own.ts"', `"./${name}-own.ts"`);
  writeFileSync(join(place.folder, `${name}.ztrain`), spec);
  const program = await place.build(name);
  const failed = await place.call(program, ['--run-dir', join(place.folder, 'runs', name)]).then(
    () => null,
    (error: unknown) => error,
  );
  expect(failed).toHaveProperty('code', 3);
  return failed instanceof Error && 'stderr' in failed ? String(failed.stderr) : '';
};

describe('what goes wrong in TypeScript is told with its file', () => {
  const changed = (from: string, to: string): string => {
    expect(own).toContain(from);
    return own.replace(from, to);
  };
  test.each([
    [
      'a metric that throws in the step',
      changed(
        'const right = ops.toFloat(',
        "if (label.size > 1) throw new Error('no such rows');\n  const right = ops.toFloat(",
      ),
      /metric `hits` of \.\/\S+-own\.ts failed at \.\/\S+-own\.ts:5:\d+: no such rows/,
    ],
    [
      'one that reads values in the step',
      changed('const right = ops.toFloat(', 'label.dataSync();\n  const right = ops.toFloat('),
      /metric `hits` of \.\/\S+-own\.ts failed at \.\/\S+-own\.ts:5:\d+: step `validate` read the values of a tensor/,
    ],
    [
      'one whose end throws',
      changed(
        '=> right / rows',
        '=> { if (right < rows) throw new Error(`got ${rows} rows`); return rows; }',
      ),
      /metric `hits` of \.\/\S+-own\.ts failed at \.\/\S+-own\.ts:6:\d+: got 359 rows/,
    ],
    [
      'a rule that changes a shape',
      changed('slots: { m, v } };', 'slots: { m: ops.sum<Tensor>(m), v } };'),
      /optimizer `own_adam` of \.\/\S+-own\.ts gives f32\[\] for the slot m, which is f32\[/,
    ],
    [
      'a layer that gives another shape',
      changed(
        'return ops.add<Tensor2D>(ops.matmul',
        'return ops.transpose<Tensor2D>(ops.add<Tensor2D>(ops.matmul',
      ).replace('this.weight.read()), this.bias.read());', 'this.weight.read()), this.bias.read()));'),
      /layer `line` of \.\/\S+-own\.ts gives f32\[16, 64\] for f32\[64, 64\]; declared is \[n, units\]/,
    ],
    [
      'a curve that is no number',
      changed('/ length;', '/ (length - length) - Infinity;'),
      /schedule `ramp` of \.\/\S+-own\.ts gives -?(Infinity|NaN) for update \d+ of \d+; give a finite number/,
    ],
  ])(
    '%s',
    async (name, code, message) => {
      expect(await failureOf(name.replaceAll(' ', '-'), code, externs)).toMatch(message);
    },
    120_000,
  );
});

test('an attribute of such an optimizer is set in the spec alone', async () => {
  writeFileSync(join(place.folder, 'fixed.ztrain'), specOf(externs));
  const program = await place.build('fixed');
  const failed = await place.call(program, ['opt.lr=1e-3']).then(
    () => null,
    (error: unknown) => error,
  );
  expect(failed).toHaveProperty('code', 2);
  expect(failed).toHaveProperty(
    'stderr',
    expect.stringContaining('opt.lr cannot be set at the command line'),
  );
}, 120_000);

describe('what goes wrong in a source or a function in TypeScript is told with its file', () => {
  const spec = `extern "./rows.ts" {
  data rows(start: int) -> { x: f32[2] }
  fn folded(x: f32[...s]) -> f32[...s]
}
data train_set = rows { start = 3 batch = 4 WORKERS }
model Net on x: f32[n, 2] -> f32[n, 1] { return x |> dense(1) as out }
optimizer opt = sgd { of = Net lr = 0.1 }
step train(batch in train_set) { update opt { minimize mean(square(Net(folded(batch.x)))) } }
trainer Rows { epochs = 1 }
`;
  const code = `import { ops, type data, type Tensor } from 'ztrain/runtime';
const nobody = (): never => { throw new Error('nobody is there'); };
export const rows = async ({ start }: { readonly start: number }): Promise<data.RowSource> => {
  await Promise.resolve();
  // open
  return {
    length: 8,
    read: (indices) => {
      // read
      return { x: new Float32Array(2 * indices.length).fill(start) };
    },
  };
};
export const folded = <S extends Tensor>(x: S): S => {
  // fold
  return ops.square<S>(x);
};
`;
  test.each([
    [
      'open',
      '',
      /error: data source `rows` of \.\/rows\.ts failed with start = 3 at \.\/rows\.ts:2:\d+: nobody is there\n/,
    ],
    ['read', '', /error: data source `rows` of \.\/rows\.ts failed at \.\/rows\.ts:2:\d+: nobody is there\n/],
    [
      'read',
      'workers = 1',
      /error: data source `rows` of \.\/rows\.ts failed at \.\/rows\.ts:2:\d+: nobody is there\n/,
    ],
    ['fold', '', /error: function `folded` of \.\/rows\.ts failed at \.\/rows\.ts:2:\d+: nobody is there\n/],
  ])(
    'as it is to %s (%s)',
    async (what, workers, message) => {
      writeFileSync(
        join(place.folder, 'rows.ts'),
        code.replace(`// ${what}`, 'if (Date.now() > 0) nobody();'),
      );
      writeFileSync(join(place.folder, 'rows.ztrain'), spec.replace('WORKERS', workers));
      const failed = await place
        .call(await place.build('rows'), [
          '--run-dir',
          join(place.folder, 'runs', `rows-${what}-${workers.length}`),
        ])
        .then(
          () => null,
          (error: unknown) => error,
        );
      expect(failed).toHaveProperty('code', 3);
      expect(failed).toHaveProperty('stderr', expect.stringMatching(message));
      // Nothing of the bundle's own lines.
      expect(failed).toHaveProperty('stderr', expect.not.stringContaining('    at '));
    },
    120_000,
  );
});
