/** Who reads a run that goes on gets its newest checkpoint, also where the one that it chose is removed meanwhile. */
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import { exportWeights } from '../../src/runtime/checkpoint/export.js';
import { Removed, readTensors, withCheckpoint } from '../../src/runtime/checkpoint/read.js';
import { pointTo } from '../../src/runtime/checkpoint/write.js';
import type { Prepared, PrepareOptions } from '../../src/runtime/trainer/prepared.js';
import * as units from '../../src/values/units.js';
import { run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { LineTrainer, type LineModels } from './tiny-trainer.js';

workInFolder('pruned');

class Keeping extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [addons.checkpoint({ every: units.steps(5), keep: 9 })];
  }
}

const at = (name: string, step: number): string =>
  join(name, 'checkpoints', `step-${String(step).padStart(8, '0')}`);

/** A run that has just saved step 10, with the one of step 15 to come. */
async function going(name: string): Promise<string> {
  expect((await run([`--run-dir=${name}`], Keeping)).code).toBe(0);
  renameSync(at(name, 15), `${name}-15`);
  await pointTo(join(name, 'checkpoints'), 'last', 10);
  return name;
}

/** What the run does next. */
function goOn(name: string): void {
  renameSync(`${name}-15`, at(name, 15));
  writeFileSync(join(name, 'checkpoints', 'last'), 'step-00000015\n');
  for (const step of [5, 10]) {
    // At once, as a run does it: what is half removed has no checkpoint's name.
    renameSync(at(name, step), join(name, `removed-${step}`));
    rmSync(join(name, `removed-${step}`), { recursive: true });
  }
}

test('a prediction takes the one in its place', async () => {
  const name = await going('predicted');
  let isLeft = true;
  // Models are made once the checkpoint is chosen; its weights are read later.
  class Watching extends Keeping {
    protected override configureModels(): LineModels {
      if (isLeft) goOn(name);
      isLeft = false;
      return super.configureModels();
    }
  }
  const { code, text } = await run(['predict', '--from', name], Watching);
  expect(text).toContain(`weights of step 10 from ${name}`);
  expect(text).toContain(`weights of step 15 from ${name}`);
  expect(code).toBe(0);
  // Its header once, and a row for each of the data.
  expect(text.match(/^guess$/gm)).toHaveLength(1);
});

test('what is to be known is told once', async () => {
  const name = await going('told');
  // The spec has changed since, a param too, and the run's weights have something to be known.
  class Changed extends Keeping {
    static override readonly spec = { ...Keeping.spec, sha256: 'f'.repeat(64) };
    protected override configureModels(): LineModels {
      if (!existsSync(at(name, 15))) goOn(name);
      return super.configureModels();
    }
    override async prepare(options: PrepareOptions): Promise<Prepared> {
      return { ...(await super.prepare(options)), note: 'about this machine' };
    }
  }
  const { code, text } = await run(['test', 'rows=8', '--from', name], Changed);
  expect(text).toContain(`weights of step 10 from ${name}`);
  expect(text).toContain(`weights of step 15 from ${name}`);
  const notes = text.split('\n').filter((line) => /^note: |machine/.test(line));
  expect(notes).toEqual([
    'note: the spec has changed since; the weights must still fit',
    'note: rows was 20 when these weights were trained, and is 8 here',
    'about this machine',
  ]);
  expect(code).toBe(0);
});

test('one checkpoint that was named is not another one', async () => {
  const name = await going('named');
  const read = withCheckpoint(at(name, 10), async (checkpoint) => {
    goOn(name);
    return readTensors(checkpoint, 'model.safetensors');
  });
  await expect(read).rejects.toThrow(Removed);
  await expect(read).rejects.toThrow(`take another checkpoint: ${at(name, 15)}`);
});

test('an export is of a checkpoint that was there, whole', async () => {
  const name = await going('exported');
  const paths: string[] = [];
  const exporting = (async () => {
    for (let turn = 0; turn < 20; turn += 1)
      paths.push((await exportWeights(name, 'npz', `weights-${turn}.npz`)).checkpoint);
  })();
  await new Promise((done) => setTimeout(done, 5));
  goOn(name);
  await exporting;
  expect(paths.at(-1)).toBe(at(name, 15));
  expect(readdirSync('.').filter((each) => each.startsWith('weights-'))).toHaveLength(20);
});
