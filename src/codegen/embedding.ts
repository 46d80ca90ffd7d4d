/**
 * What a bundle takes in besides code: the engine's WebAssembly binary and the licences of the packages in it. Only
 * built-in modules are imported here, so that the build script can load this file on its own.
 */
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { BuildOptions, Metafile, Plugin } from 'esbuild';

const WASM = '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm';

/**
 * What packages written as CommonJS find around them. A bundle of bundles has several of these in one file, and a bundler
 * does not know the names of a banner: each has its own prefix.
 */
export const commonJsBanner = (prefix: string): string =>
  [
    `import { createRequire as ${prefix}CreateRequire } from 'node:module';`,
    `import { dirname as ${prefix}DirectoryOf } from 'node:path';`,
    `import { fileURLToPath as ${prefix}PathOf } from 'node:url';`,
    // esbuild knows that this name is taken, and gives another one to what it bundles.
    `const require = ${prefix}CreateRequire(import.meta.url);`,
    `const ${prefix}File = ${prefix}PathOf(import.meta.url);`,
    `const ${prefix}Folder = ${prefix}DirectoryOf(${prefix}File);`,
  ].join('\n');

/** Makes these names stand for what CommonJS calls them. */
export const commonJsNames = (prefix: string): Record<string, string> => ({
  __filename: `${prefix}File`,
  __dirname: `${prefix}Folder`,
});

/** Options that the runtime's bundle and a trainer's have in common. */
export const bundleDefaults = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // Packages' ES modules are preferred: what a trainer does not use is left out.
  mainFields: ['module', 'main'],
  conditions: ['source', 'module'],
  charset: 'utf8',
  keepNames: true,
  logLevel: 'silent',
  metafile: true,
  legalComments: 'eof',
} as const satisfies BuildOptions;

/** Replaces the module that reads the engine's binary from `node_modules` by one that holds it. */
export const embedWasm = (): Plugin => ({
  name: 'ztrain-wasm',
  setup: (build) => {
    build.onLoad({ filter: /[\\/]engine[\\/]wasm-binary\.ts$/ }, (args) => {
      const file = createRequire(args.path).resolve(WASM);
      const contents = [
        `import bytes from ${JSON.stringify(file)};`,
        'export const loadWasmBinary = async (): Promise<Uint8Array> => bytes;',
      ].join('\n');
      return { contents, loader: 'ts', resolveDir: dirname(args.path), watchFiles: [file] };
    });
    build.onLoad({ filter: /tfjs-backend-wasm-simd\.wasm$/ }, async (args) => ({
      contents: await readFile(args.path),
      loader: 'binary',
    }));
  },
});

/**
 * Replaces the module that imports the foreign-function library by one that holds its binary for this system; elsewhere the
 * executable says that it has none.
 */
export const embedKoffi = (): Plugin => ({
  name: 'ztrain-koffi',
  setup: (build) => {
    build.onLoad({ filter: /[\\/]tensorflow[\\/]koffi-module\.ts$/ }, async (args) => {
      const file = koffiBinary(args.path);
      if (file === null) return null;
      const contents = [
        `import packed from ${JSON.stringify(file)};`,
        `import { loadPacked } from ${JSON.stringify('./packed-module.js')};`,
        `const sha256 = ${JSON.stringify(await sha256Of(file))};`,
        `const system = ${JSON.stringify(`${process.platform}-${process.arch}`)};`,
        'export const importKoffi = async () => {',
        '  const here = `${process.platform}-${process.arch}`;',
        '  if (here !== system) {',
        '    throw new Error(`this executable was built on ${system} and this is ${here}; build it here to use TensorFlow`);',
        '  }',
        '  return loadPacked(`koffi-${system}`, sha256, packed);',
        '};',
      ].join('\n');
      return { contents, loader: 'ts', resolveDir: dirname(args.path), watchFiles: [file] };
    });
    build.onLoad({ filter: /koffi\.node$/ }, async (args) => ({
      contents: gzipSync(await readFile(args.path), { level: 9 }),
      loader: 'binary',
    }));
  },
});

const sha256Of = async (file: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex');

/** The library's binary for this system, as its package lays it out; null where it has none. */
const koffiBinary = (from: string): string | null => {
  const require = createRequire(createRequire(from).resolve('koffi'));
  try {
    const folder = dirname(
      require.resolve(`@koromix/koffi-${process.platform}-${process.arch}/package.json`),
    );
    // On Linux there is one for each C library; the compiler runs on the one that counts.
    const file = join(folder, `${process.platform}_${process.arch}`, 'koffi.node');
    return existsSync(file) ? file : null;
  } catch {
    return null;
  }
};

/**
 * A package of tfjs asks for `node-fetch` where there is no `fetch`; Node has one. Left in, the bundle would look for a
 * package that is not there.
 */
export const withoutNodeFetch = (): Plugin => ({
  name: 'ztrain-fetch',
  setup: (build) => {
    build.onResolve({ filter: /^node-fetch$/ }, () => ({ path: 'node-fetch', namespace: 'ztrain-fetch' }));
    build.onLoad({ filter: /.*/, namespace: 'ztrain-fetch' }, () => ({
      contents: 'export default globalThis.fetch;',
      loader: 'js',
    }));
  },
});

const LICENCE_FILE = /^(licen[cs]e|copying|notice)(\.|-|$)/i;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

const textField = (value: object, name: string): string => {
  const found: unknown = Object.entries(value).find(([key]) => key === name)?.[1];
  return typeof found === 'string' ? found : '';
};

const readManifest = async (folder: string): Promise<Manifest> => {
  const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  if (typeof manifest !== 'object' || manifest === null) return { name: folder, version: '', license: '' };
  return {
    name: textField(manifest, 'name'),
    version: textField(manifest, 'version'),
    license: textField(manifest, 'license'),
  };
};

/** Packages that hold a binary alone: the texts are beside the sources. */
const licensedWith = (name: string): string | null => (name.startsWith('@koromix/koffi-') ? 'koffi' : null);

/** The folder of the package that a bundled file belongs to, or null for a file of one's own. */
const packageFolder = (path: string): string | null => {
  const parts = path.split(/[\\/]/);
  const at = parts.lastIndexOf('node_modules');
  if (at < 0) return null;
  const length = parts[at + 1]?.startsWith('@') === true ? 3 : 2;
  return parts.slice(0, at + length).join(sep);
};

/**
 * Names, versions and licence texts of all packages in a bundle, as one comment that bundlers keep; the empty text where
 * there are none. `root` is the folder that the metafile's paths start at.
 */
export const licencesOf = async (metafile: Metafile, root: string): Promise<string> => {
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs));
  const folders = new Set<string>();
  for (const input of inputs) {
    const folder = packageFolder(input.replace(/^[a-z-]+:/, ''));
    if (folder !== null) folders.add(join(root, folder));
  }
  const texts = await Promise.all(
    [...folders].sort().map(async (folder) => {
      const { name, version, license } = await readManifest(folder);
      const other = licensedWith(name);
      const place = other === null ? folder : join(folder, '..', '..', other);
      const files = (await readdir(place)).filter((file) => LICENCE_FILE.test(file)).sort();
      const bodies = await Promise.all(files.map((file) => readFile(join(place, file), 'utf8')));
      // Some packages name their licence and bring no text; ours has the same one.
      const own = join(root, 'LICENSE');
      const isBare = bodies.length === 0 && license === 'Apache-2.0' && existsSync(own);
      const found = isBare ? [await readFile(own, 'utf8')] : bodies;
      return {
        title: `${name} ${version} (${license})`,
        body: found.map((body) => body.trim()).join('\n\n'),
      };
    }),
  );
  if (texts.length === 0) return '';
  // One text is often the same for several packages: it is printed once, under all their names.
  const byBody = new Map<string, string[]>();
  for (const { title, body } of texts) byBody.set(body, [...(byBody.get(body) ?? []), title]);
  const sections = [...byBody].map(([body, titles]) => `${titles.join('\n')}\n\n${body}`);
  const comment = `Packages in this file and their licences:\n\n${sections.join('\n\n---\n\n')}\n`;
  return `/*!\n${comment.replaceAll('*/', '* /')}*/\n`;
};
