/** Python with packages that judge what is written here, fetched once with the user's own `pip` or `uv`. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scripts = fileURLToPath(new URL('.', import.meta.url));
const python = 'python3';

/** Installs packages into a folder of their own and returns it. */
function installed(packages: readonly string[]): string {
  const version = spawnSync(python, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], {
    encoding: 'utf8',
  });
  if (version.status !== 0) throw new Error(`${python} is needed for this test: ${version.stderr ?? ''}`);
  const name = [version.stdout.trim(), ...packages].join('-').replaceAll(/[^\w.-]+/g, '_');
  const folder = join(root, '.cache', 'python', name);
  if (existsSync(folder)) return folder;
  const part = `${folder}.part-${process.pid}`;
  mkdirSync(dirname(folder), { recursive: true });
  const tools: readonly (readonly [string, readonly string[]])[] = [
    [python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', part]],
    ['uv', ['pip', 'install', '--quiet', '--python', python, '--target', part]],
  ];
  const failures: string[] = [];
  for (const [tool, words] of tools) {
    const { status, stderr, error } = spawnSync(tool, [...words, ...packages], { encoding: 'utf8' });
    if (status === 0) {
      try {
        renameSync(part, folder);
      } catch (failure) {
        // Another test was faster.
        if (!existsSync(folder)) throw failure;
        rmSync(part, { recursive: true });
      }
      return folder;
    }
    failures.push(`${tool}: ${error?.message ?? stderr}`);
    rmSync(part, { recursive: true, force: true });
  }
  throw new Error(`${packages.join(' and ')} could not be installed: ${failures.join('; ')}`);
}

/** Runs a script of this folder with packages, and returns what it printed, as JSON. */
export function runPython(
  script: string,
  words: readonly string[],
  packages: readonly string[] = ['safetensors==0.8.0', 'numpy'],
): unknown {
  const { status, stdout, stderr } = spawnSync(python, [join(scripts, script), ...words], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, PYTHONPATH: installed(packages), PYTHONDONTWRITEBYTECODE: '1' },
  });
  if (status !== 0) throw new Error(`${script} failed: ${stderr}`);
  return JSON.parse(stdout) as unknown;
}
