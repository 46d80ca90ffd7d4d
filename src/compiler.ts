/**
 * The compiler as a library: all phases, from a spec's path to diagnostics, to a typed trainer, to an executable. What
 * is large (TypeScript, prettier, esbuild) loads when a phase first needs it.
 */
import { checkProgram, type Checked } from './checker/check.js';
import { folderOf, relativePath, type Host } from './checker/host.js';
import type { BundleMessage } from './codegen/bundle.js';
import type { EmittedFile } from './codegen/emit.js';
import { findPackageRoot } from './codegen/package-root.js';
import type { ExternFaults } from './codegen/extern-faults.js';
import type { TypeFault } from './codegen/typecheck.js';
import { compilerPath, nodeHost } from './node-host.js';

export type { Checked } from './checker/check.js';
export { memoryHost, type Host } from './checker/host.js';
export type { Ir } from './checker/ir.js';
export type { Bundle, BundleMessage } from './codegen/bundle.js';
export type { EmittedFile } from './codegen/emit.js';
export type { TypeFault } from './codegen/typecheck.js';
export { compilerPath, nodeHost, projectFolder } from './node-host.js';
export { hasErrors, type Diagnostic, type Severity } from './parser/diagnostic.js';
export { diagnosticToJson, renderDiagnostic, type JsonDiagnostic } from './parser/render.js';
export type { SourceFile, Span } from './parser/source.js';

/** The version that trainers carry in their first line. */
export const compilerVersion = (): string => findPackageRoot().version;

/** Every diagnostic of a spec and its imports; the IR where there is no error. Loads neither TypeScript nor esbuild. */
export const check = (path: string, host: Host = nodeHost): Checked =>
  checkProgram(entryPath(path, host), host);

/** Paths of the disk are absolute, so that what a spec imports can be told to be inside its project. */
const entryPath = (path: string, host: Host): string => (host === nodeHost ? compilerPath(path) : path);

export interface CompileOptions {
  readonly host?: Host;
  /** Folder of the emitted files; `generated` beside the spec where it is left out. */
  readonly folder?: string;
}

export interface Compiled extends Checked {
  /** Null where there is an error. */
  readonly emitted: readonly EmittedFile[] | null;
  readonly folder: string;
}

/** The trainer's text, in memory. */
export const compile = async (path: string, options: CompileOptions = {}): Promise<Compiled> => {
  const { host = nodeHost } = options;
  const entry = entryPath(path, host);
  const checked = check(entry, host);
  const folder = options.folder ?? `${folderOf(entry)}/generated`;
  const emitted = checked.ir === null ? null : await emitTo(checked, entry, folder);
  return { ...checked, emitted, folder };
};

/** The files of a checked spec, as they are written into `folder`. */
export const emitTo = async (
  checked: Checked,
  path: string,
  folder: string,
): Promise<readonly EmittedFile[]> => {
  if (checked.ir === null) return [];
  const { emit } = await import('./codegen/emit.js');
  return emit(checked.ir, {
    compilerVersion: compilerVersion(),
    sources: checked.files,
    specFolder: relativePath(folder, `${folderOf(path)}/.`).replace(/\/\.$/, '') || '.',
  });
};

/** Whether a program has code of its own, which needs TypeScript's check. */
export const hasExterns = ({ ir }: Checked): boolean =>
  ir !== null && ir.modules.some((module) => module.externs.length > 0);

/** What TypeScript says about emitted files and the externs they import. */
export const checkExterns = async (
  checked: Checked,
  files: readonly EmittedFile[],
  folder: string,
): Promise<ExternFaults> => {
  const [{ typecheck }, { externFaults }] = await Promise.all([
    import('./codegen/typecheck.js'),
    import('./codegen/extern-faults.js'),
  ]);
  return externFaults(await typecheck(files, { folder }), checked.program, folder);
};

export interface BuildOptions extends CompileOptions {
  /** Where the executable goes. */
  readonly outFile: string;
}

export interface Built extends Compiled {
  /** Faults of externs that no line of the spec wrote. Those that one did are among the diagnostics. */
  readonly faults: readonly TypeFault[];
  readonly warnings: readonly BundleMessage[];
  /** False where an error kept it from being written. */
  readonly written: boolean;
}

/**
 * Compiles a spec on the disk and writes its executable, with the source map beside it. Rejects with a `BundleError`
 * where an extern cannot be bundled.
 */
export const build = async (path: string, options: BuildOptions): Promise<Built> => {
  const compiled = await compile(path, options);
  const { emitted, folder } = compiled;
  const none = { ...compiled, faults: [], warnings: [], written: false };
  if (emitted === null || !emitted.some((file) => file.trainer !== null)) return none;
  const { diagnostics, rest: faults } = hasExterns(compiled)
    ? await checkExterns(compiled, emitted, folder)
    : { diagnostics: [], rest: [] };
  if (faults.length > 0 || diagnostics.length > 0) {
    return { ...none, diagnostics: [...compiled.diagnostics, ...diagnostics], faults };
  }
  const { bundle, writeExecutable } = await import('./codegen/bundle.js');
  const outFile = compilerPath(options.outFile);
  const made = await bundle({
    files: emitted,
    folder,
    specFolder: folderOf(compilerPath(path)),
    outFile,
  });
  await writeExecutable(outFile, made);
  return { ...none, warnings: made.warnings, written: true };
};
