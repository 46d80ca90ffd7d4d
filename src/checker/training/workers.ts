/** ZT5020 and ZT3203: threads that prepare rows, and batches that are prepared ahead of the step. */
import { idleOption, wrongType } from '../../parser/messages.gen.js';
import { showQuantity } from '../../values/units.js';
import { evaluateIr } from '../evaluate.js';
import { hasHostWork } from '../host-work.js';
import type { IrData, IrExpr } from '../ir.js';
import { optionOf, type TrainingInput } from './input.js';
import { partIn, type Run } from './run.js';

/** Each place where an option is given, and the sets that have it from there: one that is amended hands it on. */
const givenOnce = (
  { trainer }: TrainingInput,
  name: string,
): readonly { readonly value: IrExpr; readonly sets: readonly IrData[] }[] => {
  const found = new Map<string, { readonly value: IrExpr; readonly sets: IrData[] }>();
  for (const data of trainer.data) {
    const value = optionOf(data.options, name);
    if (value === null) continue;
    const key = `${value.span.file} ${value.span.start}`;
    const known = found.get(key) ?? { value, sets: [] };
    found.set(key, known);
    known.sets.push(data);
  }
  return [...found.values()];
};

export const checkWorkers = (input: TrainingInput, { names }: Run): void => {
  for (const { value, sets } of givenOnce(input, 'workers')) {
    const [first] = sets;
    if (first === undefined || evaluateIr(value, names) === 0 || sets.some(hasHostWork)) continue;
    input.report(
      idleOption(
        value.span,
        {
          option: 'workers',
          reason: `rows of \`${first.source.name}\` are in memory, and nothing of this data's \`map\` runs on the host`,
        },
        {
          help: 'leave it out: workers decode pictures, read rows of an extern source, and run what of `map` runs on the host',
        },
      ),
    );
  }
  for (const { value } of givenOnce(input, 'prefetch')) {
    const part = partIn(value, names);
    if (part === null || (Number.isInteger(part.value) && part.value >= 0)) continue;
    input.report(
      wrongType(value.span, {
        what: '`prefetch` of the data',
        found: showQuantity(part),
        expected: 'a whole number of batches from 0',
      }),
    );
  }
};
