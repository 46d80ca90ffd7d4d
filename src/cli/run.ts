/**
 * `ztrainc run`, `test` and `predict`: compiles in memory, then is the executable: its options, its output, its signals
 * and its exit code.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { folderOf, type Host } from '../checker/host.js';
import { BundleError } from '../codegen/bundle.js';
import { findPackageRoot, runtimeFile } from '../codegen/package-root.js';
import { checkExterns, emitTo, hasExterns } from '../compiler.js';
import { compilerPath, nodeHost } from '../node-host.js';
import { parseOverride } from '../values/overrides.js';
import { fileHash, hashOf, isKept, openCache, prune } from './cache.js';
import { calledAs } from './called.js';
import { refuseOnlyInSpec } from './only-in-spec.js';
import { keep, readKept, type Texts } from './kept-bundles.js';
import { specOfCheckpoint } from './kept-spec.js';
import { placesOf } from './places.js';
import { countingHost } from './row-counts.js';
import { warnedOf } from './warned.js';
import { cannotBundle, reportBundleWarnings, reportDiagnostics, reportExterns } from './report.js';
import { checkSpec, findSpec, shownPath, type CheckedSpec, type SpecFile } from './specs.js';
import { Misuse, exits, streams } from './streams.js';

export interface RunOptions {
  readonly runDir?: string;
  readonly dataRoot?: string;
  readonly from?: string;
  readonly engine?: string;
  readonly devices?: string;
  readonly resume?: string;
  readonly allow?: string;
  readonly devRun?: string | true;
  readonly json?: boolean;
  readonly forcePrecision?: boolean;
  readonly sweep?: boolean;
  readonly help?: boolean;
}

/** A bundle as a module. */
interface Executable {
  readonly main: (
    argv: readonly string[],
    io: {
      readonly program: (command: 'train' | 'test' | 'predict') => string;
      readonly plot: string;
      readonly dataRoot: string;
      readonly warned: readonly string[];
    },
  ) => Promise<number>;
}

const isExecutable = (module: object): module is Executable =>
  'main' in module && typeof module.main === 'function';

const isOverride = (word: string): boolean => /^[A-Za-z_][\w.]*=/.test(word);

/** The trainer's own command line. */
const argumentsOf = (command: string, words: readonly string[], options: RunOptions): readonly string[] => {
  if (options.help === true) return ['--help'];
  const valued: readonly (readonly [string, string | undefined])[] = [
    ['--data-root', options.dataRoot],
    ['--run-dir', options.runDir],
    ['--from', options.from],
    ['--engine', options.engine],
    ['--devices', options.devices],
    ['--resume', options.resume],
    ['--allow', options.allow],
  ];
  return [
    command,
    ...words,
    ...valued.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`])),
    ...(options.devRun === undefined
      ? []
      : options.devRun === true
        ? ['--dev-run']
        : [`--dev-run=${options.devRun}`]),
    ...(options.json === true ? ['--json'] : []),
    ...(options.forcePrecision === true ? ['--force-precision'] : []),
    // `--no-sweep`, as commander has it.
    ...(options.sweep === false ? ['--no-sweep'] : []),
  ];
};

const committedFiles = (names: readonly string[], folder: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (const name of names) {
    try {
      found.set(name, readFileSync(join(folder, name), 'utf8'));
    } catch {
      // Nobody has to commit a trainer.
    }
  }
  return found;
};

/** A run trains what the spec says; who reads the committed trainer should know where it says something else. */
const warnIfStale = (texts: Texts, folder: string, spec: SpecFile): void => {
  for (const [name, text] of committedFiles(Object.keys(texts), folder)) {
    if (text !== texts[name]) {
      streams.say(
        `warning: ${shownPath(join(folder, name))} is not what ${spec.shown} gives; run: ztrainc build ${spec.shown}`,
      );
    }
  }
};

/** The bundle's path, or null where something is wrong, which has been printed. */
const bundleFor = async (
  spec: SpecFile,
  checked: CheckedSpec,
  fromCheckpoint: boolean,
): Promise<string | null> => {
  const root = findPackageRoot();
  const { generated } = placesOf(spec);
  const cache = openCache();
  const key = hashOf([
    root.version,
    fileHash(runtimeFile(root)),
    generated,
    ...checked.files.flatMap((file) => [file.path, file.text]),
  ]);
  const kept = readKept(cache.folder, key);
  if (kept !== null) {
    if (!fromCheckpoint) warnIfStale(kept.texts, generated, spec);
    return join(cache.folder, kept.bundle);
  }
  const since = Date.now();
  const files = await emitTo(checked, spec.path, generated);
  const texts = Object.fromEntries(files.map((file) => [file.fileName, file.text]));
  if (!fromCheckpoint) warnIfStale(texts, generated, spec);
  const externs = hasExterns(checked);
  if (externs && reportExterns(checked, await checkExterns(checked, files, generated), generated))
    return null;
  const { bundle, writeExecutable } = await import('../codegen/bundle.js');
  const outFile = join(cache.folder, 'trainer.mjs');
  const made = await bundle({
    files,
    folder: generated,
    specFolder: dirname(spec.path),
    outFile,
    sourceMap: 'inline',
  });
  reportBundleWarnings(made.warnings);
  const name = `${hashOf([made.code])}.mjs`;
  const path = join(cache.folder, name);
  if (!isKept(path)) await writeExecutable(path, made);
  // The hash above has the runtime; nothing else of the disk is in a trainer without externs.
  if (made.warnings.length === 0)
    keep(cache.folder, key, { bundle: name, texts }, externs ? made.inputs : [], since);
  if (cache.kept) prune(cache.folder);
  return path;
};

/** What is to be run: a spec that was named, or the one that a checkpoint keeps. */
const specFor = async (
  command: 'train' | 'test' | 'predict',
  first: string | undefined,
  { from, dataRoot = '.' }: RunOptions,
): Promise<{ readonly spec: SpecFile; readonly host: Host; readonly checkpoint: string | null }> => {
  if (first !== undefined) return { spec: findSpec(first), host: nodeHost, checkpoint: null };
  if (command === 'train') throw new Misuse('name the spec to run, such as specs/digits.ztrain');
  if (from === undefined)
    throw new Misuse(`${command} needs --from RUN or --from CHECKPOINT, and the spec where that keeps none`);
  return specOfCheckpoint(from, dataRoot);
};

export const trainerCommand = async (
  command: 'train' | 'test' | 'predict',
  args: readonly string[],
  options: RunOptions,
): Promise<number> => {
  try {
    return await runTrainer(command, args, options);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'RunError') throw error;
    streams.say(`error: ${error.message}`);
    return exits.runFailed;
  }
};

const runTrainer = async (
  command: 'train' | 'test' | 'predict',
  args: readonly string[],
  options: RunOptions,
): Promise<number> => {
  const named = args.filter((word) => !isOverride(word));
  const [first, second] = named;
  if (second !== undefined)
    throw new Misuse(
      `there is no place for ${JSON.stringify(second)}; one spec runs at a time, and params are name=value`,
    );
  const { spec, host, checkpoint } = await specFor(command, first, options);
  if (checkpoint !== null) streams.say(`${spec.shown} as ${checkpoint} keeps it`);
  const sweeps = options.sweep !== false;
  // With other values than the spec's, files and lengths may be others too, and one run without the sweep has no points: the start of the
  // run tells of those.
  const counts = command === 'train' && sweeps && options.resume === undefined && !args.some(isOverride);
  const root = options.dataRoot === undefined ? {} : { dataRoot: compilerPath(options.dataRoot) };
  const checked = checkSpec(spec, counts ? { ...host, ...countingHost, ...root } : host);
  if (reportDiagnostics(checked)) return exits.diagnostics;
  if (checked.ir?.trainer === null)
    throw new Misuse(`${spec.shown} has no trainer; run a spec that imports it`);
  const overrides = args.filter(isOverride);
  if (options.help !== true && checked.ir !== null)
    refuseOnlyInSpec(checked.ir, checked.shownFiles, overrides.map(parseOverride));
  if (checkpoint !== null && hasExterns(checked))
    throw new Misuse(
      `${spec.shown} has code of its own, which a checkpoint does not keep; name the spec: ztrainc ${command} SPEC --from ${options.from ?? 'RUN'}`,
    );
  let path: string | null;
  try {
    path = await bundleFor(spec, checked, checkpoint !== null);
  } catch (error) {
    if (error instanceof BundleError) throw cannotBundle(spec.shown, error);
    throw error;
  }
  if (path === null) return exits.diagnostics;
  // Stack traces then name lines of the spec.
  process.setSourceMapsEnabled(true);
  const executable: object = await import(pathToFileURL(path).href);
  if (!isExecutable(executable)) throw new Error(`${path} is not a trainer's bundle`);
  const program = (called: 'train' | 'test' | 'predict'): string =>
    `${calledAs()} ${called === 'train' ? 'run' : called}${checkpoint === null || called === 'train' ? ` ${spec.shown}` : ''}`;
  return executable.main(argumentsOf(command, overrides, options), {
    program,
    plot: `${calledAs()} plot`,
    // A spec's paths start at the spec.
    dataRoot: folderOf(spec.path),
    warned: warnedOf(checked, overrides.map(parseOverride), sweeps),
  });
};
