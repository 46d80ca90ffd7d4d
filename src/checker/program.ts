/**
 * The spec and all that it imports, read and parsed. After this: every file is in `files` under its number, imports
 * come before what imports them, and there is no cycle.
 */
import type { Diagnostic } from '../parser/diagnostic.js';
import { fileMissing, importCycle, outsideRoot } from '../parser/messages.gen.js';
import { parse } from '../parser/parse.js';
import type { Decl, Spec } from '../parser/ast.js';
import { createSource, type SourceFile, type Span } from '../parser/source.js';
import { folderOf, joinPath, type Host } from './host.js';

export interface ProgramFile {
  readonly source: SourceFile;
  readonly spec: Spec;
  /** Names that what did not parse may declare. */
  readonly unread: readonly string[];
  /** Declarations of which a part may be in what did not parse. */
  readonly cut: ReadonlySet<Decl>;
  /** Path of each import that could be read, by the text after `from`. */
  readonly imports: ReadonlyMap<string, ProgramFile>;
}

export interface Program {
  /** By number, as spans use it. The entry has number 0. */
  readonly files: readonly SourceFile[];
  /** What is imported before what imports it; the entry last. */
  readonly order: readonly ProgramFile[];
  readonly diagnostics: readonly Diagnostic[];
}

export const loadProgram = (entry: string, host: Host): Program => {
  const files: SourceFile[] = [];
  const order: ProgramFile[] = [];
  const diagnostics: Diagnostic[] = [];
  const done = new Map<string, ProgramFile>();
  const open: string[] = [];
  const root = host.rootOf(entry);

  const load = (path: string, from: Span | null): ProgramFile | null => {
    const known = done.get(path);
    if (known) return known;
    if (open.includes(path) && from) {
      const names = [...open.slice(open.indexOf(path)), path].map((each) =>
        each.slice(each.lastIndexOf('/') + 1),
      );
      diagnostics.push(importCycle(from, { path: names.join(' → ') }));
      return null;
    }
    const read = host.readText(path);
    if ('error' in read) {
      const span = from ?? { file: 0, start: 0, end: 0 };
      if (!from) files.push(createSource(0, path, ''));
      const lacksEnding = from !== null && !path.endsWith('.ztrain');
      diagnostics.push(
        fileMissing(
          span,
          { kind: from ? 'import' : 'spec', file: path, reason: read.error },
          lacksEnding ? { help: "write the file's whole name: it ends in `.ztrain`" } : {},
        ),
      );
      return null;
    }
    const source = createSource(files.length, path, read.text);
    files.push(source);
    const { spec, unread, cut, diagnostics: found } = parse(source);
    diagnostics.push(...found);
    open.push(path);
    const imports = new Map<string, ProgramFile>();
    for (const decl of spec.decls) {
      if (decl.kind !== 'import' && decl.kind !== 'extern') continue;
      const from = decl.kind === 'import' ? decl.from : decl.module;
      const target = joinPath(folderOf(path), from.value);
      const inside = target.startsWith('../')
        ? false
        : root === '' || root === '.' || target.startsWith(root);
      if (!inside) {
        diagnostics.push(outsideRoot(from.span, { kind: decl.kind, file: from.value }));
        continue;
      }
      if (decl.kind === 'extern') continue;
      const file = load(target, decl.from.span);
      if (file) imports.set(decl.from.value, file);
    }
    open.pop();
    const file = { source, spec, unread, cut, imports };
    done.set(path, file);
    order.push(file);
    return file;
  };

  load(entry, null);
  return { files, order, diagnostics };
};
