/** Steps in 16 bits: what of them is, what stays f32, and how the loss is scaled so that small gradients survive. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import type { Engine, HostTensor, StateVariable } from '../../src/runtime/engine/engine.js';
import { TensorFlowBackend } from '../../src/runtime/engine/tensorflow/backend.js';
import { tf } from '../../src/runtime/engine/tensorflow/element-types.js';
import type { NarrowType } from '../../src/runtime/engine/tensorflow/precision.js';
import { createTensorFlowEngine } from '../../src/runtime/engine/tensorflow/tensorflow-engine.js';
import { traceStep } from '../../src/runtime/engine/tensorflow/traced-step.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Scalar, Tensor1D, Tensor2D, Tensor4D } from '../../src/runtime/tensor.js';
import { LossScaling } from '../../src/runtime/trainer/loss-scaling.js';
import type { Session } from '../../src/runtime/trainer/session.js';
import * as units from '../../src/values/units.js';
import { nativeLibrary } from '../engine-under-test.js';
import { LineTrainer, setup, train, type Row } from '../runtime/tiny-trainer.js';
import { clockAt, f32, i32 } from './all-engines.js';

type Compile = 'graph' | 'xla';
const modes = ['graph', 'xla'] as const;

const engineIn = (precision: 'f32' | 'bf16' | 'f16', compile: Compile): Promise<Engine> =>
  createTensorFlowEngine({ files: nativeLibrary(), compile, precision, forcePrecision: true });

const need = <T extends Tensor = Tensor>(x: Tensor | undefined): T => {
  if (x === undefined) throw new Error('an input is missing');
  return ops.reshape<T>(x, { shape: x.shape });
};

/** The nearest number that bf16 holds, ties to even. */
function bf16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  const word = bits[0] ?? 0;
  bits[0] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(bits.buffer)[0] ?? Number.NaN;
}

describe('a step that was traced', () => {
  async function opsOf(
    narrow: NarrowType | null,
    inputs: readonly HostTensor[],
    body: (inputs: readonly Tensor[]) => readonly Tensor[],
  ): Promise<ReadonlyMap<string, number>> {
    const engine = await engineIn('f32', 'graph');
    if (!('backend' in engine) || !(engine.backend instanceof TensorFlowBackend))
      throw new Error('no backend');
    const { backend } = engine;
    const traced = traceStep(backend, 'probe', inputs, { narrow }, (values) =>
      body(values.map((value) => backend.tensor(value, 'an input'))),
    );
    traced.dispose();
    return traced.ops;
  }

  const image = f32([2, 6, 6, 3], new Float32Array(216).fill(0.1));
  const filter = f32([3, 3, 3, 4], new Float32Array(108).fill(0.2));
  const matrix = f32([36, 5], new Float32Array(180).fill(0.3));
  const network = ([x, w, m]: readonly Tensor[]): readonly Tensor[] => {
    const convolved = ops.relu(ops.conv2d(need<Tensor4D>(x), need<Tensor4D>(w), { padding: 'same' }));
    const pooled = ops.maxPool(convolved, { size: 2 });
    const flat = ops.reshape<Tensor2D>(pooled, { shape: [2, 36] });
    return [ops.softmax(ops.matmul(flat, need(m)))];
  };

  test.each([tf.bf16, tf.f16])('casts what goes in once, and no more (%d)', async (narrow) => {
    const wide = await opsOf(null, [image, filter, matrix], network);
    expect(wide.get('Cast')).toBeUndefined();
    const found = await opsOf(narrow, [image, filter, matrix], network);
    // Three inputs go in; five ops give f32 back, of which TensorFlow drops those that nobody reads.
    const given = 3;
    const back = ['Conv2D', 'Relu', 'MaxPool', 'MatMul'].reduce((sum, op) => sum + (found.get(op) ?? 0), 0);
    const reshaped = 4;
    expect(found.get('Cast')).toBeGreaterThan(given + back - 1);
    expect(found.get('Cast')).toBeLessThanOrEqual(given + back + reshaped);
    for (const [op, count] of wide) expect(found.get(op), op).toBe(count);
  });

  test('a weight that two products take is cast once', async () => {
    const twice = ([a, b]: readonly Tensor[]): readonly Tensor[] => {
      const [x, w] = [need<Tensor2D>(a), need<Tensor2D>(b)];
      const read = ops.mul<Tensor2D>(w, 1);
      return [ops.add(ops.matmul(x, read), ops.matmul(ops.mul<Tensor2D>(x, 2), read))];
    };
    const square = f32([2, 2], [1, 2, 3, 4]);
    // x, 2x and the weight; two results.
    expect((await opsOf(tf.bf16, [square, square], twice)).get('Cast')).toBe(5);
  });
});

describe.each(modes)('%s', (compile) => {
  test('products are of 16 bits, all else of 32', async () => {
    const engine = await engineIn('bf16', compile);
    const step = engine.compile('probe', ([x, w]) => {
      const [a, b] = [need<Tensor2D>(x), need<Tensor2D>(w)];
      return [ops.matmul(a, b), ops.sum(ops.mul<Tensor>(a, ops.transpose<Tensor2D>(b)), { axis: 1 })];
    });
    const [x, w] = [1.015, 3.4];
    const [product, sum] = await step.run([f32([1, 1], [x]), f32([1, 1], [w])], clockAt(0));
    expect(product?.values[0]).toBe(bf16(bf16(x) * bf16(w)));
    expect(product?.dtype).toBe('f32');
    expect(sum?.values[0]).toBe(Math.fround(Math.fround(x) * Math.fround(w)));
    step.dispose();
    engine.dispose();
  });

  test.each(['bf16', 'f16'] as const)('gradients in %s are near those in f32', async (precision) => {
    const found: (readonly HostTensor[])[] = [];
    for (const one of ['f32', precision] as const) {
      const engine = await engineIn(one, compile);
      const w = engine.variable(
        'w',
        f32(
          [4, 3],
          [...Array(12).keys()].map((i) => Math.sin(i) / 2),
        ),
      );
      const step = engine.compile('train', ([x, label]) => {
        const { gradients, result } = engine.differentiate(() => {
          const logits = ops.matmul(ops.tanh(need<Tensor2D>(x)), w.read());
          const loss = ops.mean<Scalar>(losses.softmaxCrossEntropy(logits, need(label)));
          return { objectives: [loss], result: loss };
        }, [w]);
        return [result, ...(gradients[0] ?? []).flatMap((gradient) => gradient ?? [])];
      });
      const x = f32([8, 4], [...Array(32).keys()].map(Math.cos));
      found.push(await step.run([x, i32([8], [0, 1, 2, 0, 1, 2, 0, 1])], clockAt(0)));
      step.dispose();
      engine.dispose();
    }
    const [wide = [], narrow = []] = found;
    expect(narrow.map(({ shape }) => shape)).toEqual(wide.map(({ shape }) => shape));
    wide.forEach(({ values }, index) => {
      const most = Math.max(...[...values].map(Math.abs));
      const own = narrow[index]?.values ?? [];
      const errors = [...values].map((value, i) => Math.abs(value - (own[i] ?? Number.NaN)) / most);
      expect(Math.max(...errors)).toBeLessThan(precision === 'bf16' ? 2e-2 : 2e-3);
      expect(Math.max(...errors)).toBeGreaterThan(0);
    });
  });

  describe('loss scaling', () => {
    /** Moves the scale by updates that are fine or not, as the step of a trainer does. */
    async function scaling(): Promise<{
      /** `sound` is whether all but the gradients was finite. */
      readonly settle: (fine: readonly boolean[], sound?: boolean) => Promise<void>;
      readonly overflowed: () => Promise<number>;
      readonly state: () => Promise<readonly number[]>;
      readonly set: (scale: number, good: number) => void;
    }> {
      const engine = await engineIn('f32', compile);
      const made = new LossScaling(engine);
      const step = engine.compile('settle', ([fine, sound]) => {
        made.settle(ops.greater<Tensor>(need(fine), 0), ops.greater<Tensor>(need(sound), 0));
        return [];
      });
      const upload = (variable: StateVariable | undefined, value: number): void =>
        variable?.upload(f32([], [value]));
      return {
        settle: async (fine, sound = true) => {
          const runs = fine.map((one, i) => ({
            inputs: [f32([], [one ? 1 : 0]), f32([], [sound ? 1 : 0])],
            clock: clockAt(i),
          }));
          for (let from = 0; from < runs.length; from += 32) await step.runAll(runs.slice(from, from + 32));
        },
        overflowed: async () => (await made.overflowed.download()).values[0] ?? Number.NaN,
        state: async () => {
          const values = await Promise.all(made.state.map((variable) => variable.download()));
          return values.map((one) => one.values[0] ?? Number.NaN);
        },
        set: (scale, good) => {
          upload(made.state[0], scale);
          upload(made.state[1], good);
        },
      };
    }
    const good = (count: number): readonly boolean[] => new Array<boolean>(count).fill(true);
    const bad = (count: number): readonly boolean[] => new Array<boolean>(count).fill(false);

    test('overflows are counted, and no fault of the loss or at the lowest scale', async () => {
      const { settle, overflowed, set } = await scaling();
      await settle([true, false, false, true]);
      expect(await overflowed()).toBe(2);
      await settle(bad(3), false);
      expect(await overflowed()).toBe(2);
      set(1, 0);
      await settle(bad(3));
      expect(await overflowed()).toBe(2);
    });

    test('an overflow halves the scale, and counting begins afresh', async () => {
      const { settle, state } = await scaling();
      expect(await state()).toEqual([2 ** 15, 0]);
      await settle(good(5));
      expect(await state()).toEqual([2 ** 15, 5]);
      await settle(bad(1));
      expect(await state()).toEqual([2 ** 14, 0]);
      await settle([...good(3), false, true, false, false, true, true]);
      expect(await state()).toEqual([2 ** 11, 2]);
    });

    test('after 2,000 updates in a row without one it doubles, and again', async () => {
      const { settle, state } = await scaling();
      await settle([...good(1500), ...bad(1), ...good(1999)]);
      expect(await state()).toEqual([2 ** 14, 1999]);
      await settle(good(1));
      expect(await state()).toEqual([2 ** 15, 0]);
      await settle(good(2000));
      expect(await state()).toEqual([2 ** 16, 0]);
    });

    test('stays between 1 and 2^24', async () => {
      const { settle, state, set } = await scaling();
      await settle(bad(40));
      expect(await state()).toEqual([1, 0]);
      set(2 ** 23, 1999);
      await settle(good(1));
      expect(await state()).toEqual([2 ** 24, 0]);
      set(2 ** 24, 1999);
      await settle(good(1));
      expect(await state()).toEqual([2 ** 24, 0]);
    });

    test('scales up and down by the same, bit for bit', async () => {
      const engine = await engineIn('f32', compile);
      const made = new LossScaling(engine);
      const step = engine.compile('both', ([x]) => [
        made.up(need<Scalar>(x)),
        made.down(made.up(need<Scalar>(x))),
      ]);
      const value = Math.fround(0.1234567);
      const [up, down] = await step.run([f32([], [value])], clockAt(0));
      expect([up?.values[0], down?.values[0]]).toEqual([value * 2 ** 15, value]);
    });
  });

  describe('training in f16', () => {
    /** Weights, updates done, the scale after each step. */
    interface Seen {
      readonly weights: readonly number[];
      readonly done: number;
      readonly scale: number;
    }

    async function trained(
      options: { readonly steps: number; readonly onNan?: 'stop' | 'skip' },
      trainer: typeof LineTrainer = LineTrainer,
      params: Readonly<Record<string, unknown>> = {},
    ): Promise<{
      readonly seen: readonly Seen[];
      readonly losses: readonly number[];
      readonly session: Session;
    }> {
      const engine = await engineIn('f16', compile);
      const seen: Seen[] = [];
      const values = async (variables: readonly StateVariable[]): Promise<readonly number[]> => {
        const all: number[] = [];
        for (const variable of variables) all.push(...(await variable.download()).values);
        return all;
      };
      class Watched extends trainer {
        override async prepare(given: Parameters<LineTrainer['prepare']>[0]) {
          const prepared = await super.prepare({ ...given, engine });
          current = prepared.session;
          return prepared;
        }
      }
      let current: Session | null = null;
      const note = async (): Promise<undefined> => {
        const session = current;
        if (session === null) return undefined;
        const find = (path: string): readonly StateVariable[] =>
          session.optimizerState.filter((variable) => variable.path === path);
        const [done = Number.NaN] = await values(find('opt/count'));
        const [scale = Number.NaN] = await values(find('scaling/scale'));
        seen.push({ weights: await values(session.modelState), done, scale });
        return undefined;
      };
      const made = new Watched(
        setup(params, { epochs: null, logEvery: units.steps(1), onNan: 'stop', ...options }),
      );
      const { session, records } = await train(made, [
        { kind: 'watch', hooks: { fitStart: async () => void (await note()), stepEnd: note } },
      ]);
      const losses = records
        .filter(({ over }) => over === 'window')
        .map(({ metrics }) => metrics.get('loss') ?? Number.NaN);
      return { seen, losses, session };
    }

    /** The errors are so large that a gradient of the scaled loss leaves f16, until the scale is low enough. */
    class Large extends LineTrainer {
      override trainStep(batch: Row): void {
        this.update(['opt'], () => {
          const far = ops.add<Tensor1D>(ops.mul<Tensor1D>(batch.y, 0), 300);
          return { minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), far)) };
        });
      }
    }

    test('an update that overflows is left out and halves the scale; then it trains', async () => {
      const { seen, session } = await trained({ steps: 16 }, Large, { lr: 1e-3 });
      expect(session.engine.needsLossScaling).toBe(true);
      expect(seen[0]).toMatchObject({ done: 0, scale: 2 ** 15 });
      let left = 0;
      seen.slice(1).forEach((now, index) => {
        const before = seen[index];
        if (before === undefined) throw new Error('no step before');
        if (now.done === before.done) {
          left += 1;
          expect(now.weights, `step ${index + 1}`).toEqual(before.weights);
          expect(now.scale, `step ${index + 1}`).toBe(before.scale / 2);
        } else {
          expect(now.done).toBe(before.done + 1);
          expect(now.weights).not.toEqual(before.weights);
          expect(now.scale).toBe(before.scale);
        }
      });
      expect(left).toBeGreaterThan(3);
      expect(seen.at(-1)?.done).toBe(16 - left);
      // The updates that are left out are no fault of the model.
      expect((await session.skipped.download()).values[0]).toBe(0);
      await session.close();
    });

    test('small gradients survive: it trains as in f32', async () => {
      class Small extends LineTrainer {
        override trainStep(batch: Row): void {
          this.update(['opt'], () => {
            const error = losses.squaredError(this.models.line.call(batch.x), batch.y);
            // Far below the least number that f16 holds, until it is scaled.
            return { minimize: rows.mean(ops.mul<Tensor1D>(error, 1e-7)) };
          });
        }
      }
      const { seen, session } = await trained({ steps: 12 }, Small, { lr: 1e6 });
      await session.close();
      const plain = await engineIn('f32', compile);
      class Wide extends Small {
        override prepare(given: Parameters<LineTrainer['prepare']>[0]) {
          return super.prepare({ ...given, engine: plain });
        }
      }
      const wide = await train(new Wide(setup({ lr: 1e6 }, { epochs: null, steps: 12 })));
      const weights: number[] = [];
      for (const variable of wide.session.modelState) weights.push(...(await variable.download()).values);
      await wide.session.close();
      expect(seen.at(-1)).toMatchObject({ done: 12, scale: 2 ** 15 });
      seen.at(-1)?.weights.forEach((value, i) => expect(value).toBeCloseTo(weights[i] ?? Number.NaN, 2));
    });

    /** Its loss is finite, its gradient never. */
    class Endless extends LineTrainer {
      override trainStep(batch: Row): void {
        this.update(['opt'], () => {
          const zero = ops.mul<Tensor1D>(this.models.line.call(batch.x), 0);
          return { minimize: rows.mean(ops.sqrt(zero)) };
        });
      }
    }

    test('gradients that no scale makes finite are a fault, once the scale is 1', async () => {
      await expect(trained({ steps: 40 }, Endless)).rejects.toThrow(/not finite at step 16 /);
      const { seen, session } = await trained({ steps: 20, onNan: 'skip' }, Endless);
      expect(seen.map(({ scale }) => scale).slice(0, 18)).toEqual([
        ...Array.from({ length: 16 }, (_, i) => 2 ** (15 - i)),
        1,
        1,
      ]);
      expect(seen.at(-1)?.done).toBe(0);
      expect((await session.skipped.download()).values[0]).toBe(5);
      await session.close();
    });

    test('a loss that is not finite is no overflow: it is a fault at once', async () => {
      class Broken extends LineTrainer {
        override trainStep(batch: Row): void {
          this.update(['opt'], () => ({
            minimize: rows.mean(ops.sqrt(ops.sub<Tensor1D>(ops.mul(this.models.line.call(batch.x), 0), 1))),
          }));
        }
      }
      await expect(trained({ steps: 4 }, Broken)).rejects.toThrow(/not finite at step 1 /);
    });
  });
});
