/** The peers, installed with fixed versions into an environment that nothing else uses. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cache, root } from './places.mjs';

/** The best that each peer has: for PyTorch builds without CUDA are enough. */
const packages = ['tensorflow-cpu==2.21.0', 'keras==3.15.1', 'torch==2.15.0', 'lightning==2.6.6'];

const layers = '@tensorflow/tfjs-layers@4.22.0';

const must = (program, args) => {
  console.error(`${program} ${args.join(' ')}`);
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw error ?? new Error(`${program} ended with ${status}`);
};

const runs = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

/** Python with the peers, and TensorFlow's libraries. */
export const setUpPeers = async ({ peers, library }) => {
  const folder = peers ?? join(cache, 'peers');
  const python = join(folder, 'bin', 'python');
  const done = join(folder, '.installed');
  const text = packages.join('\n');
  if (peers === undefined && (!existsSync(done) || readFileSync(done, 'utf8') !== text)) {
    await mkdir(cache, { recursive: true });
    if (runs('uv')) {
      if (!existsSync(python)) must('uv', ['venv', folder]);
      must('uv', ['pip', 'install', '--python', python, ...packages]);
    } else {
      must('python3', ['-m', 'venv', folder]);
      must(python, ['-m', 'pip', 'install', '--quiet', ...packages]);
    }
    await writeFile(done, text);
  }
  return { python, library: library ?? libraryOf(folder) };
};

const libraryOf = (folder) => {
  const named = process.env.ZTRAIN_TENSORFLOW;
  if (named !== undefined && named !== '') return named;
  const found = readdirSync(join(folder, 'lib'))
    .map((version) => join(folder, 'lib', version, 'site-packages', 'tensorflow'))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${folder} has no TensorFlow; give --library`);
  return found;
};

/** TensorFlow.js' layers, in a folder of their own. */
export const setUpLayers = () => {
  const folder = join(cache, 'tfjs');
  const modules = join(folder, 'node_modules');
  if (!existsSync(join(modules, '@tensorflow', 'tfjs-layers'))) {
    must('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', '--legacy-peer-deps', layers]);
  }
  return modules;
};

/** What was measured, for the head of the results: ztrain first, and the peers where there are any. */
export const versionsOf = async ({ python }) => {
  const git = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' });
  const own = [`ztrain at ${git.stdout.trim()}`, `Node.js ${process.versions.node}`];
  if (python === null) return own;
  const names = ['tensorflow_cpu', 'keras', 'torch', 'lightning'];
  const asked = `import importlib.metadata as m; print(*(f"{n} {m.version(n)}" for n in ${JSON.stringify(names)}), sep="\\n")`;
  const { stdout } = spawnSync(python, ['-c', asked], { encoding: 'utf8' });
  const python3 = spawnSync(python, ['--version'], { encoding: 'utf8' });
  const others = stdout.trim().split('\n');
  return [...own, python3.stdout.trim(), ...others];
};
