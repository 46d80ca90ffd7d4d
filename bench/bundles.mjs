/** Our workers, one file a case: the trainer that the compiler makes of bench/specs, bundled with the runtime as executables are. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { bench, cache, root } from './places.mjs';

const capital = (name) => name.slice(0, 1).toUpperCase() + name.slice(1);

/** Emits the trainers and bundles a worker for each. Paths by name. `tfjs` is where TensorFlow.js' layers are, or null. */
export const bundleWorkers = async (names, tfjs) => {
  const program = join(root, 'dist', 'ztrainc.mjs');
  const { status } = spawnSync(process.execPath, [program, 'build', '--no-bundle', join(bench, 'specs')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new Error('the specs of the benchmark do not build');
  await mkdir(cache, { recursive: true });
  const embedding = await build({
    entryPoints: [join(root, 'src/codegen/embedding.ts')],
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
  });
  const [code] = embedding.outputFiles;
  const { bundleDefaults, commonJsBanner, commonJsNames, embedKoffi, embedWasm, withoutNodeFetch } =
    await import(`data:text/javascript;base64,${Buffer.from(code?.text ?? '').toString('base64')}`);
  const bundle = (outfile, input) =>
    build({
      ...bundleDefaults,
      ...input,
      absWorkingDir: root,
      outfile,
      minify: true,
      logLevel: 'warning',
      banner: { js: commonJsBanner('runtime') },
      define: commonJsNames('runtime'),
      plugins: [withoutNodeFetch(), embedWasm(), embedKoffi()],
    });
  const made = await Promise.all(
    [...new Set(names)].map(async (name) => {
      const trainer = existsSync(join(bench, 'specs', `${name}.ztrain`)) ? `generated/${name}` : name;
      const outfile = join(cache, `${name}.mjs`);
      const contents = [
        "import { work } from '../worker.js';",
        `import { ${capital(name)}Trainer as trainer } from './${trainer}.js';`,
        "await work(trainer, JSON.parse(process.argv[2] ?? '{}'));",
      ].join('\n');
      await bundle(outfile, { stdin: { contents, resolveDir: join(bench, 'specs'), loader: 'ts' } });
      return [name, outfile];
    }),
  );
  if (tfjs !== null) {
    const outfile = join(cache, 'tfjs.mjs');
    await bundle(outfile, {
      entryPoints: [join(bench, 'peers', 'tfjs_worker.mjs')],
      nodePaths: [tfjs],
      // Its layers are to use the same tensors as our backend.
      alias: { '@tensorflow/tfjs-core': join(root, 'node_modules', '@tensorflow', 'tfjs-core') },
    });
    made.push(['tfjs', outfile]);
  }
  return Object.fromEntries(made);
};

/** The program that saves and reads a checkpoint. Its path. */
export const bundleCheckpoints = async () => {
  await mkdir(cache, { recursive: true });
  const outfile = join(cache, 'checkpoints.mjs');
  await build({
    entryPoints: [join(bench, 'checkpoints.ts')],
    bundle: true,
    format: 'esm',
    platform: 'node',
    outfile,
    logLevel: 'warning',
  });
  return outfile;
};
