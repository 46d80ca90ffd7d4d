/** Looking through the IR without knowing its every node: it is plain data. */
import type { IrType } from './ir.js';

export interface Refs {
  readonly dims: ReadonlySet<string>;
  readonly params: ReadonlyMap<string, IrType>;
  readonly options: ReadonlySet<string>;
  readonly schedules: ReadonlySet<string>;
  readonly consts: ReadonlySet<string>;
  readonly models: ReadonlySet<string>;
}

const isRecord = (each: unknown): each is Record<string, unknown> =>
  typeof each === 'object' && each !== null;

/** Calls `visit` for each record with a `kind`, parents first; of a written type as well as of the IR. */
export const walkIr = (node: unknown, visit: (node: Readonly<Record<string, unknown>>) => void): void => {
  if (Array.isArray(node)) {
    for (const each of node) walkIr(each, visit);
    return;
  }
  if (!isRecord(node)) return;
  if ('kind' in node) visit(node);
  for (const [key, each] of Object.entries(node)) if (key !== 'span' && key !== 'type') walkIr(each, visit);
};

/** Whether a part of the IR looks at `run.step` or `run.epoch`. */
export const readsRun = (node: unknown): boolean => {
  let found = false;
  walkIr(node, ({ kind, ref }) => {
    if (kind === 'ref' && isRecord(ref) && ref['kind'] === 'run') found = true;
  });
  return found;
};

const isText = (each: unknown): each is string => typeof each === 'string';

const irTypeOf = (each: unknown): IrType =>
  isRecord(each) && each['kind'] === 'choice' && Array.isArray(each['values'])
    ? { kind: 'choice', values: each['values'].filter(isText) }
    : isRecord(each) && each['kind'] === 'int'
      ? { kind: 'int' }
      : isRecord(each) && each['kind'] === 'bool'
        ? { kind: 'bool' }
        : isRecord(each) && each['kind'] === 'string'
          ? { kind: 'string' }
          : { kind: 'float' };

/** What a part of the IR refers to. */
export const refsOf = (node: unknown): Refs => {
  const dims = new Set<string>();
  const params = new Map<string, IrType>();
  const options = new Set<string>();
  const schedules = new Set<string>();
  const consts = new Set<string>();
  const models = new Set<string>();
  walkIr(node, (each) => {
    if (each['kind'] === 'model' && typeof each['model'] === 'string') models.add(each['model']);
    const ref = each['ref'];
    if (each['kind'] !== 'ref' || !isRecord(ref)) return;
    const name = ref['name'];
    if (typeof name !== 'string') return;
    if (ref['kind'] === 'dim') dims.add(name);
    else if (ref['kind'] === 'param') params.set(name, irTypeOf(each['type']));
    else if (ref['kind'] === 'option') options.add(name);
    else if (ref['kind'] === 'schedule') schedules.add(name);
    else if (ref['kind'] === 'const') consts.add(name);
  });
  return { dims, params, options, schedules, consts, models };
};
