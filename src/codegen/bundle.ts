/**
 * Emitted files to one executable. After this: the code needs Node and nothing else, and its source map leads to the
 * spec.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Message, Metafile, Plugin } from 'esbuild';
import { makeFolder } from '../values/folders.js';
import type { EmittedFile } from './emit.js';
import {
  bundleDefaults,
  commonJsBanner,
  commonJsNames,
  embedKoffi,
  embedWasm,
  licencesOf,
  withoutNodeFetch,
} from './embedding.js';
import { type PackageRoot, findPackageRoot, runtimeFile } from './package-root.js';

export interface BundleOptions {
  readonly files: readonly EmittedFile[];
  /** Absolute folder where the emitted files are, or would be; imports of externs start here. */
  readonly folder: string;
  /** Absolute folder of the spec, from which code of externs is named; that of the emitted files where it is left out. */
  readonly specFolder?: string;
  /** Absolute path of the executable; paths in the source map are relative to it. */
  readonly outFile: string;
  /** A file beside the executable, at its end, or none. */
  readonly sourceMap?: 'linked' | 'inline' | 'none';
  /** The installed compiler; found by itself where it is left out. */
  readonly root?: PackageRoot;
}

export interface Bundle {
  readonly code: string;
  /** The source map, where it is a file of its own. */
  readonly map: string | null;
  readonly warnings: readonly BundleMessage[];
  /** Absolute paths of what was read from the disk: externs, what they import, and the runtime. */
  readonly inputs: readonly string[];
}

/** What esbuild says, with the place in the text that it was given. */
export interface BundleMessage {
  readonly text: string;
  /** An absolute path. */
  readonly file: string | null;
  /** From 1; 0 where there is no place. */
  readonly line: number;
  readonly column: number;
}

/** An extern, or a package that it imports, cannot be bundled. */
export class BundleError extends Error {
  override readonly name = 'BundleError';
  constructor(readonly messages: readonly BundleMessage[]) {
    super(messages.map((each) => bundleMessageText(each)).join('\n'));
  }
}

/** `net.ts:12:3: Expected ";"`, with the file as `show` writes its path. */
export const bundleMessageText = (
  { text, file, line, column }: BundleMessage,
  show: (path: string) => string = (path) => path,
): string => (file === null ? text : `${show(file)}:${line}:${column}: ${text}`);

/** `from` is the folder that esbuild worked in, from which it names files. */
const messageOf = ({ text, location }: Message, from: string): BundleMessage => ({
  text,
  file: location === null ? null : resolve(from, location.file),
  line: location?.line ?? 0,
  column: location === null ? 0 : location.column + 1,
});

/**
 * Stack traces that name lines of the spec. Node itself reads maps only of what it loads after it was told to, and then
 * at every start; this reads the map when there is a trace to print.
 */
const TRACED: readonly string[] = [
  'let map;',
  'const readMap = () => {',
  '  try {',
  "    return new SourceMap(JSON.parse(readFileSync(`${fileURLToPath(import.meta.url)}.map`, 'utf8')));",
  '  } catch {',
  '    return null;',
  '  }',
  '};',
  'const traced = (error, frames) => {',
  '  if (map === undefined) map = readMap();',
  '  const lines = frames.map((frame) => {',
  '    const own = map !== null && frame.getFileName() === import.meta.url;',
  '    const at = own ? map.findEntry(frame.getLineNumber() - 1, frame.getColumnNumber() - 1) : {};',
  "    const from = new URL(at.originalSource ?? 'none:', import.meta.url);",
  // These lines themselves are in no file.
  "    if (from.protocol !== 'file:') return `    at ${frame}`;",
  '    const place = `${fileURLToPath(from)}:${at.originalLine + 1}:${at.originalColumn + 1}`;',
  "    return `    at ${frame.getFunctionName() ?? '<anonymous>'} (${place})`;",
  '  });',
  "  return [`${error}`, ...lines].join('\\n');",
  '};',
];

/** A name of the banner: digests of externs are known once they were bundled. A line of the banner is in no source map. */
const externsName = 'trainerExterns';
const externsLine = (list: string): string => `const ${externsName} = ${list};`;

/** The executable's own few lines: it runs when it is the program, and is a module to import otherwise. */
const entryText = (file: EmittedFile, trainer: string): string =>
  [
    "import { readFileSync, realpathSync } from 'node:fs';",
    "import { SourceMap } from 'node:module';",
    "import { fileURLToPath } from 'node:url';",
    "import { isAbsolute, relative } from 'node:path';",
    "import { isMainThread } from 'node:worker_threads';",
    "import { main as run } from 'ztrain/runtime';",
    `import { ${trainer} as reviewed } from ${JSON.stringify(`./${file.name}.js`)};`,
    // The reviewed trainer names its spec by a digest; the executable carries the text, for checkpoints, and digests of code.
    'const trainer = class extends reviewed {',
    `  static spec = { ...reviewed.spec, files: ${JSON.stringify(file.specs)}, externs: ${externsName} };`,
    '};',
    ...TRACED,
    'const isProgram = () => {',
    '  try {',
    "    return realpathSync(process.argv[1] ?? '') === fileURLToPath(import.meta.url);",
    '  } catch {',
    '    return false;',
    '  }',
    '};',
    'export const main = (argv, io) => run(trainer, argv, io);',
    'export { trainer };',
    // A thread that prepares rows imports this file: what fails there is told with its line as well.
    'if (!isMainThread && process.sourceMapsEnabled !== true) Error.prepareStackTrace = traced;',
    'if (isProgram()) {',
    '  Error.prepareStackTrace = traced;',
    "  const from = relative(process.cwd(), process.argv[1] ?? '');",
    "  const called = from.startsWith('..') || isAbsolute(from) ? from : `./${from}`;",
    '  process.exitCode = await main(process.argv.slice(2), { called });',
    '}',
    '',
  ].join('\n');

/** `corpus.js` as TypeScript means it: the file with this name, or the source that becomes it. */
const candidates = (path: string): readonly string[] => [
  path,
  path.replace(/\.js$/, '.ts'),
  path.replace(/\.js$/, '.tsx'),
  path.replace(/\.mjs$/, '.mts'),
];

/** Emitted files stand in memory under the paths that they have, or would have, on the disk. */
const emittedFiles = (options: BundleOptions, entry: string, runtime: string): Plugin => ({
  name: 'ztrain-emitted',
  setup: (build) => {
    const byPath = new Map(options.files.map((file) => [resolve(options.folder, file.fileName), file]));
    build.onResolve({ filter: /^ztrain\/runtime$/ }, () => ({ path: runtime }));
    build.onResolve({ filter: /^ztrain:entry$/ }, () => ({ path: 'entry', namespace: 'ztrain' }));
    build.onLoad({ filter: /^entry$/, namespace: 'ztrain' }, () => ({
      contents: entry,
      loader: 'js',
      resolveDir: options.folder,
    }));
    build.onResolve({ filter: /^\.{1,2}\// }, (args) => {
      if (args.namespace !== 'ztrain' && !byPath.has(args.importer)) return null;
      const path = resolve(options.folder, args.path.replace(/\.js$/, '.ts'));
      if (byPath.has(path)) return { path };
      // The folder of emitted files need not be there, so esbuild cannot look from it.
      const found = candidates(resolve(options.folder, args.path)).find((each) => existsSync(each));
      return found === undefined ? null : { path: found };
    });
    build.onLoad({ filter: /\.ts$/ }, (args) => {
      const file = byPath.get(args.path);
      if (file === undefined) return null;
      const url = `data:application/json;base64,${Buffer.from(file.map).toString('base64')}`;
      return {
        contents: `${file.text}\n//# sourceMappingURL=${url}\n`,
        loader: 'ts',
        resolveDir: options.folder,
      };
    });
  },
});

/** Rejects with a `BundleError` where an extern cannot be found or read. */
export const bundle = async (options: BundleOptions): Promise<Bundle> => {
  const { build } = await import('esbuild');
  const root = options.root ?? findPackageRoot();
  const entry = options.files.find((file) => file.trainer !== null);
  if (entry === undefined || entry.trainer === null) throw new Error('a library has no trainer to bundle');
  const { sourceMap = 'linked' } = options;
  const result = await build({
    ...bundleDefaults,
    entryPoints: ['ztrain:entry'],
    outfile: options.outFile,
    write: false,
    absWorkingDir: root.folder,
    // Options of a project's own tsconfig.json must not change what a trainer does.
    tsconfigRaw: {
      compilerOptions: { target: 'ES2022', useDefineForClassFields: true, verbatimModuleSyntax: true },
    },
    sourcemap: sourceMap === 'none' ? false : sourceMap,
    banner: { js: `#!/usr/bin/env node\n${commonJsBanner('trainer')}\n${externsLine('[]')}` },
    define: commonJsNames('trainer'),
    plugins: [
      emittedFiles(options, entryText(entry, entry.trainer), runtimeFile(root)),
      withoutNodeFetch(),
      embedWasm(),
      embedKoffi(),
    ],
  }).catch((error: unknown) => {
    if (error instanceof Error && 'errors' in error && Array.isArray(error.errors)) {
      throw new BundleError(error.errors.filter(isMessage).map((each) => messageOf(each, root.folder)));
    }
    throw error;
  });
  const text = (ending: string): string | null =>
    result.outputFiles.find((file) => file.path.endsWith(ending))?.text ?? null;
  const code = text(basename(options.outFile));
  if (code === null) throw new Error('esbuild wrote no code');
  const licences = await licencesOf(result.metafile, root.folder);
  const externs = externsLine(JSON.stringify(externsIn(options, result.metafile, root)));
  return {
    code: beforeMapComment(
      code.replace(externsLine('[]'), () => externs),
      licences,
    ),
    map: text('.map'),
    warnings: result.warnings.map((each) => messageOf(each, root.folder)),
    inputs: readFrom(options, Object.keys(result.metafile.inputs), root.folder),
  };
};

const readFrom = (options: BundleOptions, names: readonly string[], from: string): readonly string[] => {
  const inMemory = new Set(options.files.map((file) => resolve(options.folder, file.fileName)));
  // What plugins made has a namespace in front, and no file.
  return names.map((name) => resolve(from, name)).filter((path) => !inMemory.has(path) && existsSync(path));
};

/** Code of externs, and all that it imports, as seen from the spec: what the emitted files import besides each other and the runtime. */
const externsIn = (
  { files, folder, specFolder = folder }: BundleOptions,
  { inputs }: Metafile,
  root: PackageRoot,
): readonly { readonly path: string; readonly sha256: string }[] => {
  const emitted = new Set(files.map((file) => resolve(folder, file.fileName)));
  const pathOf = (name: string): string => resolve(root.folder, name);
  const importsOf = new Map(
    Object.entries(inputs).map(([name, { imports }]) => [
      pathOf(name),
      imports.flatMap(({ path, external }) => (external === true ? [] : [pathOf(path)])),
    ]),
  );
  const found = new Set<string>();
  const open = [...emitted];
  for (let path = open.pop(); path !== undefined; path = open.pop())
    for (const next of importsOf.get(path) ?? []) {
      if (next === runtimeFile(root) || emitted.has(next) || found.has(next) || !existsSync(next)) continue;
      found.add(next);
      open.push(next);
    }
  return [...found].sort().map((path) => ({
    path: relative(specFolder, path).replaceAll('\\', '/'),
    sha256: createHash('sha256').update(readFileSync(path)).digest('hex'),
  }));
};

const isMessage = (value: unknown): value is Message =>
  typeof value === 'object' && value !== null && 'text' in value && 'location' in value;

/** The comment that names the source map must stay the last line. */
const beforeMapComment = (code: string, text: string): string => {
  const at = code.lastIndexOf('\n//# sourceMappingURL=');
  return at < 0 ? `${code}\n${text}` : `${code.slice(0, at + 1)}${text}${code.slice(at + 1)}`;
};

/** Replaces a file at once: who reads it sees the old or the new text, and a full disk leaves the old. */
const replaceFile = async (path: string, text: string, mode: number): Promise<void> => {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    // The process's mask may have taken bits away.
    await chmod(temporary, mode);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
};

/** Writes the executable with its run bit, and its source map beside it. */
export const writeExecutable = async (path: string, made: Bundle): Promise<void> => {
  makeFolder(dirname(path));
  if (made.map !== null) await replaceFile(`${path}.map`, made.map, 0o644);
  await replaceFile(path, made.code, 0o755);
};
