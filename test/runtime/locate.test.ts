/** Where a TensorFlow library is looked for, and which is taken. No library is opened here. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { headerFault } from '../../src/runtime/engine/tensorflow/library-header.js';
import {
  candidates,
  compareVersions,
  installFolder,
  judge,
  places,
  search,
  type Environment,
} from '../../src/runtime/engine/tensorflow/locate.js';
import { library, names, tensorflow, writeLibraries, writeUnpacked } from '../made-up-library.js';

let folder: string;
let cwd: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'ztrain-locate-')));
  cwd = process.cwd();
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(cwd);
  rmSync(folder, { recursive: true, force: true });
});

/** Nothing of the machine that runs the test. */
const environment = (more: Environment = {}): Environment => ({
  XDG_CACHE_HOME: join(folder, 'cache'),
  PATH: join(folder, 'bin'),
  ...more,
});

const installed = (name: string, version: string, sub = ''): string => {
  const root = join(folder, 'cache', 'ztrain', 'tensorflow', name);
  writeLibraries(join(root, sub));
  const files = names.map((one) => ({ path: join(sub, one), bytes: 4096, sha256: '' }));
  writeFileSync(
    join(root, 'manifest.json'),
    JSON.stringify({ version, cuda: sub !== '', packages: [], files }),
  );
  return join(root, sub);
};

/** A `python3` that answers, and notes that it was asked. */
const fakePython = (answer: string): void => {
  mkdirSync(join(folder, 'bin'), { recursive: true });
  const path = join(folder, 'bin', 'python3');
  writeFileSync(path, `#!/bin/sh\n: > '${join(folder, 'asked')}'\necho '${answer}'\n`);
  chmodSync(path, 0o755);
};

describe('order', () => {
  test('every place is named, with what is not there', () => {
    expect(
      [...places(environment())].map(({ source, absence, found }) => [source, absence, found.length]),
    ).toEqual([
      ['ZTRAIN_TENSORFLOW', 'not set', 0],
      ['ztrainc engine install', `nothing in ${join(folder, 'cache', 'ztrain', 'tensorflow')}`, 0],
      ['@tensorflow/tfjs-node-gpu', 'not installed', 0],
      ['@tensorflow/tfjs-node', 'not installed', 0],
      ['VIRTUAL_ENV', 'not set', 0],
      ['CONDA_PREFIX', 'not set', 0],
      ['python3', 'not on PATH', 0],
    ]);
    expect(search(environment())).toEqual({ chosen: null, passedOver: [] });
  });

  test('what is named comes first, then installs from the newest on, then packages, then Python', () => {
    const own = writeLibraries(join(folder, 'own'));
    const old = installed('2.17.0', '2.17.0');
    const nine = installed('2.19.0', '2.19.0');
    const newest = installed('2.21.0', '2.21.0');
    const cuda = installed('2.21.0-cuda', '2.21.0', 'tensorflow');
    mkdirSync(join(folder, 'cache', 'ztrain', 'tensorflow', '.part-2.21.0-x'));
    const gpu = writeLibraries(join(folder, 'node_modules', '@tensorflow', 'tfjs-node-gpu', 'deps', 'lib'));
    const plain = writeLibraries(join(folder, 'node_modules', '@tensorflow', 'tfjs-node', 'deps', 'lib'));
    const site = join(folder, 'venv', 'lib', 'python3.12', 'site-packages');
    writeUnpacked(site, tensorflow('2.18.1'));
    const conda = writeLibraries(join(folder, 'conda', 'lib'));
    const system = writeLibraries(join(folder, 'system', 'tensorflow'));
    fakePython(system);
    const found = candidates(
      environment({
        ZTRAIN_TENSORFLOW: own,
        VIRTUAL_ENV: join(folder, 'venv'),
        CONDA_PREFIX: join(folder, 'conda'),
      }),
    );
    expect(
      found.map(({ source, folder: where, version, problem }) => [source, where, version, problem]),
    ).toEqual([
      ['ZTRAIN_TENSORFLOW', own, null, null],
      ['ztrainc engine install', cuda, '2.21.0', null],
      ['ztrainc engine install', newest, '2.21.0', null],
      ['ztrainc engine install', nine, '2.19.0', null],
      ['ztrainc engine install', old, '2.17.0', null],
      ['@tensorflow/tfjs-node-gpu', gpu, null, null],
      ['@tensorflow/tfjs-node', plain, null, null],
      ['VIRTUAL_ENV', join(site, 'tensorflow'), '2.18.1', null],
      ['CONDA_PREFIX', conda, null, null],
      ['python3', system, null, null],
    ]);
  });

  test('the first without a problem is taken, and Python is asked only if none was', () => {
    fakePython('');
    writeLibraries(join(folder, 'own'), { arch: 'arm' });
    const taken = installed('2.21.0', '2.21.0');
    const named = environment({ ZTRAIN_TENSORFLOW: join(folder, 'own') });
    const { chosen, passedOver } = search(named);
    expect(chosen?.folder).toBe(taken);
    expect(passedOver.map(({ source }) => source)).toEqual(['ZTRAIN_TENSORFLOW']);
    expect(existsSync(join(folder, 'asked'))).toBe(false);
    expect(candidates(named)).toHaveLength(2);
    expect(existsSync(join(folder, 'asked'))).toBe(true);
  });

  test('a Python that is the environment’s own counts once', () => {
    const site = join(folder, 'venv', 'lib', 'python3.12', 'site-packages');
    writeUnpacked(site, tensorflow('2.18.1'));
    fakePython(join(site, 'tensorflow'));
    expect(candidates(environment({ VIRTUAL_ENV: join(folder, 'venv') }))).toHaveLength(1);
  });

  test('a package’s folder, or the one around it, is near enough', () => {
    const inner = writeLibraries(join(folder, 'site', 'tensorflow'));
    for (const named of [inner, join(folder, 'site'), 'site']) {
      expect(candidates(environment({ ZTRAIN_TENSORFLOW: named }))[0]).toMatchObject({
        folder: inner,
        problem: null,
      });
    }
  });

  test('the cache is the user’s where the variable is no absolute path', () => {
    expect(installFolder({ XDG_CACHE_HOME: 'here' })).toBe(installFolder({}));
  });
});

describe('problems', () => {
  const problemOf = (path: string): string | null => judge('test', path).problem;

  test('what is no folder of a library', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(problemOf('nowhere')).toBe(`there is no folder ${join(folder, 'nowhere')}`);
    expect(problemOf('file')).toBe(`${join(folder, 'file')} is a file; name the folder that it is in`);
    expect(problemOf(folder)).toContain('holds no libtensorflow_framework.so and libtensorflow_cc.so');
  });

  test('the library of tfjs-node is too old', () => {
    const lib = join(folder, 'node_modules', '@tensorflow', 'tfjs-node', 'deps', 'lib');
    mkdirSync(lib, { recursive: true });
    for (const name of ['libtensorflow.so', 'libtensorflow_framework.so']) {
      writeFileSync(join(lib, `${name}.2.9.1`), library());
      symlinkSync(`${name}.2.9.1`, join(lib, `${name}.2`));
      symlinkSync(`${name}.2`, join(lib, name));
    }
    expect(search(environment()).passedOver).toMatchObject([
      {
        source: '@tensorflow/tfjs-node',
        version: '2.9.1',
        problem: 'TensorFlow 2.9.1 is too old: 2.16 is the oldest that can be used',
      },
    ]);
  });

  test('a package that is too old', () => {
    writeUnpacked(folder, tensorflow('2.15.1'));
    writeFileSync(join(folder, 'tensorflow_hub-0.16.1.dist-info'), '');
    expect(judge('test', 'tensorflow')).toMatchObject({ version: '2.15.1' });
    expect(problemOf('tensorflow')).toContain('TensorFlow 2.15.1 is too old');
  });

  test('another processor, another system, cut off, empty', () => {
    const path = join(folder, 'lib.so');
    const faultOf = (content: Buffer | string): string | null => {
      writeFileSync(path, content);
      return headerFault(path, 'x64');
    };
    const good = library({ arch: 'x64' });
    expect(faultOf(good)).toBeNull();
    expect(faultOf(library({ arch: 'arm64' }))).toBe(`${path} is for arm64, this is x64`);
    expect(faultOf('MZ, and so on, for more than a header of sixty-four bytes takes on any system')).toBe(
      `${path} is no shared library of Linux`,
    );
    expect(faultOf(good.subarray(0, 4000))).toBe(`${path} is cut off or damaged: it has 4000 of 4096 bytes`);
    expect(faultOf(good.subarray(0, 40))).toContain('is cut off: it has 40 bytes');
    expect(faultOf('')).toBe(`${path} is empty`);
    const program = library({ arch: 'x64' });
    program.writeUInt16LE(2, 16);
    expect(faultOf(program)).toContain('is no shared library for 64-bit Linux');
    expect(headerFault(folder)).toBe(`${folder} is not a file`);
    expect(headerFault(join(folder, 'none'))).toContain('cannot be read');
  });

  test('a header of any bytes gives an answer', () => {
    const path = join(folder, 'lib.so');
    let state = 7;
    for (let round = 0; round < 300; round++) {
      const file = library({ arch: 'x64', bytes: 512 });
      for (let i = 0; i < 1 + (round % 20); i++) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        file[(state >>> 8) % 128] = state >>> 24;
      }
      writeFileSync(path, file);
      expect(['string', 'object']).toContain(typeof headerFault(path, 'x64'));
    }
  });

  test('an install whose files have changed, or that has no manifest', () => {
    const root = installed('2.21.0', '2.21.0');
    const problem = (): string | null | undefined => candidates(environment())[0]?.problem;
    expect(problem()).toBeNull();
    writeFileSync(join(root, names[1]), library({ bytes: 8192 }));
    expect(problem()).toContain(
      'has 8192 bytes, not the 4096 that were installed; run `ztrainc engine install` again',
    );
    rmSync(join(root, names[1]));
    expect(problem()).toContain('is missing');
    writeLibraries(root);
    writeFileSync(join(root, 'manifest.json'), '{"files": 3}');
    expect(problem()).toContain('holds no complete install');
  });

  test('an install that everybody may write to', () => {
    const root = installed('2.21.0', '2.21.0');
    chmodSync(root, 0o777);
    expect(candidates(environment())[0]?.problem).toContain('others can write to');
  });
});

test('versions are compared number by number', () => {
  const versions = ['2.9.1', '2.16', '2.16.2', '2.20.0', '2.21.0', '10.0.0'];
  expect([...versions].reverse().sort(compareVersions)).toEqual(versions);
  expect(compareVersions('2.21.0-cuda', '2.21.0')).toBe(0);
  expect(compareVersions('2.16', '2.16.0')).toBe(0);
});
