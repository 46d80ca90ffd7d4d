/** Runs of before what a command line says of one thing held for what amends it: they go on with the values that they had. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as losses from '../../src/runtime/losses/index.js';
import * as optim from '../../src/runtime/optim/index.js';
import * as rows from '../../src/runtime/rows/index.js';
import * as steps from '../../src/runtime/trainer/steps.js';
import { Trainer } from '../../src/runtime/trainer/trainer.js';
import * as units from '../../src/values/units.js';
import { filesIn, run } from './killed-runs.js';
import { replaceState } from './replaced-state.js';
import { workInFolder } from './temporary-folder.js';
import { Line, lineSet, LineTrainer, type LineData, type LineParams, type Row } from './tiny-trainer.js';

workInFolder('reached-heirs');

interface Lines {
  readonly one: Line;
  readonly other: Line;
}

/** As of `optimizer heir = opt { of = Other }`, `data test = train { … }`. */
class Two extends Trainer<LineParams, Lines, LineData> {
  static override readonly spec = {
    ...LineTrainer.spec,
    amends: {
      data: [{ name: 'test', of: 'train', own: ['shuffle'] }],
      optimizers: [{ name: 'heir', of: 'opt', own: ['momentum'] }],
    },
  };
  protected override configureData(): LineData {
    const { rows: count, batchSize: batch } = this.params;
    return { train: lineSet(count, { batch, shuffle: true }), test: lineSet(8, { batch }) };
  }
  protected override configureModels(): Lines {
    return { one: new Line(), other: new Line() };
  }
  protected override configureOptimizers({ one, other }: Lines): Readonly<Record<string, optim.Optimizer>> {
    const { lr } = this.params;
    return { opt: optim.sgd({ of: [one], lr }), heir: optim.sgd({ of: [other], lr, momentum: 0.5 }) };
  }
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(1), keep: 100 })];
  }
  protected override configureSteps({ train, test: tested }: LineData) {
    const { one, other } = this.models;
    const loss = (line: Line, { x, y }: Row) => rows.mean(losses.squaredError(line.call(x), y));
    return [
      steps.train('train', [train], (batch: Row) => {
        this.update(['opt'], () => ({ minimize: loss(one, batch) }));
        this.update(['heir'], () => ({ minimize: loss(other, batch) }));
      }),
      steps.validate('validate', [tested], { every: units.epochs(1) }, (batch: Row) => {
        this.log({ loss: loss(one, batch) });
      }),
      steps.predict('predict', [tested], (batch: Row) => ({ guess: other.call(batch.x) })),
    ];
  }
}

class Swept extends Two {
  static override readonly spec = {
    ...Two.spec,
    sweep: addons.sweep({
      over: [addons.axis({ name: 'opt.momentum', values: [0, 0.9] })],
      average: [],
      pick: addons.min('validate.loss'),
    }),
  };
}

const folderOf = (name: string): string => join(name, 'checkpoints', 'step-00000003');

/** A run as an older version left it: what it was given held for its owner alone. */
async function older(name: string, given: readonly string[], trainer: typeof Two = Two): Promise<string> {
  const begun = await run([`--run-dir=${name}`, 'trainer.epochs=1', ...given], trainer);
  expect(begun.code).toBe(0);
  const folder = folderOf(name);
  const state = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'));
  expect(state.lock.overrides_reach_heirs).toBe(true);
  delete state.lock.overrides_reach_heirs;
  replaceState(folder, JSON.stringify(state));
  return folder;
}

let slow = '';
beforeAll(async () => {
  slow = await older('slow', ['opt.lr=1e-9']);
});

test('where an optimizer amends the one that the run gave a value: refused, with what it had', async () => {
  const before = filesIn('slow');
  const { code, text } = await run(['--resume', slow], Two);
  expect(text).toContain(
    'opt.lr=1e-9 holds for heir as well now, which amends opt, and did not in the version that began this run; give heir.lr=0.1, as the spec has it',
  );
  expect(code).toBe(3);
  expect(filesIn('slow')).toEqual(before);
});

test('goes on with the value that it had, and then without a word', async () => {
  cpSync('slow', 'given', { recursive: true });
  const { code } = await run(['--resume', folderOf('given'), 'heir.lr=0.1'], Two);
  expect(code).toBe(0);
  const later = join('given', 'checkpoints', 'step-00000004');
  expect(JSON.parse(readFileSync(join(later, 'state.json'), 'utf8')).lock.overrides).toContain('heir.lr=0.1');
  expect((await run(['--resume', later], Two)).code).toBe(0);
});

test.each([
  ['the heir has an own value', ['opt.momentum=0.9']],
  ['the run gave the heir one', ['opt.lr=0.01', 'heir.lr=0.2']],
  ['it is what the spec says of it', ['opt.lr=1e-1']],
  ['it changes no result', ['train.prefetch=1.batches']],
  ['nothing amends its owner', ['heir.lr=0.01', 'trainer.log_every=1.steps']],
])('goes on where %s', async (what, given) => {
  const { text, code } = await run(['--resume', await older(what, given)], Two);
  expect(text).toContain('goes on after step 3');
  expect(code).toBe(0);
});

/** Reads the data set that amends the other one in its predictions alone. */
class Predicting extends Two {
  protected override configureSteps(from: LineData) {
    return super.configureSteps(from).filter(({ kind }) => kind !== 'validate');
  }
}

test('goes on where only a prediction reads what it would hold for', async () => {
  const { text, code } = await run(
    ['--resume', await older('unread', ['train.batch=5'], Predicting)],
    Predicting,
  );
  expect(text).toContain('goes on after step 3');
  expect(code).toBe(0);
});

test('a prediction tells it of data', async () => {
  const from = await older('data', ['train.batch=5']);
  const said = 'train.batch=5 holds for test as well now';
  const { code, text } = await run(['predict', '--from', from], Two);
  expect(text).toContain(`note: ${said}`);
  expect(text).toContain('give test.batch=4');
  expect(code).toBe(0);
  expect((await run(['predict', '--from', from, 'test.batch=4'], Two)).text).not.toContain(said);
});

test('a sweep that has runs left is refused, one that has none is done', async () => {
  const words = ['--run-dir=swept', 'trainer.epochs=1', 'opt.lr=1e-9'];
  expect((await run(words, Swept)).code).toBe(0);
  const path = join('swept', 'sweep.json');
  const about = JSON.parse(readFileSync(path, 'utf8'));
  delete about.overridesReachHeirs;
  writeFileSync(path, JSON.stringify(about));
  rmSync(join('swept', 'point-2'), { recursive: true });
  const refused = await run(words, Swept);
  expect(refused.text).toContain('opt.lr=1e-9 holds for heir as well now');
  expect(refused.code).toBe(3);
  const { code, text } = await run([...words, 'heir.lr=0.1'], Swept);
  expect(text).toContain('run 2 of 2');
  expect(code).toBe(0);
});
