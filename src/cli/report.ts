/** Diagnostics and TypeScript's faults as a command prints them. */
import { resolve } from 'node:path';
import type { Checked } from '../checker/check.js';
import { bundleMessageText, type BundleError, type BundleMessage } from '../codegen/bundle.js';
import type { ExternFaults } from '../codegen/extern-faults.js';
import type { TypeFault } from '../codegen/typecheck.js';
import { hasErrors, type Diagnostic } from '../parser/diagnostic.js';
import { renderDiagnostic } from '../parser/render.js';
import type { SourceFile } from '../parser/source.js';
import { counted } from '../values/counted.js';
import { shownPath } from './specs.js';
import { Misuse, streams } from './streams.js';

/** `2 errors and 1 warning`, or nothing. */
const summary = (diagnostics: readonly Diagnostic[]): string => {
  const errors = diagnostics.filter((each) => each.severity === 'error').length;
  const warnings = diagnostics.length - errors;
  return [
    ...(errors > 0 ? [counted(errors, 'error')] : []),
    ...(warnings > 0 ? [counted(warnings, 'warning')] : []),
  ].join(' and ');
};

/** Prints every diagnostic to stderr. Returns whether one of them is an error. */
export const reportDiagnostics = (
  checked: Pick<Checked, 'diagnostics'> & { readonly shownFiles: readonly SourceFile[] },
): boolean => {
  const { diagnostics, shownFiles } = checked;
  for (const diagnostic of diagnostics) {
    streams.say(`${renderDiagnostic(diagnostic, shownFiles, { color: streams.color })}\n`);
  }
  if (diagnostics.length > 0) streams.say(summary(diagnostics));
  return hasErrors(diagnostics);
};

/** Prints what is wrong with externs. Returns whether anything is. */
export const reportExterns = (
  checked: { readonly shownFiles: readonly SourceFile[] },
  { diagnostics, rest }: ExternFaults,
  folder: string,
): boolean => {
  const wrong = reportDiagnostics({ diagnostics, shownFiles: checked.shownFiles });
  return reportFaults(rest, folder) || wrong;
};

/** Prints what TypeScript says, with the spec's place where the spec wrote it. `folder` is that of the emitted files. */
export const reportFaults = (faults: readonly TypeFault[], folder: string): boolean => {
  for (const { code, message, file, line, column, spec } of faults) {
    const place =
      spec !== null
        ? `${shownPath(resolve(folder, spec.path))}:${spec.line}:${spec.column}`
        : file === null
          ? 'TypeScript'
          : `${shownPath(file)}:${line}:${column}`;
    streams.say(`${streams.paint.bold(streams.paint.red(`error[TS${code}]`))}: ${message}\n  at ${place}\n`);
  }
  if (faults.length > 0) streams.say(`${counted(faults.length, 'error')} of TypeScript`);
  return faults.length > 0;
};

export const reportBundleWarnings = (warnings: readonly BundleMessage[]): void => {
  for (const { text, file, line } of warnings) {
    streams.say(`warning: ${text}${file === null ? '' : ` (${shownPath(file)}:${line})`}`);
  }
};

/** A wrong extern is the user's to mend. */
export const cannotBundle = (spec: string, { messages }: BundleError): Misuse =>
  new Misuse(
    `${spec} cannot be bundled: ${messages.map((each) => bundleMessageText(each, shownPath)).join('\n')}`,
  );
