import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bundle, BundleError, bundle, writeExecutable } from '../../src/codegen/bundle.js';
import type { EmittedFile } from '../../src/codegen/emit.js';
import { licencesOf } from '../../src/codegen/embedding.js';

const run = promisify(execFile);

/** A runtime with nothing in it but what the executable's own lines need. */
const RUNTIME = `
export class Trainer { static spec = { name: '' }; }
export const main = async (trainer, argv, io) => {
  if (argv[0] === 'fail') trainer.fail();
  console.log(trainer.spec.name + ' ' + argv.join(','));
  return 0;
};
`;

const file = (name: string, text: string, trainer: string | null): EmittedFile => ({
  name,
  fileName: `${name}.ts`,
  text,
  map: JSON.stringify({
    version: 3,
    sources: [`../${name}.ztrain`],
    sourcesContent: ['trainer Tiny {\n  fails here\n}\n'],
    names: [],
    // The third line of the output comes from the second line of the spec.
    mappings: ';;AACE',
  }),
  trainer,
  specs: [],
});

const tiny = (more = ''): EmittedFile =>
  file(
    'tiny',
    `import { Trainer } from 'ztrain/runtime';\nexport class TinyTrainer extends Trainer { static override spec = { name: 'tiny' }; static fail(): void {\n throw new Error('on purpose'); } }\n${more}`,
    'TinyTrainer',
  );

let folder = '';
let made: Bundle = { code: '', map: null, warnings: [], inputs: [] };
const options = (files: readonly EmittedFile[]) => ({
  files,
  folder: join(folder, 'specs', 'generated'),
  specFolder: join(folder, 'specs'),
  outFile: join(folder, 'dist', 'tiny.mjs'),
  root: { folder, version: '0.1.0', fromSource: true },
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ztrain-bundle-'));
  await mkdir(join(folder, 'src', 'runtime'), { recursive: true });
  await mkdir(join(folder, 'specs'), { recursive: true });
  await writeFile(join(folder, 'src', 'runtime', 'index.ts'), RUNTIME);
  made = await bundle(options([tiny()]));
  await writeExecutable(join(folder, 'dist', 'tiny.mjs'), made);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('an executable', () => {
  test('runs by itself, with its arguments', async () => {
    const { stdout } = await run(join(folder, 'dist', 'tiny.mjs'), ['lr=1', 'test']);
    expect(stdout).toBe('tiny lr=1,test\n');
    expect((await stat(join(folder, 'dist', 'tiny.mjs'))).mode & 0o777).toBe(0o755);
  });

  test('does nothing but give its trainer when it is imported', async () => {
    const path = pathToFileURL(join(folder, 'dist', 'tiny.mjs')).href;
    const script = `import(${JSON.stringify(path)}).then((m) => console.log(Object.keys(m).sort().join(), m.trainer.spec.name))`;
    const { stdout } = await run(process.execPath, ['-e', script]);
    expect(stdout).toBe('main,trainer tiny\n');
  });

  test('has a source map that leads to the spec', async () => {
    const failed = run(process.execPath, [join(folder, 'dist', 'tiny.mjs'), 'fail']);
    await expect(failed).rejects.toThrow(/tiny\.ztrain:2:\d+/);
    const map: unknown = JSON.parse(made.map ?? '');
    expect(map).toMatchObject({ sources: expect.arrayContaining(['../specs/tiny.ztrain']) });
  });

  test('takes externs in from where they are', async () => {
    await writeFile(join(folder, 'specs', 'extra.ts'), "export const word: string = 'from extern';\n");
    const using = tiny("import * as extra from '../extra.js';\nconsole.log(extra.word);\n");
    const { code } = await bundle(options([using]));
    expect(code).toContain('from extern');
  });

  test('knows the code of its externs, and what that imports, by digests', async () => {
    await writeFile(join(folder, 'specs', 'deep.ts'), "export const deep: string = 'deep';\n");
    const extern =
      "import { deep } from './deep.js';\nimport { main } from 'ztrain/runtime';\nexport const word = [deep, main];\n";
    await writeFile(join(folder, 'specs', 'whole.ts'), extern);
    const using = tiny(
      "import * as whole from '../whole.js';\nif (whole.word.length < 1) throw new Error();\n",
    );
    const path = join(folder, 'dist-2', 'using.mjs');
    await writeExecutable(path, await bundle({ ...options([using]), outFile: path }));
    const script = `import(${JSON.stringify(pathToFileURL(path).href)}).then((m) => console.log(JSON.stringify(m.trainer.spec.externs)))`;
    const { stdout } = await run(process.execPath, ['-e', script]);
    const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
    expect(JSON.parse(stdout)).toEqual([
      { path: 'deep.ts', sha256: digest("export const deep: string = 'deep';\n") },
      { path: 'whole.ts', sha256: digest(extern) },
    ]);
    // The line with the digests is in no source map.
    await expect(run(process.execPath, [path, 'fail'])).rejects.toThrow(/tiny\.ztrain:2:\d+/);
  });

  test('says which import of an extern is missing', async () => {
    const using = tiny("import * as gone from '../gone.js';\nconsole.log(gone);\n");
    await expect(bundle(options([using]))).rejects.toThrow(BundleError);
    const file = join(folder, 'specs', 'generated', 'tiny.ts');
    await expect(bundle(options([using]))).rejects.toMatchObject({
      messages: [{ file, line: 4, column: 23 }],
    });
    await expect(bundle(options([using]))).rejects.toThrow(
      /tiny\.ts:4:23: Could not resolve "\.\.\/gone\.js"/,
    );
  });

  test('is the same for the same files', async () => {
    expect(await bundle(options([tiny()]))).toEqual(made);
  });

  test('leaves no temporary file, and the old file where it cannot be replaced', async () => {
    expect((await readdir(join(folder, 'dist'))).sort()).toEqual(['tiny.mjs', 'tiny.mjs.map']);
    const taken = join(folder, 'taken.mjs');
    await mkdir(taken);
    await expect(writeExecutable(taken, made)).rejects.toThrow();
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

test('licences of bundled packages go along', async () => {
  const input = { bytesInOutput: 1 };
  const outputs = {
    out: {
      bytes: 1,
      inputs: { 'node_modules/csv-parse/lib/index.js': input, 'src/x.ts': input },
      imports: [],
      exports: [],
    },
  };
  const text = await licencesOf({ inputs: {}, outputs }, process.cwd());
  expect(text).toMatch(/^\/\*!\n/);
  expect(text).toContain('csv-parse');
  expect(text).toContain('MIT');
  expect(text.indexOf('*/')).toBe(text.length - 3);
  expect(await readFile(join(folder, 'dist', 'tiny.mjs'), 'utf8')).not.toContain('licences');
});
