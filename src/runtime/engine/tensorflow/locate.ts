/**
 * Where a TensorFlow library may be, in the order in which it is taken: a folder that the user names, what `ztrainc engine
 * install` unpacked, the library of tfjs-node, a Python environment.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { libraryIn, type LibraryFiles } from './library-files.js';

/** A place that was looked at. */
export interface Candidate {
  /** What sent us there, e.g. `ZTRAIN_TENSORFLOW`. */
  readonly source: string;
  /** Null where there was nothing to look at. */
  readonly folder: string | null;
  readonly files: LibraryFiles | null;
  /** The version, where a file beside the library tells it. */
  readonly version: string | null;
  /** Why it is not taken, or null. */
  readonly problem: string | null;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The oldest TensorFlow that the engine runs on. */
export const oldestVersion = '2.16';

/** The folder whose entries are libraries that `engine install` unpacked. */
export function installFolder(environment: Environment): string {
  const cache = environment['XDG_CACHE_HOME'];
  const root = cache === undefined || cache === '' ? join(homedir(), '.cache') : cache;
  return join(root, 'ztrain', 'tensorflow');
}

/** Every place, in order. The first without a problem is the one to open. */
export function candidates(environment: Environment = process.env): readonly Candidate[] {
  return [
    ...named(environment),
    ...installed(environment),
    ...nodePackages(),
    ...pythonEnvironments(environment),
  ];
}

function named(environment: Environment): readonly Candidate[] {
  const folder = environment['ZTRAIN_TENSORFLOW'];
  return folder === undefined || folder === '' ? [] : [judge('ZTRAIN_TENSORFLOW', folder)];
}

function installed(environment: Environment): readonly Candidate[] {
  const root = installFolder(environment);
  if (!existsSync(root)) return [];
  return (
    readdirSync(root)
      // What an install is unpacking begins with a dot.
      .filter((name) => !name.startsWith('.'))
      .sort((a, b) => compareVersions(b, a))
      .map((name) => judge('ztrainc engine install', join(root, name)))
  );
}

function nodePackages(): readonly Candidate[] {
  return ['tfjs-node-gpu', 'tfjs-node'].flatMap((name): Candidate[] => {
    for (let folder = process.cwd(); ; folder = dirname(folder)) {
      const library = join(folder, 'node_modules', '@tensorflow', name, 'deps', 'lib');
      if (existsSync(library)) return [judge(`@tensorflow/${name}`, library)];
      if (dirname(folder) === folder) return [];
    }
  });
}

function pythonEnvironments(environment: Environment): readonly Candidate[] {
  const found: Candidate[] = [];
  for (const name of ['VIRTUAL_ENV', 'CONDA_PREFIX']) {
    const prefix = environment[name];
    if (prefix === undefined || prefix === '') continue;
    const library = join(prefix, 'lib');
    const pythons = existsSync(library)
      ? readdirSync(library).filter((entry) => entry.startsWith('python3'))
      : [];
    for (const python of pythons) {
      const folder = join(library, python, 'site-packages', 'tensorflow');
      if (existsSync(folder)) found.push(judge(name, folder));
    }
  }
  const folder = askPython(environment);
  if (folder !== null && !found.some((one) => one.folder === folder)) found.push(judge('python3', folder));
  return found;
}

/** The folder of the package that `python3` would import, without importing it. */
function askPython(environment: Environment): string | null {
  const path = environment['PATH'] ?? '';
  if (!path.split(delimiter).some((folder) => existsSync(join(folder, 'python3')))) return null;
  const question =
    'import importlib.util as u; s = u.find_spec("tensorflow"); print(list(s.submodule_search_locations)[0] if s else "")';
  try {
    const answer = execFileSync('python3', ['-c', question], {
      encoding: 'utf8',
      timeout: 10_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return answer === '' ? null : answer;
  } catch {
    return null;
  }
}

/** Looks at a folder without opening the library: opening a damaged one may end the process. */
export function judge(source: string, folder: string): Candidate {
  if (!existsSync(folder)) {
    return { source, folder, files: null, version: null, problem: 'the folder does not exist' };
  }
  const files = libraryIn(folder);
  if (files === null) {
    return { source, folder, files, version: null, problem: 'it holds no TensorFlow library' };
  }
  const version = versionBeside(folder);
  const old =
    version !== null && compareVersions(version, oldestVersion) < 0
      ? `TensorFlow ${version} is older than ${oldestVersion}`
      : null;
  const faults = files.names.map((name) => fileFault(join(folder, name)));
  return { source, folder, files, version, problem: faults.find((fault) => fault !== null) ?? old };
}

/** The version from the folder's own name, or from what Python's package tools wrote beside the package. */
function versionBeside(folder: string): string | null {
  const own = /(?:^|\/)(\d+\.\d+(?:\.\d+)?)[^/]*$/.exec(folder)?.[1];
  if (own !== undefined) return own;
  const parent = dirname(folder);
  if (!existsSync(parent)) return null;
  for (const name of readdirSync(parent)) {
    const found = /^tensorflow(?:_cpu|_gpu)?-(\d+\.\d+\.\d+)\.dist-info$/.exec(name)?.[1];
    if (found !== undefined) return found;
  }
  return null;
}

// Processors by their numbers in the header of an ELF file, under Node's names.
const machines: Readonly<Record<number, string>> = { 0x3e: 'x64', 0xb7: 'arm64', 0x03: 'ia32', 0x28: 'arm' };

/** What is wrong with a library's file, as far as its header tells: another system's, another processor's, cut off. */
function fileFault(path: string): string | null {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const header = Buffer.alloc(64);
    if (readSync(file, header, 0, 64, 0) < 64 || header.toString('latin1', 0, 4) !== '\x7fELF') {
      return `${path} is no shared library of Linux`;
    }
    const machine = machines[header.readUInt16LE(18)] ?? 'another processor';
    if (machine !== process.arch) return `${path} is for ${machine}, this is ${process.arch}`;
    // The table of sections comes last in the file.
    const end = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
    return size < end ? `${path} is cut off: it has ${size} of ${end} bytes` : null;
  } finally {
    closeSync(file);
  }
}

/** Below 0 where `a` is older than `b`. What follows the numbers does not count. */
export function compareVersions(a: string, b: string): number {
  const parts = (version: string): readonly number[] => (/^[\d.]+/.exec(version)?.[0] ?? '').split('.').map(Number);
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
