/** A checkpoint that may be whole is not passed over: one of a newer format, and one that cannot be read now. */
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import type * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Json } from '../../src/runtime/addons/addon.js';
import { manifestText } from '../../src/runtime/checkpoint/manifest.js';
import { writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import { newestVerified } from './checkpoint-reading.js';
import { contents, layouts } from './checkpoint-contents.js';
import { checkpoints, filesIn, killed, run } from './killed-runs.js';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  return { ...real, open: vi.fn(real.open) };
});

let before = '';
const root = mkdtempSync(join(tmpdir(), 'ztrain-whole-'));
beforeAll(() => {
  before = process.cwd();
  process.chdir(root);
});
afterEach(restored);
afterAll(() => {
  process.chdir(before);
  rmSync(root, { recursive: true, force: true });
});

/** Opening a file whose path ends so fails. */
async function refusing(ending: string, code: string): Promise<void> {
  const { open: real } = await vi.importActual<typeof fs>('node:fs/promises');
  vi.mocked(open).mockImplementation((...given) =>
    String(given[0]).endsWith(ending)
      ? Promise.reject(Object.assign(new Error(`${code}: made up`), { code }))
      : real(...given),
  );
}

async function restored(): Promise<void> {
  vi.mocked(open).mockImplementation((await vi.importActual<typeof fs>('node:fs/promises')).open);
}

/** As a newer ztrain writes it. */
function ofFormat(path: string, format: number): void {
  const { sha256: _own, ...fields } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Json>;
  writeFileSync(path, manifestText({ ...fields, format }));
}

/** Which checkpoints there are, and the lines of metrics. */
const state = (name: string): unknown => [
  checkpoints(name),
  readFileSync(join(name, 'metrics.jsonl'), 'utf8'),
];

describe('going on with a run', () => {
  test('whose newest checkpoint is of a newer format is refused, until an older one is named', async () => {
    await killed('newer');
    ofFormat('newer/checkpoints/step-00000008/manifest.json', 5);
    const files = filesIn('newer');
    for (const words of [
      ['--resume', 'newer'],
      ['--run-dir=newer', '--resume', 'auto'],
    ]) {
      const { code, text } = await run(words);
      expect(code).toBe(3);
      expect(text).toContain(
        'newer/checkpoints/step-00000008/manifest.json has format 5; this trainer reads up to 4, build it with ztrainc 0.1.0 or newer; it may be whole, so none before it is taken unless it is named: --resume newer/checkpoints/step-',
      );
      expect(filesIn('newer')).toEqual(files);
    }
    const { code, text } = await run(['--resume', 'newer/checkpoints/step-00000006']);
    expect(text).toContain('step-00000008 is newer and is written anew: it is aside-step-00000008 now');
    expect(code).toBe(0);
  });

  test.each([
    ['EIO', 'the disk cannot read it'],
    ['EACCES', 'no permission'],
    ['EMFILE', 'EMFILE: made up'],
    ['ESTALE', 'ESTALE: made up'],
  ])('whose newest cannot be read for %s is refused, and goes on from it later', async (code, why) => {
    const name = `passing-${code}`;
    await killed(name);
    const whole = state(name);
    for (const file of ['manifest.json', 'model.safetensors', 'optimizer.safetensors', 'state.json']) {
      const path = `${name}/checkpoints/step-00000008/${file}`;
      await refusing(path, code);
      const { code: exit, text } = await run(['--resume', name]);
      expect(exit).toBe(3);
      expect(text).toContain(
        `${path}: ${why}; mend that, then go on again; it may be whole, so none before it is taken unless it is named: --resume `,
      );
      expect(state(name)).toEqual(whole);
    }
    await restored();
    const { code: exit, text } = await run(['--resume', name]);
    expect(text).toContain('goes on after step 8');
    expect(exit).toBe(0);
  });

  test('for which there is no memory is refused', async () => {
    await killed('large');
    const { open: real } = await vi.importActual<typeof fs>('node:fs/promises');
    const own = globalThis.Uint8Array;
    const shared = globalThis.ArrayBuffer;
    let armed = false;
    vi.mocked(open).mockImplementation((...given) => {
      // The other file is read beside it.
      armed ||= String(given[0]).endsWith('step-00000008/model.safetensors');
      return real(...given);
    });
    vi.stubGlobal(
      'Uint8Array',
      new Proxy(own, {
        construct: (target, given) => {
          // Of the first tensor, of 4 bytes.
          if (armed && given[0] === 4) throw new RangeError('Array buffer allocation failed');
          return Reflect.construct(target, given) as object;
        },
      }),
    );
    vi.stubGlobal(
      'ArrayBuffer',
      new Proxy(shared, {
        construct: (target, given) => {
          if (armed) throw new RangeError('Array buffer allocation failed');
          return Reflect.construct(target, given) as object;
        },
      }),
    );
    const { code, text } = await run(['--resume', 'large']);
    vi.unstubAllGlobals();
    expect(text).toContain('for which there is no memory; mend that, then go on again; it may be whole');
    expect(code).toBe(3);
    expect(checkpoints('large')).toContain('step-00000008');
  });
});

describe.each(layouts)('a checkpoint in the layout %s', (layout) => {
  const file = layout === 'ckpt' ? 'step-00000002.ckpt' : 'step-00000002/state.json';

  test('that cannot be read now is not put aside by one of its step', async () => {
    const folder = join(root, `aside-${layout}`);
    await writeCheckpoint(folder, contents(2, layout));
    await refusing(file, 'EIO');
    await expect(writeCheckpoint(folder, contents(2, layout))).rejects.toThrow(
      /cannot save the checkpoint .*: the disk failed; look at the system's log/,
    );
    await restored();
    expect(readdirSync(folder)).toHaveLength(1);
    expect((await newestVerified(folder)).checkpoint?.step).toBe(2);
  });
});

test('one of a newer format is not put aside by one of its step; one whose format is damaged is passed over', async () => {
  const folder = join(root, 'newer-aside');
  for (const step of [1, 2]) await writeCheckpoint(folder, contents(step));
  const manifest = join(folder, 'step-00000002', 'manifest.json');
  const text = readFileSync(manifest, 'utf8');
  ofFormat(manifest, 99);
  await expect(newestVerified(folder)).rejects.toThrow('has format 99; this trainer reads up to 4');
  await expect(writeCheckpoint(folder, contents(2))).rejects.toThrow(
    'one of a newer ztrain stands there; choose another --run-dir',
  );
  expect(readdirSync(folder).sort()).toEqual(['step-00000001', 'step-00000002']);
  // One bit.
  writeFileSync(manifest, text.replace('"format": 4', '"format": 6'));
  expect(await newestVerified(folder)).toMatchObject({ checkpoint: { step: 1 }, skipped: [{}] });
});

test('damage is passed over as before', async () => {
  await killed('damaged');
  truncateSync('damaged/checkpoints/step-00000008/optimizer.safetensors', 40);
  renameSync('damaged/checkpoints/step-00000006/state.json', 'damaged/state.json');
  const { code, text } = await run(['--resume', 'damaged']);
  expect(text.match(/passed over/g)).toHaveLength(2);
  expect(text).toContain('goes on after step 5');
  expect(code).toBe(0);
});
