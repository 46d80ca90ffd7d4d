/** Rows that validate and test steps return: which files they are written to, when those are replaced, and by what. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { AddOn, Hooks } from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import { csvLines } from '../../src/runtime/addons/predictions.js';
import { main, type MainIo } from '../../src/runtime/main.js';
import * as ops from '../../src/runtime/ops/index.js';
import { Control } from '../../src/runtime/trainer/control.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import type { Outputs } from '../../src/runtime/trainer/stage.js';
import * as units from '../../src/values/units.js';
import { LineTrainer, type LineData, type Row } from './tiny-trainer.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-rows-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const quiet = { options: { progress: 'none' } } as const;

/** Returns its guesses in validations and tests, and the labels beside them. */
class Returning extends LineTrainer {
  protected override configureSteps(from: LineData) {
    return [
      steps.train('train', [from.train], (batch) => this.trainStep(batch)),
      steps.validate('held', [from.test], { every: units.epochs(1) }, (batch) => this.guesses(batch)),
      steps.test('test', [from.test], (batch) => this.guesses(batch)),
      steps.predict('predict', [from.test], (batch) => ({ guess: this.models.line.call(batch.x) })),
    ];
  }

  guesses(batch: Row) {
    this.validateStep(batch);
    return { guess: this.models.line.call(batch.x), y: batch.y };
  }
}

const hooked = (kind: string, hooks: Hooks): AddOn => {
  const made: AddOn = {
    kind,
    phase: 'dependent',
    owns: [],
    withOptions: () => made,
    start: () => hooks,
  };
  return made;
};

const linesOf = (file: string): readonly string[] => readFileSync(file, 'utf8').trim().split('\n');

/** What a test of that run's weights gives to a caller who takes the rows. */
async function testedRows(runDir: string): Promise<readonly string[]> {
  const rows: string[] = [];
  const take = (step: string, part: Outputs): void => {
    expect(step).toBe('test');
    rows.push(...csvLines(part));
  };
  await new Returning(quiet).test(runDir, { rows: take });
  return rows;
}

/** A command line's surroundings, and what it writes there. */
function listening() {
  const out: string[] = [];
  const err: string[] = [];
  const io: Partial<MainIo> = {
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    environment: {},
    onSignal: () => () => undefined,
  };
  return { io, out, err };
}

describe('a validation', () => {
  test('leaves the rows of the newest whole pass in the run’s folder', async () => {
    const runDir = join(root, 'run');
    const file = join(runDir, 'rows.held.csv');
    const seen: (readonly string[])[] = [];
    const looks = hooked('looks', { validationEnd: () => void seen.push(linesOf(file)) });
    const said: string[] = [];
    const stream = { write: (text: string) => said.push(text) };
    const trainer = new (Returning.addOn(looks))({ options: { progress: 'plain' } });
    await trainer.fit({ runDir, stream, environment: {} });
    expect(seen).toHaveLength(3);
    expect(new Set(seen.map(String)).size).toBe(3);
    for (const lines of seen) expect([lines[0], lines.length]).toEqual(['guess,y', 9]);
    // The last one is of the weights that the run has ended with.
    expect(linesOf(file).slice(1)).toEqual(await testedRows(runDir));
    expect(said.join('').match(/8 rows of held written to .*rows\.held\.csv/g)).toHaveLength(1);
    expect(readdirSync(runDir).filter((name) => name.startsWith('rows'))).toEqual(['rows.held.csv']);
  });

  test('that a signal cuts off, or that fails, leaves the rows of the one before', async () => {
    const breakAt = async (name: string, breaks: (control: Control) => void) => {
      const runDir = join(root, name);
      const file = join(runDir, 'guesses.held.jsonl');
      const control = new Control();
      let first: string | null = null;
      const stops = hooked('stops', {
        validationEnd: () => void (first ??= readFileSync(file, 'utf8')),
        validationBatch: ({ step }, { done }) => {
          if (step === 10 && done === 2) breaks(control);
        },
      });
      const rows = addons.predictions({ file: 'guesses.jsonl' });
      const trainer = new (Returning.addOn(rows, stops))(quiet);
      const ended = await trainer.fit({ runDir, control }).then(
        ({ reason }) => reason,
        (error: unknown) => String(error),
      );
      expect(readFileSync(file, 'utf8')).toBe(first);
      expect(readdirSync(runDir).filter((each) => each.startsWith('guesses'))).toEqual([
        'guesses.held.jsonl',
      ]);
      return ended;
    };
    expect(await breakAt('cut', (control) => control.stop('SIGINT'))).toBe('interrupted');
    const fails = breakAt('failed', () => {
      throw new Error('broken');
    });
    expect(await fails).toContain('broken');
  });

  test('writes nothing in a dev run, before training, or where the run has no folder', async () => {
    const folder = join(root, 'nothing');
    const rows = addons.predictions({ file: join(folder, 'rows.csv') });
    const Own = Returning.addOn(rows);
    await new Own(quiet).fit({ runDir: null });
    await new Own({ options: { progress: 'none', sanity: units.batches(2) } }).fit({
      devRun: 2,
      runDir: join(root, 'dev'),
    });
    expect([existsSync(folder), existsSync(join(root, 'dev'))]).toEqual([false, false]);
  });

  test('that returns a number of the whole batch says what to return', async () => {
    class Whole extends LineTrainer {
      protected override configureSteps(from: LineData) {
        return [
          steps.train('train', [from.train], (batch) => this.trainStep(batch)),
          steps.validate('held', [from.test], { every: units.epochs(1) }, (batch) => ({
            worst: ops.maxOf(this.models.line.call(batch.x)),
          })),
        ];
      }
    }
    await expect(new Whole(quiet).fit({ runDir: null })).rejects.toThrow(
      'step held returned worst of shape [] for a batch of 3 rows',
    );
  });
});

describe('a test', () => {
  test('writes its rows beside those of predict, with its step’s name', async () => {
    const runDir = join(root, 'tested');
    await new Returning(quiet).fit({ runDir });
    const rows = await testedRows(runDir);
    const file = join(root, 'out', 'guesses.csv');
    const Own = Returning.addOn(addons.predictions({ file }));
    const taken: string[] = [];
    await new Own(quiet).predict(runDir, () => undefined);
    const predicted = readFileSync(file, 'utf8');
    const said: string[] = [];
    const stream = { write: (text: string) => said.push(text) };
    const metrics = await new Own({ options: { progress: 'plain' } }).test(runDir, {
      stream,
      environment: {},
      rows: (step) => void taken.push(step),
    });
    expect([...metrics.keys()]).toEqual(['test.loss', 'test.rmse']);
    expect(linesOf(join(root, 'out', 'guesses.test.csv'))).toEqual(['guess,y', ...rows]);
    expect(taken).toEqual([]);
    expect(said.join('')).toMatch(/8 rows of test written to .*guesses\.test\.csv/);
    // A validation of trained weights has its own, and a dev run leaves whole files as they are.
    await new Own(quiet).validate(runDir);
    await new Own(quiet).test(runDir, { devRun: 1, rows: (step) => void taken.push(step) });
    expect(taken).toEqual(['test']);
    expect(readdirSync(join(root, 'out')).sort()).toEqual([
      'guesses.csv',
      'guesses.held.csv',
      'guesses.test.csv',
    ]);
    expect(linesOf(join(root, 'out', 'guesses.test.csv'))).toHaveLength(9);
    expect(readFileSync(file, 'utf8')).toBe(predicted);
  });

  test('prints its rows alone to stdout where no add-on takes them, and its metrics to stderr', async () => {
    const runDir = join(root, 'printed');
    await new Returning(quiet).fit({ runDir });
    const rows = await testedRows(runDir);
    const call = async (...words: readonly string[]) => {
      const { io, out, err } = listening();
      expect(await main(Returning, ['test', '--from', runDir, ...words], io)).toBe(0);
      const lines = (texts: readonly string[]): readonly string[] => texts.join('').trimEnd().split('\n');
      return { out: lines(out), err: lines(err) };
    };
    const printed = await call();
    expect(printed.out).toEqual(['guess,y', ...rows]);
    expect(printed.err.at(-1)).toMatch(/^test\.rmse {2}\d/);
    const lines = await call('--json');
    const json = lines.out.map((line): unknown => JSON.parse(line));
    expect(json).toHaveLength(8);
    expect(json[0]).toEqual({ guess: Number(rows[0]?.split(',')[0]), y: Number(rows[0]?.split(',')[1]) });
    // The metrics are one line of stderr, and the last.
    const metrics: unknown = JSON.parse(lines.err.at(-1) ?? '');
    expect(metrics).toHaveProperty(['test.loss']);
  });
});

test('--json is refused where an add-on takes the rows, and no row is computed then', async () => {
  const runDir = join(root, 'taken');
  await new Returning(quiet).fit({ runDir });
  const call = async (Own: typeof Returning, ...words: readonly string[]) => {
    const { io, out, err } = listening();
    const code = await main(Own, ['predict', '--from', runDir, '--json', ...words], io);
    return { code, out: out.join(''), err: err.join('') };
  };
  const file = join(root, 'taken-rows', 'rows.csv');
  const Csv = Returning.addOn(addons.predictions({ file }));
  const csv = await call(Csv);
  expect(csv).toMatchObject({ code: 2, out: '' });
  expect(csv.err).toContain(
    `--json prints rows, and the add-on predictions takes them to ${file}; leave it out, or give the file the ending .jsonl in the spec`,
  );
  const lines = await call(Returning.addOn(addons.predictions({ file: `${file}.jsonl` })));
  expect(lines.err).toContain('rows.csv.jsonl; leave it out: they are JSON there');
  const seen: string[] = [];
  const mine = hooked('mine', { predictStart: () => void seen.push('start'), predicted: () => undefined });
  expect((await call(Returning.addOn(mine))).err).toContain(
    '--json prints rows, and the add-on mine takes them; leave it out\n',
  );
  expect(seen).toEqual([]);
  expect(existsSync(join(root, 'taken-rows'))).toBe(false);
  // A dev run leaves the file alone, and prints.
  const dev = await call(Csv, '--dev-run');
  expect(dev.code).toBe(0);
  expect(
    dev.out
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line))[0],
  ).toHaveProperty('guess');
});

test('predict steps have a file each, and tell whose rows they give', async () => {
  class Twice extends LineTrainer {
    protected override configureSteps(from: LineData) {
      return [
        steps.train('train', [from.train], (batch) => this.trainStep(batch)),
        steps.predict('predict', [from.test], (batch) => ({ guess: this.models.line.call(batch.x) })),
        steps.predict('late', [from.test], (batch) => ({
          y: batch.y,
          guess: this.models.line.call(batch.x),
        })),
      ];
    }
  }
  const runDir = join(root, 'twice');
  await new Twice(quiet).fit({ runDir });
  const given = new Set<string>();
  await new Twice(quiet).predict(
    runDir,
    (rows, step) => void given.add(`${step}: ${[...rows.keys()].join()}`),
  );
  expect([...given]).toEqual(['predict: guess', 'late: y,guess']);
  const file = join(root, 'both', 'rows.csv');
  const count = await new (Twice.addOn(addons.predictions({ file })))(quiet).predict(runDir, () => undefined);
  expect(count).toBe(16);
  const late = linesOf(join(root, 'both', 'rows.late.csv'));
  expect([linesOf(file)[0], linesOf(file).length, late[0], late.length]).toEqual(['guess', 9, 'y,guess', 9]);
});
