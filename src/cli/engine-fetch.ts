/** Fetches wheels with the user's own `uv` or `pip`, whatever Python they have and whether an environment is active or not. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { EngineFault } from './engine-fault.js';
import { processorName } from './engine-layout.js';
import type { Progress } from './engine-progress.js';

/** The Python that wheels are taken for: every TensorFlow from 2.16 on has one for it. None of it is run. */
const pythonVersion = '3.12';
/** The newest C library that a wheel may ask for; TensorFlow 2.21 asks for 2.27. */
const newestLibc = 28;
const olderLibcs = [28, 27, 26, 24, 17];

export interface Tool {
  readonly name: 'uv' | 'pip';
  readonly command: readonly string[];
}

const onPath = (name: string): string | null =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path)) ?? null;

/** Throws an EngineFault where there is neither. */
export const findTool = (): Tool => {
  const uv = onPath('uv');
  if (uv !== null) return { name: 'uv', command: [uv] };
  for (const name of ['python3', 'python']) {
    const python = onPath(name);
    if (python === null) continue;
    // A Python of a system may come without pip.
    const { status } = spawnSync(python, ['-m', 'pip', '--version'], { stdio: 'ignore', timeout: 60_000 });
    if (status === 0) return { name: 'pip', command: [python, '-m', 'pip'] };
  }
  const pip = onPath('pip3') ?? onPath('pip');
  if (pip !== null) return { name: 'pip', command: [pip] };
  throw new EngineFault(
    'neither uv nor pip was found to fetch TensorFlow with; install uv (https://docs.astral.sh/uv), or fetch the wheel elsewhere and give it as --from',
  );
};

const wordsFor = (
  tool: Tool,
  requirements: readonly string[],
  processor: string,
  to: string,
): readonly string[] => {
  const shared = ['--no-deps', '--python-version', pythonVersion];
  return tool.name === 'uv'
    ? [
        ...['pip', 'install', '--target', to, ...shared, '--only-binary', ':all:'],
        ...['--python-platform', `${processor}-manylinux_2_${newestLibc}`, ...requirements],
      ]
    : [
        ...['download', '--dest', to, ...shared, '--only-binary=:all:', '--implementation', 'cp'],
        ...olderLibcs.flatMap((minor) => ['--platform', `manylinux_2_${minor}_${processor}`]),
        ...['--platform', `manylinux2014_${processor}`, ...requirements],
      ];
};

/** Bytes below a folder; what changes meanwhile does not matter. */
const sizeBelow = (folder: string): number => {
  try {
    return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return sum + sizeBelow(path);
      return sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0);
    }, 0);
  } catch {
    return 0;
  }
};

/** What the tool wrote, as one line that says what to do. */
export const reasonFrom = (tool: string, text: string, requirements: readonly string[]): string => {
  const wanted = requirements.join(', ').replace('==', ' ');
  if (/no space left|os error 28\b|errno 28\b|disk quota/i.test(text)) {
    return `the disk is full: ${tool} could not unpack ${wanted}`;
  }
  if (/hash(es)? .*mismatch|do not match the hashes|hash mismatch/i.test(text)) {
    return `${wanted} arrived with a wrong checksum; try again`;
  }
  const versions = /\(from versions: ([^)]*)\)/.exec(text)?.[1] ?? null;
  const network =
    /error sending request|dns error|failed to fetch|failed to download|connection (broken|refused|reset|aborted)|name resolution|network is unreachable|timed out|max retries|ssl|certificate|proxyerror|could not connect/i;
  if (network.test(text) || versions === 'none') {
    return `${tool} could not reach its package index to fetch ${wanted}; look at the network and the proxy, or fetch the wheel elsewhere and give it as --from`;
  }
  if (versions !== null) {
    const released = versions.split(', ').filter((version) => /^[\d.]+$/.test(version));
    return `there is no ${wanted} for this machine; there are ${released.join(', ')}`;
  }
  if (
    /no solution found|there is no version|no matching distribution|not found in the package registry/i.test(
      text,
    )
  ) {
    return `there is no ${wanted} for this machine; give another --version`;
  }
  const lines = text.split('\n').map((line) => line.trim());
  const said =
    lines.findLast((line) => /^error\b/i.test(line)) ?? lines.findLast((line) => line !== '') ?? '';
  return `${tool} could not fetch ${wanted}${said === '' ? '' : `: ${said.replace(/^error:?\s*/i, '')}`}`;
};

const killAfterMs = 2000;

/** Ends a child and what it started: it leads a group of its own. */
const end = (child: ChildProcess): void => {
  const kill = (signal: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // It is gone.
    }
  };
  kill('SIGTERM');
  const timer = setTimeout(() => kill('SIGKILL'), killAfterMs);
  child.once('close', () => {
    clearTimeout(timer);
    kill('SIGKILL');
  });
};

export interface FetchOptions {
  /** An empty folder of this install; wheels, or what they hold, go to `fetched` in it. */
  readonly part: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Fetches what meets the requirements, without what that requires in turn. Returns the folder that holds it. */
export const fetchPackages = async (
  tool: Tool,
  requirements: readonly string[],
  { part, progress, signal }: FetchOptions,
): Promise<string> => {
  const processor = processorName();
  if (processor === null) throw new EngineFault(`TensorFlow has no wheels for ${process.arch}`);
  const to = join(part, 'fetched');
  // Unpacked beside the rest: the system's folder for temporary files may be small.
  const scratch = join(part, 'scratch');
  for (const folder of [to, scratch]) mkdirSync(folder, { recursive: true });
  const [first = '', ...rest] = requirements;
  const label = `fetching ${first.replace('==', ' ')}${rest.length === 0 ? '' : ` and ${rest.length} more`} with ${tool.name}`;
  const [program = '', ...before] = tool.command;
  signal.throwIfAborted();
  const task = progress.begin(label, null);
  // On a terminal the tool shows its own bar.
  const own = progress.live;
  if (own) process.stderr.write(`${label}\n`);
  const child = spawn(program, [...before, ...wordsFor(tool, requirements, processor, to)], {
    cwd: part,
    env: {
      ...process.env,
      TMPDIR: scratch,
      PIP_REQUIRE_VIRTUALENV: '0',
      PIP_DISABLE_PIP_VERSION_CHECK: '1',
      PIP_NO_INPUT: '1',
    },
    stdio: ['ignore', own ? 2 : 'pipe', own && tool.name === 'uv' ? 2 : 'pipe'],
    detached: true,
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data: Buffer) => (text = (text + data.toString()).slice(-100_000)));
  }
  const sizeBefore = sizeBelow(part);
  const timer = own ? null : setInterval(() => task.reach(sizeBelow(part) - sizeBefore), 1000);
  const stop = (): void => end(child);
  signal.addEventListener('abort', stop, { once: true });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    signal.throwIfAborted();
    if (code === 0) return to;
    throw new EngineFault(
      own && tool.name === 'uv'
        ? `uv could not fetch ${requirements.join(', ').replace('==', ' ')}; its lines above say why`
        : reasonFrom(tool.name, text, requirements),
    );
  } catch (error) {
    if (error instanceof EngineFault || signal.aborted) throw error;
    throw new EngineFault(
      `cannot start ${program}: ${error instanceof Error ? error.message : String(error)}`,
    );
  } finally {
    if (timer !== null) clearInterval(timer);
    signal.removeEventListener('abort', stop);
    if (!own) task.end();
  }
};
