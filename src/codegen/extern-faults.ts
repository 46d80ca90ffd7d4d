/** ZT6001: TypeScript's faults in what the emitted trainer says of an extern, as diagnostics on the spec's own lines. */
import { readdirSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { ExternItem } from '../parser/ast.js';
import type { Diagnostic } from '../parser/diagnostic.js';
import { externDisagrees } from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Program } from '../checker/program.js';
import type { TypeCheck, TypeFault } from './typecheck.js';

export interface ExternFaults {
  readonly diagnostics: readonly Diagnostic[];
  /** Faults inside the TypeScript files themselves, which no line of the spec wrote. */
  readonly rest: readonly TypeFault[];
}

interface Declared {
  readonly module: string;
  /** Absolute path of the TypeScript. */
  readonly path: string;
  readonly item: ExternItem;
  /** Where it is declared, not where it is used. */
  readonly own: boolean;
}

/** Which extern of the program stands at a place, by its declaration or by its name. */
const externAt = (program: Program, path: string, line: number, column: number): Declared | null => {
  const file = program.order.find((each) => resolve(each.source.path) === path);
  if (!file) return null;
  const start = file.source.lineStarts[line - 1];
  if (start === undefined) return null;
  const offset = start + column - 1;
  const pathOf = (module: string): string => resolve(dirname(path), module);
  for (const decl of file.spec.decls) {
    if (decl.kind !== 'extern' || offset < decl.span.start || offset >= decl.span.end) continue;
    const item = decl.items.find((each) => each.span.start <= offset && offset < each.span.end);
    const [first] = decl.items;
    const found = item ?? first;
    const module = decl.module.value;
    if (found) return { module, path: pathOf(module), item: found, own: true };
  }
  const externs = file.spec.decls.flatMap((decl) => {
    if (decl.kind !== 'extern') return [];
    const module = decl.module.value;
    return decl.items.map((item) => ({ module, path: pathOf(module), item, own: false }));
  });
  const around = file.spec.decls.find((decl) => decl.span.start <= offset && offset < decl.span.end);
  const made =
    around?.kind === 'addon' ? around.name.text : around?.kind === 'optimizer' ? around.source.text : null;
  if (made !== null) return externs.find(({ item }) => item.name.text === made) ?? null;
  // Of calls in one another the innermost, which begins last.
  const starts = externs.map((each) => ({
    each,
    at: callAround(file.source.text, each.item.name.text, offset),
  }));
  const [found] = starts.filter(({ at }) => at >= 0).sort((a, b) => b.at - a.at);
  return found?.each ?? null;
};

/** Where the last call of a name begins whose text holds the offset; -1 where there is none. */
const callAround = (text: string, name: string, offset: number): number => {
  for (let at = text.lastIndexOf(name, offset); at >= 0; at = at > 0 ? text.lastIndexOf(name, at - 1) : -1) {
    const isWord =
      !/\w/.test(text[at - 1] ?? '') && /^\s*\(/.test(text.slice(at + name.length, at + name.length + 50));
    if (isWord && endOfCall(text, at + name.length) > offset) return at;
  }
  return -1;
};

/** Behind the parenthesis that closes the next one. */
const endOfCall = (text: string, from: number): number => {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    else if (text[at] === ')' && (depth -= 1) === 0) return at + 1;
  }
  return text.length;
};

const kinds: Readonly<Partial<Record<ExternItem['what'], string>>> = {
  data: 'data source',
  addon: 'add-on',
  schedule: 'schedule phase',
};

/** TypeScript goes from the whole to the part that differs; the last lines say what it is. */
const reasonOf = (message: string): string => {
  const lines = message.split('\n').map((line) => line.trim().replace(/\.$/, ''));
  return lines.length < 3 ? (lines.at(-1) ?? '') : lines.slice(-2).join(': ');
};

const helpFor = ({ what, name }: ExternItem, module: string, { message }: TypeFault): string =>
  what === 'addon' && message.includes("'label' does not exist")
    ? `\`many = true\` passes the name of each, \`addon ${name.text} as label\`: take \`readonly label: string\` among the options`
    : `change the declaration here, or \`${module}\``;

/** The names beside which a misspelt one may stand: those of this package, or files in the folder that is meant. */
const modulesNear = (wanted: string, from: string): readonly string[] => {
  if (!wanted.startsWith('.')) return ['ztrain/runtime'];
  const stem = wanted.slice(0, wanted.length - basename(wanted).length);
  const ending = /\.[cm]?[jt]sx?$/.exec(wanted)?.[0] ?? '';
  try {
    return readdirSync(resolve(dirname(from), stem))
      .filter((name) => /\.[cm]?[jt]sx?$/.test(name) && resolve(dirname(from), stem, name) !== from)
      .map((name) => stem + name.replace(/\.[^.]*$/, ending));
  } catch {
    return [];
  }
};

/** An import that leads nowhere, as what is wrong with an extern: of its types nothing is known then. */
const lostImport = ({ message, code, file, line }: TypeFault, { module, path }: Declared) => {
  const wanted = /'([^']+)'/.exec(message)?.[1] ?? '';
  const [near] = nearest(wanted, modulesNear(wanted, file ?? path), 1);
  const place = `${file === null || file === path ? module : basename(file)}:${line}`;
  return {
    problem: `cannot find module '${wanted}' (${place})`,
    note: `TypeScript says (TS${code}): ${message.replaceAll('\n', ' ')}`,
    help: near === undefined ? `change the import in ${place}` : `write '${near}' there`,
  };
};

/** `folder` is that of the emitted files, from which a fault's spec is named. */
export const externFaults = (
  { faults, unresolved }: TypeCheck,
  program: Program,
  folder: string,
): ExternFaults => {
  const diagnostics: Diagnostic[] = [];
  const rest: TypeFault[] = [];
  const told = new Set<ExternItem>();
  const modules = new Set(
    program.order.flatMap(({ source, spec }) =>
      spec.decls.flatMap((decl) =>
        decl.kind === 'extern' ? [resolve(dirname(source.path), decl.module.value)] : [],
      ),
    ),
  );
  // What a file imports that is no extern's own may be behind any of them.
  const lostOf = ({ path }: Declared): TypeFault | undefined =>
    unresolved.find(({ file }) => file === path) ??
    unresolved.find(({ file }) => file === null || !modules.has(file));
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
    if (told.has(item)) continue;
    told.add(item);
    const lost = lostOf(declared);
    const { problem, note, help } = lost
      ? lostImport(lost, declared)
      : {
          problem: reasonOf(fault.message),
          note: `TypeScript says (TS${fault.code}): ${fault.message.replaceAll('\n', ' ')}`,
          help: helpFor(item, module, fault),
        };
    const args = { kind: kinds[item.what] ?? item.what, name: item.name.text, module, problem };
    diagnostics.push(externDisagrees(item.name.span, args, { notes: [note], help }));
  }
  return { diagnostics, rest };
};
