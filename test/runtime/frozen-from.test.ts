/** A frozen copy with weights of another run or of a file: read once, kept as they are, and part of each checkpoint. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import { findCheckpoint, readTensors } from '../../src/runtime/checkpoint/read.js';
import { writeSafetensors } from '../../src/runtime/checkpoint/safetensors.js';
import * as copies from '../../src/runtime/copies/index.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import * as units from '../../src/values/units.js';
import { Line, LineTrainer, setup, type LineModels, type Row } from './tiny-trainer.js';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-frozen-'));
  await new LineTrainer(setup({}, { epochs: 4 })).fit({ ...quiet, runDir: join(folder, 'first') });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const said: string[] = [];
const quiet = {
  stream: {
    write: (text: string) => {
      said.push(text);
    },
  },
};

/** A line that learns half from the data and half from a line that is learned already. */
class Student extends LineTrainer {
  readonly #teacher = new Line();

  constructor(
    private readonly from: string | null,
    private readonly also: readonly addons.AddOn[] = [],
  ) {
    super(setup({ batchSize: 4 }, { epochs: 3, seed: 5, logEvery: units.steps(100) }));
  }
  protected override configureModels(): LineModels & { readonly teacher: Line } {
    return { ...super.configureModels(), teacher: this.#teacher };
  }
  protected override configureCopies({ line }: LineModels) {
    return { Teacher: copies.frozen({ of: line, into: this.#teacher, from: this.from }) };
  }
  protected override configureAddOns() {
    return [addons.checkpoint({ every: units.steps(2), keep: 100 }), ...this.also];
  }
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      const guess = this.models.line.call(batch.x);
      const half = (to: typeof batch.y) => rows.times(0.5, rows.mean(losses.squaredError(guess, to)));
      return { minimize: [half(batch.y), half(ops.stopGradient(this.#teacher.call(batch.x)))] };
    });
  }
}

type Weights = Readonly<Record<string, readonly number[]>>;

async function weightsIn(path: string): Promise<Weights> {
  const model = await readTensors(await findCheckpoint(path), 'model.safetensors');
  return Object.fromEntries([...model].map(([name, { values }]) => [name, [...values]]));
}

const fit = (trainer: Student, name: string, more: object = {}) =>
  trainer.fit({ ...quiet, dataRoot: folder, runDir: join(folder, name), ...more });

const lineOf = (weights: Weights, model: string): readonly unknown[] => [
  weights[`${model}.dense.weight`],
  weights[`${model}.dense.bias`],
];

const problemOf = (from: string): Promise<string> =>
  new Student(from).fit({ ...quiet, dataRoot: folder, runDir: null }).then(
    () => 'nothing was wrong',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

const write = (name: string, tensors: Readonly<Record<string, HostTensor>>): Buffer => {
  const bytes = Buffer.concat(writeSafetensors(new Map(Object.entries(tensors))));
  writeFileSync(join(folder, name), bytes);
  return bytes;
};
const f32 = (shape: readonly number[], ...values: readonly number[]): HostTensor => ({
  dtype: 'f32',
  shape,
  values: Float32Array.from(values),
});

describe('of another run', () => {
  test('has its weights from the first step to the last, and the run says which', async () => {
    said.splice(0);
    await fit(new Student('first'), 'second');
    const learned = await weightsIn(join(folder, 'first'));
    expect(said.join('')).toContain('2 weights of Teacher are from first\n');
    for (const step of ['step-00000002', 'step-00000008', 'step-00000015']) {
      const now = await weightsIn(join(folder, 'second', 'checkpoints', step));
      expect(lineOf(now, 'Teacher')).toEqual(lineOf(learned, 'Line'));
      expect(lineOf(now, 'Line')).not.toEqual(lineOf(learned, 'Line'));
    }
    const { folder: taken } = await findCheckpoint(join(folder, 'first'));
    const sha256 = createHash('sha256')
      .update(readFileSync(join(taken, 'model.safetensors')))
      .digest('hex');
    const record: unknown = JSON.parse(readFileSync(join(folder, 'second', 'run.json'), 'utf8'));
    expect(record).toMatchObject({ pretrained: { frozen: { Teacher: { from: 'first', sha256 } } } });
    // It is not what the model itself began with.
    await fit(new Student(null), 'alone');
    const alone = await weightsIn(join(folder, 'alone'));
    expect(lineOf(alone, 'Teacher')).not.toEqual(lineOf(learned, 'Line'));
  });

  test('a run that goes on has no need of it, and ends with the same bytes', async () => {
    const control = new Control();
    const stops: addons.AddOn = {
      kind: 'stops',
      phase: 'independent',
      owns: [],
      withOptions: () => stops,
      start: () => ({ stepEnd: ({ step }) => void (step === 7 && control.stop('SIGINT')) }),
    };
    const quietly: addons.AddOn = { ...stops, start: () => ({ stepEnd: () => undefined }) };
    await fit(new Student('first', [stops]), 'cut', { control });
    renameSync(join(folder, 'first'), join(folder, 'elsewhere'));
    try {
      const run = join(folder, 'cut');
      const resume = await resumePointAt(run);
      await fit(new Student('first', [quietly]), 'cut', { resume });
      const [whole, cut] = [await weightsIn(join(folder, 'second')), await weightsIn(run)];
      expect(cut).toEqual(whole);
      const record: unknown = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8'));
      expect(record).toMatchObject({ pretrained: { frozen: { Teacher: { from: 'first' } } } });
    } finally {
      renameSync(join(folder, 'elsewhere'), join(folder, 'first'));
    }
  });

  test('measured again, it is what the checkpoint has', async () => {
    const measured = await new Student('nowhere').test(join(folder, 'second'), quiet);
    expect(measured.get('validate.loss')).toBeGreaterThan(0);
  });
});

test('of a file, whose other models are left alone; beside pretrained weights of its model', async () => {
  const bytes = write('both.safetensors', {
    'Line.dense.weight': f32([2, 1], 3, 4),
    'Line.dense.bias': f32([1], 5),
    'Other.dense.weight': f32([7], 1, 2, 3, 4, 5, 6, 7),
    'measured/seen.mu': f32([1], 1),
  });
  write('other.safetensors', { 'Line.dense.weight': f32([2, 1], 6, 7), 'Line.dense.bias': f32([1], 8) });
  const also = [addons.pretrained({ from: 'other.safetensors', into: 'Line' })];
  await fit(new Student('both.safetensors', also), 'filed');
  const first = await weightsIn(join(folder, 'filed', 'checkpoints', 'step-00000002'));
  expect(lineOf(first, 'Teacher')).toEqual([[3, 4], [5]]);
  expect(first['Line.dense.bias']?.[0]).not.toBeCloseTo(5, 1);
  const record: unknown = JSON.parse(readFileSync(join(folder, 'filed', 'run.json'), 'utf8'));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  expect(record).toMatchObject({
    pretrained: { from: 'other.safetensors', frozen: { Teacher: { from: 'both.safetensors', sha256 } } },
  });
});

describe('what does not fit ends the run before it begins', () => {
  test('a file that is not there', async () => {
    expect(await problemOf('nowhere')).toContain('frozen Teacher: there is no file or run nowhere (looked');
  });
  test('weights of another model, or of other shapes', async () => {
    write('wrong.safetensors', {
      'Line.dense.weight': f32([3, 1], 1, 2, 3),
      'Net.dense.bias': f32([1], 1),
    });
    expect(await problemOf('wrong.safetensors')).toBe(
      [
        'frozen Teacher: wrong.safetensors does not fit Line:',
        '  the file lacks Line.dense.bias (F32[1]), for dense.bias',
        '  Line.dense.weight is F32[3, 1] there, and Line.dense.weight needs F32[2, 1]',
        'take a file with weights of Line; or give Line its weights with `addon pretrained`, which renames, and leave `from` out',
      ].join('\n'),
    );
  });
  test('values that are not finite', async () => {
    write('nan.safetensors', {
      'Line.dense.weight': f32([2, 1], 1, Number.NaN),
      'Line.dense.bias': f32([1], 1),
    });
    expect(await problemOf('nan.safetensors')).toBe(
      'frozen Teacher: Line.dense.weight of nan.safetensors holds a value that is not finite; take another file',
    );
  });
});
