/** The standard library, as the checker asks for it. Parsed once a process. */
import type { Config, Expr, ExternItem, ExternKind, FnDecl, Item } from '../parser/ast.js';
import { parse } from '../parser/parse.js';
import { createSource, type Span } from '../parser/source.js';
import { preludeText } from './prelude.gen.js';
import type { FileScope } from './env.js';
import type { ProgramFile } from './program.js';

/** Number of the prelude's file in spans: never one of a program. */
export const preludeFile = -1;

export interface Builtin {
  readonly what: ExternKind;
  readonly name: string;
  readonly doc: string | null;
  readonly item: ExternItem;
  readonly params: readonly Item[];
  /** `rule = "…"`, `random = true`, … as constants. */
  readonly settings: ReadonlyMap<string, string | boolean | readonly string[]>;
  readonly config: Config | null;
  /** Of a layer in TypeScript: where it is declared, whose names its sizes and limits may use. */
  readonly scope?: FileScope;
}

export interface Prelude {
  readonly file: ProgramFile;
  readonly find: (what: ExternKind, name: string) => Builtin | null;
  readonly names: (what: ExternKind) => readonly string[];
  /** Functions written in the language itself, inlined like a spec's own. */
  readonly fns: ReadonlyMap<string, FnDecl>;
  readonly all: readonly Builtin[];
}

const settingOf = (expr: Expr): string | boolean | readonly string[] | null => {
  if (expr.kind === 'string' || expr.kind === 'bool') return expr.value;
  if (expr.kind === 'list') return expr.items.flatMap((item) => (item.kind === 'string' ? [item.value] : []));
  return null;
};

export const builtinOf = (item: ExternItem): Builtin => {
  const settings = new Map<string, string | boolean | readonly string[]>();
  for (const entry of item.config?.entries ?? []) {
    if (entry.kind !== 'attribute') continue;
    const setting = settingOf(entry.value);
    if (setting !== null) settings.set(entry.name.text, setting);
  }
  return {
    what: item.what,
    name: item.name.text,
    doc: item.doc,
    item,
    params: item.params,
    settings,
    config: item.config,
  };
};

export const readPrelude = (text: string): Prelude => {
  const source = createSource(preludeFile, 'prelude.ztrain', text);
  const { spec, diagnostics } = parse(source);
  const [first] = diagnostics;
  if (first) throw new Error(`the prelude does not parse: ${first.message} at offset ${first.span.start}`);
  const items = new Map<string, Builtin>();
  const fns = new Map<string, FnDecl>();
  for (const decl of spec.decls) {
    if (decl.kind === 'fn') fns.set(decl.name.text, decl);
    if (decl.kind !== 'extern') continue;
    for (const item of decl.items) items.set(`${item.what} ${item.name.text}`, builtinOf(item));
  }
  const all = [...items.values()];
  return {
    file: { source, spec, unread: [], cut: new Set(), imports: new Map() },
    find: (what, name) => items.get(`${what} ${name}`) ?? null,
    names: (what) => all.filter((each) => each.what === what).map((each) => each.name),
    fns,
    all,
  };
};

let shared: Prelude | null = null;

export const loadPrelude = (): Prelude => (shared ??= readPrelude(preludeText));

export const settingText = (builtin: Builtin, name: string): string | null => {
  const setting = builtin.settings.get(name);
  return typeof setting === 'string' ? setting : null;
};

export const settingList = (builtin: Builtin, name: string): readonly string[] => {
  const setting = builtin.settings.get(name);
  return setting === undefined || typeof setting === 'string' || typeof setting === 'boolean' ? [] : setting;
};

export const noSpan: Span = { file: preludeFile, start: 0, end: 0 };
