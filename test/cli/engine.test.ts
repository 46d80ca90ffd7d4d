/** `engine list`, `which` and `doctor` where nothing, or nothing good, is there; and what the commands are made of. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemProblem } from '../../src/cli/engine-install.js';
import { progressTo } from '../../src/cli/engine-progress.js';
import { library, names, tensorflow, writeLibraries, writeUnpacked } from '../made-up-library.js';
import { openDesk, type Desk, type Ended } from './command-line.js';
import { openIndex } from './fake-index.js';

let desk: Desk;
let bin: string;
beforeAll(() => {
  desk = openDesk();
  bin = openIndex(join(desk.folder, 'index')).bin('none');
});
afterAll(() => desk.remove());

const run = (words: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  desk.ztrainc(words, {
    environment: { PATH: bin, ZTRAIN_TENSORFLOW: '', VIRTUAL_ENV: '', CONDA_PREFIX: '', ...more },
  });
const engine = (words: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  run(['engine', ...words], more);

describe('nothing there', () => {
  test('list names every place', async () => {
    const { code, stdout, stderr } = await engine(['list']);
    expect([code, stderr]).toEqual([0, 'run `ztrainc engine install` to get TensorFlow\n']);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/ {2,}/));
    expect(lines.map(([place]) => place)).toEqual([
      'place',
      'ZTRAIN_TENSORFLOW',
      'ztrainc engine install',
      '@tensorflow/tfjs-node-gpu',
      '@tensorflow/tfjs-node',
      'VIRTUAL_ENV',
      'CONDA_PREFIX',
      'python3',
    ]);
    expect(lines.at(-1)).toEqual(['python3', '-', 'not on PATH']);
  });

  test.each(['which', 'doctor'])('%s says what was tried, with nothing on stdout', async (command) => {
    const { code, stdout, stderr } = await engine([command]);
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toContain(
      'error: no TensorFlow was found; run `ztrainc engine install` to get TensorFlow\n',
    );
    expect(stderr).toContain('  ZTRAIN_TENSORFLOW: not set\n');
    expect(stderr).toContain('  python3: not on PATH\n');
  });

  test('the doctor of the whole names both engines', async () => {
    const { stderr } = await run(['doctor']);
    expect(stderr).toContain('engine     embedded (WebAssembly, SIMD)\n');
    expect(stderr).toContain('engine     no TensorFlow; `ztrainc engine install` gets it');
  });
});

describe('nothing good there', () => {
  /** The one line that says why. */
  const fault = async (folder: string): Promise<string> => {
    const { code, stderr } = await engine(['doctor'], { ZTRAIN_TENSORFLOW: folder });
    expect(code).toBe(3);
    return stderr.trim().split('\n').at(-1) ?? '';
  };

  test('one problem takes one line, several a line each', async () => {
    const arm = writeLibraries(join(desk.folder, 'arm'), { arch: 'arm' });
    const { code, stdout, stderr } = await engine(['which'], { ZTRAIN_TENSORFLOW: arm });
    expect([code, stdout, stderr]).toEqual([
      3,
      '',
      `error: no TensorFlow can be used (ZTRAIN_TENSORFLOW: ${join(arm, names[0])} is for arm, this is ${process.arch}); run \`ztrainc engine install\` to get TensorFlow\n`,
    ]);
    const venv = join(desk.folder, 'venv');
    writeUnpacked(join(venv, 'lib', 'python3.12', 'site-packages'), tensorflow('2.15.1'));
    const both = await engine(['which'], { ZTRAIN_TENSORFLOW: arm, VIRTUAL_ENV: venv });
    expect(both.stderr.trim().split('\n')).toEqual([
      'error: no TensorFlow can be used; run `ztrainc engine install` to get TensorFlow',
      expect.stringContaining('  ZTRAIN_TENSORFLOW: '),
      '  VIRTUAL_ENV: TensorFlow 2.15.1 is too old: 2.16 is the oldest that can be used',
    ]);
    const listed = await engine(['list'], { ZTRAIN_TENSORFLOW: arm, VIRTUAL_ENV: venv });
    expect(listed.stdout).toMatch(/VIRTUAL_ENV +2\.15\.1 +TensorFlow 2\.15\.1 is too old/);
    expect((await run(['doctor'], { ZTRAIN_TENSORFLOW: arm })).stderr).toContain(
      'no TensorFlow that can be used (ZT',
    );
  });

  test('a library that cannot be opened is found out in another process', async () => {
    const folder = writeLibraries(join(desk.folder, 'made-up'));
    const line = await fault(folder);
    expect(line).toMatch(/^error: TensorFlow of \S+ does not work: .*; install that TensorFlow again$/);
  });

  test('a library that ends the process too', async () => {
    const folder = join(desk.folder, 'deadly');
    mkdirSync(folder);
    for (const name of names) writeFileSync(join(folder, name), deadly());
    expect(await fault(folder)).toContain('it ended the process that opened it (SIG');
  });

  test('checksums of a Python package are held against its RECORD', async () => {
    const site = join(desk.folder, 'site');
    const path = `tensorflow/${names[1]}`;
    writeUnpacked(site, tensorflow('2.20.0', { damaged: path }));
    expect(await fault(join(site, 'tensorflow'))).toBe(
      `error: ${join(site, path)} is damaged: its sha256 is not what was installed; install that TensorFlow again`,
    );
  });

  test('a folder can be given', async () => {
    const { code, stderr } = await engine(['doctor', 'nowhere']);
    expect([code, stderr]).toEqual([
      3,
      expect.stringContaining(`there is no folder ${join(desk.folder, 'nowhere')}`),
    ]);
  });
});

/** A library whose table of symbols lies where no memory is: the system's loader follows it and is ended. */
const deadly = (): Buffer => {
  const file = library({ bytes: 8192, fill: 0 });
  // Two segments: everything, loaded, and the dynamic section at 4096.
  file.writeUInt32LE(1, 20);
  file.writeUInt16LE(2, 56);
  file.writeUInt32LE(5, 68);
  file.writeBigUInt64LE(BigInt(8192 - 128), 104);
  file.writeBigUInt64LE(4096n, 112);
  const dynamic = 64 + 56;
  file.writeUInt32LE(2, dynamic);
  file.writeUInt32LE(6, dynamic + 4);
  for (const at of [8, 16, 24]) file.writeBigUInt64LE(4096n, dynamic + at);
  for (const at of [32, 40]) file.writeBigUInt64LE(96n, dynamic + at);
  file.writeBigUInt64LE(8n, dynamic + 48);
  // Strings, symbols and a needed library's name, all far outside.
  const far = 0x7000_0000_0000n;
  const entries = [
    [5n, far],
    [6n, far],
    [1n, 16n],
    [10n, 64n],
    [11n, 24n],
  ] as const;
  entries.forEach(([tag, value], index) => {
    file.writeBigUInt64LE(tag, 4096 + 16 * index);
    file.writeBigUInt64LE(value, 4104 + 16 * index);
  });
  return file;
};

test('--version of an install is its own, that of the whole stays', async () => {
  expect((await engine(['install', '--version', 'x'])).code).toBe(2);
  expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test.each([
  [{ platform: 'linux', arch: 'x64', glibc: true }, true, null],
  [{ platform: 'linux', arch: 'arm64', glibc: true }, false, null],
  [{ platform: 'linux', arch: 'arm64', glibc: true }, true, 'no CUDA wheels for arm64'],
  [{ platform: 'linux', arch: 'x64', glibc: false }, false, 'such as musl'],
  [{ platform: 'linux', arch: 'riscv64', glibc: true }, false, 'no wheels for riscv64'],
  [{ platform: 'darwin', arch: 'arm64', glibc: false }, false, 'is for Linux, this is darwin'],
])('systems: %j, CUDA %j', (system, cuda, message) => {
  const problem = systemProblem(system, cuda);
  expect(problem).toEqual(message === null ? null : expect.stringContaining(message));
});

describe('progress', () => {
  const shown = (isTTY: boolean, environment: Readonly<Record<string, string>> = {}): readonly string[] => {
    const written: string[] = [];
    let time = 0;
    const progress = progressTo(
      { write: (text) => written.push(text), isTTY, columns: 60 },
      environment,
      () => time,
    );
    const task = progress.begin('unpacking', 200e6);
    for (let i = 0; i < 20; i++) {
      time += 1000;
      task.advance(10e6);
    }
    task.end();
    return written;
  };

  test('a bar on a terminal', () => {
    const written = shown(true);
    expect(written).toHaveLength(21);
    expect(written[9]).toBe('\r\u001b[2Kunpacking [############------------] 100 MB of 200 MB, 10 s');
    expect(written.at(-1)).toBe('\r\u001b[2K');
  });

  test('a line now and then elsewhere', () => {
    const lines = [
      'unpacking (200 MB)\n',
      'unpacking: 100 MB of 200 MB, 10 s\n',
      'unpacking: 200 MB of 200 MB, 20 s\n',
    ];
    expect(shown(false)).toEqual(lines);
    expect(shown(true, { CI: 'true' })).toEqual(lines);
  });
});
