/** ZT6001: TypeScript's faults in what the emitted trainer says of an extern, as diagnostics on the spec's own lines. */
import { resolve } from 'node:path';
import type { ExternItem } from '../parser/ast.js';
import type { Diagnostic } from '../parser/diagnostic.js';
import { externDisagrees } from '../parser/messages.gen.js';
import type { Program } from '../checker/program.js';
import type { TypeFault } from './typecheck.js';

export interface ExternFaults {
  readonly diagnostics: readonly Diagnostic[];
  /** Faults inside the TypeScript files themselves, which no line of the spec wrote. */
  readonly rest: readonly TypeFault[];
}

interface Declared {
  readonly module: string;
  readonly item: ExternItem;
  /** Where it is declared, not where it is used. */
  readonly own: boolean;
}

/** Which extern of the program stands at a place; a call of one is told by its name. */
const externAt = (program: Program, path: string, line: number, column: number): Declared | null => {
  const file = program.order.find((each) => resolve(each.source.path) === path);
  if (!file) return null;
  const start = file.source.lineStarts[line - 1];
  if (start === undefined) return null;
  const offset = start + column - 1;
  for (const decl of file.spec.decls) {
    if (decl.kind !== 'extern' || offset < decl.span.start || offset >= decl.span.end) continue;
    const item = decl.items.find((each) => each.span.start <= offset && offset < each.span.end);
    const [first] = decl.items;
    const found = item ?? first;
    if (found) return { module: decl.module.value, item: found, own: true };
  }
  const used = file.spec.decls.find(
    (decl) => decl.kind === 'addon' && decl.span.start <= offset && offset < decl.span.end,
  );
  if (used?.kind !== 'addon') return null;
  for (const decl of file.spec.decls) {
    if (decl.kind !== 'extern') continue;
    const item = decl.items.find((each) => each.what === 'addon' && each.name.text === used.name.text);
    if (item) return { module: decl.module.value, item, own: false };
  }
  return null;
};

/** TypeScript goes from the whole to the part that differs; the last lines say what it is. */
const reasonOf = (message: string): string => {
  const lines = message.split('\n').map((line) => line.trim().replace(/\.$/, ''));
  return lines.length < 3 ? (lines.at(-1) ?? '') : lines.slice(-2).join(': ');
};

/** `folder` is that of the emitted files, from which a fault's spec is named. */
export const externFaults = (
  faults: readonly TypeFault[],
  program: Program,
  folder: string,
): ExternFaults => {
  const diagnostics: Diagnostic[] = [];
  const rest: TypeFault[] = [];
  const told = new Set<ExternItem>();
  const placed = faults.map(({ spec, ...fault }) => ({
    fault: { spec, ...fault },
    declared: spec ? externAt(program, resolve(folder, spec.path), spec.line, spec.column) : null,
  }));
  // What a use says is told only where the declaration says nothing: it follows from it.
  placed.sort((a, b) => Number(b.declared?.own ?? true) - Number(a.declared?.own ?? true));
  for (const { fault, declared } of placed) {
    if (!declared) {
      rest.push(fault);
      continue;
    }
    const { item, module } = declared;
    if (!declared.own && told.has(item)) continue;
    told.add(item);
    const args = {
      kind: item.what === 'data' ? 'data source' : item.what === 'addon' ? 'add-on' : item.what,
      name: item.name.text,
      module,
      problem: reasonOf(fault.message),
    };
    diagnostics.push(
      externDisagrees(item.name.span, args, {
        notes: [`TypeScript says (TS${fault.code}): ${fault.message.replaceAll('\n', ' ')}`],
        help: `change the declaration here, or \`${module}\``,
      }),
    );
  }
  return { diagnostics, rest };
};
