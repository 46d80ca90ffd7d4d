/** When hooks are called, in which order, and what happens where one throws. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { AddOn, AddOnHost, Hooks, Phase } from '../../src/runtime/addons/index.js';
import { Control } from '../../src/runtime/trainer/control.js';
import { restoreStates, statesOf } from '../../src/runtime/trainer/add-on-states.js';
import * as units from '../../src/values/units.js';
import { LineTrainer, setup } from './tiny-trainer.js';

const folder = mkdtempSync(join(tmpdir(), 'ztrain-hooks-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});
const quiet = { isTTY: false, columns: 80, write: () => true };

function addOn(
  kind: string,
  hooks: Hooks | ((host: AddOnHost) => Hooks),
  phase: Phase = 'independent',
): AddOn {
  const made: AddOn = {
    kind,
    phase,
    owns: [],
    withOptions: () => made,
    start: (host) => (typeof hooks === 'function' ? hooks(host) : hooks),
  };
  return made;
}

/** Everything that is called, as text. */
function recorder(told: string[], name = ''): Hooks {
  const say = (text: string): undefined => void told.push(`${name}${text}`);
  return {
    fitStart: ({ step }) => say(`fitStart ${step}`),
    epochStart: ({ step, epoch }) => say(`epochStart ${step} ${epoch}`),
    stepStart: ({ step }) => say(`stepStart ${step}`),
    updateEnd: ({ step }, optimizer) => say(`updateEnd ${step} ${optimizer}`),
    stepEnd: ({ step }) => say(`stepEnd ${step}`),
    validationStart: ({ step }, steps) => say(`validationStart ${step} ${steps.join()}`),
    validationBatch: ({ step }, pass) => say(`validationBatch ${step} ${pass.step} ${pass.done}/${pass.of}`),
    validationEnd: ({ step }, metrics) => say(`validationEnd ${step} ${[...metrics.keys()].join()}`),
    measured: ({ step }, metrics) => say(`measured ${step} ${[...metrics.keys()].join()}`),
    logged: ({ stage, over, at }) => say(`logged ${at.step} ${stage} ${over}`),
    epochEnd: ({ step }) => say(`epochEnd ${step}`),
    flush: () => say('flush'),
    checkpointSaved: ({ step }) => say(`checkpointSaved ${step}`),
    interrupted: ({ step }, signal) => say(`interrupted ${step} ${signal}`),
    failed: ({ step }, error) => say(`failed ${step} ${error instanceof Error ? error.message : ''}`),
    fitEnd: ({ step }) => say(`fitEnd ${step}`),
    testStart: ({ step }) => say(`testStart ${step}`),
    testEnd: (_at, metrics) => say(`testEnd ${[...metrics.keys()].join()}`),
    predictStart: ({ step }) => say(`predictStart ${step}`),
    predicted: (rows) => say(`predicted ${rows.get('guess')?.shape.join() ?? ''}`),
    predictEnd: () => say('predictEnd'),
    predictFailed: () => say('predictFailed'),
    close: () => say('close'),
  };
}

/** 2 steps an epoch; a line of metrics after each 1st. */
class Hooked extends LineTrainer {
  constructor(private readonly all: readonly AddOn[]) {
    super(setup({ rows: 8, batchSize: 4 }, { epochs: 2, seed: 1, logEvery: units.steps(1) }));
  }
  protected override configureAddOns() {
    return this.all;
  }
}

const run = (name: string, all: readonly AddOn[], control = new Control()) =>
  new Hooked(all).fit({ runDir: join(folder, name), stream: quiet, control });

describe('the order of hooks', () => {
  test('of a whole run', async () => {
    const told: string[] = [];
    await run('whole', [addOn('all', recorder(told))]);
    const epoch = (n: number) => {
      const first = 2 * n + 1;
      return [
        `epochStart ${2 * n} ${n}`,
        `stepStart ${2 * n}`,
        `updateEnd ${first} opt`,
        `logged ${first} train window`,
        `stepEnd ${first}`,
        `stepStart ${first}`,
        `updateEnd ${first + 1} opt`,
        `logged ${first + 1} train epoch`,
        `measured ${first + 1} train.loss`,
        `validationStart ${first + 1} validate`,
        ...[1, 2, 3].map((done) => `validationBatch ${first + 1} validate ${done}/3`),
        `logged ${first + 1} validate pass`,
        `validationEnd ${first + 1} validate.loss,validate.rmse`,
        `measured ${first + 1} validate.loss,validate.rmse`,
        `stepEnd ${first + 1}`,
        `epochEnd ${first + 1}`,
      ];
    };
    expect(told).toEqual([
      'fitStart 0',
      ...epoch(0),
      ...epoch(1),
      'fitEnd 4',
      'flush',
      'checkpointSaved 4',
      'close',
    ]);
  });

  test('by phase, then as given, and closed in the same order', async () => {
    const told: string[] = [];
    const only = (name: string): Hooks => ({
      fitStart: () => void told.push(`start ${name}`),
      close: () => void told.push(`close ${name}`),
    });
    await run('phases', [
      addOn('d', only('d'), 'dependent'),
      addOn('t', only('t'), 'trigger'),
      addOn('i2', only('i2')),
      addOn('i1', only('i1')),
      addOn('c', only('c'), 'core'),
    ]);
    const order = ['c', 'i2', 'i1', 't', 'd'];
    expect(told).toEqual([...order.map((name) => `start ${name}`), ...order.map((name) => `close ${name}`)]);
  });

  test('with a signal: told before the end, which comes all the same', async () => {
    const told: string[] = [];
    const control = new Control();
    const stops = addOn('stops', { stepEnd: ({ step }) => void (step === 1 && control.stop('SIGINT')) });
    await run('signal', [addOn('all', recorder(told)), stops], control);
    expect(told.slice(told.indexOf('stepEnd 1') + 1)).toEqual([
      'interrupted 1 SIGINT',
      'fitEnd 1',
      'flush',
      'checkpointSaved 1',
      'close',
    ]);
  });

  test('with hints, hooks are called where they asked to be', async () => {
    const starts: number[] = [];
    const updates: number[] = [];
    const hooks: Hooks = {
      stepStart: ({ step }) => void starts.push(step),
      nextStepStart: (step) => (step < 3 ? 3 : Number.POSITIVE_INFINITY),
      updateEnd: ({ step }) => void updates.push(step),
      nextUpdateEnd: (step) => (step < 2 ? 2 : Number.POSITIVE_INFINITY),
    };
    await run('hints', [addOn('hints', hooks)]);
    expect(starts).toContain(3);
    expect(updates).toContain(2);
  });

  test('of test and predict, at the step of the checkpoint', async () => {
    const told: string[] = [];
    const from = join(folder, 'whole');
    await new Hooked([addOn('all', recorder(told))]).test(from, { stream: quiet });
    expect(told).toEqual(['testStart 4', 'testEnd validate.loss,validate.rmse', 'close']);
    told.length = 0;
    const rows = (): void => void told.push('rows');
    await new Hooked([addOn('all', recorder(told))]).predict(from, rows, { stream: quiet });
    expect(told).toEqual([
      'predictStart 4',
      'predicted 3',
      'predicted 3',
      'predicted 2',
      'predictEnd',
      'close',
    ]);
    told.length = 0;
    const watch = addOn('watch', { predictStart: () => void told.push('start') });
    await new Hooked([watch]).predict(from, rows, { stream: quiet });
    expect(told).toEqual(['start', 'rows', 'rows', 'rows']);
  });
});

describe('a hook that throws', () => {
  test('is named, the state is saved, and the others are told', async () => {
    const told: string[] = [];
    const breaks = addOn('breaks', {
      stepEnd: ({ step }) => {
        if (step === 3) throw new Error('no more');
      },
    });
    await expect(run('throws', [addOn('all', recorder(told)), breaks])).rejects.toThrow(
      'add-on breaks failed in stepEnd: no more',
    );
    expect(told.slice(-3)).toEqual([
      'checkpointSaved 3',
      'failed 3 add-on breaks failed in stepEnd: no more',
      'close',
    ]);
    expect(readFileSync(join(folder, 'throws', 'checkpoints', 'last'), 'utf8')).toContain('step-00000003');
  });

  test.each([
    [
      'logged',
      {
        logged: () => {
          throw new Error('full');
        },
      },
    ],
    ['flush', { flush: () => Promise.reject(new Error('full')) }],
    ['checkpointSaved', { checkpointSaved: () => Promise.reject(new Error('full')) }],
    ['close', { close: () => Promise.reject(new Error('full')) }],
  ] as const)('also in %s', async (hook, hooks) => {
    await expect(run(`throws-${hook}`, [addOn('breaks', hooks)])).rejects.toThrow(
      `add-on breaks failed in ${hook}: full`,
    );
  });

  test('lines that an add-on writes when it is told of a line do not come back to it', async () => {
    const seen: string[] = [];
    const echo = (name: string, other: string): AddOn =>
      addOn(name, (host) => ({
        logged: ({ stage, at }) => {
          seen.push(`${name} ${stage}`);
          if (stage !== other) host.log(at, name, new Map([['n', 1]]));
        },
      }));
    await run('echoes', [echo('one', 'none'), echo('two', 'none')]);
    expect(seen.slice(0, 4)).toEqual(['one train', 'two one', 'two train', 'one two']);
  });

  test('the error of the run stays the one to tell', async () => {
    const told: string[] = [];
    const breaks = addOn('breaks', {
      fitStart: () => {
        throw new Error('first');
      },
      failed: () => {
        throw new Error('second');
      },
      close: () => {
        throw new Error('third');
      },
    });
    await expect(run('first', [breaks, addOn('all', recorder(told))])).rejects.toThrow(
      'add-on breaks failed in fitStart: first',
    );
    expect(told.slice(-2)).toEqual(['failed 0 add-on breaks failed in fitStart: first', 'close']);
    expect(readFileSync(join(folder, 'first', 'console.log'), 'utf8')).toContain(
      'add-on breaks failed in failed: second',
    );
  });
});

describe('states', () => {
  const counter = (kind: string, log: unknown[] = []) => {
    let count = 0;
    return {
      kind,
      hooks: {
        stepEnd: () => void (count += 1),
        state: () => ({ count }),
        restore: (state: unknown) => void log.push(state),
      } satisfies Hooks,
    };
  };

  test('are kept under names, two of a kind apart, and given back to the same', () => {
    const last = counter('a');
    const before = [counter('a'), { kind: 'none', hooks: {} }, counter('b'), last];
    last.hooks.stepEnd();
    const states = statesOf(before);
    expect(states).toEqual({ a: { count: 0 }, b: { count: 0 }, 'a#2': { count: 1 } });
    const logs: [unknown[], unknown[], unknown[]] = [[], [], []];
    restoreStates([counter('a', logs[0]), counter('c', logs[1]), counter('a', logs[2])], states);
    expect(logs).toEqual([[{ count: 0 }], [], [{ count: 1 }]]);
  });

  test('one that does not fit is told by its add-on', () => {
    const hooks: Hooks = {
      state: () => 1,
      restore: () => {
        throw new Error('a number arrived');
      },
    };
    expect(() => {
      restoreStates([{ kind: 'mine', hooks }], { mine: 1 });
    }).toThrow('add-on mine cannot take back its state: a number arrived');
  });
});
