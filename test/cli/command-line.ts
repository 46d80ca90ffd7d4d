/** Starts the built command line as a user does: a process of its own, in a folder of its own. */
import { spawn } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');
/** `npm test` builds it before the tests; alone: `npm run build`. */
export const program = join(root, 'dist', 'ztrainc.mjs');
export const digits = join(root, 'specs', 'digits.ztrain');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly cwd: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Sees stderr so far whenever there is more, and may send a signal. */
  readonly watch?: (stderr: string, kill: (signal: NodeJS.Signals) => void) => void;
}

const plain = (environment: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...process.env,
  NO_COLOR: '1',
  ...environment,
});

/** Runs a file to its end. */
export const start = (file: string, words: readonly string[], options: StartOptions): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(file, [...words], {
      cwd: options.cwd,
      env: plain(options.environment ?? {}),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => {
      stderr += data.toString();
      options.watch?.(stderr, (signal) => child.kill(signal));
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });

export interface Desk {
  readonly folder: string;
  /** Runs `ztrainc` with these words, its cache inside the folder. */
  readonly ztrainc: (words: readonly string[], options?: Partial<StartOptions>) => Promise<Ended>;
  readonly remove: () => void;
}

/** An empty folder outside the repository. */
export const openDesk = (): Desk => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ztrain-cli-')));
  const environment = { XDG_CACHE_HOME: join(folder, '.cache') };
  return {
    folder,
    ztrainc: (words, options = {}) =>
      start(process.execPath, [program, ...words], {
        cwd: folder,
        ...options,
        environment: { ...environment, ...options.environment },
      }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};
