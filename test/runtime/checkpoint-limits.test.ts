/** What is written is read again, however much it is; what would not be is refused before it takes the place of an older one. */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { AddOn, Json } from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import { manifestLimit, stateLimit } from '../../src/runtime/checkpoint/manifest.js';
import {
  openCheckpoint,
  readState,
  verifyCheckpoint,
  verifyHeads,
} from '../../src/runtime/checkpoint/read.js';
import {
  headerLimit,
  planSafetensors,
  readLayout,
  tensorLimit,
} from '../../src/runtime/checkpoint/safetensors.js';
import { jsonText, parseStrictJson, plainJson } from '../../src/runtime/checkpoint/strict-json.js';
import {
  refuseTooLarge,
  writeCheckpoint,
  type CheckpointContents,
} from '../../src/runtime/checkpoint/write.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { newestVerified } from './checkpoint-reading.js';
import { contents, layouts } from './checkpoint-contents.js';
import type { Prepared, PrepareOptions } from '../../src/runtime/trainer/prepared.js';
import * as units from '../../src/values/units.js';
import { LineTrainer } from './tiny-trainer.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-limits-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const newFolder = (): string => join(root, String((made += 1)));

/** An add-on that counts steps, and keeps a text. */
const counting = (step: () => void, text: string | (() => string) = ''): AddOn => {
  const own: AddOn = {
    kind: 'counting',
    phase: 'independent',
    owns: [],
    withOptions: () => own,
    start: () => ({
      stepEnd: () => void step(),
      state: () => (typeof text === 'string' ? text : text()),
      restore: () => undefined,
    }),
  };
  return own;
};

const scalar: HostTensor = { dtype: 'f32', shape: [], values: Float32Array.of(1) };

describe('JSON as it is written', () => {
  test('any value comes back as it was, a zero below 0 too', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        fc.pre(!/\p{Surrogate}/u.test(JSON.stringify(value)) && !/\\ud[89a-f]/i.test(JSON.stringify(value)));
        expect(plainJson(parseStrictJson(jsonText(value as Json)))).toEqual(value);
        expect(JSON.parse(jsonText(value as Json))).toEqual(value);
      }),
    );
    expect(Object.is(plainJson(parseStrictJson(jsonText(-0))), -0)).toBe(true);
  });

  test('a list of plain values stands in one line, whatever else is in lines of its own', () => {
    expect(jsonText({ a: [1, 'x', null], b: [[1, 2], { c: [] }], d: {} })).toBe(
      '{\n  "a": [1,"x",null],\n  "b": [\n    [1,2],\n    {\n      "c": []\n    }\n  ],\n  "d": {}\n}',
    );
  });

  test('a text of many millions of letters is read, and one that is no text is refused', () => {
    const text = '\\"ä'.repeat(8_000_000);
    expect(parseStrictJson(JSON.stringify(text))).toBe(text);
    expect(() => parseStrictJson(`"${'a'.repeat(20_000_000)}`)).toThrow('a text was expected at character 0');
    for (const wrong of ['"a\u0001"', '"\\x"', '"\\u12g4"', '"\\"', '"a', '"', "'a'", '"\\u{61}"'])
      expect(() => parseStrictJson(wrong)).toThrow(SyntaxError);
  });
});

/** Sums as a confusion matrix of 1000 classes has them: 32 MB where each number has a line. */
const sums = Array.from({ length: 10 ** 6 }, (_, at) => (at % 7 === 0 ? at : 0));

describe.each(layouts)('in the layout %s', (layout) => {
  test('sums of a thousand classes are read again', async () => {
    const state = { step: 1, loop: { train: { window: { 'confusion/counts': sums } } } };
    const path = await writeCheckpoint(newFolder(), { ...contents(1, layout), state });
    const checkpoint = await openCheckpoint(path);
    await verifyCheckpoint(checkpoint);
    expect(plainJson(await readState(checkpoint))).toEqual(state);
  });

  test('a state that nobody would read again is not written, and the older checkpoint stays', async () => {
    const folder = newFolder();
    await writeCheckpoint(folder, contents(1, layout));
    const limit = layout === 'ckpt' ? headerLimit : stateLimit;
    const state = (length: number) => ({ text: 'a'.repeat(length) });
    await expect(writeCheckpoint(folder, { ...contents(2, layout), state: state(limit) })).rejects.toThrow(
      layout === 'ckpt'
        ? /its manifest and state have \d+ bytes, and one file has room for 25000000; take format = "folder"/
        : /its state has \d+ bytes, more than 67108864 bytes; let metrics of the train step and add-ons keep less/,
    );
    expect(readdirSync(folder)).toHaveLength(1);
    expect(await newestVerified(folder)).toMatchObject({ checkpoint: { step: 1 }, skipped: [] });
    // Close to the limit it is written and read: `{`, a line, `"text": ""`, another, and what the header has besides.
    const most = layout === 'ckpt' ? limit - 5000 : limit - '{\n  "text": ""\n}\n'.length;
    await writeCheckpoint(folder, { ...contents(3, layout), state: state(most) });
    if (layout === 'folder')
      expect(statSync(join(folder, 'step-00000003', 'state.json')).size).toBe(stateLimit);
    expect((await newestVerified(folder)).checkpoint?.step).toBe(3);
  });

  test('nor more tensors than a header or a manifest names', async () => {
    const folder = newFolder();
    const name = 'w'.repeat(2 ** 20);
    const count = layout === 'ckpt' ? 12 : 25;
    const model = new Map(Array.from({ length: count }, (_, at) => [`${name}${at}`, scalar] as const));
    await expect(writeCheckpoint(folder, { ...contents(1, layout), model })).rejects.toThrow(
      /^cannot save the checkpoint .*: the header would have \d+ bytes, more than 25000000/,
    );
    // Where it is known before, not even the folder is made.
    expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([]);
  });

  test('what would not open gets no name of a checkpoint', async () => {
    const folder = newFolder();
    await writeCheckpoint(folder, contents(1, layout));
    const deep: Json = Array.from({ length: 70 }).reduce<Json>((inner) => [inner], 0);
    await expect(writeCheckpoint(folder, { ...contents(2, layout), state: { deep } })).rejects.toThrow(
      'nested more than 64 deep',
    );
    expect(readdirSync(folder)).toHaveLength(1);
    const whole = (await newestVerified(folder)).checkpoint?.folder ?? '';
    await expect(verifyHeads(whole, layout === 'ckpt')).resolves.toBeUndefined();
  });
});

test('a file of more tensors than are taken is refused before its header is parsed, and not written', () => {
  const names = Array.from(
    { length: 340_000 },
    (_, at) => `"t${at}":{"dtype":"U8","shape":[],"data_offsets":[${at},${at + 1}]}`,
  );
  const header = new TextEncoder().encode(`{${names.join(',')}}`);
  const heap = process.memoryUsage().heapUsed;
  expect(() => readLayout(header, 8 + header.length + names.length)).toThrow(
    'the header has more than 131072 tensors',
  );
  expect(process.memoryUsage().heapUsed - heap).toBeLessThan(2 ** 24);
  const some = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ name: `t${at}`, dtype: 'u8' as const, shape: [] }));
  const most = planSafetensors(some(tensorLimit), { note: '"dtype"'.repeat(10) });
  expect(readLayout(most.start.subarray(8), most.start.length + tensorLimit).entries).toHaveLength(
    tensorLimit,
  );
  expect(() => planSafetensors(some(tensorLimit + 1))).toThrow(
    'the file would have 131073 tensors, more than 131072',
  );
});

describe.each(layouts)('what is planned in the layout %s', (layout) => {
  const planned = (whole: CheckpointContents): void => {
    const shapes = (tensors: ReadonlyMap<string, HostTensor>) =>
      [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
    const { model, optimizer } = whole;
    refuseTooLarge({
      ...whole,
      layout,
      model: shapes(model),
      optimizer: optimizer === null ? null : shapes(optimizer),
    });
  };

  test('is refused where it would not be written, for the same reason, and nowhere else', async () => {
    const whole = contents(1, layout);
    const text = (length: number): CheckpointContents => ({ ...whole, state: { text: 'a'.repeat(length) } });
    const many = new Map(
      Array.from({ length: 25 }, (_, at) => [`${'w'.repeat(2 ** 20)}${at}`, scalar] as const),
    );
    const limit = layout === 'ckpt' ? headerLimit : stateLimit;
    const files = [{ path: 'a', text: 'b'.repeat(limit) }];
    const longSpec = { ...whole, head: { ...whole.head, spec: { ...whole.head.spec, files } } };
    for (const one of [whole, { ...whole, optimizer: null }, text(limit - 5000)]) {
      expect(() => planned(one)).not.toThrow();
      await writeCheckpoint(newFolder(), one);
    }
    for (const one of [text(limit), longSpec, { ...whole, model: many }]) {
      const error = await writeCheckpoint(newFolder(), one).then(
        () => '',
        (refused: unknown) => String(refused),
      );
      const [, why = 'nothing'] = /^RunError: cannot save the checkpoint \S+: (.*)$/.exec(error) ?? [];
      expect(() => planned(one)).toThrow(`no checkpoint of this run could be saved: ${why}`);
    }
  });
});

describe('a run that could not be saved', () => {
  const quiet = { stream: { write: () => true }, environment: {} };
  const one = addons.checkpoint({ format: 'ckpt' });
  const advice = /^no checkpoint of this run could be saved: .* room for 25000000; take format = "folder"$/;

  test('ends before its first step where tensors and texts alone are too much', async () => {
    let steps = 0;
    class Long extends LineTrainer {
      static override readonly spec = {
        ...LineTrainer.spec,
        files: [{ path: 'long.ztrain', text: '/'.repeat(headerLimit) }],
      };
      protected override configureAddOns(): readonly AddOn[] {
        return [one, counting(() => (steps += 1))];
      }
    }
    await expect(new Long().fit({ ...quiet, runDir: newFolder() })).rejects.toThrow(advice);
    expect(steps).toBe(0);
    // In a folder it has room, and what writes nothing needs none.
    class Folder extends Long {
      protected override configureAddOns(): readonly AddOn[] {
        return [addons.checkpoint({})];
      }
    }
    expect((await new Folder().fit({ ...quiet, runDir: newFolder() })).reason).toBe('finished');
    expect((await new Long().fit({ ...quiet, runDir: null })).reason).toBe('finished');
  });

  /** How a run ends whose add-on keeps `text`, saved after step 4 first: the steps, what it said, and its error. */
  const kept = async (text: (step: number) => string) => {
    let steps = 0;
    let said = '';
    class Keeping extends LineTrainer {
      protected override configureAddOns(): readonly AddOn[] {
        return [
          addons.checkpoint({ format: 'ckpt', every: units.steps(4) }),
          counting(
            () => (steps += 1),
            () => text(steps),
          ),
        ];
      }
    }
    const stream = { write: (line: string) => void (said += line), columns: 1000 };
    const why = await new Keeping({ options: { progress: 'plain' } })
      .fit({ environment: {}, stream, runDir: newFolder() })
      .then(({ reason }) => reason, String);
    return { steps, said, why };
  };
  const told =
    /no checkpoint of this run could be saved: .* bytes, and one file has room for 25000000; take format = "folder"; the run ends where one is due, unless add-ons keep less by then\n/;

  test('goes on where its add-ons may keep less until a checkpoint is due, and says so', async () => {
    // log_every is 2 steps: what is kept there is the first that is known.
    const { steps, said, why } = await kept((step) => (step < 3 ? 'a'.repeat(headerLimit) : 'less'));
    expect(said).toMatch(told);
    expect(said.split('no checkpoint of this run')).toHaveLength(2);
    expect([steps, why]).toEqual([15, 'finished']);
  });

  test('ends where one is due and they still keep too much', async () => {
    const { steps, said, why } = await kept(() => 'a'.repeat(headerLimit));
    expect(said).toMatch(told);
    expect(why).toMatch(/^RunError: cannot save the checkpoint .* one file has room for 25000000/);
    expect(steps).toBeLessThan(15);
  });

  test('ends at its first line of metrics where those keep too much', async () => {
    let steps = 0;
    class Keeping extends LineTrainer {
      protected override configureAddOns(): readonly AddOn[] {
        return [one, counting(() => (steps += 1))];
      }
      override async prepare(options: PrepareOptions): Promise<Prepared> {
        const prepared = await super.prepare(options);
        const { session } = prepared;
        let state = session.loopState;
        // What the loop says of itself, with sums of many classes.
        Object.defineProperty(session, 'loopState', {
          get: () => async () => ({ ...(await state()), sums: 'a'.repeat(headerLimit) }),
          set: (own: typeof state) => void (state = own),
        });
        return prepared;
      }
    }
    const path = newFolder();
    await expect(new Keeping().fit({ ...quiet, runDir: path })).rejects.toThrow(advice);
    // log_every is 2 steps, an epoch 5, and nothing is saved before the end of the run.
    expect(steps).toBe(1);
    expect(readdirSync(path)).not.toContain('checkpoints');
  });
});

test('a manifest has its limit', async () => {
  const head = contents(1).head;
  const files = [{ path: 'a', text: 'b'.repeat(manifestLimit) }];
  await expect(
    writeCheckpoint(newFolder(), { ...contents(1), head: { ...head, spec: { ...head.spec, files } } }),
  ).rejects.toThrow(/its manifest has \d+ bytes, more than 67108864/);
});
