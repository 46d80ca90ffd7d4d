/** ZT5001: weights without `as`, whose checkpoint key is made up by counting. */
import { unnamedWeights } from '../../parser/messages.gen.js';
import type { IrContent, IrSlot } from '../ir.js';
import type { TrainingInput } from './input.js';

const kindOf = (content: IrContent): string =>
  content.kind === 'layer'
    ? `\`${content.layer}\``
    : content.kind === 'block'
      ? `\`${content.block}\``
      : content.kind === 'group'
        ? 'group'
        : '`repeat`';

/** Where `as name` goes: behind a layer or block, behind the count of a `repeat`. Null where that is not known. */
const placeOf = (slot: IrSlot): number | null => {
  const { content } = slot;
  if (content.kind === 'layer' || content.kind === 'block') return slot.span.end;
  if (content.kind !== 'repeat') return null;
  const { count } = content;
  // A range `0..depth` became `depth - 0`, whose first operand is the end of the range.
  const last = count.kind === 'host' && count.op === '-' ? count.args[0] : count;
  return last && last.span.file === slot.span.file && last.span.end <= slot.span.end ? last.span.end : null;
};

const slotsIn = (content: IrContent): readonly IrSlot[] => {
  switch (content.kind) {
    case 'group':
      return content.slots.flatMap((slot) => [slot, ...slotsIn(slot.content)]);
    case 'repeat':
      return slotsIn(content.item);
    case 'list':
      return content.items.flatMap(slotsIn);
    default:
      return [];
  }
};

export const checkWeightNames = ({ classes, report }: TrainingInput): void => {
  for (const each of classes.values()) {
    const seen = new Set<number>();
    for (const slot of each.slots.flatMap((own) => [own, ...slotsIn(own.content)])) {
      // Turns of one `repeat` are written once.
      if (slot.named || slot.span.file < 0 || seen.has(slot.span.start)) continue;
      seen.add(slot.span.start);
      const at = placeOf(slot);
      const title = `write \`as ${slot.name}\``;
      report(
        unnamedWeights(
          slot.span,
          { kind: kindOf(slot.content) },
          {
            notes: [
              `their key in checkpoints is \`${each.name}.${slot.name}\`, which moves when one like it is added above`,
            ],
            help: at === null ? `name them: \`repeat … as ${slot.name} { … }\`` : title,
            ...(at === null
              ? {}
              : {
                  fix: {
                    title,
                    edits: [{ span: { file: slot.span.file, start: at, end: at }, text: ` as ${slot.name}` }],
                  },
                }),
          },
        ),
      );
    }
  }
};
