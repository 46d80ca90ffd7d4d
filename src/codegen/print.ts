/** The tree as text. After this: the text is formatted, and a source map leads from it to the spec. */
import { GenMapping, addMapping, setSourceContent, toEncodedMap } from '@jridgewell/gen-mapping';
import type { ts } from 'ts-morph';
import { type SourceFile, type Span, positionAt, createSource } from '../parser/source.js';
import { BLANK_LINE, type Tree } from './tree.js';

/** Prettier's options are part of the compiler: a configuration on the disk must not change what is emitted. */
const FORMAT = { parser: 'typescript', printWidth: 110, singleQuote: true, trailingComma: 'all' } as const;

const markers = new RegExp(`^[ \\t]*${BLANK_LINE}[ \\t]*$`, 'gm');

export const printTree = async (tree: Tree, file: ts.SourceFile): Promise<string> => {
  const { format } = await import('prettier');
  const printer = tree.ts.createPrinter({ newLine: tree.ts.NewLineKind.LineFeed });
  return format(printer.printFile(file).replace(markers, ''), FORMAT);
};

export interface MapSource {
  readonly source: SourceFile;
  /** As the source map names it, relative to the emitted file. */
  readonly path: string;
}

/** Walks the tree and the parsed text in step: prettier moves tokens, and keeps the tree. */
export const mapTree = (
  tree: Tree,
  made: ts.SourceFile,
  fileName: string,
  text: string,
  sourceOf: (file: number) => MapSource | null,
): string => {
  const { ts: compiler } = tree;
  const parsed = compiler.createSourceFile(fileName, text, compiler.ScriptTarget.ES2022, false);
  const spans = new Map<number, Span>();
  const childrenOf = (node: ts.Node): readonly ts.Node[] => {
    const children: ts.Node[] = [];
    compiler.forEachChild(node, (child) => {
      children.push(child);
    });
    return children;
  };
  const bare = (node: ts.Node): ts.Node =>
    compiler.isParenthesizedExpression(node) ? bare(node.expression) : node;
  const walk = (left: ts.Node, right: ts.Node, outer: Span | undefined): void => {
    const ours = bare(left);
    const theirs = bare(right);
    const span = tree.spanOf(ours) ?? outer;
    if (span !== undefined) {
      spans.set(theirs.getStart(parsed), span);
      // An engine names the place of a call by the method's name.
      if (compiler.isCallExpression(theirs) && compiler.isPropertyAccessExpression(theirs.expression)) {
        spans.set(theirs.expression.name.getStart(parsed), span);
      }
    }
    const inner = childrenOf(ours);
    const found = childrenOf(theirs);
    if (ours.kind !== theirs.kind || inner.length !== found.length) return;
    // Inner calls overwrite their own places only; a call's name belongs to the call.
    inner.forEach((child, index) => {
      const match = found[index];
      if (match === undefined) return;
      walk(child, match, span);
      if (span !== undefined && !spans.has(match.end)) spans.set(match.end, span);
    });
    if (
      span !== undefined &&
      compiler.isCallExpression(theirs) &&
      compiler.isPropertyAccessExpression(theirs.expression)
    ) {
      spans.set(theirs.expression.name.getStart(parsed), span);
    }
  };
  walk(made, parsed, undefined);

  const map = new GenMapping({ file: fileName });
  const output = createSource(0, fileName, text);
  const named = new Set<string>();
  for (const [offset, span] of [...spans].sort(([a], [b]) => a - b)) {
    const from = sourceOf(span.file);
    if (from === null) continue;
    const generated = positionAt(output, offset);
    const original = positionAt(from.source, span.start);
    addMapping(map, {
      generated: { line: generated.line, column: generated.column - 1 },
      original: { line: original.line, column: original.column - 1 },
      source: from.path,
    });
    if (!named.has(from.path)) {
      named.add(from.path);
      setSourceContent(map, from.path, from.source.text);
    }
  }
  return JSON.stringify(toEncodedMap(map));
};
