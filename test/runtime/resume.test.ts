/** A run that goes on from any of its steps ends as if it had never stopped: same bytes, same lines. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AddOn, Hooks } from '../../src/runtime/addons/addon.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { resumePointAt } from '../../src/runtime/trainer/resume.js';
import { runFit } from '../../src/runtime/trainer/run.js';
import { EverythingTrainer } from './everything-trainer.js';
import { metricsLines, withoutTime } from './metrics-lines.js';

const quiet = { stream: { write: () => undefined } };

let folder: string;
let whole: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ztrain-resume-'));
  whole = join(folder, 'whole');
  await runFit(new EverythingTrainer(), { ...quiet, runDir: whole });
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const stepName = (step: number): string => `step-${String(step).padStart(8, '0')}`;
const steps = (run: string): readonly string[] =>
  readdirSync(join(run, 'checkpoints'))
    .filter((name) => name.startsWith('step-'))
    .sort();

const csvOf = (run: string): readonly string[] => {
  const rows = readFileSync(join(run, 'logs', 'metrics.csv'), 'utf8')
    .trim()
    .split('\n');
  const names = (rows[0] ?? '').split(',');
  const timed = new Set(['wall', 'steps_per_second', 'rows_per_second'].map((name) => names.indexOf(name)));
  return rows.map((row) =>
    row
      .split(',')
      .filter((_, at) => !timed.has(at))
      .join(','),
  );
};
const bytes = (run: string, step: string, file: string): Buffer =>
  readFileSync(join(run, 'checkpoints', step, file));

/** Whether a run ended as the one that was never interrupted. */
function expectSame(run: string): void {
  expect(metricsLines(run)).toEqual(metricsLines(whole));
  // The order of names in a line is the order in which they were first logged.
  expect(metricsLines(run).map((line) => JSON.stringify(line))).toEqual(
    metricsLines(whole).map((line) => JSON.stringify(line)),
  );
  const last = steps(whole).at(-1) ?? '';
  expect(steps(run).at(-1)).toBe(last);
  for (const file of ['model.safetensors', 'optimizer.safetensors'])
    expect(bytes(run, last, file).equals(bytes(whole, last, file)), file).toBe(true);
  const state = (of: string): unknown => withoutTime(bytes(of, last, 'state.json').toString());
  expect(state(run)).toEqual(state(whole));
  expect(csvOf(run)).toEqual(csvOf(whole));
  for (const pointer of ['best', 'last'])
    expect(readFileSync(join(run, 'checkpoints', pointer), 'utf8')).toBe(
      readFileSync(join(whole, 'checkpoints', pointer), 'utf8'),
    );
}

/** The run as it was when it was killed right after step `step` was saved. */
function killedAfter(step: number): string {
  const run = join(folder, `killed-${step}`);
  cpSync(whole, run, { recursive: true });
  rmSync(join(run, 'summary.json'));
  for (const name of steps(run))
    if (name > stepName(step)) rmSync(join(run, 'checkpoints', name), { recursive: true });
  return run;
}

describe('killed after', () => {
  test.each(Array.from({ length: 15 }, (_, index) => index + 1))(
    'step %i',
    async (step) => {
      const run = killedAfter(step);
      const resume = await resumePointAt(run);
      expect(resume.checkpoint.step).toBe(step);
      expect(Math.min(resume.model.size, resume.optimizer.size)).toBeGreaterThan(0);
      const result = await runFit(new EverythingTrainer(), { ...quiet, resume });
      expect(result.at.step).toBe(16);
      expectSame(run);
      // The run has had them: they are held only once.
      expect(resume.model.size + resume.optimizer.size).toBe(0);
    },
    60_000,
  );
});

/** Asks the run to stop where a hook is called for the nth time. */
class Stopper {
  readonly control = new Control();
  #calls = 0;

  constructor(
    private readonly hook: 'stepEnd' | 'validationBatch' | 'stepStart',
    private readonly at: number,
  ) {}

  get addOn(): AddOn {
    const count = (): undefined => {
      this.#calls += 1;
      if (this.#calls === this.at) this.control.stop('SIGTERM');
      return undefined;
    };
    const hooks: Hooks = { [this.hook]: count };
    const own: AddOn = {
      kind: 'stopper',
      phase: 'core',
      owns: [],
      withOptions: () => own,
      start: () => hooks,
    };
    return own;
  }
}

class Stopped extends EverythingTrainer {
  constructor(private readonly stopper: Stopper | null) {
    super();
  }
  protected override configureAddOns() {
    const own = super.configureAddOns();
    return this.stopper === null ? own : [...own, this.stopper.addOn];
  }
}

describe('interrupted', () => {
  test.each([
    ['stepEnd', 1],
    ['stepEnd', 6],
    ['stepEnd', 8],
    ['stepStart', 11],
    // In the first, a middle and the last batch of a pass.
    ['validationBatch', 1],
    ['validationBatch', 5],
    ['validationBatch', 9],
    ['validationBatch', 24],
  ] as const)(
    'in %s %i',
    async (hook, at) => {
      const run = join(folder, `stopped-${hook}-${at}`);
      const stopper = new Stopper(hook, at);
      const first = await runFit(new Stopped(stopper), { ...quiet, runDir: run, control: stopper.control });
      expect(first.reason).toBe('interrupted');
      const result = await runFit(new Stopped(null), { ...quiet, resume: await resumePointAt(run) });
      expect(result.reason).toBe('finished');
      expectSame(run);
    },
    60_000,
  );

  test('again and again', async () => {
    const run = join(folder, 'often');
    let runs = 0;
    for (let ended = false; !ended && runs < 40; runs += 1) {
      const stopper = new Stopper('stepEnd', 1);
      const options = existsSync(run) ? { resume: await resumePointAt(run) } : { runDir: run };
      const { reason } = await runFit(new Stopped(stopper), {
        ...quiet,
        ...options,
        control: stopper.control,
      });
      ended = reason === 'finished';
    }
    expect(runs).toBeGreaterThan(14);
    expectSame(run);
  }, 120_000);
});
