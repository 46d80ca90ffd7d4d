/** `ztrainc check`: every diagnostic, no output. */
import { hasErrors } from '../parser/diagnostic.js';
import { diagnosticToJson, type JsonDiagnostic } from '../parser/render.js';
import type { ExternFaults } from '../codegen/extern-faults.js';
import { checkExterns, emitTo, hasExterns, type Checked, type TypeFault } from '../compiler.js';
import { nodeHost } from '../node-host.js';
import { placesOf } from './places.js';
import { counted } from '../values/counted.js';
import { reportDiagnostics, reportFaults } from './report.js';
import { countingHost } from './row-counts.js';
import { checkSpec, findSpecs, shownPath, specFile, type SpecFile } from './specs.js';
import { exits, streams } from './streams.js';

export interface CheckOptions {
  readonly format: 'text' | 'json';
  readonly externs?: boolean;
}

const generatedOf = (spec: SpecFile): string => placesOf(spec).generated;

const faultsOf = async (spec: SpecFile, checked: Checked): Promise<ExternFaults> => {
  if (!hasExterns(checked)) return noFaults;
  const folder = generatedOf(spec);
  return checkExterns(checked, await emitTo(checked, spec.path, folder), folder);
};

const noFaults: ExternFaults = { diagnostics: [], rest: [] };

/** TypeScript's own words under its own number; the place is the emitted line's, or that of the code beside the spec. */
const faultToJson = (spec: SpecFile, fault: TypeFault): JsonDiagnostic => {
  const { line, column } = fault.spec ?? { line: Math.max(1, fault.line), column: Math.max(1, fault.column) };
  const at = { line, column };
  return {
    code: `TS${fault.code}`,
    severity: 'error',
    message: fault.message,
    file: fault.spec === null && fault.file !== null ? shownPath(fault.file) : spec.shown,
    range: { start: at, end: at },
    notes: [],
    related: [],
    help: null,
    fix: null,
  };
};

export const checkCommand = async (args: readonly string[], options: CheckOptions): Promise<number> => {
  // An editor wants an array in any case: a missing file is a diagnostic there.
  const specs = options.format === 'json' ? args.map(specFile) : findSpecs(args);
  const records: JsonDiagnostic[] = [];
  let failed = false;
  for (const spec of specs) {
    const checked = checkSpec(spec, { ...nodeHost, ...countingHost, looksForData: true });
    const externs = options.externs === true ? await faultsOf(spec, checked) : noFaults;
    const diagnostics = [...checked.diagnostics, ...externs.diagnostics];
    failed ||= hasErrors(diagnostics) || externs.rest.length > 0;
    if (options.format === 'json') {
      records.push(
        ...diagnostics.map((each) => diagnosticToJson(each, checked.shownFiles)),
        ...externs.rest.map((fault) => faultToJson(spec, fault)),
      );
    } else {
      reportDiagnostics({ diagnostics, shownFiles: checked.shownFiles });
      reportFaults(externs.rest, generatedOf(spec));
      if (diagnostics.length === 0 && externs.rest.length === 0) streams.say(`${spec.shown}: no errors`);
    }
  }
  if (options.format === 'json') streams.print(JSON.stringify(records, null, 2));
  else if (specs.length > 1) streams.say(`${counted(specs.length, 'spec')} checked`);
  return failed ? exits.diagnostics : exits.well;
};
