/**
 * Builds dist/: the command line (ztrainc.mjs), the library (compiler.mjs) and the runtime that executables are made of
 * (runtime.mjs, with the WebAssembly engine inside). `--if-stale` builds only when a source is newer than the last build.
 */
import { chmod, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const stamp = join(dist, '.built');

const newestOf = async (path) => {
  const found = await stat(path);
  if (!found.isDirectory()) return found.mtimeMs;
  const inner = await Promise.all((await readdir(path)).map((name) => newestOf(join(path, name))));
  return Math.max(found.mtimeMs, ...inner);
};

const isStale = async () => {
  if (!existsSync(stamp)) return true;
  const built = (await stat(stamp)).mtimeMs;
  const sources = ['src', 'scripts/build.mjs', 'package.json'].map((path) => join(root, path));
  return (await Promise.all(sources.map(newestOf))).some((time) => time > built);
};

/** What the compiler's own bundler does is TypeScript; this script cannot import that before it is built. */
const loadEmbedding = async () => {
  const made = await build({
    entryPoints: [join(root, 'src/codegen/embedding.ts')],
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
  });
  const [file] = made.outputFiles;
  return import(`data:text/javascript;base64,${Buffer.from(file?.text ?? '').toString('base64')}`);
};

/**
 * The folder is also where executables go, so only what this build no longer makes is removed: chunks, whose names change
 * with what is in them.
 */
const removeOldChunks = async (outputs) => {
  const made = new Set(Object.keys(outputs).map((path) => join(root, path)));
  const folder = join(dist, 'chunks');
  const found = existsSync(folder) ? await readdir(folder) : [];
  const old = found.map((name) => join(folder, name)).filter((path) => !made.has(path));
  await Promise.all(old.map((path) => rm(path, { force: true })));
};

const addLicences = async (path, licences) => {
  const code = await readFile(path, 'utf8');
  const at = code.lastIndexOf('\n//# sourceMappingURL=');
  const [before, after] = at < 0 ? [`${code}\n`, ''] : [code.slice(0, at + 1), code.slice(at + 1)];
  await writeFile(path, before + licences + after);
};

const buildAll = async () => {
  const {
    bundleDefaults,
    commonJsBanner,
    commonJsNames,
    embedKoffi,
    embedWasm,
    licencesOf,
    withoutNodeFetch,
  } = await loadEmbedding();
  const shared = { ...bundleDefaults, absWorkingDir: root, sourcemap: true, logLevel: 'warning' };

  const runtime = await build({
    ...shared,
    entryPoints: [join(root, 'src/runtime/index.ts')],
    outfile: join(dist, 'runtime.mjs'),
    banner: { js: commonJsBanner('runtime') },
    define: commonJsNames('runtime'),
    plugins: [withoutNodeFetch(), embedWasm(), embedKoffi()],
  });
  await addLicences(join(dist, 'runtime.mjs'), await licencesOf(runtime.metafile, root));

  // Chunks keep what is loaded on demand apart; packages that are large and rarely needed stay in node_modules.
  const compiler = await build({
    ...shared,
    entryPoints: [
      { in: join(root, 'src/compiler.ts'), out: 'compiler' },
      { in: join(root, 'src/cli/main.ts'), out: 'ztrainc' },
    ],
    outdir: dist,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[name]-[hash]',
    splitting: true,
    banner: { js: commonJsBanner('compiler') },
    define: commonJsNames('compiler'),
    external: ['ts-morph', 'prettier', 'esbuild', 'typescript', 'koffi'],
  });
  const program = join(dist, 'ztrainc.mjs');
  const licences = await licencesOf(compiler.metafile, root);
  await addLicences(program, licences);
  await addLicences(join(dist, 'compiler.mjs'), licences);
  const code = await readFile(program, 'utf8');
  if (!code.startsWith('#!')) await writeFile(program, `#!/usr/bin/env node\n${code}`);
  await chmod(program, 0o755);
  await removeOldChunks(compiler.metafile.outputs);
  // Declarations of other sources would be believed; `build:types` makes them anew.
  await rm(join(dist, 'types'), { recursive: true, force: true });
};

if (!process.argv.includes('--if-stale') || (await isStale())) {
  // A build that fails leaves nothing that counts as built.
  await rm(stamp, { force: true });
  await mkdir(dist, { recursive: true });
  await buildAll();
  await writeFile(stamp, '');
}
