/** Sweeps from a command line: each run as it would be alone, what fails or is cut off, and going on. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lockFolder } from '../../src/runtime/checkpoint/lock.js';
import * as addons from '../../src/runtime/addons/index.js';
import { main, type MainIo } from '../../src/runtime/main.js';
import type { StopSignal } from '../../src/runtime/trainer/control.js';
import type { TrainerClass } from '../../src/runtime/trainer/trainer.js';
import { combinations, settingText, spreadOf, unfixed, type SweepPlan } from '../../src/values/sweep.js';
import { tableLines, type PointRun } from '../../src/runtime/trainer/sweep-points.js';
import { seconds, steps } from '../../src/values/units.js';
import { unsaid } from './killed-runs.js';
import { temporaryFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

const root = temporaryFolder('sweep');

const swept = (sweep: SweepPlan, checkpoint: Parameters<typeof addons.checkpoint>[0] = {}): TrainerClass =>
  class extends LineTrainer {
    static override readonly spec = { ...LineTrainer.spec, sweep };
    protected override configureAddOns() {
      return [addons.checkpoint(checkpoint)];
    }
  };

const axis = (name: string, ...values: readonly number[]) => addons.axis({ name, values });
const plan = addons.sweep({
  over: [axis('lr', 0.05, 0.2), axis('opt.momentum', 0, 0.5)],
  average: [axis('trainer.seed', 1, 2)],
  pick: addons.min('validate.loss'),
});

interface Ended {
  readonly code: number;
  readonly err: string;
  /** What was said when a second signal ended the process. */
  readonly last: string;
}

/** `signalAt`: once this was said, the signal comes, as often as `signals` says. */
async function run(
  trainer: TrainerClass,
  argv: readonly string[],
  signalAt = '\u0000',
  signals = 1,
): Promise<Ended> {
  let err = '';
  let last = '';
  const listeners: ((signal: StopSignal) => void)[] = [];
  const io: MainIo = {
    stdout: { write: () => undefined },
    stderr: {
      write: (text) => {
        const before = err.includes(signalAt);
        err += text;
        if (before || !err.includes(signalAt)) return;
        for (let turn = 0; turn < signals; turn += 1) listeners.forEach((listener) => listener('SIGINT'));
      },
    },
    environment: {},
    onSignal: (listener) => {
      listeners.push(listener);
      return () => undefined;
    },
    exit: () => {
      last = err;
    },
    called: './line.mjs',
  };
  const code = await main(trainer, argv, io);
  return { code, err, last };
}

interface Written {
  readonly ended: boolean;
  readonly picked: { readonly point: number; readonly command: string } | null;
  readonly points: readonly {
    readonly settings: object;
    readonly metrics: Readonly<
      Record<string, { readonly mean: number; readonly deviation: number | null }>
    > | null;
    readonly runs: readonly {
      readonly folder: string;
      readonly state: string;
      readonly error: string | null;
      readonly metrics: Readonly<Record<string, number>> | null;
    }[];
  }[];
}

const isWritten = (value: unknown): value is Written =>
  typeof value === 'object' && value !== null && 'points' in value && 'picked' in value;
function written(folder: string): Written {
  const value: unknown = JSON.parse(readFileSync(join(folder, 'sweep.json'), 'utf8'));
  if (!isWritten(value)) throw new Error('no sweep.json');
  return value;
}

const weights = (folder: string): Buffer => {
  const name = readFileSync(join(folder, 'checkpoints', 'last'), 'utf8').trim();
  return readFileSync(join(folder, 'checkpoints', name, 'model.safetensors'));
};
const short = ['trainer.epochs=2', 'trainer.summary=false'];

describe('a sweep', () => {
  const folder = join(root, 'whole');
  test('runs every point, each as it would be alone, and picks the best mean', async () => {
    const { code, err } = await run(swept(plan), [...short, '--run-dir', folder]);
    expect(code).toBe(0);
    expect(err).toContain('sweep of 4 points, 8 runs, in ');
    expect(err).toContain('run 8 of 8: lr=0.2 opt.momentum=0.5 trainer.seed=2');
    const { points, picked, ended } = written(folder);
    expect(ended).toBe(true);
    expect(points.map(({ settings }) => settings)).toEqual([
      { lr: 0.05, 'opt.momentum': 0 },
      { lr: 0.05, 'opt.momentum': 0.5 },
      { lr: 0.2, 'opt.momentum': 0 },
      { lr: 0.2, 'opt.momentum': 0.5 },
    ]);
    const alone = join(root, 'alone');
    const words = ['lr=0.2', 'opt.momentum=0', 'trainer.seed=2'];
    expect((await run(swept(plan), [...short, ...words, '--run-dir', alone])).err).not.toContain('sweep of');
    expect(weights(join(folder, 'point-3', 'run-2')).equals(weights(alone))).toBe(true);
    expect(weights(join(folder, 'point-3', 'run-1')).equals(weights(alone))).toBe(false);

    const losses = points.map(({ runs }) =>
      runs.map(({ metrics }) => metrics?.['validate.loss'] ?? Number.NaN),
    );
    for (const [at, own] of losses.entries()) {
      const [a = Number.NaN, b = Number.NaN] = own;
      expect(points[at]?.metrics?.['validate.loss']?.mean).toBeCloseTo((a + b) / 2, 12);
      expect(points[at]?.metrics?.['validate.loss']?.deviation).toBeCloseTo(Math.abs(a - b) / Math.SQRT2, 12);
    }
    const means = points.map(({ metrics }) => metrics?.['validate.loss']?.mean ?? Number.NaN);
    expect(picked?.point).toBe(means.indexOf(Math.min(...means)) + 1);
    expect(err).toMatch(
      /picked by min\(validate.loss\): point \d\nrun it: \.\/line\.mjs trainer\.epochs=2 .*--no-sweep\n/,
    );
    expect(err).toMatch(/ +point +lr +opt\.momentum +validate\.loss +validate\.rmse/);
    expect(readdirSync(folder).sort()).toEqual(['point-1', 'point-2', 'point-3', 'point-4', 'sweep.json']);
  });

  test('a second start finds everything done', async () => {
    const before = readFileSync(join(folder, 'sweep.json'), 'utf8');
    const { code, err } = await run(swept(plan), [...short, '--run-dir', folder]);
    expect([code, err.includes('8 done before'), err.includes('run 1 of 8')]).toEqual([0, true, false]);
    expect(err).toContain('; 8 done before\nnothing is left to do: all its runs are done\n');
    const allowed = await run(swept(plan), ['--resume', folder, '--allow', 'lr,data']);
    expect(allowed.err).toContain(
      'nothing is left to do: all its runs are done, and --allow lr,data changes none of them\n',
    );
    expect(readFileSync(join(folder, 'sweep.json'), 'utf8')).toBe(before);
  });

  test('is no run to test, and neither is a point of it: their runs are named', async () => {
    const point = join(folder, `point-${written(folder).picked?.point}`);
    const runs = [1, 2].map((each) => join(point, `run-${each}`)).join(', ');
    expect((await run(swept(plan), ['test', '--from', folder])).err).toContain(
      `is a sweep, not a run; give one of its runs: ${point.slice(-7).replace('-', ' ')} was picked, ${runs}\n`,
    );
    expect((await run(swept(plan), ['test', '--from', point])).err).toContain(
      `${point} is a point of a sweep, not a run; give one of its runs: ${runs}\n`,
    );
  });

  test('of other settings is refused', async () => {
    const { code, err } = await run(swept(plan), ['trainer.epochs=3', '--run-dir', folder]);
    expect(code).toBe(3);
    expect(err).toContain(
      'is a sweep with other settings (trainer.epochs=2; trainer.summary=false, now trainer.epochs=3); choose',
    );
    const other = addons.sweep({ over: [axis('lr', 0.05)], average: [], pick: plan.pick });
    expect((await run(swept(other), [...short, '--run-dir', folder])).err).toContain(
      'with other axes of over (lr: 0.05, 0.2; opt.momentum: 0, 0.5, now lr: 0.05)',
    );
    const changed = swept(plan);
    const externs = [{ path: 'corpus.ts', sha256: 'c0ffee00c0ffee00' }];
    Reflect.set(changed, 'spec', { ...changed.spec, externs });
    expect((await run(changed, [...short, '--run-dir', folder])).err).toContain(
      'with other code of externs (none, now corpus.ts c0ffee00c0ff)',
    );
  });

  test('names that are set are no axes any more', async () => {
    const words = [...short, 'lr=0.2', 'trainer.seed=1', '--dev-run', '1'];
    const { code, err } = await run(swept(plan), words);
    expect(code).toBe(0);
    expect(err).toContain('sweep of 2 points\n');
    expect(err).toContain('run 2 of 2: opt.momentum=0.5');
    // Figures of a step or two choose nothing.
    expect(err).toMatch(
      /2 runs of 2 finished in [\d.]+s\na dev run picks no point: validate.loss is that of a few steps\n$/,
    );
    expect(err).not.toMatch(/^>|picked by|run it/m);
    const single = await run(swept(plan), ['--no-sweep', '--dev-run', '1']);
    expect([single.code, single.err.includes('sweep')]).toEqual([0, false]);
  });
});

describe('going on', () => {
  test('a signal ends the sweep after its run was saved; the next start runs what is left', async () => {
    const folder = join(root, 'cut');
    const first = await run(swept(plan), [...short, '--run-dir', folder], 'run 2 of 8');
    expect(first.code).toBe(130);
    expect(first.err).toMatch(
      / {2}1 +0\.05 +0 +to go on \(1 of 2 runs done\)\n {2}2 +0\.05 +0\.5 +still to run\n/,
    );
    expect(first.err).toMatch(/1 run of 8 finished in [\d.]+s, 7 are left\nsweep: .*\ngo on: .*\n$/);
    expect(first.err).not.toContain('best so far');
    const cut = written(folder);
    expect(cut.ended).toBe(false);
    expect(cut.points.flatMap(({ runs }) => runs.map(({ state }) => state)).slice(0, 3)).toEqual([
      'finished',
      'interrupted',
      'open',
    ]);
    expect(existsSync(join(folder, 'point-1', 'run-2', 'checkpoints', 'last'))).toBe(true);

    const second = await run(swept(plan), [...short, '--run-dir', folder]);
    expect(second.code).toBe(0);
    expect(second.err).toContain('1 done before');
    expect(second.err).not.toContain('run 1 of 8');
    // What was cut off is kept beside the run that replaces it.
    expect(readdirSync(join(folder, 'point-1')).sort()).toEqual(['run-1', 'run-2', 'run-2.before-1']);
    const [whole, done] = [written(join(root, 'whole')), written(folder)];
    const losses = ({ points }: Written): unknown => points.map(({ metrics }) => metrics?.['validate.loss']);
    expect(losses(done)).toEqual(losses(whole));
  });

  test('what has finished no run has no time of runs', async () => {
    const { err } = await run(swept(plan), [...short, '--run-dir', join(root, 'none')], 'run 1 of 8');
    expect(err).toContain('\n0 runs of 8 finished, 8 are left\n');
  });

  test('a run is its settings and what it came to; all that it says is in its log, and shown where the lines are asked for', async () => {
    const two = { ...plan, over: [axis('lr', 0.05, 0.2)], average: [] };
    const brief = await run(swept(two), [...short, '--run-dir', join(root, 'brief')]);
    expect(brief.err).toMatch(
      /\nrun 1 of 2: lr=0.05\n {2}validate.loss \S+ in \S+s\nrun 2 of 2: lr=0.2\n {2}validate.loss \S+ in \S+s\n {2}point/,
    );
    const { metrics } = written(join(root, 'brief')).points[0]?.runs[0] ?? { metrics: null };
    const loss = metrics?.['validate.loss'] ?? Number.NaN;
    expect(brief.err).toContain(`\n  validate.loss ${loss.toPrecision(4)} in `);
    const said = readFileSync(join(root, 'brief', 'point-1', 'console.log'), 'utf8');
    expect(said).toMatch(/^LineTrainer on [^]*writing to [^]*\nepoch 1\/2 [^]*\nfinished after 10 steps/);
    const full = await run(swept(two), [...short, 'trainer.progress=plain', '--run-dir', join(root, 'full')]);
    const run1 = full.err.slice(full.err.indexOf('run 1 of 2'), full.err.indexOf('run 2 of 2'));
    expect(run1).toMatch(/writing to [^]*\nepoch 1\/2 [^]*\nfinished after 10 steps/);
    expect(run1).not.toMatch(/^ {2}validate.loss/m);
  });

  test('what is best so far is no pick yet', async () => {
    const folder = join(root, 'later');
    const { err } = await run(swept(plan), [...short, '--run-dir', folder], 'run 5 of 8');
    expect(err).toMatch(
      /, 4 are left\nbest so far by min\(validate.loss\): point [12]; a point is picked once all runs are done\nsweep: /,
    );
    expect(err).not.toMatch(/^>|picked by|run it:/m);
    expect(written(folder)).toMatchObject({ ended: false, picked: null });
  });

  test.each([
    ['before its run has begun', 'run 2 of 8', /run 2 of 8: [^\n]*\n/],
    ['in its run', 'writing to', /\nended at once by SIGINT: nothing of it was saved\n/],
  ])('a second signal %s says last how the sweep goes on', async (_name, at, said) => {
    const folder = join(root, `twice-${at.replaceAll(' ', '-')}`);
    // Where every run says all that it would say alone.
    const { last } = await run(swept(plan), [...short, 'trainer.progress=plain', '--run-dir', folder], at, 2);
    expect(last).toMatch(said);
    const place = at === 'writing to' ? 'run 1 of 8' : at;
    expect(
      last.endsWith(`\nSIGINT ended the sweep in ${place}\ngo on: ./line.mjs --resume ${folder}\n`),
    ).toBe(true);
  });

  const kept = { every: steps(2), keep: 20 };

  /** A sweep of 8 runs that was killed in its fourth, after step 6 of 10. */
  function kill(folder: string): void {
    cpSync(join(root, 'uncut'), folder, { recursive: true });
    for (const later of ['point-3', 'point-4']) rmSync(join(folder, later), { recursive: true });
    const run4 = join(folder, 'point-2', 'run-2');
    rmSync(join(run4, 'summary.json'));
    for (const name of ['step-00000008', 'step-00000010'])
      rmSync(join(run4, 'checkpoints', name), { recursive: true });
    writeFileSync(join(run4, 'checkpoints', 'last'), 'step-00000006\n');
    unsaid(run4);
    const path = join(folder, 'sweep.json');
    const about: unknown = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...Object(about), ended: false }));
  }

  const withoutTimes = (folder: string): unknown =>
    JSON.parse(readFileSync(join(folder, 'sweep.json'), 'utf8'), (key, value: unknown) =>
      key === 'seconds' ? null : value,
    );

  test('a sweep that was killed goes on in the run it was in, and comes to the same', async () => {
    const uncut = join(root, 'uncut');
    expect((await run(swept(plan, kept), [...short, '--run-dir', uncut])).code).toBe(0);
    const folder = join(root, 'killed');
    kill(folder);
    const first = statSync(join(folder, 'point-1', 'run-1', 'summary.json')).mtimeMs;
    // What it was started with need not be said again.
    const { code, err } = await run(swept(plan, kept), ['--resume', 'auto', '--run-dir', folder]);
    expect(code).toBe(0);
    expect(err).toContain('; 3 done before');
    expect(err).not.toContain('run 3 of 8');
    expect(err).toMatch(
      /run 4 of 8: .*\n[^]*goes on after step 6, from .*point-2.run-2.checkpoints.step-00000006/,
    );
    expect(err.match(/goes on after step/g)).toHaveLength(1);
    expect(statSync(join(folder, 'point-1', 'run-1', 'summary.json')).mtimeMs).toBe(first);
    for (const each of ['point-2/run-2', 'point-4/run-1'])
      expect(weights(join(folder, each)).equals(weights(join(uncut, each)))).toBe(true);
    expect(readdirSync(join(folder, 'point-2')).sort()).toEqual(['run-1', 'run-2']);
    expect(withoutTimes(folder)).toEqual(withoutTimes(uncut));
  });

  test('the newest that was left, by auto and by the spec; by its folder; and not otherwise', async () => {
    const before = process.cwd();
    const place = join(root, 'place');
    mkdirSync(join(place, 'runs', 'LineTrainer'), { recursive: true });
    process.chdir(place);
    try {
      const left = 'runs/LineTrainer/20260101-000000-aaaa-sweep';
      for (const [how, trainer] of [
        [['--resume=auto'], swept(plan, kept)],
        [[], swept(plan, { ...kept, resume: 'auto' })],
        [[`--resume=${left}`], swept(plan, kept)],
        [[`--resume=${left}`, '--run-dir', left, 'trainer.epochs=2'], swept(plan, kept)],
      ] as const) {
        kill(left);
        const { code, err } = await run(trainer, how, 'run 4 of 8');
        expect(err).toContain(`sweep of 4 points, 8 runs, in ${left}; 3 done before`);
        expect(err).toContain(`go on: ./line.mjs --resume ${left}`);
        expect(code).toBe(130);
        rmSync(left, { recursive: true });
      }
      kill(left);
      const refusals: readonly (readonly [readonly string[], number, string])[] = [
        [[`--resume=${left}`, '--allow', 'lrr'], 2, '--allow lrr: a run has no such thing; did you mean lr?'],
        [[`--resume=${left}`, '--no-sweep'], 2, 'is a sweep, --no-sweep is a single run'],
        [[`--resume=${left}`, '--run-dir=elsewhere'], 2, 'are two sweeps'],
        [[`--resume=${left}`, 'trainer.epochs=3'], 3, 'is a sweep with other settings'],
        [[`--resume=${left}`, '--dev-run'], 2, 'a dev run writes nothing'],
      ];
      for (const [words, code, message] of refusals) {
        const refused = await run(swept(plan, kept), words);
        expect([refused.code, refused.err]).toEqual([code, expect.stringContaining(message)]);
      }
      rmSync(left, { recursive: true });
      const { err } = await run(swept(plan, kept), ['--resume=auto', ...short], 'run 1 of 8');
      expect(err).toContain(
        'no sweep was left to go on with in runs/LineTrainer: a new one; a sweep that has a --run-dir of its own goes on where that is named: --resume DIR\n',
      );
    } finally {
      process.chdir(before);
    }
  });

  test('a spec of another text that means the same is the same sweep, and its runs are the same runs', async () => {
    const spec = (about: object): TrainerClass => {
      const trainer = swept(plan, kept);
      Reflect.set(trainer, 'spec', { ...trainer.spec, ...about });
      return trainer;
    };
    const folder = join(root, 'reworded');
    const cut = await run(spec({ tokensSha256: 'aa' }), [...short, '--run-dir', folder], 'run 2 of 8');
    expect(cut.code).toBe(130);
    const text = '// a remark\ntrainer LineTrainer {}';
    const reworded = { sha256: '01', files: [{ path: 'line.ztrain', text }] };
    for (const other of [{}, { tokensSha256: 'bb' }])
      expect((await run(spec({ ...reworded, ...other }), ['--resume', folder])).err).toContain(
        'is a sweep with another spec (00, now 01)',
      );
    const { code, err } = await run(
      spec({ ...reworded, tokensSha256: 'aa' }),
      ['--resume', folder],
      'run 3 of 8',
    );
    expect(err).toContain('the spec has another text that means the same');
    expect(err).toContain('goes on after step');
    expect(code).toBe(130);
  });

  test('a run that fails is told of, the others go on, and the exit code says so', async () => {
    const folder = join(root, 'failing');
    const failing = addons.sweep({
      over: [axis('rows', 12, 2, 16)],
      average: [],
      pick: addons.max('validate.loss'),
    });
    const { code, err } = await run(swept(failing), [...short, '--run-dir', folder]);
    expect(code).toBe(3);
    expect(err).toContain(
      'error: a batch is more than the data: batch_size <= rows, got rows = 2, batch_size = 4',
    );
    expect(err).toMatch(/2 +2 +failed \(1 of 1\)/);
    expect(err).toContain('point 2 is not picked: its run failed');
    expect(err).toContain('error: 1 of 3 runs failed; --run-dir ');
    const { points, picked } = written(folder);
    expect(points.map(({ runs }) => runs[0]?.state)).toEqual(['finished', 'failed', 'finished']);
    expect(points[1]?.metrics).toBeNull();
    expect([1, 3]).toContain(picked?.point);
    const again = await run(swept(failing), [...short, '--run-dir', folder]);
    expect(again.err).toContain('2 done before');
    expect(again.code).toBe(3);
  });

  test('what is not finite in a run is no point to pick; why, and the exit code where none is left', async () => {
    const seeds = [axis('trainer.seed', 1, 2)];
    const some = addons.sweep({
      over: [axis('lr', 0.05, 1e30)],
      average: seeds,
      pick: addons.min('validate.loss'),
    });
    const ignoring = ['trainer.on_nan=ignore', ...short, '--run-dir'];
    const mixed = await run(swept(some), [...ignoring, join(root, 'mixed')]);
    expect(mixed.code).toBe(0);
    expect(mixed.err).toContain('picked by min(validate.loss): point 1');
    expect(mixed.err).toMatch(/2 +1e\+30 +(NaN|Infinity) \(2 of 2 runs\)/);
    expect(mixed.err).toMatch(
      /point 2 is not picked: validate\.loss is (NaN|Infinity) in 2 of its 2 runs \(trainer\.seed=1, trainer\.seed=2\)/,
    );
    const all = addons.sweep({ over: [axis('lr', 1e30, 1e32)], pick: addons.min('validate.loss') });
    const none = await run(swept(all), [...ignoring, join(root, 'none-finite')]);
    expect(none.code).toBe(3);
    expect(none.err).toMatch(/point 1 is not picked: validate\.loss is (NaN|Infinity)\n/);
    expect(none.err).toMatch(/point 2 is not picked: validate\.loss is (NaN|Infinity)\n/);
    expect(none.err).toContain(
      'error: no point can be picked by min(validate.loss): none has a finite validate.loss in all its runs',
    );
    expect(written(join(root, 'none-finite')).picked).toBeNull();
    // All is done, and still there is none.
    expect((await run(swept(all), [...ignoring, join(root, 'none-finite')])).code).toBe(3);
    // A dev run picks none anyway.
    const trial = await run(swept(all), ['trainer.on_nan=ignore', ...short, '--dev-run', '1']);
    expect(trial.code).toBe(0);
  });

  test('a folder with other files, or in use, is left alone', async () => {
    const other = join(root, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'notes.txt'), '');
    expect((await run(swept(plan), [...short, '--run-dir', other])).err).toContain(
      'holds other files (notes.txt)',
    );
    const used = join(root, 'used');
    mkdirSync(used);
    const claim = lockFolder(used);
    expect((await run(swept(plan), [...short, '--run-dir', used])).err).toContain(
      `is being written by process ${process.pid}`,
    );
    claim.release();
    const one = addons.sweep({ over: [axis('lr', 0.1)], average: [], pick: plan.pick });
    expect((await run(swept(one), [...short, '--run-dir', used])).code).toBe(0);
  });
});

test('a run that keeps its best checkpoint is known by what that measured', async () => {
  const folder = join(root, 'best');
  // Too large a step: the loss grows, and the first validation is the best.
  const one = addons.sweep({ over: [axis('lr', 1.3)], average: [], pick: plan.pick });
  const kept = swept(one, { best: addons.min('validate.loss') });
  expect((await run(kept, ['trainer.epochs=3', '--run-dir', folder])).code).toBe(0);
  const summary: unknown = JSON.parse(readFileSync(join(folder, 'point-1', 'summary.json'), 'utf8'));
  const own = written(folder).points[0]?.runs[0]?.metrics?.['validate.loss'];
  expect(summary).toMatchObject({ best: [{ value: own }] });
  expect(summary).not.toMatchObject({ metrics: { 'validate.loss': own } });
});

test('points that end by their time are finished, ranked by their last measurement, and not run again', async () => {
  const folder = join(root, 'timed');
  const timed = addons.sweep({
    over: [axis('lr', 1e-6, 0.1), axis('batch_size', 2, 4)],
    average: [],
    pick: addons.min('validate.loss'),
  });
  class Timed extends swept(timed) {
    static override readonly spec = {
      ...LineTrainer.spec,
      sweep: timed,
      options: { seed: 1, maxTime: seconds(0.25), logEvery: steps(1_000_000) },
    };
  }
  const { code, err } = await run(Timed, ['trainer.summary=false', '--run-dir', folder]);
  expect(code).toBe(0);
  const { points, picked, ended } = written(folder);
  expect([ended, points.length]).toEqual([true, 4]);
  for (const [at, point] of points.entries()) {
    const own = point.runs[0];
    expect(own?.state).toBe('finished');
    const said: unknown = JSON.parse(readFileSync(join(folder, own?.folder ?? '', 'summary.json'), 'utf8'));
    expect(said).toMatchObject({ reason: 'out-of-time', because: null, signal: null });
    const {
      steps: taken,
      seconds: took,
      metrics,
    } = said as Record<'steps' | 'seconds', number> & {
      readonly metrics: Readonly<Record<string, number>>;
    };
    expect(took).toBeGreaterThanOrEqual(0.25);
    expect(taken).toBeGreaterThan(0);
    // What is ranked was measured when the time was over: at the last step, wherever in an epoch that is.
    const lines = readFileSync(join(folder, own?.folder ?? '', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n');
    const last = lines.map((line) => JSON.parse(line) as Record<string, unknown>).at(-1);
    expect(last).toMatchObject({ stage: 'validate', step: taken });
    expect(metrics['validate.loss']).toBe(last?.['loss']);
    expect(points[at]?.metrics?.['validate.loss']?.mean).toBe(last?.['loss']);
  }
  const means = points.map(({ metrics }) => metrics?.['validate.loss']?.mean ?? Number.NaN);
  expect(picked?.point).toBe(means.indexOf(Math.min(...means)) + 1);
  // Those that hardly learn are no match for the others.
  expect([3, 4]).toContain(picked?.point);
  expect(err).toMatch(/4 runs of 4 finished in \S/);
  const again = await run(Timed, ['trainer.summary=false', '--run-dir', folder]);
  expect([again.code, again.err.includes('4 done before'), again.err.includes('run 1 of')]).toEqual([
    0,
    true,
    false,
  ]);
}, 60_000);

describe('values', () => {
  test('combinations, the last axis first', () => {
    const texts = combinations([axis('a', 1, 2), axis('b', 3, 4)]).map((point) =>
      point.map(({ text }) => text).join(),
    );
    expect(texts).toEqual(['1,3', '1,4', '2,3', '2,4']);
    expect(combinations([])).toEqual([[]]);
  });
  test('as a command line takes them', () => {
    expect([1e-4, 1e-7, true, 'a b', null, steps(500)].map(settingText)).toEqual([
      '0.0001',
      '1e-7',
      'true',
      'a b',
      'none',
      '500.steps',
    ]);
    expect(settingText({ unit: 'time', value: 60 })).toBe('60.seconds');
  });
  test('mean and deviation of a sample', () => {
    expect(spreadOf([1, 2, 3, 4])).toEqual({ mean: 2.5, deviation: Math.sqrt(5 / 3) });
    expect(spreadOf([7])).toEqual({ mean: 7, deviation: null });
    expect(spreadOf([])).toBeNull();
  });
  test('what is set is no axis', () => {
    expect(unfixed(plan, new Set(['lr', 'trainer.seed'])).over.map(({ name }) => name)).toEqual([
      'opt.momentum',
    ]);
  });
});

test('in a narrow terminal each point says its figure, by words; in a wider one the table does', () => {
  const picks = addons.sweep({
    over: [axis('lr', 0.05, 0.2), axis('opt.momentum', 0)],
    average: [axis('trainer.seed', 1, 2)],
    pick: addons.min('validate.loss'),
  });
  const runs = [0.5, 0.25, 0.125, 0.25].map((loss, at): PointRun => {
    const point = Math.floor(at / 2);
    const [settings = []] = combinations(picks.over).slice(point);
    const metrics = new Map([['validate.loss', loss]]);
    return {
      point,
      settings,
      name: String(at),
      state: 'finished',
      summary: { metrics, seconds: 1 },
      error: null,
    };
  });
  expect(tableLines(picks, runs, 80, false)).toEqual([
    '  point    lr  opt.momentum     validate.loss',
    '  1      0.05             0   0.3750 ± 0.1768',
    '> 2       0.2             0  0.1875 ± 0.08839',
  ]);
  const narrow = tableLines(picks, runs, 40, false);
  expect(narrow).toEqual([
    '  point 1  lr=0.05  opt.momentum=0',
    '  validate.loss 0.3750 ± 0.1768',
    '> point 2  lr=0.2  opt.momentum=0',
    '  validate.loss 0.1875 ± 0.08839',
  ]);
  expect(tableLines(picks, runs, 20, false).slice(0, 4)).toEqual([
    '  point 1  lr=0.05',
    '  opt.momentum=0',
    '  validate.loss',
    '    0.3750 ± 0.1768',
  ]);
  const open = runs.map((each, at): PointRun => (at > 1 ? { ...each, state: 'open', summary: null } : each));
  expect(tableLines(picks, open, 40, false).slice(2)).toEqual([
    '  point 2  lr=0.2  opt.momentum=0',
    '  still to run',
  ]);
});
