/** Where the time of a run went: the lines, and the trace in the run's folder. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import { main } from '../../src/runtime/main.js';
import { Profile } from '../../src/runtime/progress/profile.js';
import { SpanLog } from '../../src/runtime/progress/span-log.js';
import { Control } from '../../src/runtime/trainer/control.js';
import type { TrainerOptions } from '../../src/runtime/trainer/spec.js';
import * as units from '../../src/values/units.js';
import { nativeUnderTest } from '../engine-under-test.js';
import { LineTrainer, setup, type Row } from './tiny-trainer.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-profile-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** An event of a trace that has a length. */
interface Span {
  readonly name: string;
  readonly cat: string;
  readonly ts: number;
  readonly dur: number;
  readonly args: Readonly<Record<string, unknown>>;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(Object(value)));
}

function eventsOf(text: string): readonly Readonly<Record<string, unknown>>[] {
  const { traceEvents } = record(JSON.parse(text));
  if (!Array.isArray(traceEvents)) throw new Error('a trace has no events');
  return traceEvents.map(record);
}

function spansOf(text: string): readonly Span[] {
  return eventsOf(text).flatMap(({ name, cat, ph, ts, dur, args }) =>
    ph === 'X'
      ? [{ name: String(name), cat: String(cat), ts: Number(ts), dur: Number(dur), args: record(args) }]
      : [],
  );
}

const read = (folder: string): readonly Span[] => spansOf(readFileSync(join(folder, 'trace.json'), 'utf8'));

/** Each span lies within all that are open where it begins: what viewers take for granted of one thread. */
function expectNested(spans: readonly Span[]): void {
  const open: Span[] = [];
  for (const span of spans) {
    expect(Number.isInteger(span.ts) && Number.isInteger(span.dur) && span.dur >= 0, span.name).toBe(true);
    while (open.length > 0) {
      const top = open.at(-1);
      if (top === undefined || span.ts < top.ts + top.dur) break;
      open.pop();
    }
    for (const outer of open) {
      expect(
        span.ts >= outer.ts && span.ts + span.dur <= outer.ts + outer.dur,
        `${span.name} in ${outer.name}`,
      ).toBe(true);
    }
    open.push(span);
  }
}

/** The narrowest span around another one. */
function around(spans: readonly Span[], span: Span): Span | undefined {
  return spans
    .filter((one) => one !== span && one.ts <= span.ts && one.ts + one.dur >= span.ts + span.dur)
    .sort((a, b) => a.dur - b.dur)[0];
}

class Saving extends LineTrainer {
  protected override configureAddOns() {
    return [addons.checkpoint({ every: units.steps(4) })];
  }
}

const quiet: TrainerOptions = { progress: 'none', summary: false };

async function traced(name: string, options: TrainerOptions, params = {}) {
  const lines: string[] = [];
  const folder = join(root, name);
  const trainer = new Saving(setup(params, { ...quiet, progress: 'plain', ...options }));
  const stream = { write: (text: string) => lines.push(text.trimEnd()) };
  const result = await trainer.fit({ runDir: folder, stream, environment: {} });
  return { folder, lines, result };
}

/** Milliseconds and calls by phase, of the lines that a run prints. */
function phasesOf(
  lines: readonly string[],
): ReadonlyMap<string, { readonly calls: number; readonly ms: number }> {
  const from = lines.findIndex((line) => line.startsWith('profile '));
  return new Map(
    lines.slice(from + 1).flatMap((line) => {
      const found = /^(.*?) +[\d.]+ % +\S+ +(\d+) +(\S+) ms$/.exec(line);
      if (found === null) return [];
      const [, name = '', calls, each] = found;
      return [[name, { calls: Number(calls), ms: Number(each) * Number(calls) }] as const];
    }),
  );
}

describe('the lines', () => {
  test('name each phase with its share, the longest first, and the rest', async () => {
    const profile = new Profile('simple');
    const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
    await profile.time({ name: 'short', category: 'data' }, () => wait(2));
    await profile.time({ name: 'long', category: 'step' }, () => wait(30));
    await profile.time({ name: 'short', category: 'data' }, () => 1);
    profile.begin({ name: 'only in a trace', category: 'call' })();
    const [head = '', first = '', second = '', rest = '', ...more] = profile.lines(0.1, 100);
    expect(head.split(/ +/)).toEqual(['profile', 'share', 'time', 'calls', 'each']);
    expect(first).toMatch(/^long +(2|3|4|5)\d\.\d % +0\.\ds +1 +\d\d\.\d+ ms$/);
    expect(second).toMatch(/^short +\d+\.\d % +0\.0s +2 +[\d.]+ ms$/);
    expect(rest).toMatch(/^start, end and the loop itself +\d\d\.\d % +0\.\ds$/);
    expect(more).toEqual([]);
    const shares = [first, second, rest].map((line) => Number(/([\d.]+) %/.exec(line)?.[1]));
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, 0);
    expect(profile.spans).toBeNull();
  });

  test('what fails is counted, and fails on', async () => {
    const profile = new Profile('trace');
    const failing = profile.time({ name: 'fails', category: 'step' }, () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    const thrown = profile.time({ name: 'fails', category: 'step' }, () => {
      throw new Error('at once');
    });
    await expect(thrown).rejects.toThrow('at once');
    expect(profile.lines(1, 100)[1]).toMatch(/^fails .* 2 /);
    expect(profile.spans?.count).toBe(2);
  });

  test('a run of nothing divides by nothing', () => {
    expect(new Profile('simple').lines(0, 100).join(' ')).not.toMatch(/NaN|Infinity/);
  });

  test('a run prints them, and counts hooks that are there only', async () => {
    const { lines, folder } = await traced('simple', { profile: 'simple' });
    const phases = phasesOf(lines);
    expect([...phases.keys()].sort()).toEqual([
      'add-on checkpoint',
      ...(nativeUnderTest ? ['prepare steps'] : []),
      'read metrics',
      'step train',
      'step validate',
      'wait for data',
    ]);
    // 3 epochs of 5 steps; a line every 2 steps and one an epoch.
    expect(phases.get('wait for data')?.calls).toBe(15);
    expect(phases.get('step validate')?.calls).toBe(3);
    expect(phases.get('read metrics')?.calls).toBe(3 + 6);
    expect(existsSync(join(folder, 'trace.json'))).toBe(false);
    expect(lines.join('\n')).not.toContain('trace');
  });
});

describe('a trace', () => {
  test('has every phase, nested, with steps and counts; its sums are those of the lines', async () => {
    const { lines, folder, result } = await traced('trace', { profile: 'trace', epochs: 4 });
    const spans = read(folder);
    expectNested(spans);
    const phases = phasesOf(lines);
    expect(phases.size).toBe(nativeUnderTest ? 6 : 5);
    for (const [name, { calls, ms }] of phases) {
      const own = spans.filter((span) => span.name === name);
      expect(own.length, name).toBe(calls);
      const sum = own.reduce((total, { dur }) => total + dur, 0) / 1000;
      // The lines show four digits, the spans whole microseconds.
      expect(Math.abs(sum - ms), name).toBeLessThanOrEqual(1e-3 * ms + 1e-3 * calls);
    }
    expect(Math.max(...spans.map(({ ts, dur }) => ts + dur)) / 1e6).toBeLessThan(result.at.seconds + 1);

    const steps = spans.filter(({ cat }) => cat === 'step');
    const numbers = steps.flatMap(({ args }) =>
      Array.from({ length: Number(args['steps']) }, (_, i) => Number(args['step']) + i),
    );
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    const of = (cat: string) => spans.filter((span) => span.cat === cat);
    expect(of('data').map(({ args }) => args['step'])).toEqual(numbers);
    expect(of('validation').map(({ args }) => args)).toEqual(
      [5, 10, 15, 20].map((step) => ({ step, batches: 3 })),
    );
    expect(of('metrics').filter(({ args }) => args['over'] === 'epoch')).toHaveLength(4);
    const saved = of('checkpoint');
    expect(saved.map(({ args }) => args['step'])).toEqual([4, 8, 12, 16, 20]);
    for (const span of saved) expect(around(spans, span)?.name).toBe('add-on checkpoint');
    const compiled = of('compile');
    if (nativeUnderTest) {
      // Validation's fourth batch is shorter, which is another trace.
      expect(compiled.filter(({ name }) => name === 'trace train')).toHaveLength(1);
      expect(compiled.filter(({ name }) => name === 'trace validate')).toHaveLength(2);
      expect(compiled.filter(({ name }) => name.startsWith('first call of train'))).not.toHaveLength(0);
      const [ready, ...others] = compiled.filter(({ name }) => name === 'prepare steps');
      expect([ready === undefined, others.length]).toEqual([false, 0]);
      for (const span of compiled.filter((one) => one !== ready))
        expect(around(spans, span)?.name).toMatch(/^(step (train|validate)|call|prepare steps)$/);
    } else {
      expect(compiled).toEqual([]);
    }
    expect(lines.at(-1)).toBe(
      `trace: ${join(folder, 'trace.json')}, ${spans.length} spans, for https://ui.perfetto.dev or chrome://tracing`,
    );
  });

  test('of several steps in a call has each step once', async () => {
    const options: TrainerOptions = {
      profile: 'trace',
      compile: 'xla',
      epochs: null,
      steps: 90,
      logEvery: units.steps(30),
    };
    const { folder } = await traced('calls', options, { rows: 400 });
    const spans = read(folder);
    expectNested(spans);
    const steps = spans.filter(({ cat }) => cat === 'step');
    let next = 1;
    for (const { args } of steps) {
      expect(args['step']).toBe(next);
      expect(args['batches']).toBe(args['steps']);
      next += Number(args['steps']);
    }
    expect(next).toBe(91);
    // A checkpoint comes after every fourth step: no call goes past it. While it is written, the next step is one by itself.
    const most = Math.max(...steps.map(({ args }) => Number(args['steps'])));
    expect(most).toBeLessThanOrEqual(nativeUnderTest ? 4 : 1);
    expect(most).toBeGreaterThanOrEqual(nativeUnderTest ? 3 : 1);
    for (const call of spans.filter(({ cat }) => cat === 'call'))
      expect(around(spans, call)?.cat).toBe('step');
  });

  test('of windows of several batches counts both', async () => {
    const { folder } = await traced('windows', { profile: 'trace', epochs: 1, accumulate: 2 });
    const steps = read(folder).filter(({ cat }) => cat === 'step');
    const total = (key: string): number => steps.reduce((sum, { args }) => sum + Number(args[key]), 0);
    expect([total('steps'), total('batches')]).toEqual([3, 5]);
  });

  test('names the run, and is JSON whatever the names are', () => {
    const log = new SpanLog();
    log.add('a "name" \n of 日本', 'step', 0, 0.0004, { text: '\u2028"' });
    log.add('outer', 'step', 0, 2, {});
    const text = log.text('the "run"', { engine: 'made up' });
    const [process, thread, outer, inner] = eventsOf(text);
    expect(process).toMatchObject({ ph: 'M', name: 'process_name', args: { name: 'the "run"' } });
    expect(thread).toMatchObject({ ph: 'M', name: 'thread_name', pid: 1, tid: 1 });
    // Both begin at once: what is longer encloses the other.
    expect(outer).toMatchObject({ name: 'outer', ph: 'X', ts: 0, dur: 2000, pid: 1, tid: 1 });
    expect(inner).toMatchObject({ name: 'a "name" \n of 日本', dur: 0, args: { text: '\u2028"' } });
    expect(record(record(JSON.parse(text))['otherData'])).toEqual({
      engine: 'made up',
      spans: 2,
      leftOut: 0,
    });
  });

  test('is bounded: the first and the newest spans stay, and the gap is marked', () => {
    const log = new SpanLog(3, 4);
    for (let i = 0; i < 25; i++) log.add(`span ${i}`, 'step', i, i + 1, {});
    const text = log.text('run', {});
    expect(spansOf(text).map(({ name }) => name)).toEqual([0, 1, 2, 21, 22, 23, 24].map((i) => `span ${i}`));
    expect([log.count, log.leftOut]).toEqual([7, 18]);
    expect(eventsOf(text).filter(({ ph }) => ph === 'i')).toEqual([
      { name: '18 spans are left out before here', ph: 'i', s: 'g', pid: 1, tid: 1, ts: 21_000 },
    ]);
    const exact = new SpanLog(3, 4);
    for (let i = 0; i < 7; i++) exact.add('span', 'step', i, i + 1, {});
    expect([exact.count, exact.leftOut]).toEqual([7, 0]);
    expect(eventsOf(exact.text('run', {})).some(({ ph }) => ph === 'i')).toBe(false);
  });

  test('of the largest size is some 15 MB', () => {
    const log = new SpanLog();
    const details = { step: 1_000_000, steps: 32, batches: 32 };
    for (let i = 0; i < 120_000; i++) log.add('step train', 'step', 1e6 + i, 1e6 + i + 0.9, details);
    const { length } = log.text('ztrain LineTrainer', {});
    expect(log.leftOut).toBe(20_000);
    expect(length).toBeGreaterThan(5e6);
    expect(length).toBeLessThan(16e6);
  });

  test('is written when a signal ends the run', async () => {
    const control = new Control();
    class Stopped extends Saving {
      protected override configureAddOns() {
        const addOn = {
          kind: 'stops',
          phase: 'trigger' as const,
          owns: [],
          withOptions: () => addOn,
          start: () => ({
            stepEnd: ({ step }: { readonly step: number }) => {
              if (step === 3) control.stop('SIGTERM');
              return undefined;
            },
          }),
        };
        return [...super.configureAddOns(), addOn];
      }
    }
    const folder = join(root, 'signal');
    const trainer = new Stopped(setup({}, { ...quiet, profile: 'trace' }));
    const result = await trainer.fit({ runDir: folder, control });
    expect(result.reason).toBe('interrupted');
    const spans = read(folder);
    expectNested(spans);
    expect(spans.filter(({ cat }) => cat === 'data')).toHaveLength(3);
    // The state that a signal saves is no hook's.
    expect(spans.filter(({ cat }) => cat === 'checkpoint').map(({ args }) => args)).toEqual([{ step: 3 }]);
    const text = readFileSync(join(folder, 'trace.json'), 'utf8');
    expect(record(record(JSON.parse(text))['otherData'])['reason']).toBe('interrupted');
  });

  test('is written when the run fails, and the error stays the one to tell', async () => {
    class Broken extends Saving {
      protected override configureAddOns() {
        const addOn = {
          kind: 'breaks',
          phase: 'trigger' as const,
          owns: [],
          withOptions: () => addOn,
          start: () => ({
            stepEnd: ({ step }: { readonly step: number }) => {
              if (step === 7) throw new Error('broken');
              return undefined;
            },
          }),
        };
        return [...super.configureAddOns(), addOn];
      }
    }
    const folder = join(root, 'failure');
    const trainer = new Broken(setup({}, { ...quiet, profile: 'trace' }));
    await expect(trainer.fit({ runDir: folder })).rejects.toThrow('add-on breaks failed in stepEnd: broken');
    const spans = read(folder);
    expectNested(spans);
    // What comes after it is the checkpoint that keeps the state.
    expect(spans.at(-1)?.name).toBe('save checkpoint');
    expect(spans.at(-2)).toMatchObject({ name: 'add-on breaks', args: { hook: 'stepEnd', step: 7 } });
    const text = readFileSync(join(folder, 'trace.json'), 'utf8');
    expect(record(record(JSON.parse(text))['otherData'])['reason']).toMatch(/^failed: .*broken$/);
  });

  test('of a step that fails ends with that step', async () => {
    class Wrong extends Saving {
      override trainStep(batch: Row): void {
        super.trainStep(batch);
        throw new Error('wrong on purpose');
      }
    }
    const folder = join(root, 'wrong');
    const trainer = new Wrong(setup({}, { ...quiet, profile: 'trace' }));
    await expect(trainer.fit({ runDir: folder })).rejects.toThrow('wrong on purpose');
    const spans = read(folder);
    expectNested(spans);
    expect(spans.some(({ name, args }) => name === 'step train' && args['step'] === 1)).toBe(true);
  });

  test('needs a folder, and says so; the command line sets it', async () => {
    const err: string[] = [];
    const io = {
      stdout: { write: () => undefined },
      stderr: { write: (text: string) => err.push(text) },
      environment: {},
      onSignal: () => () => undefined,
      exit: () => undefined,
    };
    expect(await main(LineTrainer, ['trainer.profile=trace', '--dev-run=2'], io)).toBe(0);
    expect(err.join('')).toContain('trace: none is written, for this run has no folder');
    const folder = join(root, 'main');
    err.length = 0;
    expect(await main(LineTrainer, ['trainer.profile=trace', `--run-dir=${folder}`], io)).toBe(0);
    expect(err.join('')).toContain(`trace: ${join(folder, 'trace.json')}, `);
    expect(read(folder).length).toBeGreaterThan(20);
  });
});
