/** Locals that nothing reads are left out: strict TypeScript refuses them, and a spec's `let`s are pure. */
import type { IrStepStmt } from '../checker/ir.js';
import { walkIr } from '../checker/ir-walk.js';

const localsRead = (part: unknown): ReadonlySet<string> => {
  const read = new Set<string>();
  walkIr(part, (node) => {
    const { ref } = node;
    if (typeof ref !== 'object' || ref === null || !('kind' in ref) || !('name' in ref)) return;
    if (ref.kind === 'local' && typeof ref.name === 'string') read.add(ref.name);
  });
  return read;
};

/** What changes state when it is called (running statistics) is kept, read or not. */
const calls = (part: unknown): boolean => {
  let found = false;
  walkIr(part, (node) => {
    if (node['kind'] === 'apply' || node['kind'] === 'model') found = true;
  });
  return found;
};

/** `read` are all names that anything reads: names are unique in a step or class. */
const without = <S extends IrStepStmt>(body: readonly S[], read: ReadonlySet<string>): readonly S[] =>
  body.filter((statement) => statement.kind !== 'let' || read.has(statement.name) || calls(statement.value));

/** The body without `let`s that neither it nor `value` reads; to be asked again until nothing goes. */
export const dropUnread = <S extends IrStepStmt>(body: readonly S[], value: unknown): readonly S[] => {
  const kept = without(body, localsRead([body, value]));
  return kept.length === body.length ? kept : dropUnread(kept, value);
};
