/** What takes gradients as values outside of updates is recorded as a whole. After this: it is known which bodies do. */
import { walkIr } from '../checker/ir-walk.js';
import type { Ir, IrClass } from '../checker/ir.js';

type Node = Readonly<Record<string, unknown>>;

const isNode = (part: unknown): part is Node => typeof part === 'object' && part !== null;

/** Whether a part takes gradients itself, or names in `classes` what does. */
const takes = (part: unknown, calls: (name: unknown) => boolean): boolean => {
  let found = false;
  walkIr(part, ({ kind, home, name, block, model }) => {
    if (kind === 'op' && home === 'ops' && name === 'gradient') found = true;
    if ((kind === 'block' && calls(block)) || (kind === 'model' && calls(model))) found = true;
  });
  return found;
};

const taking = new WeakMap<Ir, ReadonlySet<string>>();

/** Names of blocks and models that take gradients, themselves or in a part. */
const classesThatTake = (ir: Ir): ReadonlySet<string> => {
  const known = taking.get(ir);
  if (known !== undefined) return known;
  const classes: readonly IrClass[] = ir.modules.flatMap((module) => module.classes);
  const found = new Set<string>();
  for (let before = -1; before < found.size;) {
    before = found.size;
    for (const { name, slots, body, value } of classes)
      if (takes([slots, body, value], (called) => typeof called === 'string' && found.has(called)))
        found.add(name);
  }
  taking.set(ir, found);
  return found;
};

const withoutUpdates = (part: unknown): unknown => {
  if (Array.isArray(part)) return part.map(withoutUpdates);
  if (!isNode(part)) return part;
  if (part['kind'] === 'update') return null;
  return Object.fromEntries(Object.entries(part).map(([key, each]) => [key, withoutUpdates(each)]));
};

/** Whether a body takes gradients, itself or in a model that it calls, elsewhere than in an update, which records. */
export const takesGradients = (ir: Ir, body: unknown): boolean => {
  const classes = classesThatTake(ir);
  const calls = (name: unknown): boolean => {
    if (typeof name !== 'string') return false;
    const model = ir.trainer?.models.find((each) => each.name === name);
    return classes.has(model?.class ?? name);
  };
  return takes(body, calls) && takes(withoutUpdates(body), calls);
};
