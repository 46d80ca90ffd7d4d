/** `detect_anomaly`: the op that made a value which is not finite is named with its place, and no state is changed by looking. */
import { describe, expect, test } from 'vitest';
import * as data from '../../src/runtime/data/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Tensor1D, Tensor2D } from '../../src/runtime/tensor.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { fit } from '../../src/runtime/trainer/fit.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import * as units from '../../src/values/units.js';
import {
  LineTrainer,
  setup,
  train,
  weightsOf,
  type LineData,
  type LineModels,
  type Row,
} from './tiny-trainer.js';

/** Row 13 of 20 has a y of 4, all others 0: its root of 2 - y is NaN. */
class Rooted extends LineTrainer {
  protected override configureData(): LineData {
    const set = data.from<{ readonly x: Tensor2D; readonly y: Tensor1D }>(
      () => ({
        length: 20,
        read: (indices) => ({
          x: Float32Array.from([...indices].flatMap((row) => [row / 10, 1])),
          y: Float32Array.from(indices, (row) => (row === 12 ? 4 : 0)),
        }),
      }),
      {},
      { record: { x: { dtype: 'f32', shape: [2] }, y: { dtype: 'f32', shape: [] } }, batch: 4 },
    );
    return { train: set, test: set.withOptions({}) };
  }
  protected override configureOptimizers(models: LineModels): Readonly<Record<string, optim.Optimizer>> {
    return { opt: optim.adam({ of: [models.line], lr: 0.1 }) };
  }
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      const guess = this.models.line.call(batch.x);
      const root = ops.sqrt(ops.sub(2, batch.y));
      return { minimize: rows.mean(ops.mul(losses.squaredError(guess, batch.y), root)) };
    });
  }
}

/** The loss is 0, its gradient divides by 0. */
class Steep extends Rooted {
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      const guess = this.models.line.call(batch.x);
      return { minimize: rows.mean(ops.sqrt(ops.mul(guess, 0))) };
    });
  }
}

/** Row 13 has a loss of 0 whose gradient divides by 0. */
class SteepAtOne extends Rooted {
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      const guess = ops.add(ops.square(this.models.line.call(batch.x)), 1);
      return { minimize: rows.mean(ops.sqrt(ops.mul(guess, ops.sub(1, ops.div(batch.y, 4))))) };
    });
  }
}

/** Row 13 has an infinite loss whose gradient is finite. */
class Far extends Rooted {
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      const guess = this.models.line.call(batch.x);
      return { minimize: rows.mean(losses.absoluteError(guess, ops.mul(batch.y, 3e38))) };
    });
  }
}

const anomalous = (options: TrainerOptions = {}): TrainerOptions => ({
  epochs: 2,
  detectAnomaly: true,
  ...options,
});

const failure = async (trainer: LineTrainer): Promise<string> =>
  train(trainer).then(
    () => 'it did not fail',
    (error: unknown) => String(error),
  );

async function notesOf(trainer: LineTrainer): Promise<readonly string[]> {
  const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.' });
  const notes: string[] = [];
  const nothing = (): void => undefined;
  const note = (line: string): void => void notes.push(line);
  const listener = { step: nothing, metrics: nothing, validating: nothing, note };
  await fit({ session, addOns: [], control: new Control(), listener, now: () => 0, limit: null });
  await session.close();
  return notes.filter((line) => line.includes(' was '));
}

describe('an anomaly', () => {
  test('names the op, its place, what it was given, the step and the rows', async () => {
    const told = await failure(new Rooted(setup({}, anomalous())));
    expect(told).toMatch(
      /the loss was NaN: sqrt \(.*anomaly\.test\.ts:\d+:\d+\) made NaN of values from -2 to 2, at step 4 \(rows 13, 14, 15, 16 of train\)$/,
    );
  });

  test('in a gradient names the op whose gradient it is', async () => {
    const told = await failure(new Steep(setup({}, anomalous())));
    expect(told).toMatch(
      /the gradient of Line\.dense\.\w+ was NaN: the gradient of \w+ \(.*anomaly\.test\.ts:\d+:\d+\) made/,
    );
    expect(told).toContain('at step 1 ');
  });

  test('in a window names its batch', async () => {
    const told = await failure(new Rooted(setup({}, anomalous({ accumulate: 4 }))));
    expect(told).toMatch(/the loss was NaN: sqrt .*, at step 1 \(rows 13, 14, 15, 16 of train\)$/);
  });

  test.each([
    ['loss', Rooted, /^the loss was NaN: sqrt /],
    ['loss alone', Far, /^the loss was Infinity: /],
    ['gradient', SteepAtOne, /^the gradient of Line\.dense\.\w+ was NaN: /],
  ])(
    'in a window that is skipped names its batch, and none after it: a %s',
    async (_name, Trainer, message) => {
      // Windows are batches 1 to 3 and 4 to 5: the first of the second is the bad one.
      const trainer = new Trainer(setup({}, anomalous({ accumulate: 3, onNan: 'skip' })));
      const notes = await notesOf(trainer);
      expect(notes).toEqual([expect.stringMatching(message), expect.stringMatching(message)]);
      expect(notes[0]).toMatch(/, at step 2 \(rows 13, 14, 15, 16 of train\): its update is skipped$/);
      expect(notes[1]).toContain(', at step 4 (rows 13, 14, 15, 16 of train)');
    },
  );

  test('that was there before the step is not laid on an op', async () => {
    const trainer = new LineTrainer(setup({}, anomalous()));
    const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.' });
    const [weight] = session.modelState;
    weight?.upload({ dtype: 'f32', shape: weight.shape, values: new Float32Array(2).fill(Number.NaN) });
    const nothing = (): void => undefined;
    const listener = { step: nothing, metrics: nothing, validating: nothing, note: nothing };
    await expect(
      fit({ session, addOns: [], control: new Control(), listener, now: () => 0, limit: null }),
    ).rejects.toThrow(/the loss was NaN: \w+ \(.*\) got data or weights that are not finite, at step 1 /);
    await session.close();
  });

  test('that is skipped is told, and the run is the same as without looking', async () => {
    const run = async (options: TrainerOptions) => {
      const trainer = new Rooted(setup({}, { epochs: 5, onNan: 'skip', ...options }));
      const { session } = await trainer.prepare({ kinds: ['train', 'validate'], dataRoot: '.' });
      const notes: string[] = [];
      const lines: unknown[] = [];
      await fit({
        session,
        addOns: [],
        control: new Control(),
        listener: {
          step: () => undefined,
          metrics: ({ stage, at, metrics }) => lines.push([stage, at.step, ...metrics]),
          validating: () => undefined,
          note: (line) => notes.push(line),
        },
        now: () => 0,
        limit: null,
      });
      const state = await Promise.all(
        session.optimizerState.map(async (one) => [...(await one.download()).values]),
      );
      return {
        lines,
        state,
        weights: await weightsOf(session),
        notes: notes.filter((note) => note.includes('sqrt')),
      };
    };
    const looked = await run({ detectAnomaly: true });
    const plain = await run({});
    expect(looked.notes).toHaveLength(3);
    expect(looked.notes[0]).toMatch(/at step 4 \(rows 13, .*: its update is skipped$/);
    expect([looked.weights, looked.state, looked.lines]).toEqual([plain.weights, plain.state, plain.lines]);
  });

  test('what a step asks and logs after the update that was looked at goes on', async () => {
    class Asking extends Rooted {
      override trainStep(batch: Row): void {
        super.trainStep(batch);
        if (this.every('third', units.steps(3))) this.log({ third: rows.mean(batch.y) });
        this.log({ always: rows.mean(ops.add(ops.mul(batch.y, 0), 1)) });
      }
    }
    const lines = async (options: TrainerOptions): Promise<readonly unknown[]> => {
      const { session, records } = await train(
        new Asking(setup({}, { epochs: 4, onNan: 'skip', ...options })),
      );
      await session.close();
      return records.map(({ stage, at, metrics }) => [stage, at.step, ...metrics]);
    };
    const looked = await lines({ detectAnomaly: true });
    expect(looked).toEqual(await lines({}));
    expect(JSON.stringify(looked)).toContain('"always",1]');
  });

  test('a run without one is the same as without looking', async () => {
    const weights = async (options: TrainerOptions): Promise<readonly number[]> =>
      weightsOf((await train(new LineTrainer(setup({}, { epochs: 3, accumulate: 2, ...options })))).session);
    expect(await weights({ detectAnomaly: true })).toEqual(await weights({}));
  });

  test('what is ignored is not looked for', () => {
    expect(() => new LineTrainer(setup({}, anomalous({ onNan: 'ignore' })))).toThrow('is not looked for');
  });
});

describe('on_nan at its edges', () => {
  // The fourth batch of each epoch is the bad one; lines of metrics are far apart.
  const quiet: TrainerOptions = { epochs: null, logEvery: units.steps(1000) };

  test('stop: the last step of the run is looked at as well, and none after it', async () => {
    expect(await failure(new Rooted(setup({}, { ...quiet, steps: 4 })))).toContain('not finite at step 4 ');
    const before = await train(new Rooted(setup({}, { ...quiet, steps: 3 })));
    expect(before.result.reason).toBe('finished');
    await before.session.close();
  });

  test.each([
    ['NaN', Rooted],
    ['infinite, its gradient is not', Far],
    ['0, its gradient is not finite', SteepAtOne],
  ])(
    'skip: a bad batch takes its whole window, and nothing of it into the next: its loss is %s',
    async (_name, Trainer) => {
      // Windows are batches 1 to 3 and 4 to 5: the bad one is followed by one that is fine.
      const run = async (steps: number): Promise<readonly number[]> => {
        const { session } = await train(
          new Trainer(setup({}, { ...quiet, steps, accumulate: 3, onNan: 'skip' })),
        );
        const skipped = (await session.skipped.download()).values[0] ?? 0;
        return [skipped, ...(await weightsOf(session))];
      };
      const [first, second, third] = [await run(1), await run(2), await run(3)];
      expect([first[0], second[0], third[0]]).toEqual([0, 1, 1]);
      expect(second.slice(1)).toEqual(first.slice(1));
      expect(third.every((value) => Number.isFinite(value))).toBe(true);
      expect(third.slice(1)).not.toEqual(second.slice(1));
    },
  );

  test('ignore: the run goes on with what comes of it', async () => {
    const { session, result } = await train(new Rooted(setup({}, { ...quiet, steps: 6, onNan: 'ignore' })));
    expect(result).toMatchObject({ reason: 'finished', at: { step: 6 } });
    expect((await weightsOf(session)).some((value) => Number.isNaN(value))).toBe(true);
  });
});
