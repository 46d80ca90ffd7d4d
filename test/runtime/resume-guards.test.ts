/** What is in the way of a run that would go on wrongly, line by line: who takes one of them out sees a test fail. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AddOn } from '../../src/runtime/addons/addon.js';
import * as addons from '../../src/runtime/addons/index.js';
import { findCheckpoint, loadInto, readState, readTensors } from '../../src/runtime/checkpoint/read.js';
import { lockFolder } from '../../src/runtime/checkpoint/lock.js';
import { writeCheckpoint } from '../../src/runtime/checkpoint/write.js';
import type { HostTensor, StateVariable } from '../../src/runtime/engine/engine.js';
import { resumePointAt, setNewerAside } from '../../src/runtime/trainer/resume.js';
import * as nn from '../../src/runtime/nn/index.js';
import type { StopSignal } from '../../src/runtime/trainer/control.js';
import type { Prepared, PrepareOptions } from '../../src/runtime/trainer/prepared.js';
import * as units from '../../src/values/units.js';
import { contents } from './checkpoint-contents.js';
import { checkpoints, filesIn, killed, run, Saving } from './killed-runs.js';
import { workInFolder } from './temporary-folder.js';
import { Line, LineTrainer, type LineModels } from './tiny-trainer.js';

workInFolder('guards');

const pointerOf = (name: string, pointer: 'best' | 'last'): string =>
  readFileSync(join(name, 'checkpoints', pointer), 'utf8').trim();
const step = (at: number): string => `step-${String(at).padStart(8, '0')}`;

test('a checkpoint that another process writes while the run is looked for is not lost', async () => {
  await killed('late');
  const resume = await resumePointAt('late');
  cpSync(join('late', 'checkpoints', step(8)), join('late', 'checkpoints', step(10)), { recursive: true });
  const files = filesIn('late').filter((line) => !line.includes('.lock'));
  const trainer = new Saving({ options: { progress: 'none' } });
  await expect(trainer.fit({ resume })).rejects.toThrow(
    /^another process has written step-00000010 of \S*late just now; go on again, from there$/,
  );
  expect(filesIn('late')).toEqual(files);
});

describe('what does not fit is refused before any tensor is read', () => {
  /** A run whose tensors are damaged: who reads them says so. */
  const damaged = async (name: string): Promise<void> => {
    await killed(name);
    for (const checkpoint of checkpoints(name))
      for (const file of ['model.safetensors', 'optimizer.safetensors']) {
        const path = join(name, 'checkpoints', checkpoint, file);
        const bytes = readFileSync(path);
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
        writeFileSync(path, bytes);
      }
  };
  class WideLine extends Line {
    readonly extra = this.add('extra', nn.dense({ inputs: 2, units: 3 }));
  }
  class Wide extends Saving {
    protected override configureModels(): LineModels {
      return { line: new WideLine() };
    }
  }

  test.each(['a run', 'a checkpoint', 'auto'])('of %s', async (what) => {
    const name = `refused-${what.replace(' ', '-')}`;
    await damaged(name);
    const before = filesIn(name);
    const from =
      {
        'a run': [`--resume=${name}`],
        'a checkpoint': [`--resume=${join(name, 'checkpoints', step(8))}`],
        auto: ['--resume=auto', `--run-dir=${name}`],
      }[what] ?? [];
    const other = await run([...from, 'lr=0.3']);
    expect(other.text).toContain(`${step(8)}, this run is another one:\n  lr was 0.1, is 0.3\ngo back`);
    expect(other.code).toBe(3);
    const wide = await run(from, Wide);
    expect(wide.text).toMatch(
      /the models: \S*step-00000008 lacks \w+.extra.weight, \w+.extra.bias; its params and its spec are the same/,
    );
    // What fits is read, and only then found to be damaged.
    const same = await run(from);
    expect(same.text).toContain('the checksum of tensor');
    expect([wide.code, same.code]).toEqual([3, 3]);
    const held = what === 'auto' ? name : (from[0] ?? '').slice('--resume='.length);
    await expect(new Wide().fit({ resume: held, environment: {} })).rejects.toThrow(/lacks \w+.extra.weight/);
    expect(filesIn(name)).toEqual(before);
  });

  test('and what is passed over for an older one is let go of', async () => {
    await killed('passed-over');
    const path = join('passed-over', 'checkpoints', step(8), 'model.safetensors');
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0, bytes.length - 1));
    let open = 0;
    class Closing extends Saving {
      override async prepare(options: PrepareOptions): Promise<Prepared> {
        const prepared = await super.prepare(options);
        open += 1;
        const close = prepared.session.close.bind(prepared.session);
        prepared.session.close = async () => {
          open -= 1;
          await close();
        };
        return prepared;
      }
    }
    const { code, text } = await run(['--resume=passed-over'], Closing);
    expect(text).toContain(`passed over: `);
    expect(text).toContain('goes on after step 6');
    expect([code, open]).toEqual([0, 0]);
    expect((await run(['--resume=passed-over', 'lr=0.3'], Closing)).code).toBe(3);
    expect(open).toBe(0);
  });

  test.each(['fit', 'byHand'] as const)(
    'an older one is taken in the place of a damaged one by %s too',
    async (how) => {
      const name = `older-by-${how}`;
      await killed(name);
      const path = join(name, 'checkpoints', step(8), 'model.safetensors');
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0, bytes.length - 1));
      let text = '';
      const stream = { isTTY: false, columns: 100, write: (line: string) => void (text += line) };
      const trainer = new Saving();
      const options = { resume: name, stream, environment: {} };
      if (how === 'fit') expect(await trainer.fit(options)).toMatchObject({ at: { step: 15 } });
      else {
        const byHand = trainer.byHand(options);
        expect(await byHand.runEpoch()).toMatchObject({ step: 10 });
        await byHand.end();
      }
      expect(text).toContain('passed over: ');
      expect(text).toContain('goes on after step 6');
    },
  );
});

test('a run that was begun with a least length beyond its own goes on', async () => {
  await killed('beyond', ['trainer.epochs=3', 'trainer.min_steps=15']);
  const allow = ['--allow=trainer.min_steps', 'trainer.min_steps=99', 'trainer.epochs=3'];
  const { code, text } = await run(['--resume=beyond', ...allow]);
  expect(text).toContain(
    "min_steps = 99 is more than the run's 15 steps (3 epochs of 5): nothing ends it early",
  );
  expect(code).toBe(0);
});

test('a run that goes on elsewhere, and removes what was found, is in use; it has not lost anything', async () => {
  await killed('busy');
  for (const name of checkpoints('busy')) rmSync(join('busy', 'checkpoints', name, 'manifest.json'));
  const lock = lockFolder('busy');
  try {
    for (const words of [['--resume=busy'], ['--resume=auto', '--run-dir=busy']]) {
      const { code, text } = await run(words);
      expect(text).toBe(
        `error: busy is being written by process ${process.pid}; wait for it, or choose another --run-dir\n`,
      );
      expect(code).toBe(3);
    }
  } finally {
    lock.release();
  }
  expect((await run(['--resume=busy'])).text).toContain('busy has no checkpoint to go on from:');
});

test('a run that is at work and has not saved yet is in use; only one that is left is to begin anew', async () => {
  await killed('early');
  rmSync(join('early', 'checkpoints'), { recursive: true });
  const lock = lockFolder('early');
  try {
    const { code, text } = await run(['--resume=early']);
    expect(text).toContain(`early is being written by process ${process.pid}; wait for it`);
    expect(code).toBe(3);
  } finally {
    lock.release();
  }
  expect((await run(['--resume=early'])).text).toContain('early has saved nothing to go on from');
});

test('auto passes over a run that another process has, by name, and begins a new one', async () => {
  const folder = 'runs/LineTrainer/20990101-000000-busy';
  await killed(folder);
  const passed = `passed over: ${folder}, which is being written by process ${process.pid}\n`;
  for (const isBegun of [true, false]) {
    // One that has just taken its folder.
    if (!isBegun) rmSync(join(folder, 'run.json'));
    if (!isBegun) rmSync(join(folder, 'checkpoints'), { recursive: true });
    const lock = lockFolder(folder);
    try {
      const { code, text } = await run(['--resume=auto']);
      expect(text).toContain(`${passed}nothing was left to go on with in runs/LineTrainer: a new run`);
      expect(code).toBe(0);
    } finally {
      lock.release();
    }
  }
  const { text } = await run(['--resume=auto']);
  expect(text).not.toContain('passed over');
});

describe('the pointers of a run that goes on', () => {
  test('best is what the state says, whatever it named', async () => {
    await killed('pointed');
    for (const [name, found] of [
      ['newer', `${step(8)}\n`],
      ['older', `${step(2)}\n`],
      ['none', null],
    ] as const) {
      cpSync('pointed', name, { recursive: true });
      const best = join(name, 'checkpoints', 'best');
      if (found === null) rmSync(best);
      else writeFileSync(best, found);
      const lines = await setNewerAside(await resumePointAt(join(name, 'checkpoints', step(6))));
      expect(lines).toEqual([expect.stringContaining('step-00000008 is newer')]);
      expect([pointerOf(name, 'best'), pointerOf(name, 'last')]).toEqual([step(5), step(6)]);
    }
    // And none where that is gone, or nothing was measured yet.
    cpSync('pointed', 'gone', { recursive: true });
    rmSync(join('gone', 'checkpoints', step(5)), { recursive: true });
    await setNewerAside(await resumePointAt('gone'));
    expect(existsSync('gone/checkpoints/best')).toBe(false);
    await setNewerAside(await resumePointAt(join('pointed', 'checkpoints', step(4))));
    expect(existsSync('pointed/checkpoints/best')).toBe(false);
  });

  test('best from before is named at the end where nothing was better since', async () => {
    class Worst extends LineTrainer {
      protected override configureAddOns(): readonly AddOn[] {
        return [addons.checkpoint({ every: units.steps(2), keep: 20, best: addons.max('validate.loss') })];
      }
    }
    await killed('worst', [], Worst);
    const { code, text } = await run(['--resume=worst'], Worst);
    expect(code).toBe(0);
    expect(text).toContain(`worst/checkpoints/${step(5)} (best)`);
    expect(text).toContain(`worst/checkpoints/${step(15)} (last)`);
    expect([pointerOf('worst', 'best'), pointerOf('worst', 'last')]).toEqual([step(5), step(15)]);
  });
});

test('what a signal has saved is one of the checkpoints that are kept, and removed in its turn', async () => {
  let signal = (_name: StopSignal): void => undefined;
  class Few extends LineTrainer {
    protected override configureAddOns(): readonly AddOn[] {
      const own: AddOn = {
        kind: 'stopping',
        phase: 'core',
        owns: [],
        withOptions: () => own,
        start: () => ({ stepEnd: ({ step: at }) => void (at === 7 && signal('SIGTERM')) }),
      };
      return [own, addons.checkpoint({ every: units.steps(2), keep: 2 })];
    }
  }
  const onSignal = (listener: typeof signal): (() => void) => {
    signal = listener;
    return () => undefined;
  };
  expect((await run(['--run-dir=signalled'], Few, { onSignal })).code).toBe(143);
  expect(checkpoints('signalled')).toContain(step(7));
  signal = () => undefined;
  expect((await run(['--resume=signalled'], Few)).code).toBe(0);
  expect(checkpoints('signalled')).toEqual([step(14), step(15)]);
});

test('a tensor of another element type does not fit, and then none is taken', () => {
  const uploaded: string[] = [];
  const variable = (path: string, dtype: 'f32' | 'i32') =>
    ({
      path,
      dtype,
      shape: [2],
      upload: () => void uploaded.push(path),
    }) satisfies Partial<StateVariable> as unknown as StateVariable;
  const values: HostTensor = { dtype: 'f32', shape: [2], values: Float32Array.of(1, 2) };
  const tensors = new Map([
    ['M.a', values],
    ['M.count', values],
  ]);
  expect(() => loadInto([variable('M.a', 'f32'), variable('M.count', 'i32')], tensors, 'here')).toThrow(
    'M.count is f32[2] there and i32[2] here',
  );
  expect(uploaded).toEqual([]);
  loadInto([variable('M.a', 'f32'), variable('M.count', 'f32')], tensors, 'here');
  expect(uploaded).toEqual(['M.a', 'M.count']);
});

describe('a flipped bit of a header is found', () => {
  const root = mkdtempSync(join(tmpdir(), 'ztrain-bits-'));
  /** The file up to its tensors. */
  const headOf = (bytes: Buffer): number => 8 + bytes.readUInt32LE(0);

  test('each of a folder’s files, text for other programs too', async () => {
    const folder = await writeCheckpoint(join(root, 'folder'), contents(1));
    const found = await findCheckpoint(folder);
    for (const name of ['model.safetensors', 'optimizer.safetensors'] as const) {
      const path = join(folder, name);
      const whole = readFileSync(path);
      let passed = 0;
      for (let bit = 0; bit < 8 * headOf(whole); bit += 1) {
        const bytes = Buffer.from(whole);
        bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        writeFileSync(path, bytes);
        const why = await readTensors(found, name).then(() => `bit ${bit} of ${name} was not missed`, String);
        expect(why).toMatch(/safetensors is damaged: /);
        passed += 1;
      }
      expect(passed).toBeGreaterThan(500);
      writeFileSync(path, whole);
    }
    await readTensors(found, 'model.safetensors');
  }, 120_000);

  test('and a header that says the same in other words', async () => {
    const folder = await writeCheckpoint(join(root, 'words'), contents(1));
    const path = join(folder, 'model.safetensors');
    const whole = readFileSync(path);
    const text = whole.toString('latin1');
    const other = text.replace(/("dtype":"F32"),("shape":\[2\])/, '$2,$1');
    expect(other).not.toBe(text);
    writeFileSync(path, Buffer.from(other, 'latin1'));
    await expect(readTensors(await findCheckpoint(folder), 'model.safetensors')).rejects.toThrow(
      'model.safetensors is damaged: its checksum differs',
    );
  });

  test('one in each byte of one file, its manifest and its state among them', async () => {
    const path = await writeCheckpoint(join(root, 'file'), contents(1, 'ckpt'));
    const whole = readFileSync(path);
    for (let at = 0; at < headOf(whole); at += 1) {
      const bytes = Buffer.from(whole);
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at);
      writeFileSync(path, bytes);
      const read = async (): Promise<string> => {
        const found = await findCheckpoint(path);
        await readTensors(found, 'model.safetensors');
        await readTensors(found, 'optimizer.safetensors');
        await readState(found);
        return `byte ${at} was not missed`;
      };
      expect(await read().catch(String)).toMatch(/damaged|is not a manifest|has format/);
    }
  }, 120_000);
});
