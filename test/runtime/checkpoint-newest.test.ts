/** The newest checkpoint that verifies: what is wrong with newer ones is said, file by file and fault by fault. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { Json } from '../../src/runtime/addons/addon.js';
import { manifestText } from '../../src/runtime/checkpoint/manifest.js';
import {
  findCheckpoint,
  readState,
  readTensors,
  verifyCheckpoint,
} from '../../src/runtime/checkpoint/read.js';
import { deleteCheckpoint, pointTo, writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import { newestVerified } from './checkpoint-reading.js';
import { contents, layouts, weights } from './checkpoint-contents.js';

const root = mkdtempSync(join(tmpdir(), 'ztrain-newest-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const newRun = (): string => {
  made += 1;
  return join(root, String(made));
};

/** A run with steps 1 and 2, of which 2 is to be spoilt. */
async function run(layout: (typeof layouts)[number] = 'folder'): Promise<{ run: string; newest: string }> {
  const folder = newRun();
  await writeCheckpoint(join(folder, 'checkpoints'), contents(1, layout));
  const newest = await writeCheckpoint(join(folder, 'checkpoints'), contents(2, layout));
  expect(await newestVerified(folder)).toMatchObject({ checkpoint: { step: 2 }, skipped: [] });
  return { run: folder, newest };
}

/** Why the newest was skipped; the one before is taken. */
async function whySkipped(folder: string): Promise<string> {
  const { checkpoint, skipped } = await newestVerified(folder);
  expect(checkpoint?.step).toBe(1);
  expect(skipped).toHaveLength(1);
  const why = skipped[0]?.why ?? '';
  expect(why).not.toContain('--from');
  return why;
}

/** A manifest with other fields, and the checksum that belongs to them. */
function rewriteManifest(folder: string, changed: (fields: Record<string, Json>) => void): void {
  const path = join(folder, 'manifest.json');
  const { sha256: _before, ...fields } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Json>;
  changed(fields);
  writeFileSync(path, manifestText(fields));
}

describe.each(layouts)('in the layout %s', (layout) => {
  test('all of a checkpoint comes back, and says how it was trained', async () => {
    const { newest } = await run(layout);
    const found = await findCheckpoint(newest);
    expect(found).toMatchObject({ step: 2, trainer: 'T', specFiles: [{ path: 'a', text: 'b' }] });
    expect(await readTensors(found, 'model.safetensors')).toEqual(weights);
    expect((await readTensors(found, 'optimizer.safetensors')).get('opt/count')?.values[0]).toBe(2);
    expect(await readState(found)).toEqual(new Map([['step', 2]]));
    const files = statSync(newest).isDirectory()
      ? readdirSync(newest).map((name) => join(newest, name))
      : [newest];
    for (const file of files) expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('a flipped bit anywhere is found', async () => {
    const { run: folder, newest } = await run(layout);
    const files = statSync(newest).isDirectory()
      ? readdirSync(newest).map((name) => join(newest, name))
      : [newest];
    const found = await findCheckpoint(newest);
    for (const path of files) {
      const whole = readFileSync(path);
      for (let at = 0; at < whole.length; at += 7) {
        const bytes = Buffer.from(whole);
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << ((at / 7) % 8)), at);
        writeFileSync(path, bytes);
        const again = await findCheckpoint(newest).catch(() => null);
        // What was read of the manifest before does not make up for it either.
        if (again !== null) await expect(verifyCheckpoint(again)).rejects.toThrow(/damaged|cannot read/);
        if (!path.endsWith('manifest.json') && layout === 'folder')
          await expect(verifyCheckpoint(found)).rejects.toThrow(/damaged|cannot read/);
      }
      writeFileSync(path, Buffer.from(whole).fill(0, Math.floor(whole.length / 2)));
      expect(await whySkipped(folder)).toMatch(/damaged|checksum/);
      writeFileSync(path, whole);
    }
    expect((await newestVerified(folder)).checkpoint?.step).toBe(2);
  });

  test('cut anywhere, it is skipped', async () => {
    const { run: folder, newest } = await run(layout);
    const files = statSync(newest).isDirectory()
      ? readdirSync(newest).map((name) => join(newest, name))
      : [newest];
    for (const path of files) {
      const whole = readFileSync(path);
      for (let size = whole.length - 1; size >= 0; size -= 1 + Math.floor(size / 12)) {
        truncateSync(path, size);
        expect(await whySkipped(folder)).not.toBe('');
        writeFileSync(path, whole);
      }
    }
  });

  test('a whole one of the same step is not overwritten; a damaged one makes way and is kept aside', async () => {
    const { run: folder, newest } = await run(layout);
    const checkpoints = join(folder, 'checkpoints');
    for (const other of layouts)
      await expect(writeCheckpoint(checkpoints, contents(2, other))).rejects.toThrow(
        `cannot save the checkpoint ${newest}: something else stands there; choose another --run-dir`,
      );
    const path = layout === 'ckpt' ? newest : join(newest, 'model.safetensors');
    truncateSync(path, statSync(path).size - 1);
    await writeCheckpoint(checkpoints, contents(2, layout));
    expect(await newestVerified(folder)).toMatchObject({ checkpoint: { step: 2 }, skipped: [] });
    expect(readdirSync(checkpoints)).toContain(
      layout === 'ckpt' ? 'step-00000002.ckpt.damaged-1' : 'step-00000002.damaged-1',
    );
  });

  test('last resolves for who reads while checkpoints come and go', async () => {
    const folder = newRun();
    const checkpoints = join(folder, 'checkpoints');
    let before = await writeCheckpoint(checkpoints, contents(1, layout));
    await pointTo(checkpoints, 'last', 1);
    let going = true;
    let reads = 0;
    const reader = (async () => {
      let newest = 0;
      while (going) {
        const { step } = await findCheckpoint(folder);
        expect(step).toBeGreaterThanOrEqual(newest);
        newest = step;
        reads += 1;
      }
    })();
    for (let step = 2; step <= 20; step += 1) {
      const saved = await writeCheckpoint(checkpoints, contents(step, layout));
      await pointTo(checkpoints, 'last', step);
      await deleteCheckpoint(before);
      before = saved;
    }
    going = false;
    await reader;
    expect(reads).toBeGreaterThan(10);
    expect(readdirSync(checkpoints)).toHaveLength(2);
  });
});

test.each(layouts)('in the layout %s one that is deleted while it is read is said to be', async (layout) => {
  const { run: folder, newest } = await run(layout);
  const found = await findCheckpoint(newest);
  await deleteCheckpoint(newest);
  const reads = [
    () => readTensors(found, 'model.safetensors'),
    () => readState(found),
    () => verifyCheckpoint(found),
  ];
  for (const read of reads)
    await expect(read()).rejects.toThrow(
      `${newest} was removed while it was read, as a run removes its older checkpoints when it saves; read the run again, or take another checkpoint: ${join(folder, 'checkpoints', 'step-00000001')}`,
    );
});

test('a checkpoint is verified in pieces, however large it is', async () => {
  const folder = newRun();
  const count = 2 ** 23;
  const path = await writeCheckpoint(folder, {
    ...contents(1),
    model: new Map([['M.w', { dtype: 'f32', shape: [count], values: new Float32Array(count) }]]),
  });
  const found = await findCheckpoint(path);
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers)), 1);
  await verifyCheckpoint(found);
  clearInterval(timer);
  expect(most).toBeGreaterThan(0);
  expect(most - before).toBeLessThan(count * 4 * 0.75);
});

describe('what is not as it was written', () => {
  test('files of another step, and of nobody', async () => {
    const { run: folder, newest } = await run();
    const other = join(folder, 'checkpoints', 'step-00000001');
    const [model, optimizer] = ['model.safetensors', 'optimizer.safetensors'].map((name) =>
      join(newest, name),
    ) as [string, string];
    cpSync(join(other, 'optimizer.safetensors'), optimizer);
    expect(await whySkipped(folder)).toBe(
      `${optimizer} is damaged: the checksum of tensor opt/count differs`,
    );
    cpSync(model, optimizer);
    expect(await whySkipped(folder)).toMatch(/it has \d+ bytes, the manifest says \d+/);
    rmSync(optimizer);
    expect(await whySkipped(folder)).toBe(`cannot read ${optimizer}: it is missing`);
    cpSync(join(other, 'optimizer.safetensors'), optimizer);
    cpSync(join(other, 'manifest.json'), join(newest, 'manifest.json'));
    rmSync(model);
    expect(await whySkipped(folder)).toBe('it has no model.safetensors');
  });

  test('links, pipes and folders in the place of files', async () => {
    const { run: folder, newest } = await run();
    const state = join(newest, 'state.json');
    const aside = join(folder, 'state.json');
    renameSync(state, aside);
    symlinkSync(aside, state);
    expect(await whySkipped(folder)).toBe(`cannot read ${state}: it is a link`);
    rmSync(state);
    // Nobody writes into it: who waited for a writer would wait for ever.
    execFileSync('mkfifo', [state]);
    expect(await whySkipped(folder)).toBe(`${state} is damaged: it is no regular file`);
    rmSync(state);
    mkdirSync(state);
    expect(await whySkipped(folder)).toBe(`${state} is damaged: it is no regular file`);
    rmSync(state, { recursive: true });
    renameSync(aside, state);
    const elsewhere = join(folder, 'elsewhere');
    renameSync(newest, elsewhere);
    symlinkSync(elsewhere, newest);
    expect(await whySkipped(folder)).toBe('it is a link');
    await expect(writeCheckpoint(join(folder, 'checkpoints'), contents(2))).rejects.toThrow(
      'a link stands there; choose another --run-dir',
    );
    expect(readlinkSync(newest)).toBe(elsewhere);
  });

  test('a link in the place of last is replaced, and what it led to is left alone', async () => {
    const { run: folder } = await run();
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, join(folder, 'checkpoints', 'last'));
    await pointTo(join(folder, 'checkpoints'), 'last', 2);
    expect(readFileSync(victim, 'utf8')).toBe('untouched');
    expect((await findCheckpoint(folder)).step).toBe(2);
  });

  test('a huge file without contents, which the manifest lists, costs no memory', async () => {
    const { run: folder, newest } = await run();
    const model = join(newest, 'model.safetensors');
    const size = 2 ** 40;
    truncateSync(model, size);
    expect(await whySkipped(folder)).toMatch(/it has 1099511627776 bytes, the manifest says/);
    rewriteManifest(newest, (fields) => {
      fields['files'] = (fields['files'] as Record<string, Json>[]).map((file) =>
        file['name'] === 'model.safetensors' ? { ...file, bytes: size } : file,
      );
    });
    expect(await whySkipped(folder)).toMatch(/there is data that belongs to none/);
  });

  const traps = ['../step-00000001/state.json', '/etc/passwd', 'a/b', '..', 'C:\\x', 'nul\u0000', ''];
  test.each(traps)('a file that the manifest calls %j', async (name) => {
    const { run: folder, newest } = await run();
    rewriteManifest(newest, (fields) => {
      fields['files'] = [...(fields['files'] as Json[]), { name, bytes: 1, sha256: '0'.repeat(64) }];
    });
    expect(await whySkipped(folder)).toContain('"name" of a file must be a plain name');
  });

  test.each<readonly [string, (fields: Record<string, Json>) => void, RegExp]>([
    ['a tensor twice', (f) => void (f['tensors'] = [...list(f['tensors']), ...list(f['tensors'])]), /twice/],
    ['a file twice', (f) => void (f['files'] = [...list(f['files']), ...list(f['files'])]), /twice/],
    ['a tensor less', (f) => void (f['tensors'] = list(f['tensors']).slice(1)), /does not list its tensor/],
    ['no whole step', (f) => void (f['step'] = 1.5), /"step" must be a whole number/],
    ['no format', (f) => void (f['format'] = '2'), /"format" must be a whole number/],
    [
      'another type',
      (f) =>
        void (f['tensors'] = list(f['tensors']).map((each) => ({ ...Object(each), dtype: 'i32' }) as Json)),
      /tensor M\.a\.(weight|bias) is F32\[.*\] there and I32/,
    ],
    [
      'another shape',
      (f) =>
        void (f['tensors'] = list(f['tensors']).map((each) => ({ ...Object(each), shape: [4] }) as Json)),
      /tensor M\.a\.(weight|bias) is F32\[.*\] there and F32\[4\] in the manifest/,
    ],
  ])('a manifest with %s', async (_name, change, message) => {
    const { run: folder, newest } = await run();
    rewriteManifest(newest, change);
    expect(await whySkipped(folder)).toMatch(message);
  });

  test('__proto__ in a manifest is a key like another', async () => {
    const { run: folder, newest } = await run();
    const path = join(newest, 'manifest.json');
    rewriteManifest(newest, (fields) => {
      fields['params'] = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2}') as Json;
    });
    expect(readFileSync(path, 'utf8')).toContain('__proto__');
    const { checkpoint } = await newestVerified(folder);
    expect([...(checkpoint?.params.keys() ?? [])]).toEqual(['__proto__', 'constructor']);
    expect('polluted' in {}).toBe(false);
  });
});

const list = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);

describe('what is looked at', () => {
  test('steps by number, and neither what was cut off nor what failed', async () => {
    const folder = newRun();
    const checkpoints = join(folder, 'checkpoints');
    for (const step of [9, 10]) await writeCheckpoint(checkpoints, contents(step));
    await writeCheckpoint(checkpoints, contents(123456789));
    await writeCheckpoint(checkpoints, { ...contents(999999999), error: 'it failed' });
    mkdirSync(join(checkpoints, 'step-999999999x'));
    writeFileSync(join(checkpoints, 'step-00000011.ckpt.tmp-1-00000000'), '');
    mkdirSync(join(checkpoints, 'step-00000050'));
    expect(await newestVerified(folder)).toMatchObject({ checkpoint: { step: 123456789 }, skipped: [] });
    rmSync(join(checkpoints, 'step-123456789'), { recursive: true });
    expect(await newestVerified(checkpoints)).toMatchObject({
      checkpoint: { step: 10 },
      skipped: [
        {
          path: join(checkpoints, 'step-00000050'),
          why: 'it has no manifest.json and no model.safetensors',
        },
      ],
    });
    expect(await newestVerified(newRun()).catch((error: unknown) => String(error))).toContain('cannot read');
    const empty = newRun();
    mkdirSync(empty);
    expect(await newestVerified(empty)).toEqual({ checkpoint: null, skipped: [] });
  });

  test('what a process that is gone left half written is swept by the next save; what is at work stays', async () => {
    const folder = newRun();
    const checkpoints = join(folder, 'checkpoints');
    mkdirSync(join(checkpoints, 'step-00000001.tmp-1073741824-00000000aa'), { recursive: true });
    writeFileSync(join(checkpoints, `last.tmp-${process.pid}-00000000aa`), '');
    const alive = `last.tmp-${process.ppid}-00000000aa`;
    writeFileSync(join(checkpoints, alive), '');
    writeFileSync(join(checkpoints, 'notes.tmp'), '');
    await writeCheckpoint(checkpoints, contents(1));
    expect(readdirSync(checkpoints).sort()).toEqual([alive, 'notes.tmp', 'step-00000001']);
  });
});

test('checkpoints of every format that was written are read', async () => {
  const corpus = fileURLToPath(new URL('checkpoint-corpus', import.meta.url));
  const formats = readdirSync(corpus).sort();
  expect(formats).toEqual([
    'format-1',
    'format-2',
    'format-2-ckpt',
    'format-3',
    'format-3-ckpt',
    'format-4',
    'format-4-ckpt',
  ]);
  for (const name of formats) {
    const { checkpoint, skipped } = await newestVerified(join(corpus, name));
    expect(skipped).toEqual([]);
    if (checkpoint === null) throw new Error(`${name} has none`);
    expect(checkpoint).toMatchObject({ step: 12, epoch: 3, trainer: 'LineTrainer', specSha256: 'c0ffee' });
    expect(checkpoint.params).toEqual(
      new Map<string, unknown>([
        ['lr', 0.1],
        ['name', 'å😀'],
      ]),
    );
    const model = await readTensors(checkpoint, 'model.safetensors');
    expect(model.get('Line.line.weight')).toEqual({
      dtype: 'f32',
      shape: [2, 1],
      values: Float32Array.of(0.5, -0),
    });
    expect(model.get('Line.line.bias')?.values).toEqual(Float32Array.of(1e-45));
    const optimizer = await readTensors(checkpoint, 'optimizer.safetensors');
    expect(optimizer.get('opt/count')).toEqual({ dtype: 'i32', shape: [], values: Int32Array.of(12) });
    const state = await readState(checkpoint);
    expect(state instanceof Map ? state.get('seconds') : null).toBe(1.5);
    expect(existsSync(join(corpus, name, 'last'))).toBe(true);
  }
});
