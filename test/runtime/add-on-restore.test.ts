/**
 * Add-ons that are cut off and taken up again from what a checkpoint keeps. Each run of observations is split at every point; from
 * there on, an add-on with the state that was written and read back must do what the one that went on does.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  type AddOn,
  type AddOnHost,
  type Answer,
  type Hooks,
  type Json,
  type MetricsLine,
} from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import { exactNumber, fromExactNumber } from '../../src/values/exact-number.js';
import { parseStrictJson, type StrictValue } from '../../src/runtime/checkpoint/strict-json.js';
import { restoreStates, statesOf } from '../../src/runtime/trainer/add-on-states.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-restore-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plain = (value: StrictValue): Json =>
  value instanceof Map
    ? Object.fromEntries([...value].map(([key, each]) => [key, plain(each)]))
    : Array.isArray(value)
      ? value.map((each: StrictValue) => plain(each))
      : (value as Json);

/** As a checkpoint writes it and reads it. */
const throughFile = (state: Json | undefined): Json => plain(parseStrictJson(JSON.stringify(state)));

interface Kept {
  readonly steps: Set<number>;
  readonly pointers: Map<string, number>;
  best: readonly [string, number, number] | null;
}

const host = (
  log: string[],
  kept: Kept,
  saving: (step: number) => void = () => undefined,
  path: string | null = folder,
): AddOnHost => ({
  pace: { stepsPerEpoch: 4, accumulate: 1, rowsPerEpoch: 4, totalSteps: 100 },
  folder: path,
  root: '.',
  outputs: null,
  report: () => undefined,
  rates: () => new Map(),
  log: () => undefined,
  memory: () => new Map(),
  evaluate: () => Promise.resolve([]),
  save: () => Promise.resolve(null),
  beginSave: ({ step }) => {
    saving(step);
    log.push(`save ${step}`);
    kept.steps.add(step);
    const at = join(folder, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
    return Promise.resolve({ written: Promise.resolve({ step, folder: at }) });
  },
  point: (name, { step }) => {
    log.push(`${name} is ${step}`);
    kept.pointers.set(name, step);
    return Promise.resolve();
  },
  unpointBest: () => Promise.resolve(),
  saveFailed: () => Promise.resolve(null),
  goesOnFrom: null,
  savedAt: (step) => ({ step, folder: join(folder, 'checkpoints', `step-${String(step).padStart(8, '0')}`) }),
  notable: (step) => void log.push(`notable ${step}`),
  forget: ({ step, folder: at }) => {
    expect(at.endsWith(String(step).padStart(8, '0'))).toBe(true);
    log.push(`forget ${step}`);
    kept.steps.delete(step);
    return Promise.resolve();
  },
  best: (metric, value, { step }) => (kept.best = [metric, value, step]),
});
const nothing = (): Kept => ({ steps: new Set(), pointers: new Map(), best: null });

/** One step with what was measured after it; null where nothing was. What its hooks answered is in the log. */
const step = async (hooks: Hooks<Answer>, at: number, value: number | null, log: string[]): Promise<void> => {
  const moment = { step: at, epoch: Math.floor(at / 4), seconds: at / 3 };
  const answers: unknown[] = [];
  if (value !== null) answers.push(await hooks.measured?.(moment, new Map([['v.m', value]])));
  answers.push(await hooks.stepEnd?.(moment));
  await hooks.settled?.(moment);
  // Waits for the write, and does nothing else.
  await hooks.failed?.(moment, null);
  if (at % 4 === 0) answers.push(await hooks.epochEnd?.(moment));
  log.push(`${at}: ${JSON.stringify(answers)}, next ${hooks.nextStepEnd?.(at)} ${hooks.nextSettled?.(at)}`);
};

const inf = Number.POSITIVE_INFINITY;
const nan = Number.NaN;
/** Ties, what is not finite, small steps, both zeros, gaps. */
const runs: readonly (readonly (number | null)[])[] = [
  [1, 0.5, null, 0.5, 0.4, 0.6, 0.1, 0.1, 0.1, null, 0.05, 0.2],
  [nan, inf, inf, null, 3, -inf, 2, -inf, nan, 1, 0, -inf],
  [-inf, -inf, 5, nan, inf, 5, 6, null, inf, inf, 7, 8],
  [0, -0, 0, null, 1e-300, 0.1 + 0.2, 0.3, -0, 5e-324, null, null, 0],
];
const monitors = [addons.min('v.m'), addons.max('v.m')];
const cases = runs.flatMap((values, index) => monitors.map((monitor) => [index, monitor, values] as const));

/** Goes through a run split after `split` steps, and returns what is done after it in both, and what is left. */
const split = async (addOn: AddOn, values: readonly (number | null)[], at: number) => {
  const ways = [nothing(), nothing()] as const;
  const logs: string[][] = [[], []];
  const [whole = [], parted = []] = logs;
  const first = addOn.start(host(whole, ways[0]));
  const before = addOn.start(host([], ways[1]));
  for (const [index, value] of values.slice(0, at).entries()) {
    await step(first, index + 1, value, []);
    await step(before, index + 1, value, []);
  }
  whole.length = 0;
  const after = addOn.start(host(parted, ways[1]));
  const live = [{ kind: addOn.kind, hooks: before }];
  const states = parseStrictJson(JSON.stringify(statesOf(live)));
  if (!(states instanceof Map)) throw new Error('the states are no record');
  restoreStates(
    [{ kind: addOn.kind, hooks: after }],
    Object.fromEntries([...states].map(([key, state]) => [key, plain(state)])),
  );
  expect(after.state?.()).toEqual(first.state?.());
  for (const [index, value] of values.slice(at).entries()) {
    await step(first, at + index + 1, value, whole);
    await step(after, at + index + 1, value, parted);
  }
  const end = { step: values.length, epoch: 3, seconds: 9 };
  for (const hooks of [first, after]) await hooks.fitEnd?.(end, new Map());
  return { whole, parted, ways };
};

describe.each(cases)('run %i, %j', (_index, monitor, values) => {
  test('early_stopping', async () => {
    for (const options of [
      { patience: 2 },
      { patience: 3, checkFinite: false, minDelta: 0.05 },
      { patience: 9, checkFinite: false, stopAt: monitor.mode === 'min' ? 0 : 1 },
    ]) {
      const addOn = addons.earlyStopping({ monitor, ...options });
      for (let at = 0; at <= values.length; at += 1) {
        const { whole, parted } = await split(addOn, values, at);
        expect(parted).toEqual(whole);
      }
    }
  });

  test('checkpoint, between steps', async () => {
    for (const options of [
      { best: monitor },
      { best: monitor, keep: 2, every: { unit: 'steps', value: 3 } as const },
      { every: { unit: 'epochs', value: 1 } as const, keep: 3 },
    ]) {
      const addOn = addons.checkpoint(options);
      for (let at = 0; at <= values.length; at += 1) {
        const { whole, parted, ways } = await split(addOn, values, at);
        expect(parted).toEqual(whole);
        expect(ways[1]).toEqual(ways[0]);
      }
    }
  });

  test('checkpoint, killed while it saves or right after', async () => {
    const addOn = addons.checkpoint({ best: monitor, keep: 2, every: { unit: 'steps', value: 3 } });
    const whole: string[] = [];
    const wholeKept = nothing();
    const states = new Map<
      number,
      {
        readonly state: Json;
        readonly kept: ReadonlySet<number>;
        readonly pointers: ReadonlyMap<string, number>;
        readonly best: Kept['best'];
      }
    >();
    const hooks: Hooks<Answer> = addOn.start(
      host(whole, wholeKept, (at) =>
        states.set(at, {
          state: throughFile(hooks.state?.()),
          kept: new Set([...wholeKept.steps, at]),
          pointers: new Map(wholeKept.pointers),
          best: wholeKept.best,
        }),
      ),
    );
    for (const [index, value] of values.entries()) await step(hooks, index + 1, value, whole);
    const saves = (log: readonly string[]): readonly string[] =>
      log.filter((line) => line.startsWith('save'));
    expect(states.size).toBeGreaterThan(3);
    for (const [at, { state, kept, pointers, best }] of states) {
      const log: string[] = [];
      const own: Kept = { steps: new Set(kept), pointers: new Map(pointers), best };
      const after = addOn.start(host(log, own));
      after.restore?.(state);
      for (const [index, value] of values.slice(at).entries()) await step(after, at + index + 1, value, log);
      expect(saves(log)).toEqual(saves(whole).slice(saves(whole).indexOf(`save ${at}`) + 1));
      // What the last save leaves behind it does not depend on where the run was cut.
      if (saves(log).length > 0) {
        expect(own.steps).toEqual(wholeKept.steps);
        expect(own.pointers.get('last')).toBe(wholeKept.pointers.get('last'));
        expect(after.state?.()).toEqual(hooks.state?.());
      }
      expect(own.best).toEqual(wholeKept.best);
    }
  });
});

describe('csv_log', () => {
  const lineAt = (at: number): MetricsLine => ({
    stage: at % 3 === 0 ? 'a "b", c' : 'train',
    over: 'window',
    at: { step: at, epoch: 0, seconds: at },
    metrics: new Map([
      ['loss', 1 / at],
      ...(at > 4 ? [['late, "later"', at] as const] : []),
      ...(at > 7 ? [['last', nan] as const] : []),
    ]),
    tables: new Map(
      at === 5
        ? [
            [
              't',
              [
                [1, 2],
                [3, 4],
              ],
            ] as const,
          ]
        : [],
    ),
    rates: new Map(),
    throughput: null,
  });
  const count = 9;
  const run = (name: string) => {
    const path = join(folder, name);
    return {
      file: join(path, 'logs', 'metrics.csv'),
      start: () => addons.csvLog().start(host([], nothing(), () => undefined, path)),
    };
  };
  const whole = run('whole');
  const text = (): string => readFileSync(whole.file, 'utf8');

  test('is cut back to the checkpoint, wherever the run went on to', () => {
    const all = whole.start();
    for (let at = 1; at <= count; at += 1) all.logged?.(lineAt(at));
    for (let at = 0; at <= count; at += 1) {
      for (const beyond of [0, 1, 5, count]) {
        const { file, start } = run(`cut-${at}-${beyond}`);
        const before = start();
        let state: Json = null;
        for (let line = 1; line <= Math.min(count, at + beyond); line += 1) {
          if (line === at + 1) state = throughFile(before.state?.());
          before.logged?.(lineAt(line));
        }
        if (state === null) state = throughFile(before.state?.());
        const after = start();
        const left = existsSync(file) ? readFileSync(file, 'utf8') : null;
        after.restore?.(state);
        // Another add-on may still refuse its own: the file is cut when the run goes on.
        expect(existsSync(file) ? readFileSync(file, 'utf8') : null).toBe(left);
        expect(after.state?.()).toEqual(state);
        for (let line = at + 1; line <= count; line += 1) after.logged?.(lineAt(line));
        expect(readFileSync(file, 'utf8'), `cut after ${at}, ${beyond} lines beyond`).toBe(text());
        expect(after.state?.()).toEqual(all.state?.());
      }
    }
  });

  test('in another folder begins with the columns that are known, and refuses a file that is another', () => {
    const one = run('one');
    const before = one.start();
    for (let at = 1; at <= 5; at += 1) before.logged?.(lineAt(at));
    const state = throughFile(before.state?.());
    const other = run('other');
    const after = other.start();
    after.restore?.(state);
    after.logged?.(lineAt(6));
    const [header, ...lines] = readFileSync(other.file, 'utf8').trimEnd().split('\n');
    expect(header).toBe(readFileSync(one.file, 'utf8').split('\n')[0]);
    expect(lines).toHaveLength(1);
    const short = run('short');
    const third = short.start();
    third.logged?.(lineAt(1));
    expect(() => short.start().restore?.(state)).toThrow('has 1 of the 5 lines that were written to it');
    // The last line that counts, cut in half: also where a column has come since.
    for (const beyond of [0, 4]) {
      const half = run(`half-${beyond}`);
      const fourth = half.start();
      for (let at = 1; at <= 5 + beyond; at += 1) fourth.logged?.(lineAt(at));
      const rows = readFileSync(half.file, 'utf8').split('\n');
      writeFileSync(
        half.file,
        rows
          .slice(0, 5)
          .concat((rows[5] ?? '').slice(0, -3))
          .concat(rows.slice(6))
          .join('\n'),
      );
      expect(() => half.start().restore?.(state)).toThrow(
        /has 4 of the 5 lines that were written to it; move it away/,
      );
    }
  });
});

describe('what is kept', () => {
  test.each([0, -0, 1 / 3, 5e-324, 1.7976931348623157e308, inf, -inf, nan])(
    '%d is written and read to the bit',
    (value) => {
      const read = throughFile({ value: exactNumber(value) });
      const found = typeof read === 'object' && read !== null && 'value' in read ? read.value : null;
      expect(Object.is(fromExactNumber(found), value)).toBe(true);
    },
  );
  test.each([
    ['no record', [1], '"early_stopping" must be an object, got [1]'],
    [
      'a number that is none',
      { best: 'much', waited: 0, because: null },
      'a number was expected, got "much"',
    ],
    ['a count that is missing', { best: 1, because: null }, 'a number was expected, got nothing'],
  ] as const)('%s is refused, with the name of the add-on', (_name, state, message) => {
    const hooks = addons.earlyStopping({ monitor: addons.min('v.m') }).start(host([], nothing()));
    expect(() => restoreStates([{ kind: 'early_stopping', hooks }], { early_stopping: state })).toThrow(
      `add-on early_stopping cannot take back its state: ${message}`,
    );
  });
});
