/** Sweeps of which a run that has ended does not say what it came to: its `summary.json` is gone, empty or cut. */
import { cpSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import type { TrainerClass } from '../../src/runtime/trainer/trainer.js';
import { steps } from '../../src/values/units.js';
import { filesIn, run } from './killed-runs.js';
import { metricsLines } from './metrics-lines.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer } from './tiny-trainer.js';

workInFolder('sweep-damaged');

const swept = (addOns: readonly AddOn[]): TrainerClass =>
  class extends LineTrainer {
    static override readonly spec = {
      ...LineTrainer.spec,
      sweep: addons.sweep({
        over: [addons.axis({ name: 'lr', values: [0.05, 0.2] })],
        average: [],
        pick: addons.min('validate.loss'),
      }),
    };
    protected override configureAddOns(): readonly AddOn[] {
      return addOns;
    }
  };

const best = addons.min('validate.loss');
const saving = swept([addons.checkpoint({ every: steps(2), keep: 20, best })]);
const early = swept([
  addons.checkpoint({ every: steps(2), keep: 20, best }),
  addons.earlyStopping({ monitor: addons.max('validate.loss'), patience: 1 }),
]);
const weightsOnly = swept([addons.checkpoint({ every: steps(2), best, weightsOnly: true })]);

const json = (...path: readonly string[]): unknown =>
  JSON.parse(readFileSync(join(...path), 'utf8'), (key, value: unknown) =>
    /^seconds$|PerSecond$|^resumes$|^checkpoints$/.test(key) ? null : value,
  );
const metrics = (folder: string): string => readFileSync(join(folder, 'metrics.jsonl'), 'utf8');

beforeAll(async () => {
  for (const [name, trainer] of Object.entries({ saving, early, weightsOnly }))
    expect((await run([`--run-dir=${name}`], trainer)).code).toBe(0);
});

const damages: readonly (readonly [what: string, make: (file: string) => void, told: string])[] = [
  ['empty', (file) => truncateSync(file, 0), 'is damaged: it is empty'],
  ['cut', (file) => truncateSync(file, statSync(file).size - 40), 'is damaged: '],
  ['zeros', (file) => writeFileSync(file, Buffer.alloc(300)), 'is damaged: '],
  ['no summary', (file) => writeFileSync(file, '[1]'), 'is damaged: it is no summary'],
  ['gone', (file) => rmSync(file), ''],
];

test('a run that was out of time is not trained further for want of its summary', async () => {
  const words = [
    '--run-dir=timed',
    'trainer.epochs=none',
    'trainer.steps=none',
    'trainer.max_time=0.3.seconds',
  ];
  expect(await run(words, LineTrainer)).toMatchObject({ code: 0 });
  const [lines, summary] = [metricsLines('timed'), json('timed', 'summary.json')];
  expect(summary).toMatchObject({ reason: 'out-of-time' });
  rmSync(join('timed', 'summary.json'));
  const again = await run(['--resume=timed'], LineTrainer);
  expect(again).toMatchObject({ code: 0 });
  expect(again.text).toContain('it is written again');
  expect(metricsLines('timed')).toEqual(lines);
  expect(json('timed', 'summary.json')).toEqual(summary);
});

describe.each(damages)('a summary.json that is %s', (what, damage, told) => {
  test.each([
    ['saving', [], saving],
    ['saving', ['--resume=auto'], saving],
    ['early', ['--resume=auto'], early],
  ] as const)('is written again from the last checkpoint (%s, %j)', async (name, words, trainer) => {
    const folder = `${name}-${what.replace(' ', '-')}${words.length}`;
    cpSync(name, folder, { recursive: true });
    const point = join(folder, 'point-2');
    const other = filesIn(join(folder, 'point-1'));
    damage(join(point, 'summary.json'));
    const { code, text } = await run([`--run-dir=${folder}`, ...words], trainer);
    if (told !== '') {
      expect(text).toContain(`${join(folder, 'point-2', 'summary.json')} ${told}`);
      expect(text).toContain('; point-2 is not taken for done\n');
    }
    expect(text).toContain(`summary.json ${told === '' ? 'is gone' : told}`);
    expect(text).toContain('; it is written again');
    expect(text).toContain('; 1 done before');
    expect(code).toBe(0);
    expect(json(point, 'summary.json')).toEqual(json(name, 'point-2', 'summary.json'));
    expect(json(folder, 'sweep.json')).toEqual(json(name, 'sweep.json'));
    expect(metrics(point)).toBe(metrics(join(name, 'point-2')));
    expect(filesIn(join(folder, 'point-1'))).toEqual(other);
    expect(existsSync(`${point}.before-1`)).toBe(false);
    // As if nothing had been.
    expect((await run([`--run-dir=${folder}`, ...words], trainer)).text).toContain('nothing is left to do');
  });
});

test('one with nothing to go on from is trained again, and what it was is kept', async () => {
  cpSync('weightsOnly', 'again', { recursive: true });
  truncateSync('again/point-2/summary.json', 10);
  const files = filesIn('again/point-2').map((line) => line.replace('point-2/', 'point-2.before-1/'));
  const { code, text } = await run(['--run-dir=again'], weightsOnly);
  expect(text).toContain(
    'point-2 had ended, with nothing to go on from, and is trained again: what it was is again/point-2.before-1 now',
  );
  expect(code).toBe(0);
  expect(filesIn('again/point-2.before-1')).toEqual(files);
  expect(json('again', 'sweep.json')).toEqual(json('weightsOnly', 'sweep.json'));
});

test('a single run writes it again too', async () => {
  const single = ['--no-sweep', 'lr=0.05'];
  expect((await run(['--run-dir=single', ...single], saving)).code).toBe(0);
  const whole = json('single', 'summary.json');
  truncateSync('single/summary.json', 7);
  const { code, text } = await run(['--resume=single', ...single], saving);
  expect(text).toMatch(/single\/summary\.json is damaged: .*; it is written again\n/);
  expect(code).toBe(0);
  expect(json('single', 'summary.json')).toEqual(whole);
  expect((await run(['--resume=single', ...single], saving)).text).toContain('nothing is left to do');
});
