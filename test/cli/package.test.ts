/** The package as it is built and installed. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { typecheck } from '../../src/codegen/typecheck.js';
import { openDesk, root, start, type Desk } from './command-line.js';

let desk: Desk;
beforeAll(() => {
  desk = openDesk();
});
afterAll(() => desk.remove());

test('a build removes nothing but what it made itself', async () => {
  const copy = join(desk.folder, 'copy');
  for (const part of ['src', 'scripts', 'package.json'])
    cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  mkdirSync(join(copy, 'dist', 'chunks'), { recursive: true });
  writeFileSync(join(copy, 'dist', 'digits.mjs'), 'an executable of the user');
  writeFileSync(join(copy, 'dist', 'chunks', 'build-OLD.mjs'), '');
  const { code } = await start(process.execPath, ['scripts/build.mjs'], { cwd: copy });
  expect(code).toBe(0);
  expect(readFileSync(join(copy, 'dist', 'digits.mjs'), 'utf8')).toBe('an executable of the user');
  expect(existsSync(join(copy, 'dist', 'ztrainc.mjs'))).toBe(true);
  expect(readdirSync(join(copy, 'dist', 'chunks'))).not.toContain('build-OLD.mjs');
});

test('externs find the declarations of Node beside the installed package', async () => {
  const modules = join(desk.folder, 'app', 'node_modules');
  const folder = join(modules, 'ztrain');
  mkdirSync(join(folder, 'dist', 'types', 'runtime'), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  writeFileSync(join(folder, 'dist', 'types', 'runtime', 'index.d.ts'), 'export {};\n');
  mkdirSync(join(modules, '@types'));
  symlinkSync(join(root, 'node_modules', '@types', 'node'), join(modules, '@types', 'node'));
  const text = `import { readFileSync } from 'node:fs';\nexport const text: string = readFileSync('a', 'utf8');\n`;
  const map = { version: 3, sources: [], names: [], mappings: '' } as const;
  const { faults } = await typecheck(
    [{ name: 'a', fileName: 'a.ts', text, map: JSON.stringify(map), trainer: null, specs: [] }],
    { folder: join(desk.folder, 'app'), root: { folder, version: '0', fromSource: false } },
  );
  expect(faults).toEqual([]);
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(manifest).toHaveProperty(['dependencies', '@types/node']);
});

test("what is built has the declarations that the package names, which TypeScript of one's own is typed by", () => {
  const read = (file: string): unknown => JSON.parse(readFileSync(join(root, file), 'utf8'));
  const manifest = read('package.json');
  expect(manifest).toHaveProperty(
    ['scripts', 'build'],
    expect.stringContaining('npm run --silent build:types'),
  );
  expect(manifest).toHaveProperty(['scripts', 'build:types'], 'tsc -p tsconfig.types.json');
  const options = read('tsconfig.types.json');
  expect(options).toHaveProperty(['compilerOptions', 'outDir'], 'dist/types');
  expect(options).toHaveProperty(['include'], expect.arrayContaining(['src/runtime/index.ts']));
  expect(manifest).toHaveProperty(['exports', './runtime', 'types'], './dist/types/runtime/index.d.ts');
});
