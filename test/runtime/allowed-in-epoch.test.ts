/** What is allowed where a run goes on within an epoch: nothing that would let rows of it come twice, or not at all. */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as ops from '../../src/runtime/ops/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import type { Tensor1D } from '../../src/runtime/tensor.js';
import * as units from '../../src/values/units.js';
import { filesIn, run } from './killed-runs.js';
import { replaceState } from './replaced-state.js';
import { workInFolder } from './temporary-folder.js';
import { lineSet, LineTrainer, type LineData, type Row } from './tiny-trainer.js';

workInFolder('allowed-in-epoch');

/** Counts the rows that it trains on. Saves each step. */
class Counting extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(1), keep: 100 })];
  }
  override trainStep(batch: Row): void {
    this.update(['opt'], () => {
      this.log({ count: rows.sum(ops.add<Tensor1D>(ops.mul<Tensor1D>(batch.y, 0), 1)) });
      return { minimize: rows.mean(losses.squaredError(this.models.line.call(batch.x), batch.y)) };
    });
  }
}

/** The same with data in the order of its source. */
class InOrder extends Counting {
  protected override configureData(): LineData {
    const { rows: count, batchSize } = this.params;
    return { train: lineSet(count, { batch: batchSize }), test: lineSet(8, { batch: 3 }) };
  }
}

/** The same of a part of its rows: which ones these are depends on how many there are. */
class OfPart extends Counting {
  protected override configureData(): LineData {
    const { rows: count, batchSize: batch } = this.params;
    const parts = { parts: { most: units.percent(90), rest: units.percent(10) }, part: 'most' };
    return { train: lineSet(count, { batch, ...parts }), test: lineSet(8, { batch: 3 }) };
  }
}

const checkpointOf = (name: string, step: number): string =>
  join(name, 'checkpoints', `step-${String(step).padStart(8, '0')}`);

/** Rows of each epoch. */
const counts = (name: string): readonly unknown[] =>
  readFileSync(join(name, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ stage, over }) => stage === 'train' && over === 'epoch')
    .map(({ count }) => count);

// 18 rows in 5 batches, of which the last is shorter; windows of 3 make 2 steps an epoch, and so do those of 4.
const words = ['rows=18', 'trainer.accumulate=3', 'trainer.epochs=3'];

beforeAll(async () => {
  expect((await run(['--run-dir=base', ...words], Counting)).code).toBe(0);
  expect(counts('base')).toEqual([18, 18, 18]);
});

describe('within an epoch', () => {
  const cases: readonly (readonly [what: string, given: readonly string[], allow: string, said: string])[] = [
    ['accumulate', ['trainer.accumulate=4'], 'accumulate', 'accumulate was 3, is 4'],
    [
      'a batch that makes fewer',
      ['train.batch=5'],
      'train.batch',
      'batches of an epoch was 5, is 4; train.batch was 4, is 5',
    ],
    [
      'a batch and accumulate',
      ['train.batch=3', 'trainer.accumulate=4'],
      'train.batch,accumulate',
      'accumulate was 3, is 4; batches of an epoch was 5, is 6; train.batch was 4, is 3',
    ],
    ['a param that a batch is', ['batch_size=5'], 'batch_size', 'train.batch was 4, is 5'],
    ['a limit', ['trainer.limit.train=4.batches'], 'limit', 'batches of an epoch was 5, is 4'],
    ['the number of rows', ['rows=19'], 'rows,data', 'rows of train was 18, is 19'],
    ['the order', ['trainer.seed=2'], 'seed', 'seed was 1, is 2'],
    ['no order', ['train.shuffle=false'], 'train.shuffle', 'train.shuffle was true, is false'],
  ];
  test.each(cases)('%s: refused, and nothing is touched', async (_what, given, allow, said) => {
    const before = filesIn('base');
    const from = checkpointOf('base', 3);
    const { code, text } = await run(['--resume', from, ...given, `--allow=${allow}`], Counting);
    expect(text).toContain(`step 3 lies within an epoch, whose rows lie otherwise in its steps now (`);
    expect(text).toContain(said);
    expect(text).toContain(`go on from a checkpoint at an epoch's end, such as ${checkpointOf('base', 2)}\n`);
    expect(text).not.toContain('--allow');
    expect(code).toBe(3);
    expect(filesIn('base')).toEqual(before);
  });

  test('where no checkpoint is at an end, none is named', async () => {
    cpSync('base', 'first', { recursive: true });
    const from = checkpointOf('first', 1);
    const { text } = await run(['--resume', from, 'trainer.accumulate=4', '--allow=accumulate'], Counting);
    expect(text).toContain("go on from a checkpoint at an epoch's end, of which this run has none\n");
  });

  test('another seed is allowed where rows come in the order of the source', async () => {
    expect((await run(['--run-dir=ordered', ...words], InOrder)).code).toBe(0);
    const from = checkpointOf('ordered', 3);
    const { code } = await run(['--resume', from, 'trainer.seed=2', '--allow=seed'], InOrder);
    expect(code).toBe(0);
    expect(counts('ordered')).toEqual([18, 18, 18]);
  });

  test('rows that no batch of an epoch reads are allowed where they come in the order of the source', async () => {
    const few = [...words, 'trainer.limit.train=4.batches'];
    expect((await run(['--run-dir=limited', ...few], InOrder)).code).toBe(0);
    const from = checkpointOf('limited', 3);
    const fewer = await run(['--resume', from, 'rows=15', '--allow=rows,data'], InOrder);
    expect(fewer.text).toContain('(rows of train was 18, is 15)');
    expect(fewer.code).toBe(3);
    const { code } = await run(['--resume', from, 'rows=19', '--allow=rows,data'], InOrder);
    expect(code).toBe(0);
    expect(counts('limited')).toEqual([16, 16, 16]);
  });

  test('of a part of them they are refused', async () => {
    const few = ['rows=20', 'trainer.accumulate=3', 'trainer.epochs=3', 'trainer.limit.train=4.batches'];
    expect((await run(['--run-dir=part', ...few], OfPart)).code).toBe(0);
    const more = ['--resume', checkpointOf('part', 3), 'rows=22', '--allow=rows,data'];
    const { code, text } = await run(more, OfPart);
    expect(text).toContain('(rows of train was 18, is 20)');
    expect(code).toBe(3);
  });

  describe('of a checkpoint that says nothing of its order', () => {
    /** A copy of a run whose checkpoint of step 3 is as older versions wrote it; its path. */
    const older = (name: string, of = 'base'): string => {
      cpSync(of, name, { recursive: true });
      const folder = checkpointOf(name, 3);
      const state = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'));
      expect(state.lock.epoch_order).toMatchObject({ batches: expect.any(Number) });
      delete state.lock.epoch_order;
      replaceState(folder, JSON.stringify(state));
      return folder;
    };

    test.each([cases[0], cases[5], cases[6]].flatMap((each) => (each === undefined ? [] : [each])))(
      '%s: refused',
      async (what, given, allow, said) => {
        const from = older(`older ${what}`);
        const { code, text } = await run(['--resume', from, ...given, `--allow=${allow}`], Counting);
        expect(text).toContain(said);
        expect(code).toBe(3);
      },
    );

    test('a batch of the command line: refused', async () => {
      const { code, text } = await run(
        ['--resume', older('now'), 'train.batch=5', '--allow=train.batch'],
        Counting,
      );
      expect(text).toContain('(train.batch was 4, is 5)');
      expect(code).toBe(3);
      expect((await run(['--run-dir=batched', 'train.batch=5', ...words], Counting)).code).toBe(0);
      const then = await run(
        ['--resume', older('then', 'batched'), 'train.batch=4', '--allow=train.batch'],
        Counting,
      );
      expect(then.text).toContain('(train.batch was 5, is 4)');
      expect(then.code).toBe(3);
    });

    test('a batch that a param is, or may be another one by another spec: refused', async () => {
      const by = await run(['--resume', older('by param'), 'batch_size=5', '--allow=batch_size'], Counting);
      expect(by.text).toContain('(train.batch was 4, is 5)');
      expect(by.code).toBe(3);
      class Respelt extends Counting {
        static override readonly spec = {
          ...Counting.spec,
          sha256: '01',
          files: [{ path: 'line.ztrain', text: 'trainer LineTrainer { }' }],
        };
      }
      const of = await run(['--resume', older('by spec'), '--allow=spec'], Respelt);
      expect(of.text).toContain('(train.batch was not known, is 4)');
      expect(of.code).toBe(3);
    });

    test('another param is allowed', async () => {
      const { code } = await run(['--resume', older('by rate'), 'lr=0.01', '--allow=lr'], Counting);
      expect(code).toBe(0);
      expect(counts('by rate')).toEqual([18, 18, 18]);
    });

    test('the same run goes on', async () => {
      expect((await run(['--resume', older('same')], Counting)).code).toBe(0);
      expect(counts('same')).toEqual([18, 18, 18]);
    });
  });
});

describe("at an epoch's end", () => {
  test.each([
    ['more batches in a window', ['trainer.accumulate=4'], 'accumulate'],
    ['fewer of them', ['train.batch=5', 'trainer.accumulate=2'], 'train.batch,accumulate'],
    ['larger batches', ['train.batch=5'], 'train.batch'],
    ['windows of one', ['train.batch=9', 'trainer.accumulate=1'], 'train.batch,accumulate'],
    ['another order', ['trainer.seed=2'], 'seed'],
  ])('%s: each row comes once', async (what, given, allow) => {
    expect((await run([`--run-dir=${what}`, ...words], Counting)).code).toBe(0);
    const { code, text } = await run(
      ['--resume', checkpointOf(what, 2), ...given, `--allow=${allow}`],
      Counting,
    );
    expect(text).toContain('goes on after step 2');
    expect(code).toBe(0);
    expect(counts(what)).toEqual([18, 18, 18]);
  });

  test.each([
    ['more batches in a window', ['trainer.accumulate=4'], 'accumulate'],
    ['one batch in a window', ['trainer.accumulate=1', 'train.batch=9'], 'accumulate,train.batch'],
  ])('before the line of its metrics, with %s', async (what, given, allow) => {
    // What the last steps have logged is in the checkpoint, in batches that windows do not have any more.
    const isFailing = { now: true };
    class Failing extends Counting {
      protected override configureAddOns(): readonly AddOn[] {
        const updateEnd = ({ step }: { readonly step: number }): void => {
          if (isFailing.now && step === 2) throw new Error('no network');
        };
        const about = { kind: 'notify', phase: 'independent', owns: [] } as const;
        return [...super.configureAddOns(), addons.extern(about, () => () => ({ updateEnd }), {})];
      }
    }
    const name = `logged with ${what}`;
    const failed = await run([`--run-dir=${name}`, ...words], Failing);
    expect(failed.text).toContain('no network');
    isFailing.now = false;
    const { code, text } = await run(['--resume', name, ...given, `--allow=${allow}`], Failing);
    expect(text).toContain('goes on after step 2');
    expect(code).toBe(0);
    expect(counts(name)).toEqual([18, 18, 18]);
  });

  test('another number of steps stays refused', async () => {
    const { code, text } = await run(
      ['--resume', checkpointOf('base', 2), 'trainer.accumulate=2', '--allow=accumulate'],
      Counting,
    );
    expect(text).toContain('an epoch had 2 steps and has 3 now');
    expect(code).toBe(3);
  });
});
