/**
 * `ztrainc engine install`: fetches TensorFlow's wheel, unpacks the libraries alone into the user's cache and holds each
 * against its checksum. What is there under its own name is complete: it is made elsewhere and renamed.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { compareVersions, installFolder, oldestVersion } from '../runtime/engine/tensorflow/locate.js';
import { headerFault } from '../runtime/engine/tensorflow/library-header.js';
import { manifestName, readManifest, type Manifest } from '../runtime/engine/tensorflow/manifest.js';
import { makeFolder } from '../values/folders.js';
import { checksumFault } from './engine-checksums.js';
import { claimed, type Workplace } from './engine-claim.js';
import { EngineFault, isAbort, systemFault } from './engine-fault.js';
import { fetchPackages, findTool } from './engine-fetch.js';
import {
  cudaRequirements,
  plannedFiles,
  processorName,
  tensorflowOf,
  type PlannedFile,
} from './engine-layout.js';
import { packagesIn, unpack, type PythonPackage } from './engine-package.js';
import { progressTo, type Progress } from './engine-progress.js';
import { Misuse, exits, streams } from './streams.js';
import { signalCodes, type EndSignal } from '../values/signals.js';
import { endSignals } from './on-signals.js';
import { showBytes } from './tables.js';

export interface InstallOptions {
  readonly version?: string;
  readonly cuda?: boolean;
  readonly from?: string;
}

const defaultVersion = '2.21.0';

export interface System {
  readonly platform: string;
  readonly arch: string;
  /** The C library is GNU's. */
  readonly glibc: boolean;
}

const thisSystem = (): System => {
  const report = process.report.getReport();
  const header: unknown =
    typeof report === 'object' && report !== null && 'header' in report ? report.header : null;
  const glibc = typeof header === 'object' && header !== null && 'glibcVersionRuntime' in header;
  return { platform: process.platform, arch: process.arch, glibc };
};

/** Why TensorFlow has no library for a system, or null. */
export const systemProblem = ({ platform, arch, glibc }: System, cuda: boolean): string | null => {
  if (platform !== 'linux') {
    return `the native engine is for Linux, this is ${platform}; the embedded engine runs here without it`;
  }
  if (processorName(arch) === null) {
    return `TensorFlow has no wheels for ${arch}, only for x64 and arm64; the embedded engine runs here without it`;
  }
  if (!glibc) {
    return 'TensorFlow has no wheels for this system: they need the GNU C library (manylinux), and this one has another, such as musl; the embedded engine runs here without it';
  }
  return cuda && arch !== 'x64'
    ? `TensorFlow has no CUDA wheels for ${arch}; install it without --cuda`
    : null;
};

interface Job {
  readonly options: InstallOptions;
  readonly cuda: boolean;
  readonly root: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const checkOptions = ({ version, from }: InstallOptions): void => {
  if (version !== undefined) {
    if (!/^\d+\.\d+\.\d+$/.test(version)) {
      throw new Misuse(`--version takes one such as ${defaultVersion}, got ${version}`);
    }
    if (compareVersions(version, oldestVersion) < 0) {
      throw new Misuse(`--version ${version} is too old: ${oldestVersion} is the oldest that can be used`);
    }
  }
  if (from !== undefined && !existsSync(from)) throw new Misuse(`--from ${from}: no such file or folder`);
};

/** The install's name among others. */
const nameOf = (version: string, cuda: boolean): string => (cuda ? `${version}-cuda` : version);

const requirementFor = (version: string, cuda: boolean): string =>
  // Wheels for arm64 know no GPU under either name, and not every version has the other one.
  `${cuda || process.arch !== 'x64' ? 'tensorflow' : 'tensorflow-cpu'}==${version}`;

interface Fetched {
  readonly tensorflow: PythonPackage;
  readonly files: readonly PlannedFile[];
}

const fetchFor = async (
  version: string,
  { part }: Workplace,
  { cuda, progress, signal }: Job,
): Promise<Fetched> => {
  const tool = findTool();
  const options = { part, progress, signal };
  const wanted = { version, cuda };
  const where = `what ${tool.name} fetched`;
  const folder = await fetchPackages(tool, [requirementFor(version, cuda)], options);
  const tensorflow = tensorflowOf(await packagesIn(folder), wanted, where);
  if (cuda) await fetchPackages(tool, cudaRequirements(tensorflow), options);
  const packages = await packagesIn(folder);
  const again = tensorflowOf(packages, wanted, where);
  return { tensorflow: again, files: plannedFiles(again, packages, wanted, where) };
};

const manifestFor = ({ tensorflow, files }: Fetched, cuda: boolean): Manifest => ({
  version: tensorflow.version,
  cuda,
  packages: [...new Set(files.map(({ from }) => `${from.name}-${from.version}`))],
  files: files.map(({ to, file }) => ({ path: to, bytes: file.bytes, sha256: file.sha256 })),
});

const sameFiles = (a: Manifest, b: Manifest): boolean => JSON.stringify(a.files) === JSON.stringify(b.files);

const unpackAll = async (
  fetched: Fetched,
  manifest: Manifest,
  folder: string,
  { progress, signal }: Job,
): Promise<void> => {
  mkdirSync(folder, { mode: 0o700 });
  const total = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
  const task = progress.begin(`unpacking ${manifest.files.length} files`, total);
  try {
    for (const { from, file, to, mode } of fetched.files) {
      await unpack(from, file, join(folder, to), { mode, signal, advance: task.advance });
    }
  } finally {
    task.end();
  }
  for (const { file, from, to } of fetched.files) {
    const fault = from === fetched.tensorflow ? headerFault(join(folder, to)) : null;
    if (fault !== null) throw new EngineFault(`${file.path} of ${from.origin} cannot be used: ${fault}`);
  }
  writeFileSync(join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
};

/** Whether the version is there and whole, so that there is nothing to do. */
const isWhole = async (
  target: string,
  wanted: Manifest | null,
  { progress, signal }: Job,
): Promise<boolean> => {
  const manifest = readManifest(target);
  if (manifest === null || (wanted !== null && !sameFiles(manifest, wanted))) return false;
  return (await checksumFault({ root: target, files: manifest.files }, progress, signal)) === null;
};

const bytesOf = (target: string): string =>
  showBytes((readManifest(target)?.files ?? []).reduce((sum, { bytes }) => sum + bytes, 0));

const installOne = async (job: Job): Promise<void> => {
  const { options, cuda, root, signal } = job;
  const from = options.from === undefined ? null : resolve(options.from);
  const given = { version: options.version ?? null, cuda };
  let local: Fetched | null = null;
  if (from !== null) {
    const packages = await packagesIn(from);
    const tensorflow = tensorflowOf(packages, given, from);
    local = { tensorflow, files: plannedFiles(tensorflow, packages, given, from) };
  }
  const version = local?.tensorflow.version ?? options.version ?? defaultVersion;
  if (compareVersions(version, oldestVersion) < 0) {
    throw new EngineFault(
      `TensorFlow ${version} is too old: ${oldestVersion} is the oldest that can be used`,
    );
  }
  const name = nameOf(version, cuda);
  const target = join(root, name);
  const waiting = (): void => streams.say(`waiting for another install of TensorFlow ${version}`);
  await claimed(root, name, { signal, waiting }, async (workplace) => {
    if (await isWhole(target, local === null ? null : manifestFor(local, cuda), job)) {
      streams.say(`TensorFlow ${version} is installed in ${target} (${bytesOf(target)})`);
      return;
    }
    const fetched = local ?? (await fetchFor(version, workplace, job));
    const manifest = manifestFor(fetched, cuda);
    const made = join(workplace.part, 'made');
    await unpackAll(fetched, manifest, made, job);
    workplace.place(made, target);
    streams.say(
      `installed TensorFlow ${version} in ${target} (${bytesOf(target)}); ztrainc engine doctor tries it`,
    );
  });
};

export const installCommand = async (options: InstallOptions): Promise<number> => {
  checkOptions(options);
  const cuda = options.cuda === true;
  const problem = systemProblem(thisSystem(), cuda);
  if (problem !== null) throw new EngineFault(problem);
  const root = installFolder();
  try {
    makeFolder(root, 0o700);
  } catch (error) {
    // The system says that there is no such file, where there is one too many.
    throw error instanceof Error && 'code' in error && error.code === 'ENOTDIR'
      ? new EngineFault(`cannot make ${root}: a part of that path is a file`)
      : systemFault(`cannot make ${root}`, error);
  }
  const stop = new AbortController();
  let code: number = exits.well;
  const onSignal = (signal: EndSignal): void => {
    code = signalCodes[signal];
    stop.abort();
  };
  for (const signal of endSignals) process.on(signal, onSignal);
  const progress = progressTo(process.stderr, process.env);
  try {
    await installOne({ options, cuda, root, progress, signal: stop.signal });
    return exits.well;
  } catch (error) {
    if (!stop.signal.aborted)
      throw isSystemError(error) ? systemFault(`cannot install to ${root}`, error) : error;
    if (!isAbort(error) && !(error instanceof EngineFault)) throw error;
    streams.say('interrupted; nothing was changed');
    return code;
  } finally {
    for (const signal of endSignals) process.off(signal, onSignal);
  }
};

/** What the system refused, as against a fault of this program. */
const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error;
