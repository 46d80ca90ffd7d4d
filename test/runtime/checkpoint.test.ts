import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import * as addons from '../../src/runtime/addons/index.js';
import type { AddOnHost, Json, Moment, SavedCheckpoint } from '../../src/runtime/addons/index.js';
import { makeFolder, replaceText } from '../../src/runtime/checkpoint/files.js';
import { manifestText } from '../../src/runtime/checkpoint/manifest.js';
import { findCheckpoint, loadInto, readTensors } from '../../src/runtime/checkpoint/read.js';
import { readSafetensors, writeSafetensors } from '../../src/runtime/checkpoint/safetensors.js';
import { parseStrictJson } from '../../src/runtime/checkpoint/strict-json.js';
import { pointTo, writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { contents, weights } from './checkpoint-contents.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-checkpoint-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const bytesOf = (pieces: readonly Uint8Array[]): Buffer => Buffer.concat(pieces);

/** A file from a header's text and data. */
function file(header: string, data: Uint8Array = new Uint8Array()): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text, data]);
}
const entry = (shape: string, offsets: string, dtype = 'F32'): string =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;

const tensor = fc.oneof(
  fc.array(fc.float(), { maxLength: 20 }).map((values): HostTensor => ({
    dtype: 'f32',
    shape: [values.length],
    values: Float32Array.from(values),
  })),
  fc
    .array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 20 })
    .map((values): HostTensor => ({
      dtype: 'i32',
      shape: [1, values.length],
      values: Int32Array.from(values),
    })),
  fc
    .array(fc.integer({ min: 0, max: 255 }), { maxLength: 20 })
    .map((values): HostTensor => ({ dtype: 'u8', shape: [values.length], values: Uint8Array.from(values) })),
  fc.array(fc.boolean(), { maxLength: 20 }).map((values): HostTensor => ({
    dtype: 'bool',
    shape: [values.length],
    values: Uint8Array.from(values, Number),
  })),
);

describe('safetensors', () => {
  test('any tensors under any names come back bit for bit', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc
              .string({ unit: 'binary' })
              .filter((name) => name !== '__metadata__' && Buffer.from(name).toString() === name),
            tensor,
          ),
        ),
        (list) => {
          const tensors = new Map(list);
          const read = readSafetensors(bytesOf(writeSafetensors(tensors, { by: 'test' })));
          expect(read.tensors).toEqual(tensors);
          expect(read.metadata.get('by')).toBe('test');
        },
      ),
    );
  });

  test('the header is padded to 8 and data begins aligned', () => {
    const bytes = bytesOf(
      writeSafetensors(new Map([['a', { dtype: 'f32' as const, shape: [], values: Float32Array.of(1) }]])),
    );
    expect(bytes.readUInt32LE(0) % 8).toBe(0);
    expect(bytes.subarray(8).toString('latin1', 0, 1)).toBe('{');
  });

  test('names like __proto__ touch no prototype', () => {
    readSafetensors(file(`{"__proto__":${entry('[]', '[0,4]')}}`, new Uint8Array(4)));
    expect(Object.keys(Object.getPrototypeOf({}))).toEqual([]);
  });

  const four = new Uint8Array(4);
  test.each<readonly [string, Uint8Array, string]>([
    ['too short', new Uint8Array(7), 'fewer than the 8'],
    ['a header beyond the file', file('{}').subarray(0, 9), 'only 9; it was cut off'],
    ['a huge header', Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 128]), 'more than 25000000'],
    ['a leading space', file(' {}'), 'does not begin with {'],
    ['a byte order mark', file('\ufeff{}'), 'does not begin with {'],
    ['a list', file('[]'), 'does not begin with {'],
    ['bad UTF-8', file('{}').fill(0xff, 9), 'is not UTF-8'],
    ['no JSON', file('{a}'), 'is no JSON'],
    ['more after the end', file('{} x'), 'more text after the end'],
    [
      'a duplicate name',
      file(`{"a":${entry('[]', '[0,4]')},"a":${entry('[]', '[0,4]')}}`, four),
      'stands twice',
    ],
    [
      'a duplicate field',
      file('{"a":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}}', four),
      'stands twice',
    ],
    [
      'an extra field',
      file('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}}', four),
      'unknown fields x',
    ],
    ['an unknown type', file(`{"a":${entry('[]', '[0,4]', 'F31')}}`, four), 'element type F31'],
    ['a negative size', file(`{"a":${entry('[-1]', '[0,4]')}}`, four), 'holds -1'],
    [
      'a size that is no whole number',
      file(`{"a":${entry('[1.5]', '[0,4]')}}`, four),
      '1.5 is not written as a',
    ],
    ['a size with an exponent', file(`{"a":${entry('[1e0]', '[0,4]')}}`, four), '1e0 is not written as a'],
    ['an overflow with a 0', file(`{"a":${entry('[1099511627776,1099511627776,0]', '[0,0]')}}`), 'needs'],
    [
      'a size beyond whole numbers',
      file(`{"a":${entry('[99999999999999999]', '[0,4]')}}`, four),
      'no whole number',
    ],
    ['an overflow', file(`{"a":${entry('[4294967296,4294967296]', '[0,4]')}}`, four), 'needs'],
    ['too few bytes', file(`{"a":${entry('[2]', '[0,4]')}}`, four), 'has 4 bytes, its shape [2] needs 8'],
    ['offsets in reverse', file(`{"a":${entry('[]', '[4,0]')}}`, four), 'the first not above the second'],
    ['one offset', file(`{"a":${entry('[]', '[4]')}}`, four), 'they are two'],
    ['a hole', file(`{"a":${entry('[]', '[4,8]')}}`, new Uint8Array(8)), 'a hole or an overlap'],
    [
      'an overlap',
      file(`{"a":${entry('[]', '[0,4]')},"b":${entry('[]', '[0,4]')}}`, four),
      'a hole or an overlap',
    ],
    ['a cut', file(`{"a":${entry('[]', '[0,4]')}}`, four.subarray(1)), 'it was cut off'],
    ['data of no tensor', file('{}', four), 'belongs to none'],
    ['a BOOL of 2', file(`{"a":${entry('[1]', '[0,1]', 'BOOL')}}`, Uint8Array.of(2)), 'other than 0 and 1'],
    ['metadata that is no text', file('{"__metadata__":{"a":1}}'), 'which is no text'],
    ['deep nesting', file(`{"a":${'['.repeat(100)}`), 'nested more than'],
  ])('%s is refused', (_name, bytes, message) => {
    expect(() => readSafetensors(bytes)).toThrow(message);
  });

  test('cut anywhere, it is refused', () => {
    const whole = bytesOf(
      writeSafetensors(
        new Map([['a', { dtype: 'i32' as const, shape: [3], values: Int32Array.of(1, 2, 3) }]]),
      ),
    );
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => readSafetensors(whole.subarray(0, length))).toThrow();
    }
  });

  test('strict JSON agrees with JSON on values without duplicate keys', () => {
    const plain = (value: unknown): unknown =>
      value instanceof Map
        ? Object.fromEntries([...value].map(([key, one]) => [key, plain(one)]))
        : Array.isArray(value)
          ? value.map(plain)
          : value;
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(plain(parseStrictJson(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test('strict JSON takes the numbers and texts that JSON takes, as it takes them', () => {
    const take = (parse: () => unknown): unknown => {
      try {
        return parse();
      } catch (error) {
        return error instanceof SyntaxError ? 'refused' : error;
      }
    };
    const number = fc.oneof(
      fc.stringMatching(/^[-+0-9.eE]{1,9}$/),
      fc.stringMatching(/^-?[0-9]{13,19}$/),
      fc.integer().map(String),
    );
    const escape = fc.constantFrom(
      '\\n',
      '\\"',
      '\\\\',
      '\\u0041',
      '\\x',
      '\\',
      '\n',
      '\u0000',
      '"',
      'é',
      '𝄞',
      'a',
    );
    const quoted = fc.array(escape, { maxLength: 5 }).map((parts) => `"${parts.join('')}"`);
    fc.assert(
      fc.property(fc.oneof(number, quoted), fc.constantFrom('', ' ', '\t'), (value, space) => {
        const text = `[${value}${space}]`;
        const [read] = [take(() => parseStrictJson(text))];
        expect(read).toEqual(take(() => JSON.parse(text)));
        if (/^\d+$/.test(value) && read !== 'refused') expect(parseStrictJson(text, true)).toEqual(read);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('checkpoints', () => {
  test('come back bit for bit, and are found through their run', async () => {
    const run = join(root, 'run');
    const folder = await writeCheckpoint(join(run, 'checkpoints'), contents(12));
    expect(readdirSync(folder).sort()).toEqual([
      'manifest.json',
      'model.safetensors',
      'optimizer.safetensors',
      'state.json',
    ]);
    await expect(findCheckpoint(run)).rejects.toThrow('no checkpoint and no run with one');
    await replaceText(join(run, 'checkpoints', 'last'), 'step-00000012\n');
    const found = await findCheckpoint(run);
    expect(found).toMatchObject({ step: 12, trainer: 'T', specSha256: 'abc' });
    expect(found.params.get('lr')).toBe(0.1);
    expect(await readTensors(found, 'model.safetensors')).toEqual(weights);
  });

  test('a flipped bit anywhere in the data is found, by tensor', async () => {
    const folder = await writeCheckpoint(join(root, 'flip'), contents(1));
    await writeCheckpoint(join(root, 'flip'), contents(2));
    const path = join(folder, 'model.safetensors');
    const whole = readFileSync(path);
    const found = await findCheckpoint(folder);
    for (let at = 8; at < whole.length; at += 5) {
      const bytes = Buffer.from(whole);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
      writeFileSync(path, bytes);
      await expect(readTensors(found, 'model.safetensors')).rejects.toThrow(
        /model\.safetensors is damaged: .+; take another checkpoint: \S+step-00000002$/,
      );
    }
    writeFileSync(path, whole.subarray(0, -1));
    await expect(readTensors(found, 'model.safetensors')).rejects.toThrow('the manifest says');
  });

  test('a folder that is not filled to the end never appears', async () => {
    const parent = join(root, 'half');
    mkdirSync(parent);
    const failing = makeFolder(join(parent, 'step-1'), (temporary) => {
      writeFileSync(join(temporary, 'a'), 'x');
      return Promise.reject(new Error('power cut'));
    });
    await expect(failing).rejects.toThrow('power cut');
    expect(readdirSync(parent)).toEqual([]);
  });

  test('an existing checkpoint is never overwritten', async () => {
    await writeCheckpoint(join(root, 'twice'), contents(3));
    await expect(writeCheckpoint(join(root, 'twice'), contents(3))).rejects.toThrow(
      'something else stands there',
    );
    expect(readdirSync(join(root, 'twice'))).toEqual(['step-00000003']);
  });

  test('what is missing is named, with the checkpoints that are there', async () => {
    const run = join(root, 'left');
    const checkpoints = join(run, 'checkpoints');
    for (const step of [1, 2, 3]) await writeCheckpoint(checkpoints, contents(step));
    await pointTo(checkpoints, 'best', 2);
    rmSync(join(checkpoints, 'step-00000002', 'model.safetensors'));
    const others = `${join(checkpoints, 'step-00000003')}, ${join(checkpoints, 'step-00000001')}`;
    const instead = `take another checkpoint: ${others}`;
    await expect(readTensors(await findCheckpoint(run), 'model.safetensors')).rejects.toThrow(
      `model.safetensors: it is missing; ${instead}`,
    );
    rmSync(join(checkpoints, 'step-00000002'), { recursive: true });
    writeFileSync(join(checkpoints, 'notes'), '');
    for (const [path, message] of [
      [run, 'best names step-00000002, which is not there'],
      [checkpoints, 'is no checkpoint and no run with one'],
      [join(checkpoints, 'best'), 'best names step-00000002, which is not there'],
      [join(checkpoints, 'notes'), 'is a file; take another checkpoint'],
      [join(checkpoints, 'step-00000009'), 'there is no folder'],
    ] as const) {
      await expect(findCheckpoint(path)).rejects.toThrow(message);
      await expect(findCheckpoint(path)).rejects.toThrow(instead);
    }
  });

  test('what is no checkpoint and no run says what to give in its place', async () => {
    const run = join(root, 'given');
    const checkpoints = join(run, 'checkpoints');
    const folder = await writeCheckpoint(checkpoints, contents(1));
    for (const name of ['manifest.json', 'model.safetensors'])
      await expect(findCheckpoint(join(folder, name))).rejects.toThrow(
        `${join(folder, name)} is a file of a checkpoint; give the checkpoint, ${folder}`,
      );
    const file = await writeCheckpoint(checkpoints, contents(2, 'ckpt'));
    const renamed = join(root, 'renamed', 'weights.bin');
    cpSync(file, renamed);
    await expect(findCheckpoint(renamed)).rejects.toThrow(
      `${renamed} is a file; give the folder of a run, or of a checkpoint with its manifest.json; a checkpoint that is one file has a name that ends in .ckpt`,
    );
    const link = join(root, 'link.ckpt');
    symlinkSync(file, link);
    await expect(findCheckpoint(link)).rejects.toThrow(
      `cannot read ${link}: it is a link; give the path of what it leads to`,
    );
  });

  test('of a sweep, the run that was picked', async () => {
    const sweep = join(root, 'sweep');
    mkdirSync(sweep);
    const say = (value: unknown): void => writeFileSync(join(sweep, 'sweep.json'), JSON.stringify(value));
    const points = [{ runs: [{ folder: '01-a' }] }, { runs: [{ folder: '02-b' }, { folder: '../out' }] }];
    for (const name of ['01-a', '02-b', '../out']) {
      mkdirSync(join(sweep, name));
      writeFileSync(join(sweep, name, 'run.json'), '{}');
    }
    say({ points, picked: { point: 2 } });
    await expect(findCheckpoint(sweep)).rejects.toThrow(
      new RegExp(
        `sweep is a sweep, not a run; give one of its runs: point 2 was picked, ${join(sweep, '02-b')}$`,
      ),
    );
    const soFar = { points, ended: false, picked: { point: 2 } };
    for (const value of [{ points, picked: null }, { points, picked: { point: 3 } }, soFar, 'none']) {
      say(value);
      await expect(findCheckpoint(sweep)).rejects.toThrow(
        /is a sweep, not a run; give one of the runs in it$/,
      );
    }
  });

  test('a newer format is refused by number', async () => {
    const folder = await writeCheckpoint(join(root, 'newer'), contents(1));
    const path = join(folder, 'manifest.json');
    const { sha256: _own, ...fields } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Json>;
    writeFileSync(path, readFileSync(path, 'utf8').replace('"format": 4', '"format": 5'));
    // Who edits a manifest does not seal it.
    await expect(findCheckpoint(folder)).rejects.toThrow('its own checksum differs');
    writeFileSync(path, manifestText({ ...fields, format: 5 }));
    await expect(findCheckpoint(folder)).rejects.toThrow(
      'format 5; this trainer reads up to 4, build it with ztrainc 0 or newer',
    );
    writeFileSync(path, '{"format": 1}');
    await expect(findCheckpoint(folder)).rejects.toThrow(
      /not a manifest as a trainer writes it: "spec" must be an object, got nothing; there is no other/,
    );
    writeFileSync(path, '{"format": ');
    await expect(findCheckpoint(folder)).rejects.toThrow('it is damaged, a value was expected');
  });

  test('weights that do not fit are listed, and none is changed', () => {
    const loaded: string[] = [];
    const variable = (path: string, shape: readonly number[]) => ({
      path,
      dtype: 'f32' as const,
      shape,
      read: () => {
        throw new Error('not in a step');
      },
      assign: () => undefined,
      download: () => Promise.reject(new Error('not needed')),
      upload: () => void loaded.push(path),
      dispose: () => undefined,
    });
    const own = [variable('M.a.weight', [3, 2]), variable('M.b.bias', [2])];
    expect(() => loadInto(own, weights, 'c')).toThrow(
      'c lacks M.b.bias; the models lack M.a.bias; M.a.weight is f32[2, 2] there and f32[3, 2] here',
    );
    expect(loaded).toEqual([]);
    loadInto([variable('M.a.weight', [2, 2]), variable('M.a.bias', [2])], weights, 'c');
    expect(loaded).toEqual(['M.a.weight', 'M.a.bias']);
  });
});

/** What was saved; a run that writes nothing is none here. */
const written = async (saved: Promise<SavedCheckpoint | null>): Promise<SavedCheckpoint> => {
  const checkpoint = await saved;
  if (checkpoint === null) throw new Error('nothing was saved');
  return checkpoint;
};

/** A run that only remembers what the add-on did. */
function fakeHost() {
  const kept = new Set<number>();
  const log: string[] = [];
  const pointers = new Map<string, number>();
  const host: AddOnHost = {
    pace: { stepsPerEpoch: 2, accumulate: 1, rowsPerEpoch: 2, totalSteps: 100 },
    folder: null,
    root: '.',
    outputs: null,
    report: () => undefined,
    rates: () => new Map(),
    log: () => undefined,
    memory: () => new Map(),
    evaluate: () => Promise.resolve([]),
    save: ({ step }) => {
      kept.add(step);
      log.push(`save ${step}`);
      return Promise.resolve({ folder: `step-${step}`, step });
    },
    beginSave: (at) => Promise.resolve({ written: written(host.save(at)) }),
    point: (name, { step }: SavedCheckpoint) => {
      pointers.set(name, step);
      return Promise.resolve();
    },
    unpointBest: () => Promise.resolve(),
    saveFailed: () => Promise.resolve(null),
    notable: () => undefined,
    forget: ({ step }: SavedCheckpoint) => {
      kept.delete(step);
      log.push(`forget ${step}`);
      return Promise.resolve();
    },
    best: () => undefined,
    savedAt: () => null,
    goesOnFrom: null,
  };
  return { host, kept, log, pointers };
}

describe('what is kept', () => {
  const moment = (step: number): Moment => ({ step, epoch: Math.floor(step / 2), seconds: step });

  test('the newest and the best; the old go after the new is saved', async () => {
    const { host, kept, log, pointers } = fakeHost();
    const hooks = addons
      .checkpoint({ every: { unit: 'steps', value: 2 }, keep: 2, best: addons.max('v.m') })
      .start(host);
    const values = [0.1, 0.5, Number.NaN, 0.4, 0.5, 0.2, 0.3];
    for (const [index, value] of values.entries()) {
      await hooks.measured?.(moment(index + 1), new Map([['v.m', value]]));
      await hooks.settled?.(moment(index + 1));
      // Waits for the write, and does nothing else.
      await hooks.failed?.(moment(index + 1), null);
    }
    expect([...kept].sort()).toEqual([2, 4, 6]);
    expect(pointers).toEqual(
      new Map([
        ['last', 6],
        ['best', 2],
      ]),
    );
    await hooks.fitEnd?.(moment(7), new Map());
    expect([...kept].sort()).toEqual([2, 6, 7]);
    const order = log.indexOf('forget 1');
    expect(order).toBeGreaterThan(log.indexOf('save 2'));
  });

  test('a checkpoint knows that it is the best itself', async () => {
    const { host } = fakeHost();
    const states: unknown[] = [];
    const beginSave: AddOnHost['beginSave'] = (at) => {
      states.push(hooks.state?.());
      return host.beginSave(at);
    };
    const hooks = addons
      .checkpoint({ every: { unit: 'steps', value: 1 }, best: addons.max('v.m') })
      .start({ ...host, beginSave });
    for (const [index, value] of [0.1, 0.5, 0.2].entries()) {
      await hooks.measured?.(moment(index + 1), new Map([['v.m', value]]));
      await hooks.settled?.(moment(index + 1));
      // Waits for the write, and does nothing else.
      await hooks.failed?.(moment(index + 1), null);
    }
    expect(states).toMatchObject([
      { best: 0.1, bestStep: 1 },
      { best: 0.5, bestStep: 2 },
      { best: 0.5, bestStep: 2 },
    ]);
  });

  test('early stopping says on what a metric has not improved, as the other lines do', async () => {
    const { host } = fakeHost();
    const hooks = addons.earlyStopping({ monitor: addons.min('v.m'), patience: 1 }).start(host);
    await hooks.measured?.(moment(1), new Map([['v.m', 0.12345678901]]));
    expect(await hooks.measured?.(moment(2), new Map([['v.m', 0.5]]))).toEqual({
      end: 'run',
      because: 'v.m has not improved on 0.1235 for 1 measurement',
    });
  });

  test('limits hold for add-ons that are made in code', () => {
    expect(() => addons.checkpoint({ keep: 0 })).toThrow('at least 1 as keep, got 0');
    const monitor = addons.min('v.m');
    expect(() => addons.earlyStopping({ monitor, patience: 0 })).toThrow('got 0 and 0');
    expect(() => addons.earlyStopping({ monitor, minDelta: Number.NaN })).toThrow('got 10 and NaN');
  });

  test('without anything but the end, one checkpoint', async () => {
    const { host, kept } = fakeHost();
    const hooks = addons.checkpoint().start(host);
    await hooks.settled?.(moment(1));
    await hooks.fitEnd?.(moment(9), new Map());
    expect([...kept]).toEqual([9]);
  });
});
