/**
 * Where a TensorFlow library may be, in the order in which it is taken: a folder that the user names, what `ztrainc engine
 * install` unpacked, the library of tfjs-node, a Python environment.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { libraryIn, namesIn, versionOfNames, type LibraryFiles } from './library-files.js';
import { headerFault } from './library-header.js';
import { readManifest, sizeFault } from './manifest.js';

/** A folder that was looked at. */
export interface Candidate {
  /** What sent us there, e.g. `ZTRAIN_TENSORFLOW`. */
  readonly source: string;
  /** Absolute. */
  readonly folder: string;
  readonly files: LibraryFiles | null;
  /** The version, where a file beside the library tells it. */
  readonly version: string | null;
  /** Why it is not taken, or null. */
  readonly problem: string | null;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The oldest TensorFlow that the engine runs on. */
export const oldestVersion = '2.16';

/** One of the places that are searched, with what is there. */
export interface Place {
  /** As in `Candidate`. */
  readonly source: string;
  /** What stands there where nothing was found, e.g. `not set`. */
  readonly absence: string;
  readonly found: readonly Candidate[];
}

/** The folder whose entries are libraries that `engine install` unpacked. */
export function installFolder(environment: Environment = process.env): string {
  const cache = environment['XDG_CACHE_HOME'] ?? '';
  return join(isAbsolute(cache) ? cache : join(homedir(), '.cache'), 'ztrain', 'tensorflow');
}

/** Every place, in order, each looked at when it is asked for: the last ones start a process. */
export function* places(environment: Environment = process.env): Generator<Place, undefined> {
  yield named(environment);
  yield installed(environment);
  yield nodePackage('tfjs-node-gpu');
  yield nodePackage('tfjs-node');
  const seen = new Set<string>();
  yield pythonEnvironment('VIRTUAL_ENV', environment, seen);
  yield pythonEnvironment('CONDA_PREFIX', environment, seen);
  yield python(environment, seen);
}

/** Every folder that was found, in order. The first without a problem is the one to open. */
export function candidates(environment: Environment = process.env): readonly Candidate[] {
  return [...places(environment)].flatMap(({ found }) => found);
}

export interface Search {
  /** The first without a problem. */
  readonly chosen: (Candidate & { readonly files: LibraryFiles }) | null;
  /** What was found before it, each with its problem. */
  readonly passedOver: readonly Candidate[];
}

/** The library to open. Places after it are not looked at. */
export function search(environment: Environment = process.env): Search {
  const passedOver: Candidate[] = [];
  for (const { found } of places(environment)) {
    for (const candidate of found) {
      const { files, problem } = candidate;
      if (problem === null && files !== null) return { chosen: { ...candidate, files }, passedOver };
      passedOver.push(candidate);
    }
  }
  return { chosen: null, passedOver };
}

function named(environment: Environment): Place {
  const source = 'ZTRAIN_TENSORFLOW';
  const folder = environment[source] ?? '';
  if (folder === '') return { source, absence: 'not set', found: [] };
  // A package's folder, a Python environment's `site-packages` or an archive's top is near enough.
  const near = [folder, join(folder, 'tensorflow'), join(folder, 'lib')];
  return {
    source,
    absence: '',
    found: [judge(source, near.find((one) => libraryIn(one) !== null) ?? folder)],
  };
}

function installed(environment: Environment): Place {
  const source = 'ztrainc engine install';
  const root = installFolder(environment);
  // What an install is unpacking begins with a dot.
  const names = namesIn(root).filter((name) => !name.startsWith('.'));
  const newestFirst = names.sort((a, b) => compareVersions(b, a) || (a < b ? 1 : -1));
  return {
    source,
    absence: `nothing in ${root}`,
    found: newestFirst.map((name) => judgeInstall(source, join(root, name))),
  };
}

function judgeInstall(source: string, root: string): Candidate {
  const manifest = readManifest(root);
  const folder = existsSync(join(root, 'tensorflow')) ? join(root, 'tensorflow') : root;
  const judged = judge(source, folder, manifest?.version);
  const again = 'run `ztrainc engine install` again';
  const fault =
    manifest === null
      ? `${root} holds no complete install`
      : (writableByOthers(root) ?? sizeFault(root, manifest));
  return {
    ...judged,
    problem: fault === null ? judged.problem : `${fault}; ${again}`,
  };
}

/** A library is code that will run, so what others can write to is not taken. */
function writableByOthers(root: string): string | null {
  const own = process.getuid?.();
  if (own === undefined) return null;
  const { uid, mode } = statSync(root);
  return (uid === own || uid === 0) && (mode & 0o002) === 0 ? null : `others can write to ${root}`;
}

function nodePackage(name: string): Place {
  const source = `@tensorflow/${name}`;
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const library = join(folder, 'node_modules', '@tensorflow', name, 'deps', 'lib');
    if (existsSync(library)) return { source, absence: '', found: [judge(source, library)] };
    if (dirname(folder) === folder) return { source, absence: 'not installed', found: [] };
  }
}

function pythonEnvironment(source: string, environment: Environment, seen: Set<string>): Place {
  const prefix = environment[source] ?? '';
  if (prefix === '') return { source, absence: 'not set', found: [] };
  const library = join(prefix, 'lib');
  const folders = namesIn(library)
    .filter((entry) => entry.startsWith('python3'))
    .map((entry) => join(library, entry, 'site-packages', 'tensorflow'))
    .filter((folder) => existsSync(folder));
  // Conda has packages that put the library beside all others.
  const found = [...folders, library].filter((folder) => libraryIn(folder) !== null);
  return {
    source,
    absence: `no TensorFlow in ${prefix}`,
    found: (found.length > 0 ? found : folders).flatMap((folder) => judgeOnce(source, folder, seen)),
  };
}

function python(environment: Environment, seen: Set<string>): Place {
  const source = 'python3';
  const program = (environment['PATH'] ?? '')
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, source))
    .find((path) => existsSync(path));
  if (program === undefined) return { source, absence: 'not on PATH', found: [] };
  const folder = askPython(program, environment);
  return {
    source,
    absence: folder === null ? `no TensorFlow in ${program}` : 'the same as above',
    found: folder === null ? [] : judgeOnce(source, folder, seen),
  };
}

function judgeOnce(source: string, folder: string, seen: Set<string>): readonly Candidate[] {
  const real = realpathSync(folder);
  if (seen.has(real)) return [];
  seen.add(real);
  return [judge(source, folder)];
}

/** The folder of the package that Python would import, without importing it. What stands in the current folder does not count. */
function askPython(program: string, environment: Environment): string | null {
  const question = [
    'import sys, importlib.util as u',
    'sys.path = [p for p in sys.path if p]',
    's = u.find_spec("tensorflow")',
    'print(list(s.submodule_search_locations or [""])[0] if s else "")',
  ].join('; ');
  try {
    const answer = execFileSync(program, ['-c', question], {
      encoding: 'utf8',
      timeout: 10_000,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...environment },
    }).trim();
    return answer !== '' && existsSync(answer) ? answer : null;
  } catch {
    return null;
  }
}

/**
 * Looks at a folder without opening the library: opening a damaged one may end the process. `known` is its version, where
 * somebody wrote it down.
 */
export function judge(source: string, given: string, known: string | null = null): Candidate {
  const folder = resolve(given);
  const none = { source, folder, files: null, version: null };
  const stat = existsSync(folder) ? statSync(folder) : undefined;
  if (stat === undefined) return { ...none, problem: `there is no folder ${folder}` };
  if (!stat.isDirectory()) return { ...none, problem: `${folder} is a file; name the folder that it is in` };
  const files = libraryIn(folder);
  if (files === null) {
    return { ...none, problem: `${folder} holds no libtensorflow_framework.so and libtensorflow_cc.so` };
  }
  const version = known ?? versionOfNames(files) ?? versionBeside(folder);
  const old =
    version !== null && compareVersions(version, oldestVersion) < 0
      ? `TensorFlow ${version} is too old: ${oldestVersion} is the oldest that can be used`
      : null;
  const faults = files.names.map((name) => headerFault(join(folder, name)));
  return { source, folder, files, version, problem: old ?? faults.find((fault) => fault !== null) ?? null };
}

/** The version from what Python's package tools wrote beside the package, or from a folder's own name. */
function versionBeside(folder: string): string | null {
  for (const name of namesIn(dirname(folder))) {
    const found =
      /^tensorflow(?:_(?:cpu|gpu|cpu_aws|intel|rocm))?-(\d+\.\d+(?:\.\d+)?)[^-]*\.dist-info$/.exec(name)?.[1];
    if (found !== undefined) return found;
  }
  return /(?:^|-)(\d+\.\d+(?:\.\d+)?)(?:$|[^.\d])/.exec(basename(folder))?.[1] ?? null;
}

/** Below 0 where `a` is older than `b`. What follows the numbers does not count. */
export function compareVersions(a: string, b: string): number {
  const parts = (version: string): readonly number[] =>
    (/^[\d.]+/.exec(version)?.[0] ?? '').split('.').map(Number);
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
