/** Options of a program without types: what TypeScript would refuse is refused before anything is read or written. */
import { expect, test } from 'vitest';
import { optionTable } from '../../src/values/options.gen.js';
import * as units from '../../src/values/units.js';
import { run, Saving } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer, setup } from './tiny-trainer.js';

workInFolder('option-check');

/** As JavaScript sees it. */
const untyped = (options: object): object => ({ ...options });

test.each([
  [{ epoch: 5 }, 'a trainer has no option "epoch"; did you mean epochs?'],
  [{ on_nan: 'skip' }, 'a trainer has no option "on_nan"; did you mean onNan?'],
  [{ onNan: 'skpi' }, 'on_nan takes one of "stop", "skip", "ignore", got "skpi"'],
  [{ logEvery: units.epochs(1) }, 'log_every takes steps, e.g. 5.steps, got 1 epochs'],
  [{ logEvery: 50 }, 'log_every takes steps, e.g. 5.steps, got 50'],
  [{ maxTime: 60 }, 'max_time takes time, e.g. 10.minutes, or null, got 60'],
  [{ epochs: '3' }, 'epochs takes a whole number, or null, got "3"'],
  [{ accumulate: null }, 'accumulate takes a whole number, got null'],
  [{ detectAnomaly: 1 }, 'detect_anomaly takes true or false, got 1'],
  [{ summary: 'yes' }, 'summary takes true or false, or a whole number, got "yes"'],
  [{ limit: { trian: units.batches(2) } }, 'limit has no part "trian"; did you mean train?'],
  [
    { limit: { test: units.steps(2) } },
    'limit.test takes batches or percent, e.g. 5.batches, or null, got 2 steps',
  ],
  [{ limit: 3 }, 'limit takes an object, got 3'],
  [{ precision: 'fp16' }, 'precision takes one of'],
])('%j', (options, message) => {
  expect(() => new LineTrainer(setup({}, untyped(options)))).toThrow(message);
});

test('undefined is as if it were not there, and null where it means something', () => {
  const options = { epochs: null, steps: 3, onNan: undefined, limit: { train: null }, runDir: null };
  expect(new LineTrainer(setup({}, untyped(options))).options).toMatchObject({ steps: 3, onNan: 'stop' });
});

test('each option that is built has its kind looked at', () => {
  const declared = (optionTable.get('trainer/options') ?? []).filter(
    ({ later, type, name }) => !later && type !== null && !name.includes('.'),
  );
  expect(declared.length).toBeGreaterThan(15);
  for (const { key, name } of declared)
    expect(() => new LineTrainer(setup({}, untyped({ [key]: [] }))), name).toThrow(`${name} takes `);
});

test('options of its methods', async () => {
  expect((await run(['--run-dir=done', 'trainer.epochs=1'], Saving)).code).toBe(0);
  const trainer = new Saving();
  await expect(trainer.fit(untyped({ rundir: 'elsewhere' }))).rejects.toThrow(
    'fit has no option "rundir"; did you mean runDir?',
  );
  expect(() => trainer.byHand(untyped({ devrun: 3 }))).toThrow('byHand has no option "devrun"');
  await expect(trainer.test('done', untyped({ tabel: 1 }))).rejects.toThrow('did you mean table?');
  await expect(trainer.validate('done', untyped({ row: 1 }))).rejects.toThrow('did you mean rows?');
  await expect(trainer.predict('done', () => undefined, untyped({ Engine: 1 }))).rejects.toThrow(
    'did you mean engine?',
  );
});
