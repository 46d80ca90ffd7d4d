/** What a process leaves that is killed while it writes what a run or a sweep is, and what an export or a prediction leaves. */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import { exportWeights } from '../../src/runtime/checkpoint/export.js';
import { writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import { idleHost } from '../../src/runtime/trainer/live-add-ons.js';
import { bundledProgram } from './bundled-program.js';
import { contents } from './checkpoint-contents.js';
import { run, Saving } from './killed-runs.js';
import { LineTrainer } from './tiny-trainer.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-left-'));
let before = '';
let program = '';
beforeAll(async () => {
  before = process.cwd();
  process.chdir(root);
  program = await bundledProgram('folder-program');
});
afterAll(() => {
  process.chdir(before);
  rmSync(root, { recursive: true, force: true });
  rmSync(program, { force: true });
});

const temporaries = (folder: string): readonly string[] =>
  readdirSync(folder).filter((name) => name.includes('.tmp-') && !name.startsWith('.lock'));

/** Kills a process with SIGKILL while it writes `run.json` or `sweep.json` for the first time. */
async function killedIn(kind: 'run' | 'sweep', folder: string): Promise<void> {
  const child = spawn(process.execPath, [program, kind, folder], { stdio: 'inherit' });
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  while (child.exitCode === null && (!existsSync(folder) || temporaries(folder).length === 0)) await wait(1);
  child.kill('SIGKILL');
  await closed;
  expect(temporaries(folder)).toHaveLength(1);
  expect(existsSync(join(folder, `${kind}.json`))).toBe(false);
}

class Sweeping extends LineTrainer {
  static override readonly spec = {
    ...LineTrainer.spec,
    sweep: addons.sweep({
      over: [addons.axis({ name: 'lr', values: [0.05, 0.2] })],
      pick: addons.min('validate.loss'),
    }),
  };
}

test('a run that is killed while it first says what it is can be started again, by auto', async () => {
  await killedIn('run', 'mine');
  expect(readdirSync('mine')).toEqual(expect.arrayContaining(['metrics.jsonl', 'console.log']));
  const { code, text } = await run(['--run-dir=mine', '--resume', 'auto']);
  expect(text).toContain('nothing was left to go on with in mine: a new run');
  expect(code).toBe(0);
  expect(temporaries('mine')).toEqual([]);
  expect(temporaries('mine.before-1')).toHaveLength(1);
  expect(JSON.parse(readFileSync('mine/run.json', 'utf8')).reason).toBe('finished');
});

test.each([[['--resume', 'auto']], [[]]])('so can a sweep, with %j', async (words) => {
  const folder = `swept-${words.length}`;
  await killedIn('sweep', folder);
  const { code } = await run([`--run-dir=${folder}`, 'trainer.epochs=1', ...words], Sweeping);
  expect(code).toBe(0);
  expect(temporaries(folder)).toEqual([]);
  expect(JSON.parse(readFileSync(join(folder, 'sweep.json'), 'utf8')).ended).toBe(true);
});

test('a run that goes on sweeps what another start of it left, and nothing of others', async () => {
  class Stopped extends Saving {}
  expect((await run(['--run-dir=again', 'trainer.epochs=1'], Stopped)).code).toBe(0);
  const gone = 'tmp-1073741824-00000000aa';
  for (const name of ['run.json', 'summary.json', 'trace.json']) writeFileSync(`again/${name}.${gone}`, '');
  for (const name of [`thesis.md.${gone}`, `run.json.tmp-${process.ppid}-00000000aa`])
    writeFileSync(join('again', name), '');
  const words = ['--resume=again', 'trainer.epochs=2', '--allow=epochs'];
  const { code, text } = await run(words, Stopped);
  expect(text).toContain('goes on after step 5');
  expect(code).toBe(0);
  expect(temporaries('again').toSorted()).toEqual([
    `run.json.tmp-${process.ppid}-00000000aa`,
    `thesis.md.${gone}`,
  ]);
});

/** What others left beside a file, by name: which is swept. */
function leave(path: string): Readonly<Record<'swept' | 'kept', readonly string[]>> {
  const dead = `${path}.tmp-1073741824-00000000`;
  const all = {
    swept: [`${dead}aa`, `${dead}ab`],
    kept: [`${dead}ac`, `${path}.tmp-${process.ppid}-00000000aa`, `other-${path}.tmp-1073741824-00000000aa`],
  };
  const [folder = ''] = all.swept;
  mkdirSync(folder);
  writeFileSync(join(folder, 'shard'), '');
  const old = new Date(Date.now() - 700_000);
  for (const each of [...all.swept.slice(1), ...all.kept]) writeFileSync(each, '');
  // One was touched just now: another machine may be at work on it.
  for (const each of [...all.swept, ...all.kept.slice(1)]) utimesSync(each, old, old);
  return all;
}

test('an export sweeps what one of the same name left', async () => {
  const from = await writeCheckpoint('exported', contents(1));
  for (const [to, path] of [
    ['npz', 'weights.npz'],
    ['tfjs', 'weights'],
  ] as const) {
    const { swept, kept } = leave(path);
    await exportWeights(from, to, path);
    expect(swept.filter((each) => existsSync(each))).toEqual([]);
    expect(kept.filter((each) => !existsSync(each))).toEqual([]);
  }
});

test('so do predictions', async () => {
  const { swept, kept } = leave('rows.csv');
  const trainer = new LineTrainer({ params: {}, options: { epochs: 1, progress: 'none' } });
  const { session } = await trainer.prepare({ kinds: ['predict'], dataRoot: '.' });
  const quiet = { line: () => undefined, columns: () => 80 } as unknown as Parameters<typeof idleHost>[1];
  const hooks = addons.predictions({ file: 'rows.csv' }).start(idleHost(session, quiet));
  await hooks.predicted?.(
    new Map([['guess', { dtype: 'f32', shape: [1], values: Float32Array.of(1) }]]),
    'predict',
  );
  await hooks.predictEnd?.();
  await session.close();
  expect(swept.filter((each) => existsSync(each))).toEqual([]);
  expect(kept.filter((each) => !existsSync(each))).toEqual([]);
  expect(readFileSync('rows.csv', 'utf8')).toContain('guess');
});

test('rows of a validation sweep what their own file left, and beside a file elsewhere only what is old', async () => {
  const trainer = new LineTrainer({ params: {}, options: { epochs: 1, progress: 'none' } });
  const { session } = await trainer.prepare({ kinds: ['predict'], dataRoot: '.' });
  const quiet = { line: () => undefined, columns: () => 80 } as unknown as Parameters<typeof idleHost>[1];
  const gone = 'tmp-1073741824-00000000aa';
  for (const folder of ['live-run', 'live-run/out', 'elsewhere']) mkdirSync(folder);
  const left = ['rows.validate.csv', 'thesis.md', 'run.json'].map((name) => `${name}.${gone}`);
  for (const folder of ['live-run', 'live-run/out', 'elsewhere'])
    for (const name of left) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'data'), '');
    }
  const folder = resolve('live-run');
  for (const [file, where, swept] of [
    ['rows.csv', 'live-run', true],
    ['out/rows.csv', 'live-run/out', true],
    ['../elsewhere/rows.csv', 'elsewhere', false],
    [resolve('elsewhere', 'rows.csv'), 'elsewhere', false],
  ] as const) {
    const hooks = addons
      .predictions({ file })
      .start({ ...idleHost(session, quiet), folder, outputs: folder });
    await hooks.evaluated?.(
      'validate',
      new Map([['guess', { dtype: 'f32', shape: [1], values: Float32Array.of(1) }]]),
    );
    await hooks.evaluateEnd?.('validate');
    expect(readFileSync(join(where, 'rows.validate.csv'), 'utf8')).toContain('guess');
    expect(temporaries(where).toSorted()).toEqual((swept ? left.slice(1) : left).toSorted());
  }
  await session.close();
});
