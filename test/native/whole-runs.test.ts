/**
 * Whole runs of the shipped trainers on both engines: every line that they log (training, validations, rates), what plateaus and add-ons have
 * counted, and every weight and average that the last checkpoint holds.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openWorkplace } from '../specs/run-spec.js';
import { PpoTrainer, type PpoData } from '../../specs/generated/ppo.js';
import { Data } from '../../src/runtime/data/data.js';
import type { Values } from '../../src/runtime/engine/engine.js';
import { difference } from './all-engines.js';
import { temporaryFolder } from '../runtime/temporary-folder.js';
import { noisyWeights, shipped } from './example-trainers.js';
import { expectSameRun, wholeRun, whatIsLeft, type WholeRun } from './whole-runs.js';

const folder = temporaryFolder('whole-runs');

/** Where a warm-up alone takes more than 50 steps. Rounding grows with the rate, and with the steps. */
const longer: Readonly<Record<string, { readonly steps: number; readonly lr: number }>> = {
  fashion: { steps: 250, lr: 3e-4 },
  gpt: { steps: 150, lr: 3e-3 },
};
/** Without a validate step. */
const unmeasured: ReadonlySet<string> = new Set(['dcgan', 'ppo']);

/**
 * What models have answered a live source. An action is drawn where the policy says; where two engines differ by a rounding it may be another,
 * and so all that follows. A second run gets the answers of the first, so that it plays the same games, and its own must be near to them.
 */
class Answers {
  readonly noted: Values[] = [];
  farthest = 0;
  #next: number | null = null;

  replay(): void {
    this.#next = 0;
  }

  to<B>(set: Data<B>): Data<B> {
    const { live, ...source } = set.source;
    if (live === undefined) throw new Error('these rows are not live');
    const heard: typeof live = (host) =>
      live({
        ...host,
        model: (option, model) => {
          const asked = host.model(option, model);
          return async (rows, inputs) => this.#take(await asked(rows, inputs));
        },
      });
    return new Data({ ...source, live: heard }, set.options, (tensors) => set.toBatch(tensors));
  }

  #take(own: unknown): Values {
    if (!(own instanceof Float32Array)) throw new Error('one tensor of numbers is expected');
    if (this.#next === null) {
      this.noted.push(own.slice());
      return own;
    }
    const noted = this.noted[this.#next++];
    if (noted === undefined) throw new Error('the second run asks more than the first');
    this.farthest = Math.max(this.farthest, difference(own, noted));
    return noted.slice();
  }
}

const validations = ({ lines }: WholeRun): readonly (readonly unknown[])[] =>
  lines.filter(({ stage }) => stage === 'validate').map((line) => Object.values(line));

test.each(Object.entries(shipped))('%s', async (name, make) => {
  const { steps, ...params } = longer[name] ?? { steps: 50 };
  // Of made-up rows little is learned, and early stopping would see that.
  const more = { params, options: { steps, minSteps: steps, compile: 'graph' as const } };
  const embedded = await wholeRun(make(more), 'embedded', join(folder, `${name}-embedded`));
  const native = await wholeRun(make(more), 'tensorflow', join(folder, `${name}-native`));
  expect(embedded.state['step']).toBe(steps);
  expect(embedded.weights.size).toBeGreaterThan(3);
  expect(embedded.counts.size).toBeGreaterThan(0);
  expect(validations(embedded).length > 1).toBe(!unmeasured.has(name));
  expectSameRun(native, embedded, 1e-5, noisyWeights);
});

test('figures, averages, plateaus and metrics that are no means', async () => {
  const place = openWorkplace();
  try {
    const spec = fileURLToPath(new URL('../specs/compared.ztrain', import.meta.url));
    copyFileSync(spec, join(place.folder, 'compared.ztrain'));
    const program = await place.build('compared');
    const left = async (engine: string): Promise<WholeRun> => {
      const { folder: own } = await place.train(program, engine, [
        '--engine',
        engine,
        'trainer.compile=graph',
      ]);
      return whatIsLeft(own);
    };
    const embedded = await left('embedded');
    const rates = embedded.lines.flatMap((line) => ('lr.opt' in line ? [Number(line['lr.opt'])] : []));
    expect([...new Set(rates)].slice(-3)).toEqual([0.02, 0.01, 0.005]);
    expect(embedded.counts.get('Settled/count')?.values[0]).toBe(8);
    expect([...embedded.weights.keys()]).toEqual(
      expect.arrayContaining(['Smooth.head.weight', 'Settled.head.weight', 'measured/seen.sigma']),
    );
    expectSameRun(await left('tensorflow'), embedded, 1e-5);
  } finally {
    place.remove();
  }
}, 240_000);

test('games, with the actions of one engine on both', async () => {
  const params = { envs: 4, horizon: 32, turns: 4, parts: 2 };
  const options = { steps: 50, progress: 'none', compile: 'graph' } as const;
  const answers = new Answers();
  class Playing extends PpoTrainer {
    protected override configureData(): PpoData {
      return { play: answers.to(super.configureData().play) };
    }
  }
  const embedded = await wholeRun(new Playing({ params, options }), 'embedded', join(folder, 'played'));
  answers.replay();
  const native = await wholeRun(new Playing({ params, options }), 'tensorflow', join(folder, 'replayed'));
  expect(answers.noted.length).toBeGreaterThan(50 * 32);
  expect(answers.farthest).toBeLessThan(1e-4);
  const returns = embedded.lines.flatMap((line) => line['episode_return'] ?? []);
  expect(new Set(returns).size).toBeGreaterThan(20);
  expectSameRun(native, embedded, 1e-4);
}, 240_000);
