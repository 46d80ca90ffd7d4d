/** What no reviewer should have to look for: who imports whom, how long files are, and what must never be in one. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Files that git has or would take, except those deleted by hand. */
const allFiles: readonly string[] = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)));

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const sources = allFiles.filter((path) => path.startsWith('src/') && path.endsWith('.ts'));

/** `import … from`, `export … from` and `import()`, types too. */
const importsOf = (path: string): readonly string[] =>
  [...read(path).matchAll(/\b(?:from|import)\s*\(?\s*['"]([^'"\n]+)['"]/g)].flatMap(([, module = '']) =>
    // Texts about specs hold imports too.
    module.endsWith('.ztrain') ? [] : [module],
  );

const areaOf = (path: string): string => /^src\/([^/]+)\//.exec(path)?.[1] ?? 'top';

const allowed: Readonly<Record<string, readonly string[]>> = {
  values: [],
  parser: [],
  checker: ['parser', 'values'],
  codegen: ['checker', 'parser', 'values'],
  runtime: ['values'],
  plot: ['values'],
  cli: ['checker', 'codegen', 'parser', 'plot', 'values', 'top'],
  // src/compiler.ts and src/node-host.ts stand above all phases.
  top: ['checker', 'codegen', 'parser', 'values'],
};

/** What the command line shows of the runtime: where a library is, whether it opens, and what a checkpoint holds. */
const shownByCli = [
  ...['library-files', 'library-header', 'locate', 'manifest', 'probe'].map(
    (name) => `src/runtime/engine/tensorflow/${name}.js`,
  ),
  ...['export', 'read'].map((name) => `src/runtime/checkpoint/${name}.js`),
];

describe('imports', () => {
  test('every folder of src is known', () => {
    expect([...new Set(sources.map(areaOf))].filter((area) => !(area in allowed))).toEqual([]);
  });

  test('arrows between folders point one way', () => {
    const wrong = sources.flatMap((path) =>
      importsOf(path)
        .filter((module) => module.startsWith('.'))
        .flatMap((module) => {
          const from = areaOf(path);
          const target = relative(root, join(root, dirname(path), module));
          const to = areaOf(target);
          const shown = from === 'cli' && shownByCli.includes(target);
          return shown || to === from || allowed[from]?.includes(to) === true
            ? []
            : [`${path} imports ${module}`];
        }),
    );
    expect(wrong).toEqual([]);
  });

  test('relative imports name a file that is there, with its ending', () => {
    const wrong = sources.flatMap((path) =>
      importsOf(path)
        .filter((module) => module.startsWith('.'))
        .filter((module) => !existsSync(join(root, dirname(path), module.replace(/\.js$/, '.ts'))))
        .map((module) => `${path} imports ${module}`),
    );
    expect(wrong).toEqual([]);
  });

  test('what is large loads on demand', () => {
    const heavy = /^import (?!type )[^;]*? from '(ts-morph|prettier|esbuild|typescript)'/m;
    expect(sources.filter((path) => heavy.test(read(path)))).toEqual([]);
  });
});

describe('files', () => {
  const written = allFiles.filter(
    (path) =>
      /\.(ts|mts|mjs|js|json|md|sh|py|ztrain)$|^\.ci\//.test(path) &&
      !path.endsWith('package-lock.json') &&
      !path.startsWith('shared/'),
  );

  test('none grows past what one sitting reads', () => {
    const long = sources
      .filter((path) => !path.endsWith('.gen.ts'))
      .map((path) => [path, read(path).split('\n').length - 1] as const)
      .filter(([, lines]) => lines > 500);
    expect(long).toEqual([]);
  });

  test('every native function that is declared is called', () => {
    const folder = 'src/runtime/engine/tensorflow/';
    const own = sources.filter((path) => path.startsWith(folder)).map(read);
    const declared = [...read(`${folder}c-api.ts`).matchAll(/^ {2}(TFE?_\w+)\(/gm)].flatMap(
      ([, name = '']) => name,
    );
    expect(declared.length).toBeGreaterThan(40);
    const called = (name: string): boolean =>
      own.some((text) => new RegExp(`(api\\.${name}\\b|get\\('${name}'\\))`).test(text));
    expect(declared.filter((name) => !called(name))).toEqual([]);
  });

  test('none is named for nothing', () => {
    expect(
      allFiles.filter((path) => /(^|\/)(utils?|helpers?|common|managers?|misc)(\.|\/)/i.test(path)),
    ).toEqual([]);
  });

  test('none names a machine or leaves work for later', () => {
    // Put together, so that this file does not find itself.
    const words = ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'];
    const places = ['/wo' + 'rk/', '/ro' + 'ot/', '/ho' + 'me/[a-z]'];
    const pattern = new RegExp(`\\b(${words.join('|')})\\b|(^|[\\s"'\`(=])(${places.join('|')})`);
    const found = written.flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, index) =>
          pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 100)}`] : [],
        ),
    );
    expect(found).toEqual([]);
  });

  test('no lock file names a registry', () => {
    const locks = allFiles.filter((path) => path.endsWith('package-lock.json'));
    expect(locks.filter((path) => /"resolved": "http/.test(read(path)))).toEqual([]);
  });

  test('no check is switched off', () => {
    const off = /(\/\/|\/\*|^\s*\*)\s*(eslint-disable|@ts-ignore|@ts-nocheck)/m;
    const code = written.filter((path) => /\.(ts|mts|mjs|js)$/.test(path));
    expect(code.filter((path) => off.test(read(path)))).toEqual([]);
  });
});
