/**
 * Locals that nothing reads are left out, as strict TypeScript refuses them. After this: for a body it is known which
 * locals are of no use, and what the rest of it reads.
 */
import type { IrStepStmt } from '../checker/ir.js';
import { walkIr } from '../checker/ir-walk.js';

type Node = Readonly<Record<string, unknown>>;

const isNode = (part: unknown): part is Node => typeof part === 'object' && part !== null;

/** `local:h`, `reduction:loss`: how a name scope calls what a statement declares. */
const keyOf = (kind: unknown, name: unknown): string | null =>
  typeof name !== 'string'
    ? null
    : kind === 'reduce'
      ? `reduction:${name}`
      : kind === 'let' || kind === 'branch' || kind === 'fold'
        ? `local:${name}`
        : null;

/** What a node itself reads. */
const readBy = (node: Node): string | null => {
  const { kind, ref, name, batch, item } = node;
  if (kind === 'ref' && isNode(ref)) return ref['kind'] === 'row' ? 'row' : `${ref['kind']}:${ref['name']}`;
  if (kind === 'named') return `reduction:${name}`;
  if (kind === 'batchSize') return `batch:${batch}`;
  // The turn's module, or a part of it.
  return kind === 'item' ? `local:${item}` : null;
};

/** What is called may change running statistics, so it is kept, read or not. */
const hasCalls = (part: unknown): boolean => {
  let found = false;
  walkIr(part, (node) => {
    if (node['kind'] === 'apply' || node['kind'] === 'model') found = true;
  });
  return found;
};

/** Names that `part` reads, as `local:h`, `input:x`, `batch:b`, `index:i`, `row`; not by what `unread` leaves out. */
export const namesRead = (part: unknown, unread: ReadonlySet<string> = new Set()): ReadonlySet<string> => {
  const read = new Set<string>();
  // A fold's name in its own body is the turn before, which is no use of the last.
  const look = (node: unknown, open: readonly string[]): void => {
    if (Array.isArray(node)) {
      for (const each of node) look(each, open);
      return;
    }
    if (!isNode(node)) return;
    const key = keyOf(node['kind'], node['name']);
    if (key !== null && unread.has(key) && !hasCalls(node)) return;
    const own = readBy(node);
    if (own !== null && !open.includes(own)) read.add(own);
    const inner = key !== null && node['kind'] === 'fold' ? [...open, key] : open;
    for (const [name, each] of Object.entries(node)) {
      if (name !== 'span' && name !== 'type') look(each, inner);
    }
  };
  look(part, []);
  return read;
};

/** Names that a body declares, at any depth, and that neither it nor `value` reads. Names are unique in a body. */
export const unreadIn = (body: readonly IrStepStmt[], value: unknown): ReadonlySet<string> => {
  const declared = new Set<string>();
  walkIr(body, ({ kind, name }) => {
    const key = keyOf(kind, name);
    if (key !== null) declared.add(key);
  });
  let unread: ReadonlySet<string> = new Set();
  for (;;) {
    const read = namesRead([body, value], unread);
    const found = new Set([...declared].filter((key) => !read.has(key)));
    // What only unread locals read is unread in its turn.
    if (found.size === unread.size) return found;
    unread = found;
  }
};

/** What becomes of a statement: as it is, nothing, or its value alone for what that calls. */
export const fateOf = (statement: IrStepStmt, unread: ReadonlySet<string>): 'kept' | 'dropped' | 'called' => {
  const { kind } = statement;
  if (kind !== 'let' && kind !== 'reduce' && kind !== 'branch' && kind !== 'fold') return 'kept';
  const key = keyOf(kind, statement.name);
  if (key === null || !unread.has(key)) return 'kept';
  return hasCalls(statement) ? 'called' : 'dropped';
};
