/** A run that goes on has the weights of its checkpoint: another file of first values is refused, whatever is allowed. */
import { cpSync, renameSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import * as copies from '../../src/runtime/copies/index.js';
import * as units from '../../src/values/units.js';
import type { TrainerClass } from '../../src/runtime/trainer/trainer.js';
import { filesIn, killed, run } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { Line, LineTrainer, type LineModels } from './tiny-trainer.js';

workInFolder('pretrained-resume');

const saving = addons.checkpoint({ every: units.steps(2), keep: 20 });

/** Its first values are those of the run in the folder that a param names. */
class Begun extends LineTrainer {
  protected override configureAddOns(): readonly AddOn[] {
    return [saving, addons.pretrained({ from: this.params.mode, into: 'Line' })];
  }
}

/** With a copy that keeps them. */
class Held extends LineTrainer {
  readonly #still = new Line();

  protected override configureModels(): LineModels & { readonly still: Line } {
    return { ...super.configureModels(), still: this.#still };
  }
  protected override configureCopies({ line }: LineModels) {
    return { Still: copies.frozen({ of: line, into: this.#still, from: this.params.mode }) };
  }
  protected override configureAddOns(): readonly AddOn[] {
    return [saving];
  }
}

/** One whose spec has other text. */
const edited = (base: typeof LineTrainer, text: string, addOns: readonly AddOn[]): TrainerClass =>
  class extends base {
    static override readonly spec = { ...LineTrainer.spec, files: [{ path: 'line.ztrain', text }] };
    protected override configureAddOns(): readonly AddOn[] {
      return addOns;
    }
  };

beforeAll(async () => {
  for (const name of ['plain', 'other'])
    expect((await run([`--run-dir=${name}`, 'trainer.epochs=1'], LineTrainer)).code).toBe(0);
  await killed('begun', [], Begun);
  await killed('held', [], Held);
});

const why = (name: string, is: string, was: string): string =>
  `${name} would load ${is}, which is done before the first step of a new run alone: one that goes on has the weights of its checkpoint; ${was}, or begin a new run\n`;

describe('another file', () => {
  test.each([
    ['pretrained.from=nowhere', 'pretrained.from', 'nowhere', 'pretrained.from was plain (as in the spec)'],
    ['pretrained.from=other', 'pretrained.from', 'other', 'pretrained.from was plain (as in the spec)'],
    ['mode=other', 'mode', 'other', 'mode was plain, is other'],
  ])('%s: refused, and not advised to be allowed', async (word, allow, is, differs) => {
    const before = filesIn('begun');
    const refused = why(
      'pretrained',
      `${is} into Line`,
      'go back to plain into Line, which is not read any more either',
    );
    const { code, text } = await run(['--resume=begun', word, `--allow=${allow}`], Begun);
    expect(text).toContain(refused);
    expect(code).toBe(3);
    const { text: unsaid } = await run(['--resume=begun', word], Begun);
    expect(unsaid).toContain(differs);
    expect(unsaid).toContain(refused);
    expect(unsaid).not.toContain('--allow');
    expect(filesIn('begun')).toEqual(before);
  });

  test('of a frozen copy: refused', async () => {
    const { code, text } = await run(['--resume=held', 'mode=other', '--allow=mode'], Held);
    expect(text).toContain(
      why('frozen Still', 'other', 'go back to plain, which is not read any more either'),
    );
    expect(code).toBe(3);
  });

  test('by the spec: refused; where it had none, it is to be taken out', async () => {
    const other = addons.pretrained({ from: 'other', into: 'Line' });
    const changed = await run(['--resume=begun', '--allow=spec'], edited(Begun, 'other', [saving, other]));
    expect(changed.text).toContain('go back to plain into Line');
    expect(changed.code).toBe(3);
    await killed('bare', [], edited(LineTrainer, 'bare', [saving]));
    const added = await run(['--resume=bare', '--allow=spec'], edited(LineTrainer, 'other', [saving, other]));
    expect(added.text).toContain(why('pretrained', 'other into Line', 'take it out'));
    expect(added.code).toBe(3);
  });
});

describe('goes on', () => {
  const copied = (name: string): string => {
    cpSync('begun', name, { recursive: true });
    return `--resume=${name}`;
  };

  test('under another name, and without it, where the spec may be another one', async () => {
    const named = addons.pretrained({ label: 'top', from: 'plain', into: 'Line' });
    for (const [name, addOns] of [
      ['named', [saving, named]],
      ['without', [saving]],
    ] as const)
      expect((await run([copied(name), '--allow=spec'], edited(Begun, name, addOns))).code).toBe(0);
  });

  test('with another param where the file is not there any more', async () => {
    renameSync('plain', 'gone');
    const { code } = await run([copied('faster'), 'lr=0.2', '--allow=lr'], Begun);
    renameSync('gone', 'plain');
    expect(code).toBe(0);
  });

  test('with words that say what the spec says', async () => {
    const words = [copied('same'), 'pretrained.from=plain'];
    expect((await run(words, Begun)).code).toBe(0);
  });
});
