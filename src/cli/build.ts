/** `ztrainc build`: the trainer beside the spec and the executable; `--check` only compares. */
import { readFileSync, watch } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { folderOf } from '../checker/host.js';
import { BundleError, bundle, writeExecutable } from '../codegen/bundle.js';
import type { EmittedFile } from '../codegen/emit.js';
import { checkExterns, emitTo, hasExterns, type Checked } from '../compiler.js';
import { reasonOf } from '../node-host.js';
import { makeFolder } from '../values/folders.js';
import { placesOf } from './places.js';
import { cannotBundle, reportBundleWarnings, reportDiagnostics, reportExterns } from './report.js';
import { checkSpec, findSpecs, shownPath, type SpecFile } from './specs.js';
import { Misuse, exits, streams } from './streams.js';

export interface BuildOptions {
  readonly check?: boolean;
  readonly watch?: boolean;
  readonly bundle: boolean;
  readonly outDir?: string;
}

const readIfThere = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};

/** A full disk and a folder that cannot be written are the user's to mend. */
const written = async (path: string, write: () => Promise<void> | void): Promise<void> => {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new Misuse(`cannot write ${shownPath(path)}: ${reasonOf(error)}`);
  }
};

/** Emitted files that are not on the disk as they should be. */
export const staleFiles = (files: readonly EmittedFile[], folder: string): readonly string[] =>
  files
    .filter((file) => readIfThere(join(folder, file.fileName)) !== file.text)
    .map((file) => join(folder, file.fileName));

interface Outcome {
  readonly code: number;
  readonly checked: Checked;
}

/** Two specs of one folder may import the same file; they must agree on what it becomes. */
type Written = Map<string, { readonly text: string; readonly spec: string }>;

const writeEmitted = async (
  files: readonly EmittedFile[],
  folder: string,
  spec: SpecFile,
  before: Written,
): Promise<void> => {
  await written(folder, () => makeFolder(folder));
  for (const file of files) {
    const path = join(folder, file.fileName);
    const other = before.get(path);
    if (other !== undefined && other.text !== file.text) {
      throw new Misuse(
        `${other.spec} and ${spec.shown} both write ${shownPath(path)}; give one file another name`,
      );
    }
    before.set(path, { text: file.text, spec: spec.shown });
    if (readIfThere(path) === file.text) continue;
    await written(path, () => writeFile(path, file.text));
    streams.say(`wrote ${shownPath(path)}`);
  }
};

const reportStale = (files: readonly EmittedFile[], folder: string, spec: SpecFile): number => {
  const stale = staleFiles(files, folder);
  for (const path of stale) streams.say(`${shownPath(path)} is not what ${spec.shown} gives`);
  if (stale.length > 0) streams.say(`run: ztrainc build ${spec.shown}`);
  return stale.length > 0 ? exits.diagnostics : exits.well;
};

const buildOne = async (spec: SpecFile, options: BuildOptions, before: Written): Promise<Outcome> => {
  const checked = checkSpec(spec);
  if (reportDiagnostics(checked)) return { code: exits.diagnostics, checked };
  const { generated, executable } = placesOf(spec, options.outDir);
  const files = await emitTo(checked, spec.path, generated);
  if (options.check === true) return { code: reportStale(files, generated, spec), checked };
  if (files.length === 0) {
    streams.say(`${spec.shown} has nothing to emit`);
    return { code: exits.well, checked };
  }
  await writeEmitted(files, generated, spec, before);
  if (
    hasExterns(checked) &&
    reportExterns(checked, await checkExterns(checked, files, generated), generated)
  ) {
    return { code: exits.diagnostics, checked };
  }
  if (!options.bundle || !files.some((file) => file.trainer !== null)) return { code: exits.well, checked };
  const made = await bundle({
    files,
    folder: generated,
    specFolder: dirname(spec.path),
    outFile: executable,
  });
  reportBundleWarnings(made.warnings);
  await written(executable, () => writeExecutable(executable, made));
  streams.say(`wrote ${shownPath(executable)}`);
  return { code: exits.well, checked };
};

const buildSafely = async (spec: SpecFile, options: BuildOptions, before: Written): Promise<Outcome> => {
  try {
    return await buildOne(spec, options, before);
  } catch (error) {
    if (error instanceof BundleError) throw cannotBundle(spec.shown, error);
    throw error;
  }
};

const watchFolder = (folder: string, changed: (name: string | null) => void): void => {
  try {
    watch(folder, (_event, name) => changed(name));
  } catch (error) {
    // The code is that of a full disk.
    const many = error instanceof Error && 'code' in error && error.code === 'ENOSPC';
    const why = many ? 'the system watches as many files as it can' : reasonOf(error);
    throw new Misuse(`cannot watch ${shownPath(folder)}: ${why}; build without --watch`);
  }
};

/** Builds again whenever a file of a spec's program changes. Never ends by itself. */
const watchSpecs = async (specs: readonly SpecFile[], options: BuildOptions): Promise<number> => {
  const watched = new Set<string>();
  const files = new Map<SpecFile, ReadonlySet<string>>();
  const due = new Set<SpecFile>(specs);
  let wake: () => void = () => undefined;
  for (;;) {
    const now = [...due];
    due.clear();
    for (const spec of now) {
      const checked = await buildSafely(spec, options, new Map()).then(
        (outcome) => outcome.checked,
        (error: unknown) => {
          if (!(error instanceof Misuse)) throw error;
          streams.say(`error: ${error.message}`);
          return checkSpec(spec);
        },
      );
      files.set(spec, new Set(watchedFiles(spec, checked)));
    }
    for (const folder of new Set(
      [...files.values()].flatMap((paths) => [...paths].map((path) => dirname(path))),
    )) {
      if (watched.has(folder)) continue;
      watched.add(folder);
      // Editors replace files, so the folder is watched and not the file.
      watchFolder(folder, (name) => {
        for (const [spec, paths] of files) {
          if (name === null || paths.has(join(folder, name))) due.add(spec);
        }
        if (due.size > 0) wake();
      });
    }
    streams.say('watching; Ctrl-C ends');
    if (due.size === 0) await new Promise<void>((resolve) => (wake = resolve));
    // An editor writes a file in several strokes.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

const watchedFiles = (spec: SpecFile, checked: Checked): readonly string[] => [
  spec.path,
  ...checked.files.map((file) => file.path),
  ...(checked.ir?.modules ?? []).flatMap((module) =>
    module.externs.map((extern) => join(folderOf(spec.path), folderOf(module.path), extern.module)),
  ),
];

export const buildCommand = async (args: readonly string[], options: BuildOptions): Promise<number> => {
  const specs = findSpecs(args);
  if (options.watch === true) {
    if (options.check === true) throw new Misuse('--watch and --check do not go together; leave one out');
    return watchSpecs(specs, options);
  }
  const before: Written = new Map();
  let code: number = exits.well;
  for (const spec of specs) code = Math.max(code, (await buildSafely(spec, options, before)).code);
  return code;
};
