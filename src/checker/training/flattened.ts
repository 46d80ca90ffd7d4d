/**
 * ZT5018: PyTorch flattens images channels first, this library channels last. The weight of a dense layer behind that has the same
 * shape in both and its rows in another order: it would be loaded without an error and mean nothing.
 */
import { flattenedOrder } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import type { IrClass, IrContent, IrExpr, IrSlot } from '../ir.js';
import type { TrainingInput } from './input.js';
import { localsOf, visitExpressions, type Locals } from './walk.js';

/** Layers that leave the order of values as it is. */
const keeping: ReadonlySet<string> = new Set(['dropout', 'batch_norm', 'layer_norm', 'rms_norm']);

/** Whether two orders of an image's axes differ: it has rows or columns, and channels. */
const isImage = ({ type }: IrExpr): boolean => {
  if (type.kind !== 'tensor' || type.shape.length !== 4) return false;
  const [, height, width, channels] = type.shape;
  return channels !== '1' && !(height === '1' && width === '1');
};

/** The place where an image became the values of an expression, with no more than single values changed since. */
const flattenedAt = (
  expr: IrExpr,
  locals: Locals,
  slots: ReadonlyMap<string, IrSlot>,
  seen = new Set<IrExpr>(),
): Span | null => {
  if (seen.has(expr)) return null;
  seen.add(expr);
  const next = (each: IrExpr | undefined): Span | null =>
    each ? flattenedAt(each, locals, slots, seen) : null;
  const sameShape = (each: IrExpr): boolean =>
    each.type.kind === 'tensor' &&
    expr.type.kind === 'tensor' &&
    each.type.shape.join() === expr.type.shape.join();
  switch (expr.kind) {
    case 'ref': {
      const local = expr.ref.kind === 'local' ? locals.get(expr.ref.name) : undefined;
      return local && local.kind !== 'fold' ? next(local) : null;
    }
    case 'op': {
      const [of] = expr.args;
      if (expr.home.startsWith('extern:') || !of) return null;
      if (expr.name === 'flatten' || expr.name === 'reshape') {
        const isFlat = expr.type.kind === 'tensor' && expr.type.shape.length === 2;
        if (!isFlat) return null;
        if (!isImage(of)) return next(of);
        const source = of.kind === 'ref' && of.ref.kind === 'local' ? locals.get(of.ref.name) : of;
        return source?.kind === 'op' && source.name === 'transpose' ? null : expr.span;
      }
      for (const arg of expr.args) {
        const found = sameShape(arg) ? next(arg) : null;
        if (found) return found;
      }
      return null;
    }
    case 'apply': {
      const content = expr.slot.kind === 'own' ? slots.get(expr.slot.slot)?.content : undefined;
      return content?.kind === 'layer' && keeping.has(content.layer) ? next(expr.inputs[0]) : null;
    }
    default:
      return null;
  }
};

/** Blocks that stand in a class, and in these. */
const blocksIn = (content: IrContent): readonly string[] => {
  switch (content.kind) {
    case 'block':
      return [content.block];
    case 'group':
      return content.slots.flatMap((slot) => blocksIn(slot.content));
    case 'repeat':
      return blocksIn(content.item);
    case 'list':
      return content.items.flatMap(blocksIn);
    default:
      return [];
  }
};

const classesBelow = (
  input: TrainingInput,
  owner: IrClass,
  found = new Set<IrClass>(),
): ReadonlySet<IrClass> => {
  if (found.has(owner)) return found;
  found.add(owner);
  for (const name of owner.slots.flatMap((slot) => blocksIn(slot.content))) {
    const other = input.classes.get(name);
    if (other) classesBelow(input, other, found);
  }
  return found;
};

/** The class at a path of a model; null where that is a layer, or part of a list. */
const classAt = (input: TrainingInput, path: string): IrClass | null => {
  const [model = '', ...parts] = path.split('.');
  let at = input.classes.get(model) ?? null;
  for (const part of parts) {
    const content = at?.slots.find((slot) => slot.name === part)?.content;
    at = content?.kind === 'block' ? (input.classes.get(content.block) ?? null) : null;
  }
  return at;
};

/** Dense layers below `path` that are loaded from PyTorch. `isLoaded` says whether any weight that ends like this is. */
export const checkFlattened = (
  input: TrainingInput,
  path: string,
  isLoaded: (ending: string) => boolean,
): void => {
  const owner = classAt(input, path);
  if (!owner) return;
  for (const each of classesBelow(input, owner)) {
    const slots = new Map(each.slots.map((slot) => [slot.name, slot]));
    const locals = localsOf(each.body);
    const look = (expr: IrExpr): void => {
      if (expr.kind !== 'apply' || expr.slot.kind !== 'own') return;
      const { slot: name } = expr.slot;
      const content = slots.get(name)?.content;
      const [value] = expr.inputs;
      if (content?.kind !== 'layer' || content.layer !== 'dense' || !value || !isLoaded(`${name}.weight`))
        return;
      const span = flattenedAt(value, locals, slots);
      if (!span) return;
      input.report(
        flattenedOrder(
          span,
          { layer: name },
          {
            related: [{ span: expr.span, label: 'its weight comes from a file of PyTorch' }],
            help: 'flatten as it does: `|> transpose(axes = [0, 3, 1, 2]) |> flatten()`',
          },
        ),
      );
    };
    visitExpressions([...each.body, { kind: 'let', span: each.span, name: '', value: each.value }], look);
  }
};
