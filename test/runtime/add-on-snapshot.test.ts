/** What an add-on keeps is a copy of that moment, and nothing that a file would hold otherwise. */
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import type * as fs from 'node:fs/promises';
import * as addons from '../../src/runtime/addons/index.js';
import type { Json } from '../../src/runtime/addons/addon.js';
import { findCheckpoint, readState } from '../../src/runtime/checkpoint/read.js';
import { plainJson } from '../../src/runtime/checkpoint/strict-json.js';
import { statesOf } from '../../src/runtime/trainer/add-on-states.js';
import { record } from '../../src/values/json-record.js';
import * as units from '../../src/values/units.js';
import { newestVerified } from './checkpoint-reading.js';
import { LineTrainer, setup } from './tiny-trainer.js';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  return { ...real, open: vi.fn(real.open) };
});

const root = mkdtempSync(join(tmpdir(), 'ztrain-snapshot-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const quiet = { isTTY: false, columns: 80, write: () => true };

/** What it has seen is one object, which it changes for ever. */
const counting = (seen: { steps: number; list: number[] }, state: () => Json): addons.AddOn =>
  addons.extern(
    { kind: 'counting', phase: 'independent', owns: [] },
    () => () => ({
      stepEnd: ({ step }) => {
        seen.steps = step;
        seen.list.push(step);
        return undefined;
      },
      state,
    }),
    {},
  );

test('what it changes while a checkpoint is written is not in it', async () => {
  const seen = { steps: 0, list: [] as number[] };
  class Counting extends LineTrainer {
    protected override configureAddOns() {
      return [counting(seen, () => seen), addons.checkpoint({ every: units.steps(4), keep: 9 })];
    }
  }
  // The run has gone on when the state is written: it is waited for.
  const real = await vi.importActual<typeof fs>('node:fs/promises');
  const late = new Set<string>();
  vi.mocked(open).mockImplementation(async (...given) => {
    const [, step] = /step-(\d+)\.tmp-.*model\.safetensors$/.exec(String(given[0])) ?? [];
    if (step !== undefined) {
      for (let wait = 0; seen.steps <= Number(step) && wait < 500; wait += 1)
        await new Promise((done) => setTimeout(done, 1));
      if (seen.steps > Number(step)) late.add(step);
    }
    return real.open(...given);
  });
  const runDir = join(root, 'counting');
  await new Counting(setup({}, { epochs: 3 })).fit({ runDir, stream: quiet });
  vi.mocked(open).mockImplementation(real.open);
  expect(late.size).toBe(3);
  for (const step of [4, 8, 12]) {
    const found = await findCheckpoint(
      join(runDir, 'checkpoints', `step-0000000${step}`.replace('0012', '012')),
    );
    const states = record('addOns', record('state', plainJson(await readState(found)))['addOns']);
    expect(states['counting']).toEqual({
      steps: step,
      list: Array.from({ length: step }, (_, at) => at + 1),
    });
  }
});

class Running {
  mean = 1;
}
const loop: Record<string, unknown> = {};
loop['own'] = loop;

test.each<readonly [string, unknown, string]>([
  ['NaN', { mean: Number.NaN }, 'state.mean is NaN'],
  ['an infinity', { last: [1, -Infinity] }, 'state.last[1] is -Infinity'],
  ['a map', { seen: new Map() }, 'state.seen is of the class Map'],
  ['numbers of an array of floats', Float32Array.of(1), 'state is of the class Float32Array'],
  ['a class', { running: new Running() }, 'state.running is of the class Running'],
  ['a secret', { key: addons.env('HOME') }, 'state.key.reveal is a function'],
  ['a date', [new Date()], 'state[0] is of the class Date'],
  ['a function', { then: () => 1 }, 'state.then is a function'],
  ['a large integer', { rows: 10n }, 'state.rows is a bigint'],
  ['a hole in a list', [undefined], 'state[0] is undefined'],
  ['half of a pair', { text: '\ud800' }, 'state.text is a text with half a surrogate pair'],
  ['half of a pair in a key', { '\udfff': 1 }, 'state has a key with half a surrogate pair'],
  ['itself', loop, 'nested more than'],
])('%s is refused, with the name of the add-on', (_name, state, message) => {
  const live = [{ kind: 'counting', hooks: { state: () => state as Json } }];
  expect(() => statesOf(live)).toThrow('add-on counting cannot give its state to a checkpoint: ');
  expect(() => statesOf(live)).toThrow(message);
});

test('a run says so when it saves, and keeps what it had', async () => {
  const seen = { steps: 0, list: [] as number[] };
  class Failing extends LineTrainer {
    protected override configureAddOns() {
      const state = (): Json => ({ mean: seen.steps > 5 ? Number.NaN : 1 });
      return [counting(seen, state), addons.checkpoint({ every: units.steps(4), keep: 1 })];
    }
  }
  const runDir = join(root, 'failing');
  await expect(new Failing(setup({}, { epochs: 3 })).fit({ runDir, stream: quiet })).rejects.toThrow(
    'add-on counting cannot give its state to a checkpoint: state.mean is NaN, which JSON does not hold',
  );
  expect((await newestVerified(runDir)).checkpoint?.step).toBe(4);
});

test('objects without a prototype, fields that are undefined and __proto__ are taken as JSON takes them', () => {
  const state = JSON.parse('{"__proto__": {"polluted": 1}, "a": [true, null, "x"]}') as Json;
  const bare: unknown = Object.assign(Object.create(null), { one: 1, none: undefined });
  const states = statesOf([
    { kind: 'a', hooks: { state: () => state } },
    { kind: 'b', hooks: { state: () => bare as Json } },
  ]);
  expect(JSON.stringify(states)).toBe('{"a":{"__proto__":{"polluted":1},"a":[true,null,"x"]},"b":{"one":1}}');
  expect('polluted' in {}).toBe(false);
});
